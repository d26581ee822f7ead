"""Charging in a convolution: the sums stand in memories, one for each bank, and every operation
reads, adds and writes."""

from amaranth.hdl import Cat, Const, Module, Mux, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.operation import ConvOp
from polyrhythm.hw.lib.bits import delay
from polyrhythm.hw.lib.loading import row_of
from polyrhythm.hw.lib.operations import FinishedSignature, operations
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.lib.state import State
from polyrhythm.hw.lib.times import times_count
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.neurons import Sums
from polyrhythm.sw.plan.parameters import STANDARD, Parameters


class ConvCharge(wiring.Component):
    """Operations in, one word of sums out for every sweep: in each bank, `channel_lanes` neurons.

    The pipeline never stalls. While an operation's weights are on their way (row address -> memory
    -> lanes -> times count), its word of state is read (`State`); then the two meet. A finished sum
    is replaced by the start of the next one. Latency is `latency` cycles; one operation per cycle.
    """

    def __init__(
        self,
        rom: type[Rom],
        op: ConvOp,
        synapses: ConvSynapses,
        sums: Sums,
        parameters: Parameters = STANDARD,
    ):
        self._rom, self._op, self._synapses, self._sums = rom, op, synapses, sums
        self._parameters = parameters
        self._fetch = parameters.fetch_stages(len(synapses.weights.rows))
        values = data.ArrayLayout(signed(sums.bits), synapses.lanes)
        super().__init__({"i": In(operations(op)), "o": Out(FinishedSignature(op, values))})

    @property
    def latency(self) -> int:
        """Cycles from a sweep to its word."""
        return self._fetch + self._parameters.multiply_stages(self._op.max_count) + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        terms = self._terms(m)
        # The state's read takes less time than the weights' way; it is issued later, to meet them.
        ops = [self.i.payload]  # as it was k cycles ago
        for k in range(self.latency):
            ops.append(delay(m, ops[-1], 1, f"op_{k}"))
        meet = self.latency - 1  # how long after its issue an operation's sum and weights meet
        # What the sums behind a sweep begin with, in the next cycle.
        start = row_of(m, self._rom, self._sums.start, ops[meet - 1].following)
        lanes, sums = self._synapses.channel_lanes, list[Value]()
        for bank in range(self._synapses.banks):
            sums += self._bank(m, bank, ops, terms[bank * lanes :][:lanes], start)
        word = self.o.words.payload
        m.d.sync += [word.values[k].eq(value) for k, value in enumerate(sums)]
        m.d.comb += [
            self.o.coming.payload.eq(ops[meet]),
            word.op.eq(ops[meet + 1]),
            self.o.words.valid.eq(ops[meet + 1].sweep),
        ]
        return m

    def _terms(self, m: Module) -> list[Value]:
        """What each lane adds, `latency` - 1 cycles after its operation."""
        asked, bits = self.i.payload, self._synapses.weights.bits
        m.submodules.weight = weight = self._rom(self._synapses.weights)
        m.d.comb += weight.address.eq(asked.row)
        word = delay(m, weight.data, self._fetch - 1, "travelled", reset_less=True)
        lanes = range(self._synapses.lanes)
        weights: list[Value] = [word.word_select(k, bits).as_signed() for k in lanes]
        if "count" not in self._op.amount:
            return weights
        count = delay(m, asked.count, self._fetch, "count")
        return times_count(m, weights, count, self._op.amount["count"], self._parameters)

    def _bank(
        self, m: Module, bank: int, ops: list[data.View], terms: list[Value], start: Value
    ) -> list[Value]:
        """One bank's state: give the sums that the operation at hand finds in its lanes."""
        width, meet = self._sums.bits, self.latency - 1
        m.submodules[f"bank_{bank}"] = state = State(len(start), self._synapses.groups)
        op, early = ops[meet], ops[meet - State.latency]
        found = [state.found.word_select(k, width).as_signed() for k in range(len(terms))]
        charged = [(value + term)[:width] for value, term in zip(found, terms, strict=True)]
        m.d.comb += [
            state.address.eq(early.address[bank]),
            state.writes.eq(early.enabled[bank] & (early.integrate | early.sweep | early.clear)),
            state.result.eq(Mux(op.sweep | op.clear, start, Cat(charged))),
        ]
        return found


def silent(op: data.View, synapses: ConvSynapses) -> Value:
    """Lanes of a swept word that have no neuron, because their bank lies beyond the map's edge
    there."""
    rows, columns = synapses.rows, synapses.columns
    outside = [
        (op.bottom if y >= rows.edge else Const(0)) | (op.right if x >= columns.edge else Const(0))
        for y in range(rows.banks)
        for x in range(columns.banks)
    ]
    return Cat(bank.replicate(synapses.channel_lanes) for bank in outside)
