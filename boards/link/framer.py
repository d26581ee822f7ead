"""Frames as the accelerator wants them, whatever the host sends: T closing words, the last one an
`end`."""

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.stream.event import Event


class Framer(wiring.Component):
    """Words in, words of well-closed frames out. The frame's `end` waits for `close`, so that a
    frame can be judged as a whole before it is closed.

    Members
    -------
    i, o      words of the accelerator's input; one in two cycles
    loose     a word with both flags closes whatever is to be closed
    begin     a frame begins
    close     send the ticks that lack, and the end; held until `closed`
    closed    for one cycle: the end was sent
    ended     the frame's closing words have all come
    wrong     a word came behind them, or was another closing word than it had to be
    """

    def __init__(self, event: Event, ticks: int):
        self._ticks = ticks
        words = stream.Signature(event)
        flags = {"loose": In(1), "begin": In(1), "close": In(1)}
        super().__init__(
            {"i": In(words), "o": Out(words), **flags, "closed": Out(1), "ended": Out(1)}
            | {"wrong": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word, out, free = self.i.payload, self.o.payload, ~self.o.valid
        closing = word.tick | word.end
        steps = Signal(name="steps")
        final = self._final(m, steps)
        m.d.comb += self.i.ready.eq(free)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & free):
            m.d.sync += [out.eq(word), out.tick.eq(closing), out.end.eq(0)]
            with m.If(self.ended):
                m.d.sync += self.wrong.eq(1)
            with m.Elif(closing & final):
                m.d.sync += [self.ended.eq(1), self.wrong.eq(self.wrong | ~word.end)]
            with m.Else():
                m.d.comb += steps.eq(closing)
                m.d.sync += self.o.valid.eq(1)
                with m.If(word.end & ~(self.loose & word.tick)):
                    m.d.sync += self.wrong.eq(1)
        with m.Elif(self.close & free):
            m.d.comb += [steps.eq(1), self.closed.eq(final)]
            m.d.sync += [self.o.valid.eq(1), out.eq(0), out.tick.eq(~final), out.end.eq(final)]
        with m.If(self.begin):
            m.d.sync += [self.ended.eq(0), self.wrong.eq(0)]
        return m

    def _final(self, m: Module, steps: Value) -> Value:
        """Whether the next closing word is the frame's last; `steps`: one is sent."""
        if self._ticks == 1:
            return Const(1)
        left = Signal(range(self._ticks), init=self._ticks - 1, name="left")
        final = left == 0
        with m.If(steps):
            m.d.sync += left.eq(left - 1)
            with m.If(final):
                m.d.sync += left.eq(self._ticks - 1)
        return final
