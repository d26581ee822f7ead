"""First stage of a serializer: cuts waiting words into blocks."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import more_than, select, spread
from polyrhythm.hw.output.words import Choice, WaitingWord


class Chooser(wiring.Component):
    """Gives each word's blocks in which somebody fired; a word leaves with its final block.

    Latency is 0 cycles; one block per cycle.
    """

    def __init__(self, word: WaitingWord, block: int):
        self._word, self._block = word, block
        super().__init__(
            {"i": In(stream.Signature(word)), "o": Out(stream.Signature(Choice(word, block)))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word, choice, size = self.i.payload, self.o.payload, self._block
        cuts = self._word.blocks
        taken, todo = (Signal(len(cuts), name=name) for name in ("taken", "todo"))
        # Known a cycle early: whether a word leaves steers everything before it.
        started, two_left = (Signal(name=name) for name in ("started", "two_left"))
        # The lowest block that is left, one hot, chooses lanes and offset without a decoder.
        base, offset = self._address(m)
        fire = Cat(spread(word.fire[lanes.start : lanes.stop], size) for lanes in cuts)
        m.d.comb += [
            todo.eq(word.some & ~taken),
            choice.chosen.eq(Cat(todo[k] & ~todo[:k].any() for k in range(len(cuts)))),
            choice.fire.eq(select(choice.chosen, fire, size)),
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
        if self._word.profiles > 1:
            m.d.comb += choice.profile.eq(word.profile)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                taken.eq(Mux(choice.final, 0, taken | choice.chosen)),
                started.eq(~choice.final),
                two_left.eq(~more_than(todo, 2)),
            ]
        return m

    def _address(self, m: Module) -> tuple[Value, Value]:
        """Where the word's group begins, and how far from there the chosen block does."""
        layout, choice, position = self._word.layout, self.o.payload, self._word.position
        width = len(choice.offset)
        if position is None:
            base = self._walk(m, self.i.valid & self.i.ready)
            offsets = [Const(layout.offsets[lanes.start], width) for lanes in self._word.blocks]
        else:
            base, offsets = Const(0), position.addresses(self.i.payload.position)
        return base, select(choice.chosen, Cat(spread(offset, width) for offset in offsets), width)

    def _walk(self, m: Module, step: Value) -> Value:
        """The address at which the word's group begins."""
        # Nested counters, of which a tick's last word resets all.
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
