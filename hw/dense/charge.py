"""Charging: reads the weight row of each event and adds it to the sums of a group of neurons."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.dense.sequencer import Op
from polyrhythm.hw.lib.rom import Rom, table
from polyrhythm.hw.lib.times import times_count
from polyrhythm.hw.stream.event import delay
from polyrhythm.sw.plan.parameters import fetch_stages, multiply_stages


class Charge(wiring.Component):
    """Operations in, one word of `lanes` sums out for every sweep.

    The pipeline never stalls: row address -> memory -> register -> (count multiplier) -> accumulator. A sweep adds nothing: its sum
    stands complete in that cycle, and the next one's start takes its place, so a bias or threshold in the sum costs no adder.

    Parameters
    ----------
    rom : type[Rom]               how memories are built
    name : str                    of the layer, for the files of its memories
    op : Op                       layout of `op`
    lanes, weight_bits : int
    rows : Sequence[int]          weight rows: lane k in bits [k * weight_bits, (k + 1) * weight_bits)
    starts : Sequence[int]        row of each bias phase and group (`Op.table`): lane k's start, `width` bits
    width : int                   of a sum, as proved by `sw.plan.widths`

    Members
    -------
    done : Out(1)                 `sums` holds a finished word and `swept` the sweep that finished it
    coming : Out(Op)              the operation that will be `swept` in the next cycle: time to read its neuron tables
    """

    def __init__(
        self,
        rom: type[Rom],
        name: str,
        op: Op,
        *,
        lanes: int,
        weight_bits: int,
        rows: Sequence[int],
        starts: Sequence[int],
        width: int,
    ):
        self._rom, self._name, self._op, self._lanes, self._weight_bits = rom, name, op, lanes, weight_bits
        self._rows, self._starts, self._width = rows, starts, width
        self._fetch = fetch_stages(len(rows))
        super().__init__(
            {"op": In(op), "done": Out(1), "coming": Out(op), "swept": Out(op), "sums": Out(data.ArrayLayout(signed(width), lanes))}
        )

    @property
    def latency(self) -> int:
        """Cycles from a sweep operation to its word."""
        return self._fetch + multiply_stages(self._op.max_count)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.weight = weight = self._rom(f"{self._name}_weight.hex", self._lanes * self._weight_bits, self._rows)
        m.d.comb += weight.address.eq(self.op.row)
        fetched = delay(m, self.op, self._fetch - 1, "fetched")
        op = delay(m, fetched, 1, "op")
        word = delay(m, weight.data, self._fetch - 2, "travelled", reset_less=True)
        bits = self._weight_bits + self._op.signed
        rows = [Signal(signed(bits), name=f"weight_{k}") for k in range(self._lanes)]
        for k, row in enumerate(rows):
            weight_k = word.word_select(k, self._weight_bits).as_signed()
            m.d.sync += row.eq(Mux(fetched.negative, -weight_k, weight_k) if self._op.signed else weight_k)
        with m.If(~fetched.integrate):
            m.d.sync += [row.eq(0) for row in rows]  # a synchronous reset: nothing to add

        terms: list[Value] = list(rows)
        if self._op.count_bits:
            terms = times_count(m, rows, op.count, self._op.count_bits)
            op = delay(m, op, multiply_stages(self._op.max_count), "op_times")

        # `early` is one cycle ahead of `op`: time to read the start of the sum behind its sweep.
        early = delay(m, self.op, self.latency - 1, "early")
        start = table(m, self._rom, f"{self._name}_start.hex", self._lanes * self._width, self._starts, early.following)
        mask = (1 << self._width) - 1
        for k, term in enumerate(terms):
            total = Signal(
                signed(self._width), init=_as_signed(self._starts[0] >> k * self._width & mask, self._width), name=f"sum_{k}"
            )
            m.d.comb += self.sums[k].eq(total)
            m.d.sync += total.eq(total + term)
            with m.If(op.sweep):
                m.d.sync += total.eq(start.word_select(k, self._width))
        m.d.comb += [self.coming.eq(early), self.swept.eq(op), self.done.eq(op.sweep)]
        return m


def _as_signed(bits: int, width: int) -> int:
    return bits - (bits >> (width - 1) << width)
