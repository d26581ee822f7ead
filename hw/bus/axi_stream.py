"""AXI4-Stream around the accelerator: words of events in, answers as beats out."""

from amaranth.hdl import Array, Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.output.readout import Result
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.queue import Queue

LAST_BITS = 8  # of the counter of words whose TLAST is not their end


class Beat(data.StructLayout):
    """One transfer: TDATA and TLAST."""

    def __init__(self, bits: int):
        super().__init__({"data": bits, "last": 1})


def word_bits(event: Event) -> int:
    """Width of TDATA in: the word's bits in 1, 2, 4 or 8 bytes, which DMA engines have."""
    return max(8, 1 << (int(event.size) - 1).bit_length())


def beat_bits(result: Result) -> int:
    """Width of TDATA out: 32, or 64 where a logit needs more."""
    return 32 if int(result["logits"].shape.elem_shape.width) <= 32 else 64


class WordsIn(wiring.Component):
    """Beats in, events out: the event's fields stand in TDATA from bit 0 up, in their order.

    The frame ends where the field `end` says so. TLAST must stand there too; a word on which the
    two differ is counted, and has no other effect. A register stands on every wire of the input.

    Members
    -------
    i : In(stream)      `Beat`
    o : Out(stream)     `Event`, one cycle later; one word per cycle
    differs : Out       words whose TLAST was not their end, since reset; stays at its largest value
    """

    def __init__(self, event: Event):
        self._event = event
        super().__init__(
            {
                "i": In(stream.Signature(Beat(word_bits(event)))),
                "o": Out(stream.Signature(event)),
                "differs": Out(LAST_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = Queue(self.i.payload.shape(), 2)
        wiring.connect(m, wiring.flipped(self.i), queue.i)
        word = queue.o.payload
        m.d.comb += [
            self.o.valid.eq(queue.o.valid),
            queue.o.ready.eq(self.o.ready),
            self.o.payload.eq(word.data[: self._event.size]),
        ]
        wrong = Signal(name="wrong")
        m.d.sync += wrong.eq(self.o.valid & self.o.ready & (word.last ^ self.o.payload.end))
        with m.If(wrong & ~self.differs.all()):
            m.d.sync += self.differs.eq(self.differs + 1)
        return m


class BeatsOut(wiring.Component):
    """An answer as one beat for the class, and one for each logit, sign-extended; TLAST on the last
    one.

    Members
    -------
    i : In(stream)      `Result`, taken with its last beat
    o : Out(stream)     `Beat`, one per cycle
    """

    def __init__(self, result: Result):
        self._classes = result["logits"].shape.length
        beats = stream.Signature(Beat(beat_bits(result)))
        super().__init__({"i": In(stream.Signature(result)), "o": Out(beats)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        answer, beat = self.i.payload, self.o.payload
        index = Signal(range(self._classes + 1), name="index")
        last, free = Signal(name="last"), Signal(name="free")
        # The class goes first, as it is; logits are signed.
        width = Shape.cast(beat.data.shape()).width
        shown = Array([answer["class"], *(answer.logits[k] for k in range(self._classes))])
        wide = Signal(Shape(width, signed=True), name="wide")
        m.d.comb += [
            last.eq(index == self._classes),
            free.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(free & last),
            wide.eq(shown[index]),
        ]
        with m.If(free):
            m.d.sync += [self.o.valid.eq(self.i.valid), beat.data.eq(wide), beat.last.eq(last)]
            with m.If(self.i.valid):
                m.d.sync += index.eq(Mux(last, 0, index + 1))
        return m
