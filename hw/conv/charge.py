"""Charging in a convolution: the sums stand in memories, one for each bank, and every operation reads, adds and writes."""

from amaranth.hdl import Cat, Const, Module, Mux, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.sequencer import ConvOp
from polyrhythm.hw.lib.rom import Rom, table
from polyrhythm.hw.lib.state import State
from polyrhythm.hw.lib.times import times_count
from polyrhythm.hw.stream.event import delay
from polyrhythm.sw.plan.parameters import fetch_stages, multiply_stages
from polyrhythm.sw.plan.rom_conv import ConvRom


class ConvCharge(wiring.Component):
    """Operations in, one word of sums out for every sweep: in each bank, `channel_lanes` neurons.

    The pipeline never stalls. While an operation's weights are on their way (row address -> memory -> lanes -> times count), its
    word of state is read (`State`); then the two meet. A finished sum is replaced by the start of the next one.

    Parameters
    ----------
    rom, name, op : how memories are built, the layer's name for their files, layout of `op`
    contents      : weights, starts, widths

    Members
    -------
    done, swept, sums, coming : as of the dense `Charge`
    """

    def __init__(self, rom: type[Rom], name: str, op: ConvOp, contents: ConvRom):
        self._rom, self._name, self._op, self._contents = rom, name, op, contents
        self._fetch = fetch_stages(len(contents.weights))
        sums = data.ArrayLayout(signed(contents.sum_bits), contents.lanes)
        super().__init__({"op": In(op), "done": Out(1), "coming": Out(op), "swept": Out(op), "sums": Out(sums)})

    @property
    def latency(self) -> int:
        """Cycles from a sweep operation to its word."""
        return self._fetch + multiply_stages(self._op.max_count) + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        contents, width = self._contents, self._contents.sum_bits
        terms = self._terms(m)
        ops = [self.op]  # as it was k cycles ago
        for k in range(self.latency):
            ops.append(delay(m, ops[-1], 1, f"op_{k}"))
        meet = self.latency - 1  # how long after its issue an operation's sum and weights meet
        start = self._start(m, ops[meet - 1])
        lanes = contents.channel_lanes
        sums = []
        for bank in range(contents.banks):
            sums += self._bank(m, bank, ops, terms[bank * lanes :][:lanes], start)
        m.d.sync += [self.sums[k].eq(value) for k, value in enumerate(sums)]
        m.d.comb += [self.coming.eq(ops[meet]), self.swept.eq(ops[meet + 1]), self.done.eq(ops[meet + 1].sweep)]
        assert len(start) == lanes * width
        return m

    def _terms(self, m: Module) -> list[Value]:
        """What each lane adds, `latency` - 1 cycles after its operation."""
        contents, bits = self._contents, self._contents.weight_bits
        m.submodules.weight = weight = self._rom(f"{self._name}_weight.hex", contents.lanes * bits, contents.weights)
        m.d.comb += weight.address.eq(self.op.row)
        word = delay(m, weight.data, self._fetch - 1, "travelled", reset_less=True)
        weights: list[Value] = [word.word_select(k, bits).as_signed() for k in range(contents.lanes)]
        if "count" not in self._op.amount:
            return weights
        return times_count(m, weights, delay(m, self.op.count, self._fetch, "count"), self._op.amount["count"])

    def _start(self, m: Module, op: data.View) -> Value:
        """What the sums behind a sweep begin with, in the next cycle."""
        width = self._contents.channel_lanes * self._contents.sum_bits
        return table(m, self._rom, f"{self._name}_start.hex", width, self._contents.starts, op.following)

    def _bank(self, m: Module, bank: int, ops: list[data.View], terms: list[Value], start: Value) -> list[Value]:
        """One bank's state: give the sums that the operation at hand finds in its lanes."""
        width, meet = self._contents.sum_bits, self.latency - 1
        m.submodules[f"bank_{bank}"] = state = State(len(start), self._contents.groups)
        op, early = ops[meet], ops[meet - State.latency]
        sums: list[Value] = [state.found.word_select(k, width).as_signed() for k in range(len(terms))]
        charged = [(value + term)[:width] for value, term in zip(sums, terms, strict=True)]
        m.d.comb += [
            state.address.eq(early.address[bank]),
            state.writes.eq(early.enabled[bank] & (early.integrate | early.sweep | early.clear)),
            state.result.eq(Mux(op.sweep | op.clear, start, Cat(charged))),
        ]
        return sums


def silent(op: data.View, contents: ConvRom) -> Value:
    """Lanes of a swept word that have no neuron, because their bank lies beyond the map's edge there."""
    rows, columns = contents.rows, contents.columns
    outside = [
        (op.bottom if y >= rows.edge else Const(0)) | (op.right if x >= columns.edge else Const(0))
        for y in range(rows.banks)
        for x in range(columns.banks)
    ]
    return Cat(bank.replicate(contents.channel_lanes) for bank in outside)
