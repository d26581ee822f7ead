"""The board's end of the line, outwards: bodies in, packets on the line out."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC16_IBM_3740
from amaranth.lib.wiring import In, Out

from polyrhythm.boards.link.ring import Ring
from polyrhythm.boards.link.uart import UartSender

RING_BYTES = 512  # a power of two, more than the longest packet on the line


class BodyByte(data.StructLayout):
    """A byte of a body; `last`: its last one, and the CRC is put behind it."""

    def __init__(self) -> None:
        super().__init__({"byte": 8, "last": 1})


class Sender(wiring.Component):
    """Bodies without their CRC in, the line out.

    COBS tells how long a run of bytes is before it sends them: a packet is written into a ring
    behind a place for the length of its run, which is filled in when the run ends. What stands
    before that place goes out.

    Members
    -------
    i    bodies, byte by byte, one in 3 cycles; waits while the ring is full
    tx   the line
    """

    def __init__(self, divisor: int):
        self._divisor = divisor
        super().__init__({"i": In(stream.Signature(BodyByte())), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.uart = uart = UartSender(self._divisor)
        m.submodules.crc = crc = CRC16_IBM_3740().create()
        m.submodules.ring = ring = Ring(RING_BYTES)
        wiring.connect(m, ring.o, uart.i)
        places = range(RING_BYTES)
        head, place = Signal(places, name="head"), Signal(places, init=1, name="place")
        run = Signal(8, init=1, name="run")  # the length of the run, plus one
        byte, last, tail = Signal(8, name="byte"), Signal(name="last"), Signal(2, name="tail")
        # A few places are never used, so that a late answer does no harm.
        used, room = Signal(places, name="used"), Signal(name="room")
        m.d.sync += [used.eq(place - ring.taken), room.eq(~used[3:].all())]
        m.d.comb += [self.tx.eq(uart.tx), crc.data.eq(self.i.payload.byte), ring.given.eq(head)]
        with m.FSM(name="state"):
            with m.State("room"), m.If(room):
                m.next = "take"
            with m.State("take"):
                m.d.comb += [self.i.ready.eq(1), crc.valid.eq(self.i.valid)]
                m.d.sync += [byte.eq(self.i.payload.byte), last.eq(self.i.payload.last)]
                with m.If(self.i.valid):
                    m.next = "put"
            with m.State("put"):
                m.d.comb += ring.put.eq(1)
                m.d.sync += place.eq(place + 1)
                with m.If(byte == 0):
                    m.d.comb += [ring.at.eq(head), ring.byte.eq(run)]
                    m.d.sync += [head.eq(place), run.eq(1)]
                with m.Else():
                    m.d.comb += [ring.at.eq(place), ring.byte.eq(byte)]
                    m.d.sync += run.eq(run + 1)
                with m.If(~last):
                    m.next = "room"
                with m.Else():
                    # The CRC goes the same way, its high byte first.
                    m.d.sync += tail.eq(tail + 1)
                    with m.If(tail == 0):
                        m.d.sync += byte.eq(crc.crc[8:])
                    with m.Else():
                        m.d.sync += byte.eq(crc.crc[:8])
                    with m.If(tail == 2):
                        m.next = "run"
            with m.State("run"):
                m.d.comb += [ring.put.eq(1), ring.at.eq(head), ring.byte.eq(run)]
                m.next = "end"
            with m.State("end"):
                m.d.comb += [ring.put.eq(1), ring.at.eq(place), crc.start.eq(1)]
                m.d.sync += [head.eq(place + 1), place.eq(place + 2), run.eq(1), tail.eq(0)]
                m.next = "room"
        return m
