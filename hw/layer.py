"""A spiking layer and a readout, assembled: neurons -> serializer -> (counter), or -> answer."""

from amaranth.hdl import Module, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.event_driven.layer import EventLayer
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.neuron.counter import Counter
from polyrhythm.hw.neurons import Neurons
from polyrhythm.hw.output.readout import Readout, Result
from polyrhythm.hw.output.serializer import Serializer
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.layer import Classes, LayerPlan, Spikes
from polyrhythm.sw.plan.neurons import CountingNeuron, ReactingNeuron


def result_of(plan: LayerPlan) -> Result:
    """The answer of a planned readout."""
    assert isinstance(plan.output, Classes)
    return Result(plan.output.number, plan.potential_bits)


def sent_by(plan: LayerPlan) -> Event:
    """The words that a planned hidden layer puts on the wire."""
    assert isinstance(plan.output, Spikes)
    return Event.of(plan.output.wire)


def hidden_layer(rom: type[Rom], plan: LayerPlan) -> "SpikingLayer | EventLayer":
    """The circuit of a layer that spikes."""
    return (EventLayer if isinstance(plan.neuron, ReactingNeuron) else SpikingLayer)(rom, plan)


class SpikingLayer(wiring.Component):
    """A dense layer or convolution that fires when its groups are swept, events in, events out.

    Members
    -------
    i        events of the layer before, one tick or end for each step of this layer
    o        this layer's events: group by group of its layout, ascending lanes within each
    cleared  ready for events after a reset

    Dense: `groups` cycles per event and per sweep. Convolution: see `ConvSequencer`. Latency: see
    `polyrhythm.sw.timing.cycles`.
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
        plan, layout = self._plan, self._plan.layout
        m.submodules.neurons = neurons = Neurons(self._rom, plan)
        m.submodules.serializer = serializer = Serializer(
            layout,
            plan.value_bits,
            plan.slots,
            parameters=plan.parameters,
            profiles=plan.input.word.profiles,
        )
        wiring.connect(m, wiring.flipped(self.i), neurons.i)
        wiring.connect(m, neurons.o, serializer.i)
        m.d.comb += self.cleared.eq(neurons.cleared)
        if isinstance(plan.neuron, CountingNeuron) and plan.neuron.counts:
            m.submodules.counter = counter = Counter(
                self._rom, plan.neuron, layout.target, plan.value_bits
            )
            wiring.connect(m, serializer.o, counter.i)
            wiring.connect(m, counter.o, wiring.flipped(self.o))
        else:
            wiring.connect(m, serializer.o, wiring.flipped(self.o))
        return m


class ReadoutLayer(wiring.Component):
    """The last layer: events in, one `Result` per frame out.

    running: the sums of all classes, after each tick; live: those of the group at hand, at any
    moment; cleared: ready for events after a reset, where contents may be swapped
    """

    def __init__(self, rom: type[Rom], plan: LayerPlan):
        self._rom, self._plan, result = rom, plan, result_of(plan)
        sums = data.ArrayLayout(signed(plan.potential_bits), plan.layout.lanes)
        super().__init__(
            {
                "i": In(stream.Signature(Event.of(plan.input.word))),
                "o": Out(stream.Signature(result)),
                "running": Out(stream.Signature(result["logits"].shape, always_ready=True)),
                "live": Out(sums),
                **({"cleared": Out(1)} if plan.sums.start.swappable else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        assert isinstance(plan.output, Classes)
        m.submodules.neurons = neurons = Neurons(self._rom, plan)
        m.submodules.answer = answer = Readout(
            plan.output.number, plan.layout.lanes, plan.potential_bits, plan.parameters
        )
        wiring.connect(m, wiring.flipped(self.i), neurons.i)
        wiring.connect(m, neurons.o, answer.i)
        wiring.connect(m, answer.o, wiring.flipped(self.o))
        wiring.connect(m, answer.running, wiring.flipped(self.running))
        m.d.comb += self.live.eq(neurons.o.words.payload.sums)
        if plan.sums.start.swappable:
            m.d.comb += self.cleared.eq(neurons.cleared)
        return m
