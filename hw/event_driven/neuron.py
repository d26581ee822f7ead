"""Event-driven neurons: every visit adds what an event brings and lets its neurons emit at once (docs/contract.md 1.3)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.charge import silent
from polyrhythm.hw.event_driven.position import Place
from polyrhythm.hw.event_driven.sequencer import Visit
from polyrhythm.hw.lib.rom import Rom, table
from polyrhythm.hw.lib.state import State
from polyrhythm.hw.lib.times import times_count
from polyrhythm.hw.output.serializer import Fired
from polyrhythm.hw.stream.event import bits_for, delay
from polyrhythm.sw.plan.parameters import fetch_stages, multiply_stages
from polyrhythm.sw.plan.rom_event import EventRom


class React(wiring.Component):
    """Visits in, emissions out, `latency` cycles later; one visit per cycle, the pipeline never stalls.

    A neuron's state is its potential v and S, the net number that it has emitted. A visit tries several emissions side by side:
    v + w - k*Th for each k of `EventRom.tries`, and keeps the right one. A signed neuron moves S by one towards rest; an unsigned
    one emits all that it can. `State` reads its word, and writes it changed.

    Members
    -------
    o, values, place : a word of neurons that emitted; for each lane whether downwards (signed) or how often; where it stands
    put              : the word is to be sent (somebody emitted, or it is the frame's last one); unused: it is not
    unrest           : somebody emitted in a visit that settles
    """

    def __init__(self, rom: type[Rom], name: str, op: Visit, contents: EventRom):
        self._rom, self._name, self._op, self._contents = rom, name, op, contents
        self._fetch, self._s_bits = fetch_stages(len(contents.weights)), bits_for(contents.T)
        self.value_bits = value_bits(contents)
        values = {"values": Out(data.ArrayLayout(self.value_bits, contents.lanes))} if self.value_bits else {}
        self._place = Place(contents)
        super().__init__(
            {
                "op": In(op),
                "o": Out(Fired(contents.lanes)),
                **values,
                "place": Out(self._place),
                "put": Out(1),
                "unused": Out(1),
                "unrest": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a visit to what it emits."""
        return react_latency(self._contents, self._op.max_count, self._op.signed)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        contents, lanes = self._contents, self._contents.channel_lanes
        meet = self.latency - 1  # how long after its issue a visit's state and what it adds meet
        ops = [self.op]  # as it was k cycles ago
        for k in range(self.latency):
            ops.append(delay(m, ops[-1], 1, f"op_{k}"))
        tries = self._tries(m, ops[meet - 2], ops[meet - 1])
        start = table(m, self._rom, f"{self._name}_start.hex", lanes * contents.sum_bits, contents.starts, ops[meet - 1].channels)
        fire: list[Value] = []
        amounts: list[Value] = []
        for bank in range(contents.banks):
            own = [[lane[bank * lanes + k] for k in range(lanes)] for lane in tries]
            fired, amount = self._bank(m, bank, ops, own, start)
            fire, amounts = fire + fired, amounts + amount
        now, op = ops[meet], ops[meet + 1]
        real = Cat(bit.replicate(lanes) for bit in now.enabled) & ~silent(now, contents)
        m.d.sync += self.o.fire.eq(Mux(now.integrate | now.settle, Cat(fire) & real, 0))
        if self.value_bits:
            m.d.sync += [self.values[k].eq(amount) for k, amount in enumerate(amounts)]
        emits, visits = self.o.fire.any(), op.integrate | op.settle | op.close
        m.d.comb += [
            self.o.last.eq(op.last),
            self.o.closing.eq(op.last),
            *self._place.fill(self.place, op),
            self.put.eq(emits | op.last),
            self.unused.eq(visits & ~self.put),
            self.unrest.eq(emits & op.settle),
        ]
        return m

    def _tries(self, m: Module, before: data.View, op: data.View) -> list[list[Value]]:
        """For each k tried, what each lane's potential changes by: w - k*Th, or -k*Th where there is no event."""
        contents, bits = self._contents, self._contents.weight_bits
        m.submodules.weight = weight = self._rom(f"{self._name}_weight.hex", contents.lanes * bits, contents.weights)
        m.d.comb += weight.address.eq(self.op.row)
        word = delay(m, weight.data, self._fetch - 1, "travelled", reset_less=True)
        terms: list[Value] = [word.word_select(k, bits).as_signed() for k in range(contents.lanes)]
        if "count" in self._op.amount:
            count = delay(m, self.op.count, self._fetch, "count")
            terms = times_count(m, terms, count, self._op.amount["count"])
        elif self._op.signed:
            signs = [Signal(signed(bits + 1), name=f"weight_{k}") for k in range(contents.lanes)]
            m.d.sync += [row.eq(Mux(before.negative, -term, term)) for row, term in zip(signs, terms, strict=True)]
            terms = list(signs)
        thresholds = self._thresholds(m, before)
        tries = []
        for k in contents.tries:
            changes = [Signal(signed(contents.above_bits), name=f"try_{k % 256}_{n}") for n in range(contents.lanes)]
            for n, change in enumerate(changes):
                spent = thresholds[n % contents.channel_lanes] * k
                m.d.sync += change.eq(Mux(op.integrate, terms[n], 0) - spent)
            tries.append(list(changes))
        return tries

    def _thresholds(self, m: Module, before: data.View) -> list[Value]:
        """Threshold of each channel lane, a cycle after its visit is `before`."""
        contents, lanes = self._contents, self._contents.channel_lanes
        bits = contents.threshold_bits
        row = table(m, self._rom, f"{self._name}_threshold.hex", lanes * bits, contents.v_thresholds, before.channels)
        return [row.word_select(k, bits) for k in range(lanes)]

    def _bank(
        self, m: Module, bank: int, ops: list[data.View], tries: list[list[Value]], start: Value
    ) -> tuple[list[Value], list[Value]]:
        """One bank's state: who would fire in the visit at hand, and how much."""
        contents, lanes, meet = self._contents, self._contents.channel_lanes, self.latency - 1
        v_bits, s_bits = contents.sum_bits, self._s_bits
        m.submodules[f"bank_{bank}"] = state = State(lanes * (v_bits + s_bits), contents.groups)
        op, early = ops[meet], ops[meet - State.latency]
        fire, amounts, after = [], [], []
        for n in range(lanes):
            neuron = state.found.word_select(n, v_bits + s_bits)
            v, S = neuron[:v_bits].as_signed(), neuron[v_bits:]
            fires, amount, v_next, s_next = self._emit(v, S, [lane[n] for lane in tries])
            fire.append(fires)
            amounts.append(amount)
            after += [v_next[:v_bits], s_next[:s_bits]]
        fresh = Cat(Cat(start.word_select(n, v_bits), Const(0, s_bits)) for n in range(lanes))
        m.d.comb += [
            state.address.eq(early.address[bank]),
            state.writes.eq(early.enabled[bank] & (early.integrate | early.settle | early.close | early.clear)),
            state.result.eq(Mux(op.close | op.clear, fresh, Cat(after))),
        ]
        return fire, amounts

    def _emit(self, v: Value, S: Value, tries: list[Value]) -> tuple[Value, Value, Value, Value]:
        """Whether a neuron fires, its value on the wire, and its state behind it."""
        T = self._contents.T
        above = [(v + change).as_signed() for change in tries]
        if self._contents.signed:
            lower, stay, upper = above
            up, down = (upper >= 0) & (S != T), (stay < 0) & (S != 0)
            return up | down, down, Mux(up, upper, Mux(down, lower, stay)).as_signed(), (S + up - down).as_unsigned()
        can = [(above[k] >= 0) & (T - k >= S) for k in range(1, T + 1)]
        amount, after = Const(0, self._s_bits), above[0]
        for k, possible in enumerate(can, 1):
            amount, after = Mux(possible, k, amount), Mux(possible, above[k], after)
        return can[0], amount, after.as_signed(), S + amount


def value_bits(contents: EventRom) -> int:
    """Bits of what an emission says beside its neuron: its sign, or how many there are."""
    return 1 if contents.signed else bits_for(contents.T) if contents.T > 1 else 0


def react_latency(contents: EventRom, max_count: int, signed_events: bool) -> int:
    """Cycles from a visit to what it emits."""
    return fetch_stages(len(contents.weights)) + max(multiply_stages(max_count), int(signed_events)) + 2
