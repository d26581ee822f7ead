"""Words of fired neurons in, one event per cycle out, lowest neuron first."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.event_driven.position import Place
from polyrhythm.hw.output.banks import Banks, select, spread
from polyrhythm.hw.stream.event import Queue, bits_for, delay, more_than
from polyrhythm.sw.plan.addresses import Layout, Map
from polyrhythm.sw.plan.parameters import BLOCK, gather_stages, stored


class Fired(data.StructLayout):
    """A swept group: who fired, and what it closes; last: the tick's last group, closing: the frame's last tick."""

    def __init__(self, lanes: int):
        super().__init__({"fire": lanes, "last": 1, "closing": 1})


class Word(data.StructLayout):
    """A swept group as it waits: also in which blocks of lanes somebody fired, in which at most one did, and `lone`: at most one
    block has somebody who fired; place: where it stands, unless words come in the order of their neurons."""

    def __init__(self, layout: Layout, place: Place | None = None):
        self.layout, self.blocks, self.place = layout, layout.blocks(BLOCK), place
        blocks, placed = len(self.blocks), {"place": place} if place else {}
        super().__init__({"fire": layout.lanes, "some": blocks, "single": blocks, "lone": 1, "last": 1, "closing": 1, **placed})


def describe(word: data.View, fired: data.View) -> list[Any]:
    """Fill in all of a `Word` from its `Fired`."""
    blocks = [fired.fire[lanes.start : lanes.stop] for lanes in word.shape().blocks]
    some = Cat(block.any() for block in blocks)
    return [
        word.fire.eq(fired.fire),
        word.some.eq(some),
        word.single.eq(Cat(~more_than(block, 1) for block in blocks)),
        word.lone.eq(~more_than(some, 1)),
        word.last.eq(fired.last),
        word.closing.eq(fired.closing),
    ]


class Pick(data.StructLayout):
    """One fired neuron, or the end of a tick or frame; like an event, but with the neuron's value."""

    def __init__(self, target: Map, value_bits: int):
        value = {"value": value_bits} if value_bits else {}
        super().__init__({"address": bits_for(target.places - 1), **value, "tick": 1, "end": 1})


class Choice(data.StructLayout):
    """A block of a word: who fired in it, and where it stands.

    fire, any, single: who fired, any, at most one; base + offset: address of its first lane; chosen: the block, one hot;
    final: the word's last block; last, closing: as of `Word`, for the final block; speaks: whether there is anything to send
    """

    def __init__(self, word: Word):
        super().__init__(
            {
                "fire": BLOCK,
                "any": 1,
                "single": 1,
                "base": bits_for(word.layout.target.places - 1),
                "offset": bits_for(word.layout.target.places - 1),
                "chosen": len(word.blocks),
                "final": 1,
                "last": 1,
                "closing": 1,
                "speaks": 1,
            }
        )


class Chooser(wiring.Component):
    """First stage: cuts each word into its blocks in which somebody fired; no latency, a word leaves with its final block."""

    def __init__(self, word: Word):
        self._word = word
        super().__init__({"i": In(stream.Signature(word)), "o": Out(stream.Signature(Choice(word)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word, choice, layout = self.i.payload, self.o.payload, self._word.layout
        blocks = len(self._word.blocks)
        taken, todo = (Signal(blocks, name=name) for name in ("taken", "todo"))
        # Settled a cycle early: whether a word leaves steers everything before it.
        started, two_left = (Signal(name=name) for name in ("started", "two_left"))
        if self._word.place is None:
            base = self._walk(m, self.i.valid & self.i.ready)  # of the word's group
            offsets = [Const(layout.offsets[lanes.start], len(choice.base)) for lanes in self._word.blocks]
        else:
            base, offsets = Const(0), self._word.place.addresses(word.place)
        offset = select(choice.chosen, Cat(spread(offset, len(choice.offset)) for offset in offsets), len(choice.offset))
        fire = Cat(spread(word.fire[lanes.start : lanes.stop], BLOCK) for lanes in self._word.blocks)
        m.d.comb += [
            todo.eq(word.some & ~taken),
            choice.chosen.eq(Cat(todo[k] & ~todo[:k].any() for k in range(blocks))),
            choice.fire.eq(select(choice.chosen, fire, BLOCK)),
            choice.any.eq(todo.any()),
            choice.single.eq((choice.chosen & word.single).any()),
            choice.base.eq(base),
            choice.offset.eq(offset),
            choice.final.eq(Mux(started, two_left, word.lone)),
            choice.last.eq(choice.final & word.last),
            choice.closing.eq(word.closing),
            choice.speaks.eq(choice.any | word.last),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & choice.final),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                taken.eq(Mux(choice.final, 0, taken | choice.chosen)),
                started.eq(~choice.final),
                two_left.eq(~more_than(todo, 2)),
            ]
        return m

    def _walk(self, m: Module, step: Value) -> Value:
        """The address at which the word's group begins: nested counters, of which a tick's last word resets all."""
        width = len(self.o.payload.base)
        total: Value = Const(0, width)
        for k, (count, by) in enumerate(self._word.layout.steps):
            if count == 1:
                continue
            base, done = Signal(width, name=f"base_{k}"), Signal(range(count), name=f"done_{k}")
            last = done == count - 1
            with m.If(step):
                m.d.sync += [done.eq(Mux(last, 0, done + 1)), base.eq(Mux(last, 0, base + by))]
            total, step = (total + base)[:width], step & last
        return total


class Sender(wiring.Component):
    """Second stage: sends a block's neurons, lowest first, then the tick or the end that it closes; one word per cycle."""

    def __init__(self, choice: Choice, pick: Pick, stride: int, value_bits: int):
        self._stride, self._value_bits = stride, value_bits
        values = {"values": In(data.ArrayLayout(value_bits, BLOCK))} if value_bits else {}  # of the block at `i`
        super().__init__({"i": In(stream.Signature(choice)), **values, "o": Out(stream.Signature(pick))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        block = Signal.like(self.i.payload, name="block")
        busy, leaves = (Signal(name=name) for name in ("busy", "leaves"))
        m.d.comb += self.i.ready.eq(~self.i.payload.speaks | ~busy | leaves)
        load = self.i.valid & self.i.payload.speaks & (~busy | leaves)
        lowest = Signal(range(BLOCK), name="lowest")
        for k in reversed(range(BLOCK)):
            with m.If(block.fire[k]):
                m.d.comb += lowest.eq(k)
        pick = self.o.payload
        m.d.comb += [
            self.o.valid.eq(busy),
            pick.address.eq(Mux(block.any, block.base + (lowest << self._stride), 0)),
            pick.tick.eq(~block.any & ~block.closing),
            pick.end.eq(~block.any & block.closing),
            leaves.eq(self.o.ready & Mux(block.last, ~block.any, block.single)),
        ]
        if self._value_bits:
            values = Signal.like(self.values, name="values")
            m.d.comb += pick.value.eq(values[lowest])
            with m.If(load):
                m.d.sync += values.eq(self.values)
        with m.If(load):
            m.d.sync += [busy.eq(1), block.eq(self.i.payload), block.base.eq(self.i.payload.base + self.i.payload.offset)]
        with m.Elif(leaves):
            m.d.sync += busy.eq(0)
        with m.Elif(busy & self.o.ready):
            rest = block.fire & (block.fire - 1)[:BLOCK]
            m.d.sync += [block.fire.eq(rest), block.any.eq(~block.single), block.single.eq(~more_than(rest, 1))]
        return m


class Serializer(wiring.Component):
    """Sends the fired neurons of each word, one per cycle, then the tick or the end that the word closes.

    Two stages, each small whatever the number of lanes: the first takes the next block of eight lanes in which somebody fired,
    the second sends that block's neurons. Silent blocks and words cost no cycle at the output as long as it is busy. Where lanes
    come with values, a queue of two between them gives the choice of a block a cycle to reach them.

    Parameters
    ----------
    layout : Layout                where the neurons of each word's lanes stand
    value_bits : int
    place : Place                  given where words come in any order, each with its place
    slots : int                    words that may wait; each is paid for by a credit, which `returned` gives back

    Members
    -------
    put, i, values : a word of fired neurons, and what their sums exceed their thresholds by (two_phase with T > 1)

    `gather_stages(lanes)` cycles from `put` to the word's place in the queue; the values stay where they were put.
    """

    def __init__(self, layout: Layout, value_bits: int, slots: int, place: Place | None = None):
        self._layout, self._slots, self._value_bits, self._place = layout, slots, value_bits, place
        self._word, lanes = Word(layout, place), layout.lanes
        values = {"values": In(data.ArrayLayout(value_bits, lanes))} if value_bits else {}
        super().__init__(
            {
                "put": In(1),
                "i": In(Fired(lanes)),
                **values,
                **({"place": In(place)} if place else {}),
                "returned": Out(1),
                "o": Out(stream.Signature(Pick(layout.target, value_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pick, stride = self.o.payload.shape(), self._layout.target.channel_low
        m.submodules.waiting = waiting = Queue(self._word, self._slots)
        m.submodules.chooser = chooser = Chooser(self._word)
        m.submodules.sender = sender = Sender(chooser.o.payload.shape(), pick, stride, self._value_bits)
        wiring.connect(m, waiting.o, chooser.i)
        registered = stored(bool(self._value_bits), self._slots)
        gather = gather_stages(self._layout.lanes, registered)
        fired = delay(m, self.i, gather, "gathered", reset_less=True)
        m.d.comb += [
            waiting.i.valid.eq(delay(m, self.put, gather, "put")),
            *describe(waiting.i.payload, fired),
            *([waiting.i.payload.place.eq(delay(m, self.place, gather, "place", reset_less=True))] if self._place else []),
            self.returned.eq(sender.i.valid & sender.i.ready & sender.i.payload.final),
        ]
        if self._value_bits:
            m.submodules.between = between = Queue(chooser.o.payload.shape(), 2)  # its `ready` comes from a flip-flop
            m.submodules.banks = banks = Banks(self._word.blocks, self._value_bits, self._slots, registered)
            wiring.connect(m, chooser.o, between.i)
            goes = banks.settled | ~between.o.payload.any  # who says nothing needs no values
            m.d.comb += [
                sender.i.payload.eq(between.o.payload),
                sender.i.valid.eq(between.o.valid & goes),
                between.o.ready.eq(sender.i.ready & goes),
            ]
            m.d.comb += [
                banks.put.eq(self.put),
                banks.i.eq(self.values),
                banks.take.eq(self.returned),
                banks.chosen.eq(sender.i.payload.chosen),
                sender.values.eq(banks.o),
            ]
        else:
            wiring.connect(m, chooser.o, sender.i)
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        return m
