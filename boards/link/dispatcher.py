"""What the board does with a packet."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from polyrhythm.boards.link.answering import Answering
from polyrhythm.boards.link.packets import CRC_BYTES, PACKETS, Kind, Reason

ASKED = [kind for kind in Kind if kind < 0x80]
MOST_READ = 32  # registers of one READ


class Dispatcher(Answering):
    """Takes packets one by one: answers them, and hands the data of frames on.

    identity: number of registers, from address 0 on, that hold the identification.

    Members
    -------
    i, waits     packets, each behind its length; whether there is any, see `Receiver`
    dropped      for one cycle: the receiver has dropped a packet
    o            bodies of answers
    port         of the registers
    data         bytes of words or counts; pixels: which of them; begin: a frame begins
    busy         a byte of `data` is not yet a word that the framer has
    part         `data` has ended inside a word or a count
    close ...    see `Framer`
    tags         of each frame that is closed
    unknown      for one cycle: a packet was not understood
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._state()
        takes = self.i.valid & self.i.ready
        with m.If(takes):
            m.d.sync += self._left.eq(self._left - 1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.dropped):
            m.d.sync += self._lost.eq(1)
        # Known a cycle late, which is early enough: bytes come in 3 cycles at the earliest.
        m.d.sync += [self._whole.eq(self._left == CRC_BYTES), self._over.eq(self._left == 0)]
        byte, ends = self._fields(m)
        m.d.comb += [
            self.port.address.eq(Cat(Const(0, 2), self._base + self._index)),
            self.port.data.eq(self._head[8:16]),
            self.port.write.eq(self._is(Kind.WRITE)),
            self.pixels.eq(self._is(Kind.PIXELS)),
            self.data.payload.eq(self.i.payload),
            self.tags.payload.frame.eq(self._frame),
            self.tags.payload.abandoned.eq(self._refuses),
        ]
        with m.FSM(name="state"):
            self._packet(m)
            self._act(m)
            self._data(m, takes)
            self._write(m)
            self._reply(m, byte, ends)
        return m

    def _refuse(self, m: Module, why: Reason, more: Any = ()) -> None:
        """Say so, before anything else is done with the packet."""
        m.d.sync += [self._reason.eq(why), self._refuses.eq(1), *more]
        m.next = "next"

    def _abandon(self, m: Module, why: Reason, more: Any = ()) -> None:
        """Close the open frame, and say so."""
        self._refuse(m, why, more)
        m.next = "tag"

    def _packet(self, m: Module) -> None:
        """From one packet to the fields of the next."""
        byte, left, lost, odd = self.i.payload, self._left, self._lost, Signal(name="odd")
        with m.State("next"):
            m.d.sync += [self._refuses.eq(0), self._again.eq(0)]
            with m.If(self._refuses):
                m.d.sync += self._again.eq(self._again)
                self._answer(m, Kind.REFUSED)
            with m.Elif(self._again):
                m.next = "act"
            # What is left of the packet, its CRC at least
            with m.Elif(~self._over):
                m.d.comb += self.i.ready.eq(1)
            with m.Elif(self._done):
                m.d.sync += self._done.eq(0)
                self._answer(m, Kind.DONE)
            with m.Else():
                m.next = "length"
        with m.State("length"):
            m.d.comb += self.i.ready.eq(1)
            with m.If(self.i.valid):
                m.d.sync += left.eq(byte)
                m.next = "kind"
            # What came before the dropped packet has been dealt with.
            with m.Elif(lost & ~self.waits):
                m.d.sync += lost.eq(0)
                with m.If(self._open):
                    self._abandon(m, Reason.BROKEN)
                with m.Else():
                    self._refuse(m, Reason.DROPPED)
        with m.State("kind"):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [self._kind.eq(byte[:3]), odd.eq(byte[3:].any())]
            with m.If(self.i.valid):
                m.next = "size"
        with m.State("size"):
            m.next = "unknown"
            for kind in ASKED:
                size = PACKETS[kind].head
                with m.If(self._is(kind) & ~odd & _fits(kind, left)):
                    m.d.sync += self._place.eq(size)
                    m.next = "fields"
        with m.State("fields"):
            m.d.comb += self.i.ready.eq(1)
            with m.If(self.i.valid):
                self._shift(m)
                m.d.sync += self._place.eq(self._place - 1)
                with m.If(self._place == 1):
                    m.next = "act"
        with m.State("unknown"):
            m.d.comb += self.unknown.eq(1)
            self._refuse(m, Reason.UNKNOWN)

    def _act(self, m: Module) -> None:
        """What a packet asks for."""
        head, open_ = self._head, self._open
        seen_frame, number, first = head[8:24], head[24:32], head[32]
        base = Mux(self._is(Kind.READ), head[16:32], head[24:40])
        # Compared a cycle before they are looked at
        other, wrong = Signal(name="other"), Signal(name="wrong_count")
        looked = Signal(name="looked")
        m.d.sync += [
            looked.eq(0),
            other.eq((seen_frame != self._frame) | (number != self._chunk)),
            wrong.eq((head[32:] == 0) | (head[32:] > MOST_READ)),
        ]
        with m.State("act"):
            m.d.sync += [
                looked.eq(1),
                self._base.eq(Mux(self._is(Kind.HELLO), 0, base[2:])),
                self._index.eq(0),
                self._many.eq(Mux(self._is(Kind.HELLO), self._identity, head[32:38])),
                self._place.eq(0),
                self._status.eq(0),
            ]
            with m.If(looked), m.Switch(self._kind):
                with m.Case(Kind.HELLO):
                    with m.If(open_):
                        self._abandon(m, Reason.HELLO, [self._again.eq(1)])
                    with m.Else():
                        self._answer(m, Kind.IDENTITY)
                with m.Case(Kind.READ):
                    self._answer(m, Kind.VALUES)
                    with m.If(wrong | base[:2].any()):
                        m.next = "unknown"
                with m.Case(Kind.WRITE):
                    m.next = "value"
                    with m.If(base[:2].any()):
                        m.next = "unknown"
                with m.Default():
                    with m.If(open_ & first):
                        self._abandon(m, Reason.REPLACED, [self._again.eq(1)])
                    with m.Elif(open_ & other):
                        self._abandon(m, Reason.MISSING, [self._done.eq(1)])
                    with m.Else():
                        m.d.sync += [self._frame.eq(seen_frame), self._done.eq(1)]
                        with m.If(open_ | (first & (number == 0))):
                            m.d.comb += self.begin.eq(first)
                            m.d.sync += [open_.eq(1), self._chunk.eq(number + 1)]
                            m.next = "data"
                        with m.Else():
                            self._refuse(m, Reason.NO_FIRST)

    def _data(self, m: Module, takes: Value) -> None:
        """Data of a frame, and its end."""
        whole, extra, final = self._whole, Signal(name="extra"), self._head[33]
        with m.State("data"):
            m.d.comb += [
                self.data.valid.eq(self.i.valid & ~whole),
                self.i.ready.eq(self.data.ready & ~whole),
            ]
            with m.If(takes & self.ended):
                m.d.sync += extra.eq(1)
            with m.If(whole & ~self.busy):
                m.next = "judge"
        with m.State("judge"):
            m.d.sync += extra.eq(0)
            with m.If(extra | self.wrong | self.part | (final & ~self.ended)):
                self._abandon(m, Reason.MALFORMED)
            with m.Elif(final):
                m.next = "tag"
            with m.Else():
                m.next = "next"
        # Who takes the answer must know whose it is before it comes.
        with m.State("tag"):
            m.d.comb += self.tags.valid.eq(1)
            with m.If(self.tags.ready):
                m.next = "close"
        with m.State("close"):
            m.d.comb += self.close.eq(1)
            with m.If(self.closed):
                m.d.sync += [self._open.eq(0), self._chunk.eq(0)]
                m.next = "next"


def _fits(kind: Kind, left: Value) -> Value:
    """Whether so many bytes behind the kind, the CRC among them, can be a packet of that kind."""
    least = PACKETS[kind].head + CRC_BYTES
    if not PACKETS[kind].rest:
        return left == least
    if kind == Kind.WRITE:
        return (left[:2] == least % 4) & (left > least)
    return left >= least
