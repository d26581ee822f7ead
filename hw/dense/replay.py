"""The memory that keeps the events of one step, so that they can be integrated once per group of
neurons."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.ram import memory_of, read_port, write_port


class Replay(wiring.Component):
    """Events written while they arrive, then read in the same order as often as wanted, one per
    cycle and without a gap.

    push, i : a word to keep            rewind : read from the first word in the next cycle
    o, done : the word at hand, or that there is none left        take : go on to the next word
    clear   : forget all words

    A word can be read in the cycle after the one that follows its push.
    """

    def __init__(self, shape: data.StructLayout, capacity: int):
        self._capacity = capacity
        super().__init__(
            {
                "push": In(1),
                "i": In(shape),
                "rewind": In(1),
                "take": In(1),
                "clear": In(1),
                "o": Out(shape),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = memory_of(self.i.shape(), self._capacity)
        write, read = write_port(memory), read_port(memory)
        stored, index, after = (
            Signal(range(self._capacity + 1), name=name) for name in ("stored", "index", "after")
        )  # after: index + 1
        # The next word is read while the one at hand is used, so replays have no gap.
        upcoming = Signal.like(index, name="upcoming")
        m.d.comb += [
            upcoming.eq(Mux(self.rewind, 0, Mux(self.take, after, index))),
            write.addr.eq(stored),
            write.data.eq(self.i),
            write.en.eq(self.push),
            read.addr.eq(upcoming),
            self.o.eq(read.data),
        ]
        m.d.sync += [
            index.eq(upcoming),
            after.eq(upcoming + 1),
            stored.eq(Mux(self.clear, 0, stored + self.push)),
            # All comparisons side by side, a cycle early: `done` steers the whole sequencer.
            self.done.eq(
                Mux(
                    self.rewind,
                    (stored == 0) & ~self.push,
                    Mux(self.take, after == stored, index == stored),
                )
            ),
        ]
        return m
