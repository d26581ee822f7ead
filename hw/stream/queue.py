"""The queue between two layers."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.store import Store


class Queue(wiring.Component):
    """A FIFO of `depth` words, one word per cycle, one cycle from `i` to `o`.

    The oldest word stands in flip-flops, the others in a memory behind it: whoever reads it starts
    a cycle with stable wires. `i.ready` comes from a flip-flop too, but where `depth` is 1: there
    it follows `o.ready` in the same cycle.
    """

    def __init__(self, shape: data.StructLayout, depth: int):
        self._depth = depth
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The output register takes the oldest word behind it, or the input when nothing waits.
        leaves = ~self.o.valid | self.o.ready
        is_kept, kept, has_room, keep = self._behind(m, leaves)
        m.d.comb += [
            self.i.ready.eq(has_room),
            keep.eq(self.i.valid & self.i.ready & (is_kept | ~leaves)),
        ]
        with m.If(leaves):
            m.d.sync += [
                self.o.valid.eq(is_kept | (self.i.valid & self.i.ready)),
                self.o.payload.eq(Mux(is_kept, kept, self.i.payload)),
            ]
        return m

    def _behind(self, m: Module, take: Value) -> tuple[Value, Value, Value, Signal]:
        """The words behind the oldest: whether there is one, which is next, whether there is room,
        and `keep` the input."""
        keep = Signal(name="keep")
        size = self.i.payload.shape().size
        if self._depth == 1:
            return Const(0, 1), Const(0, size), take, keep
        # One word needs no memory: it is taken in every cycle in which its register is free.
        if self._depth == 2:
            full = Signal(name="full")
            word = Signal(size, name="word")
            m.d.sync += full.eq(keep | (full & ~take))
            with m.If(~full):
                m.d.sync += word.eq(self.i.payload)
            return full, word, ~full, keep
        m.submodules.behind = behind = Store(size, self._depth - 1)
        m.d.comb += [behind.i.eq(self.i.payload), behind.put.eq(keep), behind.take.eq(take)]
        return behind.some, behind.o, behind.room, keep
