"""A ring of words: the state of a layer's groups, which are always swept in the same order."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.ram import memory_of, read_port, write_port


class RotatingMemory(wiring.Component):
    """`words` words that go round: with `move`, `i` goes in and `o`, which went in `words` moves
    ago, goes out.

    No address and no hazard: a word cannot be read before it was written. One move per cycle.
    """

    def __init__(self, width: int, words: int):
        self._words = words
        super().__init__({"move": In(1), "i": In(width), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A single word needs no memory.
        if self._words == 1:
            with m.If(self.move):
                m.d.sync += self.o.eq(self.i)
            return m
        m.submodules.memory = memory = memory_of(len(self.i), self._words)
        write, read = write_port(memory), read_port(memory)
        place = Signal(range(self._words), name="place")
        # The next word is read a cycle early, so that it stands at the output when it is asked for.
        upcoming = Signal.like(place, name="upcoming")
        m.d.comb += [
            upcoming.eq(Mux(~self.move, place, Mux(place == self._words - 1, 0, place + 1))),
            write.addr.eq(place),
            write.data.eq(self.i),
            write.en.eq(self.move),
            read.addr.eq(upcoming),
            self.o.eq(read.data),
        ]
        m.d.sync += place.eq(upcoming)
        return m
