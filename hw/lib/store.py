"""The words of a queue that wait behind the oldest one."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.ram import memory_of, read_port, write_port


class Store(wiring.Component):
    """First in, first out, `depth` words of `width` bits; a word that is put can be taken in the
    next cycle.

    Whether there is room and whether there is a word are known a cycle early, and the place
    behind the last word is written in every cycle in which there is room: whether a word really
    came, which is known late, moves counters only.

    The memory is read a cycle early, into its own register, so that parts without LUT RAMs find it
    a block RAM. What is put where nothing else waits would be read too early: such a word stands in
    a register for that cycle.

    put, i, room : keep a word (where there is room)      take, o, some : drop the oldest word
                                                          (where there is one)
    """

    def __init__(self, width: int, depth: int):
        self._depth = depth
        super().__init__(
            {
                "put": In(1),
                "i": In(width),
                "room": Out(1, init=1),
                "take": In(1),
                "o": Out(width),
                "some": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = self._depth
        # A word that is read in the cycle of its put is not settled, nor is it used.
        m.submodules.memory = memory = memory_of(len(self.i), depth, attrs={"no_rw_check": 1})
        write, read = write_port(memory), read_port(memory)
        produce, consume, upcoming = (
            Signal(range(depth), name=name) for name in ("produce", "consume", "upcoming")
        )
        word, fresh = Signal(len(self.i), name="word", reset_less=True), Signal(name="fresh")
        level = Signal(range(depth + 1), name="level")
        puts, takes = self.put & self.room, self.take & self.some
        # Written whether a word came or not: only the counters need to know, and they know late.
        m.d.comb += [
            write.addr.eq(produce),
            write.data.eq(self.i),
            write.en.eq(self.room),
            upcoming.eq(Mux(takes, _next(consume, depth), consume)),
            read.addr.eq(upcoming),
            self.o.eq(Mux(fresh, word, read.data)),
        ]
        m.d.sync += [
            level.eq(level + puts - takes),
            consume.eq(upcoming),
            word.eq(self.i),
            fresh.eq(~self.some | (self.take & (level == 1))),
        ]
        with m.If(puts):
            m.d.sync += produce.eq(_next(produce, depth))
        # Both flags are registers: a word that comes and one that goes leave them as they are.
        with m.If(puts & ~takes):
            m.d.sync += [self.some.eq(1), self.room.eq(level != depth - 1)]
        with m.If(takes & ~puts):
            m.d.sync += [self.room.eq(1), self.some.eq(level != 1)]
        return m


def _next(place: Signal, depth: int) -> Value:
    """The place behind `place` in a ring of `depth`."""
    following = (place + 1)[: len(place)]
    return following if depth == 1 << len(place) else Mux(place == depth - 1, 0, following)
