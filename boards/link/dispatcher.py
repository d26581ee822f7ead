"""What the board does with a packet."""

from amaranth.hdl import Cat, Const, Module, Signal, ValueLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.boards.link.packets import PACKETS, PROTOCOL, Kind, Reason
from polyrhythm.boards.link.results import Tag
from polyrhythm.boards.link.sender import BodyByte
from polyrhythm.hw.bus.bank import PORT

HEAD = {kind: PACKETS[kind].head for kind in Kind if kind < 0x80}
MOST_READ = 32  # registers of one READ
NEXT, ACT, SKIP, DONE = range(4)  # what follows an answer


class Dispatcher(wiring.Component):
    """Takes packets one by one: answers them, and hands the data of frames on.

    Members
    -------
    i, waits     packets, each behind its length; whether there is any, see `Receiver`
    dropped      for one cycle: the receiver has dropped a packet
    o            bodies of answers
    port         of the register bank
    data         bytes of words or counts; pixels: which of them; begin: a frame begins
    busy         a byte of `data` is not yet a word that the framer has
    part         `data` has ended inside a word or a count
    close ...    see `Framer`
    tags         of each frame that is closed
    unknown      for one cycle: a packet was not understood
    """

    def __init__(self, identity: tuple[int, int]):
        self._identity = identity  # address of the identification's registers, and their number
        byte = stream.Signature(8)
        framer = {"close": Out(1), "closed": In(1), "ended": In(1), "wrong": In(1)}
        super().__init__(
            {
                "i": In(byte),
                "waits": In(1),
                "dropped": In(1),
                "o": Out(stream.Signature(BodyByte())),
                "port": Out(PORT),
                "data": Out(byte),
                "pixels": Out(1),
                "begin": Out(1),
                "busy": In(1),
                "part": In(1),
                **framer,
                "tags": Out(stream.Signature(Tag())),
                "unknown": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        byte = self.i.payload
        left, kind = Signal(8, name="left"), Signal(8, name="kind")
        header, count = Signal(40, name="header"), Signal(3, name="count")
        out, out_left, words = Signal(32, name="out"), Signal(3, name="out_left"), Signal(6)
        reply, then = Signal(8, name="reply"), Signal(2, name="then")
        reason, abandons = Signal(8, name="reason"), Signal(name="abandons")
        open_, frame, chunk = Signal(name="open"), Signal(16, name="frame"), Signal(8, name="chunk")
        lost, extra = Signal(name="lost"), Signal(name="extra")
        status = Signal(name="status")
        address = Signal(16, name="address")
        seq, of = header[:8], header[8:24]
        number, flags = header[24:32], header[32:34]
        first, final = flags[0], flags[1]
        takes = Signal(name="takes")
        m.d.comb += takes.eq(self.i.valid & self.i.ready)
        with m.If(takes):
            m.d.sync += left.eq(left - 1)
        with m.If(self.dropped):
            m.d.sync += lost.eq(1)

        def refuse(why: int, after: int) -> None:
            m.d.sync += [reason.eq(why), then.eq(after)]
            m.next = "refuse"

        def abandon(why: int, after: int) -> None:
            m.d.sync += [reason.eq(why), then.eq(after), abandons.eq(1)]
            m.next = "tag"

        def answer(what: Kind, content: ValueLike, number: int, more: ValueLike = 0) -> None:
            m.d.sync += [reply.eq(what), out.eq(content), out_left.eq(number), words.eq(more)]
            m.next = "reply"

        m.d.comb += [
            self.port.address.eq(address),
            self.port.data.eq(out),
            self.port.write.eq(kind == Kind.WRITE),
            self.pixels.eq(kind == Kind.PIXELS),
            self.data.payload.eq(byte),
            self.tags.payload.frame.eq(frame),
            self.tags.payload.abandoned.eq(abandons),
        ]
        with m.FSM(name="state"):
            with m.State("length"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += abandons.eq(0)
                with m.If(self.i.valid):
                    m.d.sync += left.eq(byte)
                    m.next = "kind"
                with m.Elif(lost & ~self.waits):
                    m.d.sync += lost.eq(0)
                    with m.If(open_):
                        abandon(Reason.BROKEN, NEXT)
                    with m.Else():
                        refuse(Reason.DROPPED, NEXT)
            with m.State("kind"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += kind.eq(byte)
                with m.If(self.i.valid):
                    m.next = "size"
            with m.State("size"):
                m.next = "unknown"
                for name, size in HEAD.items():
                    fits = left >= size if PACKETS[name].rest else left == size
                    if name == Kind.WRITE:
                        fits = (left[:2] == size) & (left > size)
                    with m.If((kind == name) & fits):
                        m.d.sync += count.eq(size)
                        m.next = "head"
            with m.State("head"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [header.eq(Cat(header[8:], byte)), count.eq(count - 1)]
                    with m.If(count == 1):
                        m.next = "act"
            with m.State("unknown"):
                m.d.comb += [self.i.ready.eq(left != 0)]
                with m.If(left == 0):
                    m.d.comb += self.unknown.eq(1)
                    refuse(Reason.UNKNOWN, NEXT)
            with m.State("act"):
                m.d.sync += [abandons.eq(0), status.eq(0), count.eq(0), extra.eq(0)]
                with m.Switch(kind):
                    with m.Case(Kind.HELLO):
                        with m.If(open_):
                            abandon(Reason.HELLO, ACT)
                        with m.Else():
                            m.d.sync += address.eq(self._identity[0])
                            answer(
                                Kind.IDENTITY,
                                Cat(header[32:], Const(PROTOCOL, 8)),
                                2,
                                self._identity[1],
                            )
                    with m.Case(Kind.READ):
                        m.d.sync += address.eq(header[16:32])
                        many = header[32:]
                        with m.If((many == 0) | (many > MOST_READ)):
                            m.next = "unknown"
                        with m.Else():
                            answer(Kind.VALUES, header[16:32], 2, many)
                    with m.Case(Kind.WRITE):
                        m.d.sync += address.eq(header[24:])
                        m.next = "value"
                    with m.Default():
                        with m.If(open_ & first):
                            abandon(Reason.REPLACED, ACT)
                        with m.Elif(open_ & ((of != frame) | (number != chunk))):
                            abandon(Reason.MISSING, SKIP)
                        with m.Elif(~open_ & (~first | (number != 0))):
                            m.d.sync += frame.eq(of)
                            refuse(Reason.NO_FIRST, SKIP)
                        with m.Else():
                            m.d.comb += self.begin.eq(first)
                            m.d.sync += [open_.eq(1), frame.eq(of), chunk.eq(number + 1)]
                            m.next = "data"
            with m.State("data"):
                m.d.comb += [
                    self.data.valid.eq(self.i.valid & (left != 0)),
                    self.i.ready.eq(self.data.ready & (left != 0)),
                ]
                with m.If(takes & self.ended):
                    m.d.sync += extra.eq(1)
                with m.If((left == 0) & ~self.busy):
                    m.next = "judge"
            with m.State("judge"):
                with m.If(extra | self.wrong | self.part | (final & ~self.ended)):
                    abandon(Reason.MALFORMED, DONE)
                with m.Elif(final):
                    m.d.sync += then.eq(DONE)
                    m.next = "tag"
                with m.Else():
                    m.next = "done"
            with m.State("tag"):
                m.d.comb += self.tags.valid.eq(1)
                with m.If(self.tags.ready):
                    m.next = "close"
            with m.State("close"):
                m.d.comb += self.close.eq(1)
                with m.If(self.closed):
                    m.d.sync += open_.eq(0)
                    m.next = "done"
                    with m.If(abandons):
                        m.next = "refuse"
            with m.State("refuse"):
                answer(Kind.REFUSED, Cat(reason, frame), 3)
            with m.State("skip"):
                m.d.comb += self.i.ready.eq(left != 0)
                with m.If(left == 0):
                    m.next = "done"
            with m.State("done"):
                m.d.sync += then.eq(NEXT)
                answer(Kind.DONE, seq, 1)
            with m.State("value"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [out.eq(Cat(out[8:], byte)), out_left.eq(out_left + 1)]
                    with m.If(out_left[:2] == 3):
                        m.next = "write"
            with m.State("write"):
                m.d.comb += self.port.ask.eq(1)
                m.next = "written"
            with m.State("written"), m.If(self.port.done):
                m.d.sync += [status.eq(status | self.port.refused), address.eq(address + 4)]
                m.d.sync += words.eq(words + 1)
                m.next = "value"
                with m.If(left == 0):
                    m.next = "all written"
            with m.State("all written"):
                answer(Kind.WRITTEN, Cat(header[24:], words, Const(0, 2), status), 4)
            with m.State("reply"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.byte.eq(reply)]
                with m.If(self.o.ready):
                    m.next = "bytes"
            with m.State("bytes"):
                last = (out_left == 1) & (words == 0)
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.byte.eq(out[:8]),
                    self.o.payload.last.eq(last),
                ]
                with m.If(self.o.ready):
                    m.d.sync += [out.eq(out >> 8), out_left.eq(out_left - 1)]
                    with m.If(last):
                        m.next = "then"
                    with m.Elif(out_left == 1):
                        m.next = "ask"
            with m.State("ask"):
                m.d.comb += self.port.ask.eq(1)
                m.d.sync += [words.eq(words - 1), address.eq(address)]
                m.next = "wait"
            with m.State("wait"), m.If(self.port.done):
                m.d.sync += [out.eq(self.port.value), out_left.eq(4), address.eq(address + 4)]
                m.next = "bytes"
            with m.State("then"):
                m.d.sync += [then.eq(NEXT), abandons.eq(0)]
                m.next = "length"
                with m.Switch(then):
                    for where, state in ((ACT, "act"), (SKIP, "skip"), (DONE, "done")):
                        with m.Case(where):
                            m.next = state
        return m
