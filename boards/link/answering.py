"""The registers' side of a dispatcher, and how it answers."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.boards.link.ledger import BytePort
from polyrhythm.boards.link.packets import Kind
from polyrhythm.boards.link.results import Tag
from polyrhythm.boards.link.sender import BodyByte


class Answering(wiring.Component):
    """What is known of the packet at hand, the states in which a WRITE is carried out, and those in
    which an answer is sent; the state "next" follows both. Members: see `Dispatcher`."""

    def __init__(self, identity: int):
        self._identity = identity
        byte = stream.Signature(8)
        framer = {"close": Out(1), "closed": In(1), "ended": In(1), "wrong": In(1)}
        super().__init__(
            {
                "i": In(byte),
                "waits": In(1),
                "dropped": In(1),
                "o": Out(stream.Signature(BodyByte())),
                "port": Out(BytePort()),
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

    def _state(self) -> None:
        """Registers that all states share."""
        self._left, self._kind = Signal(8, name="left"), Signal(3, name="kind")
        # Bytes come in at the top: the last one of the fields is always there. Above its lowest
        # byte it holds the register that goes to the ledger, or came from it.
        self._head, self._place = Signal(40, name="head"), Signal(3, name="place")
        self._open, self._frame = Signal(name="open"), Signal(16, name="frame")
        self._chunk = Signal(8, name="chunk")  # the one that comes next in the open frame
        self._reason, self._what = Signal(4, name="reason"), Signal(3, name="what")
        # What is to be done before the next packet: send REFUSED, look at this one again, send DONE
        self._refuses, self._again = Signal(name="refuses"), Signal(name="again")
        self._done = Signal(name="done")
        self._base, self._index = Signal(14, name="base"), Signal(7, name="index")
        self._status = Signal(name="status")
        self._many = Signal(6, name="many")  # registers of the answer
        # Of the packet, only the CRC is left; nothing is left
        self._whole, self._over = Signal(name="whole"), Signal(name="over")
        self._lost = Signal(name="lost")  # the receiver has dropped a packet

    def _is(self, kind: Kind) -> Value:
        return self._kind == kind.value & 7

    def _answer(self, m: Module, kind: Kind) -> None:
        """Send an answer of this kind."""
        m.d.sync += [self._what.eq(kind.value & 7), self._place.eq(0)]
        m.next = "reply"

    def _shift(self, m: Module) -> None:
        byte = Mux(self.port.beat, self.port.value, self.i.payload)
        m.d.sync += self._head.eq(Cat(self._head[8:], byte))

    def _write(self, m: Module) -> None:
        """Values of a WRITE."""
        with m.State("value"):
            m.d.comb += self.i.ready.eq(1)
            with m.If(self.i.valid):
                self._shift(m)
                m.d.sync += self._place.eq(self._place + 1)
                with m.If(self._place[:2] == 3):
                    m.next = "write"
        with m.State("write"):
            m.d.comb += self.port.ask.eq(1)
            m.next = "written"
        with m.State("written"):
            self._exchange(m)
            with m.If(self.port.done):
                m.d.sync += self._status.eq(self._status | self.port.refused)
                m.next = "value"
                with m.If(self._whole):
                    self._answer(m, Kind.WRITTEN)

    def _exchange(self, m: Module) -> None:
        """A register's bytes to and from the ledger."""
        with m.If(self.port.beat):
            self._shift(m)
        with m.If(self.port.done):
            m.d.sync += self._index.eq(self._index + 1)

    def _fields(self, m: Module) -> tuple[Value, Value]:
        """The byte of an answer's fields, its kind first, and whether it is their last one."""
        head, base = self._head, Cat(Const(0, 2), self._base)
        fields: dict[Kind, list[Value]] = {
            Kind.IDENTITY: [head[32:]],
            Kind.VALUES: [base[:8], base[8:]],
            Kind.WRITTEN: [base[:8], base[8:], self._index, self._status],
            Kind.DONE: [head[:8]],
            Kind.REFUSED: [self._reason, self._frame[:8], self._frame[8:]],
        }
        byte, ends = Signal(8, name="byte"), Signal(name="ends")
        # Place by place, since few kinds have a byte in each; where none has, anything will do.
        with m.Switch(self._place):
            with m.Case(0):
                m.d.comb += byte.eq(Cat(self._what, Const(0x80 >> 3, 5)))
            for place in range(1, 5):
                with m.Case(place), m.Switch(self._what):
                    having = [(k, row[place - 1]) for k, row in fields.items() if len(row) >= place]
                    for kind, value in having[1:]:
                        with m.Case(kind.value & 7):
                            m.d.comb += byte.eq(value)
                    with m.Default():
                        m.d.comb += byte.eq(having[0][1])
        with m.Switch(self._what):
            for kind, values in fields.items():
                with m.Case(kind.value & 7):
                    m.d.comb += ends.eq(self._place == len(values))
        return byte, ends

    def _reply(self, m: Module, byte: Value, ends: Value) -> None:
        """The bytes of an answer: its fields, then registers where it has some."""
        last, ended, bulk = (Signal(name=name) for name in ("last", "ended", "bulk"))
        registers = (self._what == Kind.IDENTITY & 7) | (self._what == Kind.VALUES & 7)
        out = self.o.payload
        m.d.sync += last.eq(self._index == self._many)
        # `bulk`: registers, no fields; each byte goes through a register on its way out
        with m.State("reply"):
            m.d.sync += [out.byte.eq(byte), ended.eq(ends), out.last.eq(ends & ~registers)]
            m.d.sync += [self._place.eq(self._place + 1), self.o.valid.eq(1)]
            with m.If(bulk):
                at_end = self._place[:2] == 3
                m.d.sync += [out.byte.eq(self._head[8:16]), ended.eq(at_end)]
                m.d.sync += out.last.eq(at_end & last)
                self._shift(m)
            m.next = "send"
        with m.State("send"), m.If(~self.o.valid):
            m.next = "reply"
            with m.If(ended):
                m.next = "ask"
            with m.If(out.last):
                m.d.sync += bulk.eq(0)
                m.next = "next"
        with m.State("ask"):
            m.d.comb += self.port.ask.eq(1)
            m.d.sync += [self._place.eq(0), bulk.eq(1)]
            m.next = "asked"
        with m.State("asked"):
            self._exchange(m)
            with m.If(self.port.done):
                m.next = "reply"
