"""The whole serializer, in every run: of each swept group every fired neuron comes out once, in its
place, then what it closes.

The words that went in fix the sequence of events to come. One event is picked (any fired lane, or
the tick or end, of any word): the proof knows how many events come before it, and claims that it is
the event after these. As it may be any one, none is lost, doubled or moved. For induction the
events to come are also found in the circuit: in a list of places, first to leave first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value

from polyrhythm.hw.output.serializer import Serializer
from polyrhythm.hw.output.words import Fired, WaitingWord, describe
from polyrhythm.sw.plan.addresses import AddressMap
from polyrhythm.sw.plan.layout import Layout, dense_layout, map_layout
from polyrhythm.sw.plan.parameters import STANDARD, Parameters

from .bench import Bench, count, implies
from .queues import contents
from .sby import Proof
from .serializer_stages import addresses, first_of, name_of, walks


def serializer(
    layout: Layout, value_bits: int, slots: int, parameters: Parameters = STANDARD
) -> Module:
    """With smaller parameters than the generator's a small circuit has all that a large one has."""
    return _Serializer(layout, value_bits, slots, parameters).bench.m


@dataclass(frozen=True)
class Place:
    """Where events wait: lanes still to be sent, and the tick or end that follows them.

    addresses, values   of the lanes
    time           cycles until its first event stands at the output, when the output is free and
                   all places before it are silent
    """

    valid: Any
    spikes: Any
    closes: Any
    closing: Any
    addresses: list[Value]
    values: Value
    time: Any

    @property
    def events(self) -> Value:
        return Mux(self.valid, Cat(self.spikes, self.closes), 0)[: len(self.spikes) + 1]


class _Serializer:
    """wait: cycles in which a ready sink may see nothing although there are events to come."""

    def __init__(self, layout: Layout, value_bits: int, slots: int, parameters: Parameters):
        self.block, self.blocks = parameters.block, layout.blocks(parameters.block)
        self.layout, self.value_bits, self.slots = layout, value_bits, slots
        self.lanes, self.groups, self.stride = (
            layout.lanes,
            layout.groups,
            layout.target.channel_low,
        )
        stored = parameters.stored(bool(value_bits), slots)
        self.gather = parameters.gather_stages(layout.lanes, stored)
        self.wait = slots + self.gather + (value_bits > 0)
        dut = Serializer(layout, value_bits, slots, parameters=parameters)
        self.bench = bench = Bench(dut)
        self.m, self.dut, self.pick = bench.m, dut, dut.o.payload
        # Whether a word is put, the word, its fired lanes, and whether its slot is given back.
        self.put, self.word, self.returned = dut.i.words.valid, dut.i.words.payload, dut.i.returned
        self.fired = self.word.fired
        most = slots * (layout.lanes + 1) + 3 * (
            self.block + 1
        )  # all places full, more than any run reaches
        self.group, self.words, self.pending = (
            Signal(range(self.groups)),
            Signal(range(slots + 1)),
            Signal(range(most + 1)),
        )
        self.inside, self.done, self.ahead = Signal(), Signal(), Signal(range(most + 1))
        self.is_spike, self.is_end = Signal(), Signal()
        self.address, self.value = Signal.like(self.pick.address), Signal(value_bits)
        self.idle = Signal(range(self.wait + 1))
        self._feed()
        self._pick()
        self._claim()
        self._close_induction()

    def _feed(self) -> None:
        """Words come only while a slot is free, and a tick has one for each group; count them, and
        the events that they bring."""
        m, dut, put, fired = self.m, self.dut, self.put, self.fired
        is_next = (self.words != self.slots) & self._belongs(fired, self.group)
        self.bench.assume(implies(put, is_next))
        with m.If(put):
            m.d.sync += self.group.eq(Mux(fired.last, 0, self.group + 1))
        m.d.sync += self.words.eq(self.words + put - self.returned)
        self.leaves = dut.o.valid & dut.o.ready
        self.brings = Mux(put, Cat(fired.fire, fired.last), 0)[: self.lanes + 1]
        m.d.sync += self.pending.eq(self.pending - self.leaves + count(self.brings))
        waits = (self.pending != 0) & dut.o.ready & ~dut.o.valid
        m.d.sync += self.idle.eq(Mux(waits, self.idle + 1, 0))

    def _pick(self) -> None:
        """Remember an event, and how many come before it."""
        m = self.m
        lane = self.bench.constant(range(self.lanes + 1), "lane")
        here = Array(self._addresses(self.group))[lane]
        with m.If(self.brings.bit_select(lane, 1) & ~self.inside & self.bench.free(1, "pick")):
            below = self.brings & ((Const(1) << lane) - 1)[: self.lanes + 1]
            m.d.sync += [
                self.inside.eq(1),
                self.ahead.eq(self.pending - self.leaves + count(below)),
                self.is_spike.eq(lane != self.lanes),
                self.is_end.eq(self.fired.closing),
                self.address.eq(here),
            ]
            if self.value_bits:
                values = self.word["values"].as_value()
                m.d.sync += self.value.eq(values.word_select(lane, self.value_bits))
        with m.Elif(self.inside & self.leaves):
            m.d.sync += [
                self.inside.eq(self.ahead != 0),
                self.done.eq(self.ahead == 0),
                self.ahead.eq(self.ahead - 1),
            ]

    def _claim(self) -> None:
        bench, dut, pick = self.bench, self.dut, self.pick
        bench.sends(dut.o, "o")
        # No slot is given back twice.
        bench.claim(implies(self.returned, self.words != 0) & (self.words <= self.slots))
        bench.claim(implies(dut.o.valid, self.pending != 0))
        bench.claim(implies((self.pending != 0) & ~dut.o.valid, self.idle < self.wait))
        with self.m.If(dut.o.valid & self.inside & (self.ahead == 0)):
            bench.claim(
                (pick.tick == (~self.is_spike & ~self.is_end))
                & (pick.end == (~self.is_spike & self.is_end))
            )
            bench.claim(implies(self.is_spike, pick.address == self.address))
            if self.value_bits:
                bench.claim(implies(self.is_spike, pick.value == self.value))
        bench.reach(self.done & (self.words == self.slots))

    def _close_induction(self) -> None:
        """The event with `ahead` others before it, wherever it is, is the one that was picked; and
        it gets nearer."""
        bench, before, silent = self.bench, Const(0), Const(1, 1)
        for place in self._places():
            for k, event in enumerate(place.events):
                with self.m.If(
                    self.inside & event & (before + count(place.events[:k]) == self.ahead)
                ):
                    bench.invariant(self._is_picked(place, k))
            bench.invariant(
                implies(
                    silent & ~self.dut.o.valid & place.events.any(),
                    self.idle + place.time <= self.wait,
                )
            )
            before, silent = before + count(place.events), silent & ~place.events.any()
        bench.invariant((self.pending == before) & implies(self.inside, self.ahead < self.pending))

    def _is_picked(self, place: Place, k: int) -> Value:
        if k == len(place.spikes):
            return ~self.is_spike & (self.is_end == place.closing)
        same = self.is_spike & (self.address == place.addresses[k])
        return (
            same & (self.value == place.values.word_select(k, self.value_bits))
            if self.value_bits
            else same
        )

    def _belongs(self, word: Any, group: Value) -> Value:
        """Only neurons of this group fired, and a tick's last word says so."""
        real = Array(
            Const(sum(1 << k for k, a in enumerate(row) if a >= 0), self.lanes)
            for row in addresses(self.layout)
        )[group]
        return ((word.fire & ~real) == 0) & (word.last == (group == self.groups - 1))

    def _addresses(self, group: Value) -> list[Value]:
        """Of the lanes of a group; anything where there is no neuron."""
        width = len(self.pick.address)
        columns = addresses(self.layout).T.tolist()
        return [Array(Const(max(a, 0), width) for a in column)[group] for column in columns]

    def _from(self, base: Value) -> list[Value]:
        """Of the lanes of a block."""
        return [(base + (k << self.stride))[: len(self.pick.address)] for k in range(self.block)]

    def _places(self) -> list[Place]:
        """All places; on the way, what holds in each: the flags repeat what the spikes say, and
        groups follow one another."""
        choices = self._choices() if self.value_bits else []
        finals = sum((valid & choice.final for valid, choice in choices), Const(0, 1))
        # Cycles between the stages: a queue of two that is full takes one more.
        stage = sum((valid for valid, _ in choices[1:]), Const(1, 1)) if choices else Const(0, 1)
        between = [
            Place(
                valid,
                choice.fire,
                choice.last,
                choice.closing,
                self._from(first_of(choice)),
                self._values_of(choice, n),
                k + 1,
            )
            for k, ((valid, choice), n) in enumerate(
                zip(choices, (Const(0, 1), choices and choices[0][1].final), strict=False)
            )
        ]
        return [self._sender(), *between, *self._words(finals, stage)]

    def _sender(self) -> Place:
        block, busy = self.bench.inner("sender.block"), self.bench.inner("sender.busy")
        values = self.bench.inner("sender.values").as_value() if self.value_bits else Const(0, 0)
        self.bench.invariant(
            implies(busy, self._is_flagged(block) & (block.fire.any() | block.last))
        )
        return Place(busy, block.fire, block.last, block.closing, self._from(block.base), values, 0)

    def _choices(self) -> list[tuple[Value, Any]]:
        """The blocks between the two stages."""
        queue = self.bench.part("between")
        kept = contents(self.bench, queue, "between.", min(2, len(self.blocks)))
        for valid, choice in kept:
            speaks = choice.speaks == (choice.any | choice.last)
            one = implies(choice.any, count(choice.chosen) == 1)
            for k, block in enumerate(self.blocks):
                one = one & implies(choice.chosen[k], (choice.fire >> len(block)) == 0)
            self.bench.invariant(
                implies(
                    valid,
                    self._is_flagged(choice) & speaks & one & implies(choice.last, choice.final),
                )
            )
        (valid, choice), *behind = kept
        final = choice.final
        for full, choice in behind:
            final = Mux(full, choice.final, final)
        self.bench.invariant(implies(valid, self.bench.inner("chooser.started") == ~final))
        newest, oldest = self.bench.inner("values.newest"), self.bench.inner("values.oldest")
        self.bench.invariant(
            ((oldest == 1) | (oldest == 2)) & (newest == Mux(self.words[0], ~oldest, oldest))
        )
        return kept

    def _is_flagged(self, block: Any) -> Value:
        any_ = block.fire.any()
        return (block.any == any_) & implies(any_, block.single == (count(block.fire) == 1))

    def _words(self, finals: Value, stage: Value) -> list[Place]:
        """The words that wait; the first one without the blocks that were taken from it."""
        bench, blocks = self.bench, self.blocks
        kept = contents(bench, bench.part("waiting"), "waiting.", self.slots)
        started, group = self._chooser(), Signal(range(self.groups), name="front")
        leaves = bench.part("chooser").i
        with self.m.If(leaves.valid & leaves.ready):
            self.m.d.sync += group.eq(Mux(leaves.payload.last, 0, group + 1))
        walks(bench, self.layout, "chooser.", group)
        level: Any = sum(valid for valid, _ in kept)
        taken = Cat(
            bench.inner("chooser.taken")[k].replicate(len(block)) for k, block in enumerate(blocks)
        )
        shape = Fired(self.lanes)
        arriving = (
            [(bench.inner("put_1"), shape(Value.cast(bench.inner("gathered_1"))))]
            if self.gather
            else []
        )
        places: list[Place] = []
        for k, (valid, word) in enumerate([*kept, *arriving]):
            spikes = word.fire & ~taken if k == 0 else word.fire
            time = k + 1 + stage if k < self.slots else Mux(level == 0, 1, level) + 1 + stage
            places.append(
                Place(
                    valid,
                    spikes,
                    word.last,
                    word.closing,
                    self._addresses(group),
                    self._values(k + finals),
                    time,
                )
            )
            bench.invariant(implies(valid, self._belongs(word, group)))
            if k < self.slots:
                bench.invariant(implies(valid, self._is_described(word)))
            behind = Signal.like(group, name=f"group_{k + 1}")
            self.m.d.comb += behind.eq(Mux(valid, Mux(word.last, 0, group + 1), group))
            bench.invariant(group < self.groups)
            group = behind
        bench.invariant(
            (group == self.group) & (self.group < self.groups) & implies(started, kept[0][0])
        )
        bench.invariant(self.words == finals + sum(place.valid for place in places))
        return places

    def _chooser(self) -> Signal:
        """Whether blocks of the first word were taken."""
        word = self.bench.part("waiting").o.payload
        taken, started, two_left = (
            self.bench.inner(f"chooser.{name}") for name in ("taken", "started", "two_left")
        )
        left = word.some & ~taken
        self.bench.invariant(
            (started == taken.any()) & implies(started, ~(taken & ~word.some).any() & left.any())
        )
        self.bench.invariant(implies(started, two_left == (count(left) <= 1)))
        return started

    def _is_described(self, word: Any) -> Value:
        fired, described = Signal(Fired(self.lanes)), Signal(WaitingWord(self.layout, self.block))
        self.m.d.comb += [
            fired.fire.eq(word.fire),
            fired.last.eq(word.last),
            fired.closing.eq(word.closing),
        ]
        self.m.d.comb += describe(described, fired)
        return word.as_value() == described.as_value()

    def _values(self, n: Any) -> Value:
        """The values of the n-th word that waits, of at most two."""
        if not self.value_bits:
            return Const(0, 0)
        places = [self.bench.inner(f"values.word_{k}") for k in range(2)]
        return Mux(self.bench.inner("values.oldest")[0] == (n == 0), places[0], places[1])

    def _values_of(self, choice: Any, n: Value) -> Value:
        """The values of a block of that word."""
        values, bits = self._values(n), self.value_bits
        fields = [values[block.start * bits : block.stop * bits] for block in self.blocks]
        chosen = (Mux(choice.chosen[k], field, 0) for k, field in enumerate(fields))
        return sum(chosen, Const(0, self.block * bits))[: self.block * bits]


def _proof(
    layout: Layout,
    value_bits: int,
    slots: int,
    parameters: Parameters = STANDARD,
    long: bool = False,
) -> Proof:
    far, block = parameters.far_lanes < layout.lanes, parameters.block
    extras = [f"values{value_bits}"] * (value_bits > 0) + ["far"] * far
    extras += [f"block{block}"] * (block < STANDARD.block)
    name = "-".join(["serializer", name_of(layout), *extras, f"slots{slots}"])
    return Proof(name, lambda: serializer(layout, value_bits, slots, parameters), long=long)


FAR, SMALL_BLOCKS = replace(STANDARD, far_lanes=1), replace(STANDARD, block=2)


PROOFS = [
    _proof(dense_layout(1, 1), 0, 2),
    _proof(dense_layout(5, 3), 0, 3),
    _proof(dense_layout(5, 3), 0, 2, FAR),
    _proof(dense_layout(20, 9), 0, 2, long=True),
    _proof(dense_layout(8, 5), 0, 2, SMALL_BLOCKS),
    _proof(map_layout(AddressMap((3, 2, 3)), 2, (1, 2)), 0, 2),
    _proof(dense_layout(5, 3), 2, 2),
    _proof(dense_layout(5, 3), 1, 2, SMALL_BLOCKS),
    Proof("serializer-reaches", lambda: serializer(dense_layout(5, 3), 2, 2), "cover", 12),
]
