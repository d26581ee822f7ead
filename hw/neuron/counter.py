"""The two_phase neuron's spike count: 1 + floor((v - Th) / Th), at most T (docs/contract.md
1.1)."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import bits_for
from polyrhythm.hw.lib.loading import row_of
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.pick import Pick
from polyrhythm.sw.plan.addresses import AddressMap
from polyrhythm.sw.plan.neurons import CountingNeuron


class Counter(wiring.Component):
    """Divides by comparing with 2^k thresholds, one bit of the quotient in each stage.

    The pipeline moves as a whole, when its last stage is empty or taken. Latency is two cycles for
    the threshold and one for each bit of T - 1; one event per cycle.

    Parameters
    ----------
    rom : type[Rom]           how memories are built
    neuron : CountingNeuron   a threshold for each channel of `target`, and T
    target : AddressMap       the neurons that addresses name
    value_bits : int          width of v - Th where v >= Th
    """

    def __init__(self, rom: type[Rom], neuron: CountingNeuron, target: AddressMap, value_bits: int):
        self._rom, self._neuron, self._target, self._T = rom, neuron, target, neuron.T
        thresholds = neuron.thresholds
        self._highest = int(thresholds.values.max())
        if thresholds.swappable:
            self._highest = (1 << thresholds.bits) - 1
        self._value_bits, self._pick = value_bits, Pick(target, value_bits)
        event = Event(target, neuron.T)
        super().__init__({"i": In(stream.Signature(self._pick)), "o": Out(stream.Signature(event))})

    @property
    def latency(self) -> int:
        """Cycles from `i` to `o`."""
        return 2 + (self._T - 1).bit_length()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        move = ~self.o.valid | self.o.ready
        bits, threshold_bits = (self._T - 1).bit_length(), bits_for(self._highest)
        fields = {"pick": self._pick, "valid": 1, "threshold": threshold_bits, "quotient": bits}
        stage = data.StructLayout(fields)
        first, second = Signal(stage, name="first"), Signal(stage, name="second")
        m.d.comb += self.i.ready.eq(move)
        # The memory has no enable: while waiting, read the same again.
        at = Mux(move, self.i.payload.address, first.pick.address)[self._target.channel_low :]
        threshold = row_of(m, self._rom, self._neuron.thresholds, at)
        with m.If(move):
            m.d.sync += [
                first.pick.eq(self.i.payload),
                first.valid.eq(self.i.valid),
                second.eq(first),
                second.threshold.eq(threshold),
            ]
        # Long division: where 2^k thresholds fit into what is left, they are taken off.
        last: Value = second
        for k in reversed(range(bits)):
            divided = Signal(stage, name=f"bit_{k}")
            least = -(self._highest << k)
            left = Signal(range(least, 1 << self._value_bits), name=f"left_{k}")
            m.d.comb += left.eq(last.pick.value - last.threshold.shift_left(k))
            with m.If(move):
                m.d.sync += divided.eq(last)
                with m.If(left >= 0):
                    m.d.sync += [divided.pick.value.eq(left), divided.quotient[k].eq(1)]
            last = divided
        event = self.o.payload
        # The first threshold is in the sum already, hence the one more.
        count = Mux(last.quotient >= self._T - 1, self._T, last.quotient + 1)
        m.d.comb += [
            self.o.valid.eq(last.valid),
            event.address.eq(last.pick.address),
            event.tick.eq(last.pick.tick),
            event.end.eq(last.pick.end),
            event.count.eq(Mux(event.tick | event.end, 0, count)),
        ]
        return m
