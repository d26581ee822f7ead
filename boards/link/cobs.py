"""COBS in gateware (Cheshire and Baker, Consistent Overhead Byte Stuffing, 1999): a body without
zeros on the line, so that a zero ends it.

Before each run of bytes that are not zero stands its length plus one, in place of the zero before
it. Bodies of the link have at most 253 bytes, so no run is longer than one length byte tells.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class CobsDecoder(wiring.Component):
    """Bytes of the line in, bytes of a body out, at most one for each.

    Members
    -------
    byte, put   the line's byte, and that it is new
    o, valid    a byte of the body (in the cycle of `put`)
    ends        the byte is the zero that ends a packet
    whole       with `ends`: no run was cut short
    empty       with `ends`: nothing stood before it
    """

    def __init__(self) -> None:
        ports = {"byte": In(8), "put": In(1), "o": Out(8), "valid": Out(1)}
        super().__init__(ports | {"ends": Out(1), "whole": Out(1), "empty": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = Signal(8, name="left")  # bytes of the run that are to come
        begun, done = Signal(name="begun"), Signal(init=1, name="done")
        zero = self.byte == 0
        m.d.comb += [
            self.ends.eq(self.put & zero),
            self.whole.eq(done),
            self.empty.eq(~begun),
            self.valid.eq(self.put & ~zero & (begun | ~done)),
        ]
        with m.If(~done):
            m.d.comb += self.o.eq(self.byte)
        with m.If(self.put):
            m.d.sync += [begun.eq(~zero), done.eq(zero)]
            with m.If(zero):
                m.d.sync += left.eq(0)
            with m.Elif(done):
                m.d.sync += [left.eq(self.byte - 1), done.eq(self.byte == 1)]
            with m.Else():
                m.d.sync += [left.eq(left - 1), done.eq(left == 1)]
        return m
