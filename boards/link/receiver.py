"""The board's end of the line, inwards: bytes in, whole and correct packets out."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC16_IBM_3740
from amaranth.lib.wiring import In, Out

from polyrhythm.boards.link.cobs import CobsDecoder
from polyrhythm.boards.link.packets import BODY_BYTES, CRC_BYTES
from polyrhythm.boards.link.ring import Ring
from polyrhythm.boards.link.uart import UartReceiver

FAULTS = ("framing", "overrun", "length", "cobs", "crc")
SLOT_BYTES = 256  # of the ring for each packet that the host may have on its way


class Receiver(wiring.Component):
    """Bytes of a line in, bodies without their CRC out, each behind its length.

    A packet is written into the ring as it comes, and is there for the reader only once its CRC is
    right; else its place is used again.

    Members
    -------
    rx      the line
    o       packets: a byte with the number of bytes, then these
    waits   there is a packet, or a part of one, in `o`
    fault   one bit for each of FAULTS, for one cycle: a packet was dropped for it
    """

    def __init__(self, divisor: int, slots: int):
        self._divisor, self._bytes = divisor, slots * SLOT_BYTES
        members = {"o": Out(stream.Signature(8)), "waits": Out(1), "fault": Out(len(FAULTS))}
        super().__init__({"rx": In(1), **members})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.uart = uart = UartReceiver(self._divisor)
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.crc = crc = CRC16_IBM_3740().create()
        m.submodules.ring = ring = Ring(self._bytes)
        wiring.connect(m, ring.o, wiring.flipped(self.o))
        m.d.comb += [
            uart.rx.eq(self.rx),
            decoder.byte.eq(uart.byte),
            decoder.put.eq(uart.valid),
            crc.data.eq(decoder.o),
            crc.valid.eq(decoder.valid),
        ]
        places = range(self._bytes)
        # Of the packet's length, and of its next byte
        start, place = Signal(places, name="start"), Signal(places, init=1, name="place")
        size = Signal(8, name="size")  # bytes of the body so far
        room, fits, right = Signal(name="room"), Signal(name="fits"), Signal(name="right")
        spoilt = Signal(2, name="spoilt")  # framing, overrun
        verdict = Signal(name="verdict")  # the packet has ended
        m.d.sync += [
            room.eq(place != ring.taken),
            right.eq(crc.match_detected),
            fits.eq((size > CRC_BYTES) & (size <= BODY_BYTES)),
            self.waits.eq(start != ring.taken),
            verdict.eq(decoder.ends & (~decoder.empty | spoilt[0])),
        ]
        with m.If(uart.broken):
            m.d.sync += spoilt[0].eq(1)
        with m.If(decoder.valid):
            with m.If(room & (size <= BODY_BYTES)):
                m.d.sync += place.eq(place + 1)
            with m.If(~room):
                m.d.sync += spoilt[1].eq(1)
            with m.If(size <= BODY_BYTES):
                m.d.sync += size.eq(size + 1)
        whole = Signal(name="whole")
        with m.If(decoder.ends):
            m.d.sync += whole.eq(decoder.whole)
        wrong = Cat(spoilt, ~fits, ~whole, ~right)
        good = ~wrong.any()
        m.d.comb += [
            ring.given.eq(start),
            ring.at.eq(Mux(verdict, start, place)),
            ring.byte.eq(Mux(verdict, size - CRC_BYTES, decoder.o)),
            ring.put.eq((decoder.valid & room) | (verdict & good)),
        ]
        with m.If(verdict):
            following = Mux(good, place - CRC_BYTES, start)
            m.d.sync += [start.eq(following), place.eq(following + 1), size.eq(0), spoilt.eq(0)]
            # The first fault is the cause of those behind it.
            m.d.comb += self.fault.eq(wrong & (~wrong + 1))
            m.d.comb += crc.start.eq(1)
        return m
