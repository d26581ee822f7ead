"""Charging: reads the weight row of each event and adds it to the sums of a group of neurons."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.dense.operation import Op
from polyrhythm.hw.lib.bits import delay
from polyrhythm.hw.lib.loading import loading, row_of
from polyrhythm.hw.lib.operations import FinishedSignature, operations
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.lib.times import times_count
from polyrhythm.sw.plan.neurons import Sums
from polyrhythm.sw.plan.parameters import STANDARD, Parameters
from polyrhythm.sw.plan.table import Table


class Charge(wiring.Component):
    """Operations in, one word of sums out for every sweep.

    The pipeline never stalls: row address -> memory -> register -> (count multiplier) ->
    accumulator. Latency is `latency` cycles; one operation per cycle.

    Parameters
    ----------
    rom : type[Rom]     how memories are built
    op : Op             layout of the operations
    weights : Table     rows of weights, one lane for each neuron of a group
    sums : Sums         width and start of the sums, row `Op.table`
    """

    def __init__(
        self,
        rom: type[Rom],
        op: Op,
        weights: Table,
        sums: Sums,
        parameters: Parameters = STANDARD,
    ):
        self._rom, self._op, self._weights, self._sums = rom, op, weights, sums
        self._parameters = parameters
        self._fetch = parameters.fetch_stages(len(weights.rows))
        self._lanes = weights.values.shape[1]
        values = data.ArrayLayout(signed(sums.bits), self._lanes)
        super().__init__({"i": In(operations(op)), "o": Out(FinishedSignature(op, values))})

    @property
    def latency(self) -> int:
        """Cycles from a sweep to its word."""
        return self._fetch + self._parameters.multiply_stages(self._op.max_count)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        asked = self.i.payload
        fetched = delay(m, asked, self._fetch - 1, "fetched")
        op, rows = delay(m, fetched, 1, "op"), self._rows(m, fetched)
        terms: list[Value] = list(rows)
        if "count" in self._op.amount:
            stages = self._parameters.multiply_stages(self._op.max_count)
            bits = self._op.amount["count"]
            terms = times_count(m, rows, op.count, bits, self._parameters)
            op = delay(m, op, stages, "op_times")

        # `early` is one cycle ahead of `op`: time to read the start of the sum behind its sweep.
        early = delay(m, asked, self.latency - 1, "early")
        loads, following = loading(m, [self._sums.start]), early.following
        if loads is not None:
            following = Mux(loads, 0, following)
        start = row_of(m, self._rom, self._sums.start, following)
        # A sweep adds nothing: its sum stands complete in that cycle, and the next one's start
        # takes its place, so a bias or a threshold in the sum costs no adder.
        width = self._sums.bits
        for k, (term, first) in enumerate(
            zip(terms, self._sums.start.values[0].tolist(), strict=True)
        ):
            init = first if loads is None else 0
            total = Signal(signed(width), init=init, name=f"sum_{k}")
            m.d.comb += self.o.words.payload.values[k].eq(total)
            m.d.sync += total.eq(total + term)
            with m.If(op.sweep if loads is None else op.sweep | loads):
                m.d.sync += total.eq(start.word_select(k, width))
        m.d.comb += [
            self.o.coming.payload.eq(early),
            self.o.words.payload.op.eq(op),
            self.o.words.valid.eq(op.sweep),
        ]
        return m

    def _rows(self, m: Module, fetched: data.View) -> list[Signal]:
        """The weights of each operation, 0 where it is no event, a cycle after it is `fetched`."""
        m.submodules.weight = weight = self._rom(self._weights)
        m.d.comb += weight.address.eq(self.i.payload.row)
        word = delay(m, weight.data, self._fetch - 2, "travelled", reset_less=True)
        bits = self._weights.bits
        shape = signed(bits + self._op.signed)
        rows = [Signal(shape, name=f"weight_{k}") for k in range(self._lanes)]
        for k, row in enumerate(rows):
            one = word.word_select(k, bits).as_signed()
            m.d.sync += row.eq(Mux(fetched.negative, -one, one) if self._op.signed else one)
        # The flip-flops' own reset: nothing to add.
        with m.If(~fetched.integrate):
            m.d.sync += [row.eq(0) for row in rows]
        return rows
