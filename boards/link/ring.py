"""A ring of bytes: what both directions of the link wait in."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.ram import memory_of, read_port, write_port


class Ring(wiring.Component):
    """`size` bytes (a power of two): the writer goes to and fro as it likes between what it has
    given away and what is read; the reader takes what was given away.

    Members
    -------
    at, byte, put   write `byte` at the place `at`
    given           the reader may take the bytes before this place
    o               these bytes, one in 4 cycles: the memory's word goes through a register
    taken           place of the next byte to be read; it and those behind it are still in use
    """

    def __init__(self, size: int):
        place = (size - 1).bit_length()
        ports = {"at": In(place), "byte": In(8), "put": In(1), "given": In(place)}
        super().__init__(ports | {"o": Out(stream.Signature(8)), "taken": Out(place)})
        self._size = size

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = memory_of(8, self._size)
        write, read = write_port(memory), read_port(memory, "comb")
        # The output register of a block RAM. It never reads in a cycle in which the memory is
        # written: what comes then differs from part to part, and would be made equal by logic.
        word = Signal(8, name="word", reset_less=True)
        m.d.comb += [
            write.addr.eq(self.at),
            write.data.eq(self.byte),
            write.en.eq(self.put),
            read.addr.eq(self.taken),
        ]
        with m.If(~self.put):
            m.d.sync += word.eq(read.data)
        some = Signal(name="some")  # the word is the one at `taken`, which was given
        # The place follows a cycle later: that a byte is taken is known late in a cycle.
        gone = Signal(name="gone")
        waits = some | self.o.valid | gone
        m.d.sync += some.eq((self.taken != self.given) & ~waits & ~self.put)
        m.d.sync += gone.eq(self.o.valid & self.o.ready)
        with m.If(some):
            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(word)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(gone):
            m.d.sync += self.taken.eq(self.taken + 1)
        return m
