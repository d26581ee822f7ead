"""Unary coding: hidden layers send every spike as an event of its own, in place of one event that
carries their count."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.stream.event import Event


class Unary(wiring.Component):
    """Counts in, spikes out: a word that stands for n spikes leaves n times, ticks and ends once.

    A word leaves in the cycle in which it is offered; it is taken with its last spike. `counted`:
    the words of `i`.
    """

    def __init__(self, counted: Event):
        spike = Event(counted.source, 1)
        super().__init__({"i": In(stream.Signature(counted)), "o": Out(stream.Signature(spike))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word, event = self.i.payload, self.o.payload
        sent = Signal.like(word.count, name="sent")  # spikes of the word at hand
        # The word stays at the input until its last spike has left; nothing is stored.
        last = word.tick | word.end | (sent == word.count - 1)
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & last),
            event.address.eq(word.address),
            event.tick.eq(word.tick),
            event.end.eq(word.end),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += sent.eq(Mux(last, 0, sent + 1))
        return m
