"""Temporal alignment where a layer has fewer ticks than its source: ticks inside a group are
dropped, so its events add up."""

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import constant_in
from polyrhythm.hw.stream.event import Event


class Aligner(wiring.Component):
    """Passes events, and of the source ticks those that end a group (docs/contract.md 1.2). No
    latency; a dropped tick costs its cycle.

    keep : Sequence[Sequence[bool]]    in each profile, for each source tick of a frame, whether it
                                       ends a group; the last one always does
    """

    def __init__(self, event: Event, keep: Sequence[Sequence[bool]]):
        self._keep = [[int(ends) for ends in one] for one in keep]
        super().__init__({"i": In(stream.Signature(event)), "o": Out(stream.Signature(event))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tick = Signal(range(max(2, *map(len, self._keep))), name="tick")
        profile = self.i.payload.profile if len(self._keep) > 1 else Const(0, 0)
        # Nothing is added up here: events of dropped ticks meet in the sums behind.
        drop = self.i.payload.tick & ~constant_in(profile, tick, self._keep, 1)
        m.d.comb += [
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & ~drop),
            self.i.ready.eq(self.o.ready | drop),
        ]
        with m.If(self.i.valid & self.i.ready & (self.i.payload.tick | self.i.payload.end)):
            m.d.sync += tick.eq(Mux(self.i.payload.end, 0, tick + 1))
        return m
