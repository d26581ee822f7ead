"""Second stage of a serializer: sends a block's neurons one by one."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import more_than
from polyrhythm.hw.output.words import Choice
from polyrhythm.hw.stream.pick import Pick


class Sender(wiring.Component):
    """Sends a block's neurons, lowest first, then the tick or the end that it closes.

    Latency is 1 cycle; one word per cycle.

    stride: log2 of the step of addresses from lane to lane; values: of the block at `i`
    """

    def __init__(self, choice: Choice, pick: Pick, stride: int, value_bits: int):
        self._stride, self._value_bits = stride, value_bits
        self._block = choice["fire"].shape
        values = {"values": In(data.ArrayLayout(value_bits, self._block))} if value_bits else {}
        super().__init__(
            {"i": In(stream.Signature(choice)), **values, "o": Out(stream.Signature(pick))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        block = Signal.like(self.i.payload, name="block")
        busy, leaves = (Signal(name=name) for name in ("busy", "leaves"))
        # A block that has nothing to say passes without waiting for the one being sent. One that is
        # free takes up whatever stands before it: whether that is a block is known late, and said
        # by `busy` alone.
        free = ~busy | leaves
        m.d.comb += self.i.ready.eq(~self.i.payload.speaks | free)
        lowest = Signal(range(self._block), name="lowest")
        for k in reversed(range(self._block)):
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
        if "profile" in pick.shape().members:
            m.d.comb += pick.profile.eq(block.profile)
        if self._value_bits:
            values = Signal.like(self.values, name="values")
            m.d.comb += pick.value.eq(values[lowest])
            with m.If(free):
                m.d.sync += values.eq(self.values)
        with m.If(free):
            first = self.i.payload.base + self.i.payload.offset
            m.d.sync += [
                busy.eq(self.i.valid & self.i.payload.speaks),
                block.eq(self.i.payload),
                block.base.eq(first),
            ]
        with m.Elif(self.o.ready):
            # n & (n - 1) is n without its lowest bit.
            rest = block.fire & (block.fire - 1)[: self._block]
            m.d.sync += [
                block.fire.eq(rest),
                block.any.eq(~block.single),
                block.single.eq(~more_than(rest, 1)),
            ]
        return m
