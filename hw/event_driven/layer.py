"""An event-driven layer, assembled: locate -> sequencer -> react -> serializer."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.locate import Locate
from polyrhythm.hw.event_driven.neuron import React, react_latency, value_bits
from polyrhythm.hw.event_driven.position import Place
from polyrhythm.hw.event_driven.sequencer import EventSequencer, Visit
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.output.serializer import Serializer
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.parameters import EVENT_SLOTS
from polyrhythm.sw.plan.rom_event import EventRom


class EventLayer(wiring.Component):
    """One event-driven layer, dense or convolution, events in, events out as neurons react to them.

    Members
    -------
    i : In(stream)     events of the layer before, and the end of each frame
    o : Out(stream)    events: one up or down (signed), or as many as the neuron had (unsigned); the end when all neurons rest
    cleared            ready for events after a reset

    Visits as of `EventSequencer`.
    """

    def __init__(self, rom: type[Rom], name: str, event: Event, contents: EventRom):
        self._contents = contents
        self._locate = Locate(event, contents)
        visit = Visit(contents, event)
        self._react = React(rom, name, visit, contents)
        drain = react_latency(contents, visit.max_count, visit.signed) + 3  # and two cycles of the sequencer's, one of its flag
        self._sequencer = EventSequencer(self._locate.o.payload.shape(), contents, event, EVENT_SLOTS, drain)
        most = 1 if contents.signed else contents.T
        super().__init__(
            {
                "i": In(stream.Signature(event)),
                "o": Out(stream.Signature(Event(contents.target, most, contents.signed))),
                "cleared": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        contents, bits = self._contents, value_bits(self._contents)
        m.submodules.locate, m.submodules.sequencer, m.submodules.react = locate, sequencer, react = (
            self._locate,
            self._sequencer,
            self._react,
        )
        m.submodules.serializer = serializer = Serializer(contents.layout, bits, EVENT_SLOTS, Place(contents))
        wiring.connect(m, wiring.flipped(self.i), locate.i)
        wiring.connect(m, locate.o, sequencer.i)
        pick, word = serializer.o.payload, self.o.payload
        m.d.comb += [
            react.op.eq(sequencer.op),
            sequencer.unused.eq(react.unused),
            sequencer.unrest.eq(react.unrest),
            sequencer.returned.eq(serializer.returned),
            serializer.put.eq(react.put),
            serializer.i.eq(react.o),
            serializer.place.eq(react.place),
            *([serializer.values.eq(react.values)] if bits else []),
            self.cleared.eq(sequencer.cleared),
            self.o.valid.eq(serializer.o.valid),
            serializer.o.ready.eq(self.o.ready),
            *(word[field].eq(pick[field]) for field in ("address", "tick", "end")),
            *(word[field].eq(pick.value) for field in word.shape().amount),
        ]
        return m
