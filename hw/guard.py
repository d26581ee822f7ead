"""The door: events that the contract forbids are dropped and reported, so that nothing behind it can overflow."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.events import Event


class Guard(wiring.Component):
    """Passes events, no latency; drops a spike with an address or count out of range, or one more than neurons in its tick.

    `error` rises with the first dropped spike and stays until reset.
    """

    def __init__(self, event: Event):
        self._event = event
        super().__init__({"i": In(stream.Signature(event)), "o": Out(stream.Signature(event)), "error": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        event, word = self._event, self.i.payload
        spike = ~(word.tick | word.end)
        seen = Signal(range(event.neurons + 1))  # spikes in this tick
        bad = spike & ((word.address >= event.neurons) | (seen == event.neurons))
        if event.max_count > 1:
            bad = bad | (spike & (word.count > event.max_count))
        m.d.comb += [self.o.payload.eq(word), self.o.valid.eq(self.i.valid & ~bad), self.i.ready.eq(self.o.ready | bad)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [seen.eq(Mux(spike, seen + ~bad, 0)), self.error.eq(self.error | bad)]
        return m
