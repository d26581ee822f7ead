"""A serial line, 8 data bits, no parity, one stop bit (8N1)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

LEAST_CLOCKS = 4  # clock cycles of a bit: fewer leave no room for an edge between two samples
TOLERANCE = 0.015  # how far from its nominal length a bit may be: a tenth bit is off by 15 % then


def divisor(clock_hz: float, baud: float) -> int:
    """Clock cycles of a bit. Raises ValueError where the clock does not divide into the baud."""
    cycles = round(clock_hz / baud)
    if cycles < LEAST_CLOCKS:
        raise ValueError(
            f"baud must be at most a {LEAST_CLOCKS}th of the clock, {clock_hz / LEAST_CLOCKS:,.0f} "
            f"at {clock_hz:,.0f} Hz, not {baud:,.0f}"
        )
    if abs(clock_hz / cycles / baud - 1) > TOLERANCE:
        raise ValueError(
            f"baud must divide the clock within {TOLERANCE:.1%}: {clock_hz:,.0f} Hz has "
            f"{clock_hz / cycles:,.0f} near {baud:,.0f}"
        )
    return cycles


class UartReceiver(wiring.Component):
    """Bytes out of a line.

    A byte begins at a falling edge, is sampled in the middle of its bits, and ends in the middle of
    its stop bit, so a sender that is a little too fast is followed. A stop bit of 0 is no byte; a
    line that stays low after it makes nothing until it rises.

    Members
    -------
    rx         the line, of any clock
    byte       what came
    valid      for one cycle: `byte` is new
    broken     for one cycle: there was a start bit, but no stop bit
    """

    def __init__(self, divisor: int):
        self._divisor = divisor
        super().__init__({"rx": In(1), "byte": Out(8), "valid": Out(1), "broken": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Two registers make the line of our clock; the third one finds its edge.
        first, line, before = (Signal(init=1, name=name) for name in ("first", "line", "before"))
        m.d.sync += [first.eq(self.rx), line.eq(first), before.eq(line)]
        # A one moves down in front of the bits; once it is at the bottom, only the stop bit lacks.
        timer, bits = Signal(range(self._divisor), name="timer"), Signal(10, name="bits")
        busy, begun, sample = Signal(name="busy"), Signal(name="begun"), Signal(name="sample")
        m.d.sync += [
            self.valid.eq(0),
            self.broken.eq(0),
            sample.eq(busy & (timer == 1)),
            timer.eq(Mux(timer == 0, self._divisor - 1, timer - 1)),
        ]
        with m.If(~busy):
            m.d.sync += [
                timer.eq(self._divisor // 2 - 1),
                bits.eq(1 << 9),
                begun.eq(0),
                busy.eq(before & ~line),
            ]
        with m.Elif(sample):
            with m.If(bits[0]):
                m.d.sync += [self.valid.eq(line), self.broken.eq(~line), busy.eq(0)]
            with m.Else():
                # The first sample is the start bit: a shorter pulse is none.
                m.d.sync += [bits.eq(Cat(bits[1:], line)), begun.eq(1), busy.eq(begun | ~line)]
        m.d.comb += self.byte.eq(bits[2:])
        return m


class UartSender(wiring.Component):
    """Bytes into a line; one bit in `divisor` cycles, no pause between bytes that wait."""

    def __init__(self, divisor: int):
        self._divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timer, step = Signal(range(self._divisor), name="timer"), Signal(name="step")
        # What is left to send, the lowest bit next; the stop bit is a one, so 0 is nothing.
        bits, idle = Signal(9, name="bits"), Signal(init=1, name="idle")
        m.d.sync += [
            timer.eq(Mux(timer == 0, self._divisor - 1, timer - 1)),
            step.eq(timer == 0),
            idle.eq(bits == 0),
        ]
        m.d.comb += self.i.ready.eq(step & idle)
        with m.If(step):
            m.d.sync += [self.tx.eq(bits[0] | idle), bits.eq(bits[1:])]
            with m.If(idle & self.i.valid):
                m.d.sync += [self.tx.eq(0), bits.eq(Cat(self.i.payload, Const(1, 1)))]
        return m
