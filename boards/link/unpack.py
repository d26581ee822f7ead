"""From the bytes of a data packet to words of the accelerator's input."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.stream.event import Event

BYTES = stream.Signature(8)


class WordUnpacker(wiring.Component):
    """Words out of bytes: each in so many whole bytes as it needs, the lowest first.

    Members
    -------
    i, o     bytes in, words out
    part     a word has begun; restart: forget it
    """

    def __init__(self, event: Event):
        self._event = event
        o = Out(stream.Signature(event))
        super().__init__({"i": In(BYTES), "o": o, "part": Out(1), "restart": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        number = -(-self._event.size // 8)
        word = Signal(number * 8, name="word")
        left = Signal(range(number), init=number - 1, name="left")
        m.d.comb += [
            self.i.ready.eq(~self.o.valid),
            self.o.payload.eq(word),
            self.part.eq(left != number - 1),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                word.eq(Cat(word[8:], self.i.payload)),
                left.eq(Mux(left == 0, number - 1, left - 1)),
                self.o.valid.eq(left == 0),
            ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.restart):
            m.d.sync += left.eq(number - 1)
        return m


class PixelUnpacker(wiring.Component):
    """Spikes out of packed counts: one for each count that is not 0, and a word with both flags
    where a tick's counts are complete. A tick begins with a byte of its own.

    Members
    -------
    i, o     bytes in, words out
    part     a count has begun; begin: the next byte is a frame's first one
    """

    def __init__(self, event: Event, bits: int):
        self._event, self._bits = event, bits
        o = Out(stream.Signature(event))
        super().__init__({"i": In(BYTES), "o": o, "part": Out(1), "begin": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        counts, left = Signal(max(8, self._bits), name="counts"), Signal(4, name="left")
        out, count = self.o.payload, counts[: self._bits]
        # Last input of the tick, known a cycle after its address.
        last = Signal(name="last")
        inputs, at_last = self._inputs(m, out.address)
        m.d.sync += last.eq(at_last)
        if "count" in self._event.members:
            field = len(out.count)
            # What the field cannot hold is sent as 0, which the accelerator refuses and counts.
            m.d.comb += out.count.eq(Mux(count[field:].any(), 0, count[:field]))
        with m.FSM(name="state"):
            with m.State("bytes"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [
                        counts.eq(Cat(counts[8:], self.i.payload)),
                        left.eq(8 // self._bits or 1),
                    ]
                    if self._bits == 16:
                        m.d.sync += self.part.eq(~self.part)
                    with m.If((self._bits < 16) | self.part):
                        m.next = "count"
            with m.State("count"):
                m.d.comb += self.o.valid.eq(count.any())
                with m.If(self.o.ready | ~count.any()):
                    m.next = "step"
            with m.State("step"):
                m.d.sync += [counts.eq(counts >> self._bits), left.eq(left - 1)]
                self._step(m, inputs)
                with m.If(last):
                    m.next = "close"
                with m.Elif(left == 1):
                    m.next = "bytes"
                with m.Else():
                    m.next = "count"
            with m.State("close"):
                m.d.comb += [self.o.valid.eq(1), out.tick.eq(1), out.end.eq(1)]
                with m.If(self.o.ready):
                    m.next = "bytes"
        with m.If(self.begin):
            m.d.sync += [self.part.eq(0), *(place.eq(0) for place, _ in inputs)]
        return m

    def _inputs(self, m: Module, address: Value) -> tuple[list[tuple[Signal, int]], Value]:
        """Column, row and channel of the next count, each with its largest value, those that have
        no bits left out; and whether all are at their largest."""
        source = self._event.source
        sizes = (("column", 2, source.column_bits), ("row", 1, source.row_bits), ("channel", 0, 16))
        found = [
            (Signal(range(source.shape[axis]), name=name), source.shape[axis] - 1)
            for name, axis, bits in sizes
            if bits and source.shape[axis] > 1
        ]
        m.d.comb += address.eq(Cat(place for place, _ in found))
        return found, Cat(Const(1), *(place == most for place, most in found)).all()

    def _step(self, m: Module, inputs: list[tuple[Signal, int]]) -> None:
        """On to the next input, behind the last one to the first."""
        carries: Value = Const(1)
        for place, most in inputs:
            with m.If(carries):
                m.d.sync += place.eq(Mux(place == most, 0, place + 1))
            carries = carries & (place == most)
