"""Event-driven neurons: every visit adds what an event brings and lets its neurons emit at once
(docs/contract.md 1.3)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.charge import silent
from polyrhythm.hw.event_driven.operation import Visit
from polyrhythm.hw.event_driven.position import Position
from polyrhythm.hw.lib.bits import bits_for, delay
from polyrhythm.hw.lib.loading import row_of
from polyrhythm.hw.lib.operations import CreditedSignature, operations
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.lib.state import State
from polyrhythm.hw.lib.times import times_count
from polyrhythm.hw.output.words import FiredWord
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.layer import LayerPlan
from polyrhythm.sw.plan.neurons import ReactingNeuron

Emission = tuple[Value, Value, Value, Value]  # whether it fires, how much, v and S behind it


class EventNeurons(wiring.Component):
    """Visits in, emissions out; the pipeline never stalls. Latency is `latency` cycles; one visit
    per cycle.

    A neuron's state is its potential v and S, the net number that it has emitted. A visit tries
    several emissions side by side, v + w - k*Th for each k of `ReactingNeuron.tries`, and keeps the
    right one. A signed neuron moves S by one towards rest; an unsigned one emits all that it can.

    Members
    -------
    i         visits
    o         words of neurons that emitted, with, for each lane, whether downwards (signed) or how
              often, and where the word stands
    unused    a visit made no such word, so its credit is free again
    restless  somebody emitted in a visit that settles
    """

    def __init__(self, rom: type[Rom], op: Visit, plan: LayerPlan):
        neuron, synapses = plan.neuron, plan.input.synapses
        assert isinstance(neuron, ReactingNeuron) and isinstance(synapses, ConvSynapses)
        self._rom, self._op, self._plan, self._neuron = rom, op, plan, neuron
        self._synapses, self._s_bits = synapses, bits_for(neuron.T)
        self._value_bits = plan.value_bits
        self._position = Position(synapses, plan.layout, plan.parameters.block)
        word = FiredWord(synapses.lanes, self._value_bits, self._position)
        super().__init__(
            {
                "i": In(operations(op)),
                "o": Out(CreditedSignature(word)),
                "unused": Out(1),
                "restless": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a visit to what it emits."""
        multiply = self._plan.parameters.multiply_stages(self._op.max_count)
        return self._plan.fetch_stages + max(multiply, int(self._op.signed)) + 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        synapses, lanes = self._synapses, self._synapses.channel_lanes
        meet = self.latency - 1  # how long after its issue a visit's state and what it adds meet
        ops = [self.i.payload]  # as it was k cycles ago
        for k in range(self.latency):
            ops.append(delay(m, ops[-1], 1, f"op_{k}"))
        tries = self._tries(m, ops[meet - 2], ops[meet - 1])
        start = row_of(m, self._rom, self._plan.sums.start, ops[meet - 1].channels)
        found: list[tuple[Value, Value]] = []
        for bank in range(synapses.banks):
            own = [[lane[bank * lanes + k] for k in range(lanes)] for lane in tries]
            found += self._bank(m, bank, ops, own, start)
        now, op, word, fired = ops[meet], ops[meet + 1], self.o.words, self.o.words.payload.fired
        real = Cat(bit.replicate(lanes) for bit in now.enabled) & ~silent(now, synapses)
        fire = Cat(fires for fires, _ in found) & real
        m.d.sync += fired.fire.eq(Mux(now.integrate | now.settle, fire, 0))
        if self._value_bits:
            values = word.payload["values"]
            m.d.sync += [values[k].eq(amount) for k, (_, amount) in enumerate(found)]
        # A visit that emits nothing gives its credit back at once.
        emits, visits = fired.fire.any(), op.integrate | op.settle | op.close
        m.d.comb += [
            fired.last.eq(op.last),
            fired.closing.eq(op.last),
            *self._position.fill(fired.position, op),
            word.valid.eq(emits | op.last),
            self.unused.eq(visits & ~word.valid),
            self.restless.eq(emits & op.settle),
        ]
        return m

    def _tries(self, m: Module, before: data.View, op: data.View) -> list[list[Value]]:
        """For each k tried, what each lane's potential changes by: w - k*Th, or -k*Th where there
        is no event."""
        neuron, lanes = self._neuron, self._synapses.lanes
        terms, thresholds = self._terms(m, before), self._thresholds(m, before)
        shape, channels = signed(neuron.above_bits), self._synapses.channel_lanes
        tries = []
        for k in neuron.tries:
            changes = [Signal(shape, name=f"try_{k % 256}_{n}") for n in range(lanes)]
            for n, change in enumerate(changes):
                spent = thresholds[n % channels] * k
                m.d.sync += change.eq(Mux(op.integrate, terms[n], 0) - spent)
            tries.append(list(changes))
        return tries

    def _terms(self, m: Module, before: data.View) -> list[Value]:
        """What an event adds to each lane, a cycle after its visit is `before`."""
        weights, asked = self._synapses.weights, self.i.payload
        bits, fetch = weights.bits, self._plan.fetch_stages
        m.submodules.weight = weight = self._rom(weights)
        m.d.comb += weight.address.eq(asked.row)
        word = delay(m, weight.data, fetch - 1, "travelled", reset_less=True)
        lanes = range(self._synapses.lanes)
        terms: list[Value] = [word.word_select(k, bits).as_signed() for k in lanes]
        if "count" in self._op.amount:
            count = delay(m, asked.count, fetch, "count")
            return times_count(m, terms, count, self._op.amount["count"], self._plan.parameters)
        if not self._op.signed:
            return terms
        signs = [Signal(signed(bits + 1), name=f"weight_{k}") for k in lanes]
        for sign, term in zip(signs, terms, strict=True):
            m.d.sync += sign.eq(Mux(before.negative, -term, term))
        return list(signs)

    def _thresholds(self, m: Module, before: data.View) -> list[Value]:
        """Threshold of each channel lane, a cycle after its visit is `before`."""
        table = self._neuron.thresholds
        row = row_of(m, self._rom, table, before.channels)
        return [row.word_select(k, table.bits) for k in range(self._synapses.channel_lanes)]

    def _bank(
        self, m: Module, bank: int, ops: list[data.View], tries: list[list[Value]], start: Value
    ) -> list[tuple[Value, Value]]:
        """One bank's state: which lanes would fire in the visit at hand, and how much."""
        lanes, meet = self._synapses.channel_lanes, self.latency - 1
        v_bits, s_bits = self._plan.sums.bits, self._s_bits
        width = v_bits + s_bits
        m.submodules[f"bank_{bank}"] = state = State(lanes * width, self._synapses.groups)
        op, early = ops[meet], ops[meet - State.latency]
        found, after = [], []
        for n in range(lanes):
            neuron = state.found.word_select(n, width)
            v, S = neuron[:v_bits].as_signed(), neuron[v_bits:]
            fires, amount, v_next, s_next = self._emit(v, S, [lane[n] for lane in tries])
            found.append((fires, amount))
            after += [v_next[:v_bits], s_next[:s_bits]]
        # Behind a frame every neuron finds its start again; what it has emitted is 0.
        fresh = Cat(Cat(start.word_select(n, v_bits), Const(0, s_bits)) for n in range(lanes))
        changes = early.integrate | early.settle | early.close | early.clear
        m.d.comb += [
            state.address.eq(early.address[bank]),
            state.writes.eq(early.enabled[bank] & changes),
            state.result.eq(Mux(op.close | op.clear, fresh, Cat(after))),
        ]
        return found

    def _emit(self, v: Value, S: Value, tries: list[Value]) -> Emission:
        """Whether a neuron fires, its value on the wire, and its state behind it."""
        T, above = self._neuron.T, [(v + change).as_signed() for change in tries]
        if self._neuron.signed:
            # One step towards rest in each visit; the passes that follow take the others.
            lower, stay, upper = above
            up, down = (upper >= 0) & (S != T), (stay < 0) & (S != 0)
            v_next = Mux(up, upper, Mux(down, lower, stay)).as_signed()
            return up | down, down, v_next, (S + up - down).as_unsigned()
        # All that fits at once: the largest k whose potential is still at the threshold.
        can = [(above[k] >= 0) & (T - k >= S) for k in range(1, T + 1)]
        amount, after = Const(0, self._s_bits), above[0]
        for k, possible in enumerate(can, 1):
            amount, after = Mux(possible, k, amount), Mux(possible, above[k], after)
        return can[0], amount, after.as_signed(), S + amount
