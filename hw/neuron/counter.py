"""The two_phase neuron's spike count: 1 + floor((v - Th) / Th), at most T, one fired neuron per cycle (docs/contract.md 1.1)."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.rom import Rom, table
from polyrhythm.hw.output.serializer import Pick
from polyrhythm.hw.stream.event import Event, bits_for
from polyrhythm.sw.plan.addresses import Map


class Counter(wiring.Component):
    """Divides by comparing with 2^k thresholds, one bit of the quotient in each stage; one event per cycle.

    The pipeline moves as a whole, when its last stage is empty or taken. Two cycles for the threshold, one for each bit of T - 1.

    Parameters
    ----------
    rom, name : how memories are built, and the layer's name for their files
    thresholds : Sequence[int]    of each channel of `target`
    target : Map                  the neurons that addresses name
    value_bits, T : int           width of v - Th where v >= Th; the most that a neuron emits
    """

    def __init__(self, rom: type[Rom], name: str, thresholds: Sequence[int], target: Map, value_bits: int, T: int):
        self._rom, self._name, self._thresholds, self._target, self._T = rom, name, thresholds, target, T
        self._value_bits, self._pick = value_bits, Pick(target, value_bits)
        super().__init__({"i": In(stream.Signature(self._pick)), "o": Out(stream.Signature(Event(target, T)))})

    @property
    def latency(self) -> int:
        """Cycles from `i` to `o`."""
        return 2 + (self._T - 1).bit_length()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        move = ~self.o.valid | self.o.ready
        bits, threshold_bits = (self._T - 1).bit_length(), bits_for(max(self._thresholds))
        stage = data.StructLayout({"pick": self._pick, "valid": 1, "threshold": threshold_bits, "quotient": bits})
        first, second = Signal(stage, name="first"), Signal(stage, name="second")
        m.d.comb += self.i.ready.eq(move)
        # The memory has no enable: while waiting, read the same again.
        at = Mux(move, self.i.payload.address, first.pick.address)[self._target.channel_low :]
        threshold = table(m, self._rom, f"{self._name}_threshold.hex", threshold_bits, self._thresholds, at)
        with m.If(move):
            m.d.sync += [
                first.pick.eq(self.i.payload),
                first.valid.eq(self.i.valid),
                second.eq(first),
                second.threshold.eq(threshold),
            ]
        last: Value = second
        for k in reversed(range(bits)):
            divided = Signal(stage, name=f"bit_{k}")
            left = Signal(range(-(max(self._thresholds) << k), 1 << self._value_bits), name=f"left_{k}")
            m.d.comb += left.eq(last.pick.value - last.threshold.shift_left(k))
            with m.If(move):
                m.d.sync += divided.eq(last)
                with m.If(left >= 0):
                    m.d.sync += [divided.pick.value.eq(left), divided.quotient[k].eq(1)]
            last = divided
        event = self.o.payload
        m.d.comb += [
            self.o.valid.eq(last.valid),
            event.address.eq(last.pick.address),
            event.tick.eq(last.pick.tick),
            event.end.eq(last.pick.end),
            event.count.eq(Mux(event.tick | event.end, 0, Mux(last.quotient >= self._T - 1, self._T, last.quotient + 1))),
        ]
        return m
