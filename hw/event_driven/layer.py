"""An event-driven layer, assembled: locate -> sequencer -> neurons -> serializer."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.locate import Locate
from polyrhythm.hw.event_driven.neuron import EventNeurons
from polyrhythm.hw.event_driven.operation import Visit
from polyrhythm.hw.event_driven.position import Position
from polyrhythm.hw.event_driven.sequencer import EventSequencer
from polyrhythm.hw.lib.loading import held_back, loading
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.output.serializer import Serializer
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.layer import LayerPlan, Spikes
from polyrhythm.sw.plan.neurons import ReactingNeuron

# Cycles of the sequencer around a visit's latency: two before it, its flag behind it
TO_VERDICT = 3


class EventLayer(wiring.Component):
    """One event-driven layer, dense or convolution, events in, events out as neurons react to them.

    Members
    -------
    i        events of the layer before, and the end of each frame
    o        events: one up or down (signed), or as many as the neuron had (unsigned); the end when
             all neurons rest
    cleared  ready for events after a reset

    Latency and throughput: see `EventSequencer`.
    """

    def __init__(self, rom: type[Rom], plan: LayerPlan):
        assert isinstance(plan.output, Spikes)
        self._rom, self._plan = rom, plan
        super().__init__(
            {
                "i": In(stream.Signature(Event.of(plan.input.word))),
                "o": Out(stream.Signature(Event.of(plan.output.word))),
                "cleared": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, synapses, neuron = self._plan, self._plan.input.synapses, self._plan.neuron
        assert isinstance(synapses, ConvSynapses) and isinstance(neuron, ReactingNeuron)
        event = Event.of(plan.input.word)
        visit = Visit(synapses, event if neuron.signed else Event(event.source, 1))
        position = Position(synapses, plan.layout, plan.parameters.block)
        m.submodules.locate = locate = Locate(event, synapses, positions=True)
        m.submodules.neurons = neurons = EventNeurons(self._rom, visit, plan)
        sequencer = EventSequencer(
            locate.o.payload.shape(),
            synapses,
            neuron,
            event,
            plan.slots,
            neurons.latency + TO_VERDICT,
        )
        loads = loading(m, [plan.sums.start, *neuron.tables])
        m.submodules.sequencer = held_back(sequencer, loads)
        m.submodules.serializer = serializer = Serializer(
            plan.layout, plan.value_bits, plan.slots, position, plan.parameters
        )
        wiring.connect(m, wiring.flipped(self.i), locate.i)
        wiring.connect(m, locate.o, sequencer.i)
        wiring.connect(m, sequencer.ops, neurons.i)
        wiring.connect(m, neurons.o, serializer.i)
        pick, word = serializer.o.payload, self.o.payload
        m.d.comb += [
            sequencer.unused.eq(neurons.unused),
            sequencer.restless.eq(neurons.restless),
            sequencer.returned.eq(neurons.o.returned),
            self.cleared.eq(sequencer.cleared),
            self.o.valid.eq(serializer.o.valid),
            serializer.o.ready.eq(self.o.ready),
            *(word[field].eq(pick[field]) for field in ("address", "tick", "end")),
            *(word[field].eq(pick.value) for field in word.shape().amount),
        ]
        return m
