"""Answers of the accelerator, as packets."""

from amaranth.hdl import Array, Const, Module, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.boards.link.packets import BODY_BYTES, CRC_BYTES, PACKETS, Kind
from polyrhythm.boards.link.sender import BodyByte
from polyrhythm.hw.output.readout import Result

CYCLES = 5  # place of its lowest byte in the body
HEAD = PACKETS[Kind.RESULT].head


class Tag(data.StructLayout):
    """A frame in the accelerator: its number, and whether nobody wants its answer."""

    def __init__(self) -> None:
        super().__init__({"frame": 16, "abandoned": 1})


class ResultPacker(wiring.Component):
    """Answers and their tags in, RESULT packets out; an abandoned frame's answer is thrown away.

    Members
    -------
    i, cycles  answers, and the lowest byte of what each of them took
    turn       the next byte of `cycles`, please; four times an answer
    tags       of the frames, in the order of the answers
    o          bodies of packets
    """

    def __init__(self, result: Result):
        logits = result["logits"].shape
        self._classes, self._bits = logits.length, Shape.cast(logits.elem_shape).width
        self._bytes = -(-self._bits // 8)
        # Logits of one packet
        self._most = (BODY_BYTES - CRC_BYTES - 1 - HEAD) // self._bytes
        super().__init__(
            {
                "i": In(stream.Signature(result)),
                "cycles": In(8),
                "turn": Out(1),
                "tags": In(stream.Signature(Tag())),
                "o": Out(stream.Signature(BodyByte())),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tag, answer = self.tags.payload, self.i.payload
        class_, first = Signal(16, name="class"), Signal(16, name="first")
        place = Signal(range(max(HEAD + 1, self._bytes)), name="place")
        shown = Signal(range(self._classes), name="shown")  # class whose logit is sent next
        # Places for logits in the packet; where all find one, nobody counts.
        room = Signal(range(self._most + 1), name="room")
        full = room == 1 if self._classes > self._most else Const(0)
        m.d.comb += [class_.eq(answer["class"]), first.eq(shown)]
        logit = Signal(8 * self._bytes, name="logit")
        head, byte = Signal(8, name="head"), Signal(8, name="byte")
        wide: list[Value] = [Const(int(Kind.RESULT), 8), *_bytes(tag.frame), *_bytes(class_)]
        wide += [self.cycles] * 4 + _bytes(first)
        m.d.comb += head.eq(Array(wide)[place])
        last = Signal(name="last")
        m.d.comb += [self.o.payload.byte.eq(byte), self.o.payload.last.eq(last)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM(name="state"):
            with m.State("idle"):
                m.d.sync += [shown.eq(0), place.eq(0)]
                with m.If(self.i.valid & self.tags.valid):
                    with m.If(tag.abandoned):
                        m.next = "take"
                    with m.Else():
                        m.next = "head"
            with m.State("head"):
                m.d.sync += [byte.eq(head), last.eq(0), self.o.valid.eq(1), room.eq(self._most)]
                m.next = "send head"
            with m.State("send head"), m.If(~self.o.valid):
                m.d.comb += self.turn.eq((place >= CYCLES) & (place < CYCLES + 4))
                m.d.sync += place.eq(place + 1)
                m.next = "head"
                with m.If(place == HEAD):
                    m.next = "logit"
            with m.State("logit"):
                m.d.sync += [logit.eq(Array(answer.logits)[shown]), place.eq(self._bytes - 1)]
                m.next = "byte"
            with m.State("byte"):
                ends = full | (shown == self._classes - 1)
                m.d.sync += [byte.eq(logit[:8]), last.eq((place == 0) & ends)]
                m.d.sync += [logit.eq(logit >> 8), self.o.valid.eq(1)]
                m.next = "send"
            with m.State("send"), m.If(~self.o.valid):
                m.d.sync += place.eq(place - 1)
                m.next = "byte"
                with m.If(place == 0):
                    m.d.sync += [shown.eq(shown + 1), room.eq(room - 1)]
                    m.next = "logit"
                with m.If(last):
                    m.d.sync += place.eq(0)
                    m.next = "head"
                    with m.If(shown == self._classes - 1):
                        m.next = "take"
            with m.State("take"):
                m.d.comb += [self.i.ready.eq(1), self.tags.ready.eq(1)]
                m.next = "idle"
        return m


def _bytes(value: Value) -> list[Value]:
    return [value.word_select(k, 8) for k in range(len(value) // 8)]
