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


class Receiver(wiring.Component):
    """Bytes of a line in, bodies out, each behind its length; their CRC, which is right, included.

    A packet is written into the ring as it comes, and is there for the reader only once its CRC is
    right; else its place is used again.

    Members
    -------
    rx      the line
    o       packets: a byte with the number of bytes, then these
    waits   there is a packet, or a part of one, in `o`
    fault   one bit for each of FAULTS, for one cycle: a packet was dropped for it
    """

    def __init__(self, divisor: int, ring_bytes: int):
        self._divisor, self._bytes = divisor, ring_bytes
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
        broken, full, whole = (Signal(name=name) for name in ("broken", "full", "whole"))
        # The packet has ended; a cycle later: the place behind the length of the next one
        verdict, onward = Signal(name="verdict"), Signal(name="onward")
        m.d.sync += [
            room.eq(place != ring.taken),
            self.waits.eq(start != ring.taken),
            right.eq(crc.match_detected),
            fits.eq((size > CRC_BYTES) & (size <= BODY_BYTES)),
            verdict.eq(decoder.ends & (~decoder.empty | broken)),
            onward.eq(verdict),
        ]
        wrong = Cat(broken, full, ~fits, ~whole, ~right)
        keeps = decoder.valid & room & (size <= BODY_BYTES)
        m.d.comb += [
            ring.given.eq(start),
            ring.at.eq(Mux(verdict, start, place)),
            ring.byte.eq(Mux(verdict, size, decoder.o)),
            ring.put.eq(keeps | verdict),
            crc.start.eq(verdict),
        ]
        with m.If(uart.broken):
            m.d.sync += broken.eq(1)
        with m.If(decoder.valid):
            m.d.sync += full.eq(full | ~room)
            with m.If(size <= BODY_BYTES):
                m.d.sync += size.eq(size + 1)
        with m.If(decoder.ends):
            m.d.sync += whole.eq(decoder.whole)
        with m.If(keeps | onward):
            m.d.sync += place.eq(place + 1)
        with m.If(verdict):
            m.d.sync += [size.eq(0), broken.eq(0), full.eq(0)]
            # The first fault is the cause of those behind it.
            m.d.comb += self.fault.eq(wrong & (~wrong + 1))
            with m.If(wrong.any()):
                m.d.sync += place.eq(start)
            with m.Else():
                m.d.sync += start.eq(place)
        return m
