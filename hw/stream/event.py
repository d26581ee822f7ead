"""What travels between layers: events, the queues that hold them, and small helpers that every room of the gateware uses."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.stream.store import Store
from polyrhythm.sw.plan.addresses import Map


def bits_for(largest: int) -> int:
    """Width of an unsigned field that holds 0..largest; never zero, so that every field is a real wire."""
    return max(1, largest.bit_length())


class Event(data.StructLayout):
    """One word on the wire between two layers.

    A word is a spike when neither flag is set. `tick` closes a time step that is not the frame's last one; `end` closes the last
    time step and the frame. A two_phase frame has no ticks: spike* end.

    Parameters
    ----------
    source : Map      neurons on the sending side, which `address` names as `sw.plan.addresses.Map` says (a number of them: plain numbers)
    max_count : int   most spikes one word stands for; the field `count` is absent where that is 1
    signed : bool     whether a spike can take one back; the field `negative` is absent where it cannot
    each : int        most words that one neuron sends in a step (of signed neurons there is no such number)
    """

    def __init__(self, source: Map | int, max_count: int, signed: bool = False, each: int = 1):
        self.source = source if isinstance(source, Map) else Map((source, 1, 1))
        self.neurons, self.max_count, self.signed, self.each = self.source.neurons, max_count, signed, each
        super().__init__({"address": bits_for(self.source.places - 1), **self.amount, "tick": 1, "end": 1})

    @property
    def amount(self) -> dict[str, int]:
        """The fields that say how many spikes a word stands for, with their bits."""
        count = {"count": bits_for(self.max_count)} if self.max_count > 1 else {}
        return count | ({"negative": 1} if self.signed else {})

    def names(self, address: Value) -> Value:
        """Whether `address` names a neuron."""
        channels, rows, columns = self.source.shape
        low, high = self.source.column_bits, self.source.channel_low
        parts = ((address[:low], columns), (address[low:high], rows), (address[high:], channels))
        return Cat(Const(1), *(part < size for part, size in parts if size < 1 << len(part))).all()


class Queue(wiring.Component):
    """A FIFO of `depth` >= 2 words, one word per cycle, one cycle from `i` to `o`.

    The oldest word stands in flip-flops, the others in a memory behind it: whoever reads it starts a cycle with settled wires.
    """

    def __init__(self, shape: data.StructLayout, depth: int):
        self._depth = depth
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        leaves = ~self.o.valid | self.o.ready
        is_kept, kept, has_room, keep = self._behind(m, leaves)
        m.d.comb += [self.i.ready.eq(has_room), keep.eq(self.i.valid & self.i.ready & (is_kept | ~leaves))]
        with m.If(leaves):
            m.d.sync += [
                self.o.valid.eq(is_kept | (self.i.valid & self.i.ready)),
                self.o.payload.eq(Mux(is_kept, kept, self.i.payload)),
            ]
        return m

    def _behind(self, m: Module, take: Value) -> tuple[Value, Value, Value, Signal]:
        """The words behind the oldest: whether there is one, which is next, whether there is room, and `keep` the input."""
        keep = Signal(name="keep")
        size = self.i.payload.shape().size
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


def more_than(bits: Value, number: int) -> Value:
    """Whether more than `number` (1 or 2) of `bits` are set; a tree, so that its depth is the logarithm of the width."""
    nodes: list[tuple[Value, Value, Value]] = [(bit, Const(0, 1), Const(0, 1)) for bit in bits]  # at least one, two, three
    while len(nodes) > 1:
        pairs = list(zip(nodes[::2], nodes[1::2], strict=False))
        nodes = [(a | b, aa | bb | (a & b), aaa | bbb | (aa & b) | (a & bb)) for (a, aa, aaa), (b, bb, bbb) in pairs] + nodes[
            len(pairs) * 2 :
        ]
    return nodes[0][number]


def delay(m: Module, value: Value, cycles: int, name: str, *, reset_less: bool = False) -> Value:
    """`value` as it was `cycles` clock edges ago; 0 at the start and after a reset, unless `reset_less` for data that nobody reads
    then: a register without a reset can move into the block RAM before it."""
    for i in range(cycles):
        later = Signal(value.shape(), name=f"{name}_{i + 1}", reset_less=reset_less)
        m.d.sync += later.eq(value)
        value = later
    return value
