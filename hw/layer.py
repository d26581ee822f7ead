"""Layers and a readout, assembled: sequencer -> charge -> (membrane) -> serializer -> (counter), or -> answer."""

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.charge import ConvCharge, silent
from polyrhythm.hw.conv.locate import Locate
from polyrhythm.hw.conv.sequencer import ConvSequencer
from polyrhythm.hw.dense.charge import Charge
from polyrhythm.hw.dense.sequencer import Sequencer
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.neuron.counter import Counter
from polyrhythm.hw.neuron.membrane import Dynamics, Membrane
from polyrhythm.hw.output.readout import Readout, Result
from polyrhythm.hw.output.serializer import Serializer
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.pool import Pool
from polyrhythm.sw.network import Layer
from polyrhythm.sw.plan.parameters import slots
from polyrhythm.sw.plan.rom import Contents, DenseRom
from polyrhythm.sw.plan.rom_conv import ConvRom


class Swept(wiring.Component):
    """What all layers have in common: events in, finished groups out, by whatever sequencer and charge their kind has.

    Members
    -------
    i                                       : events, one step of the layer for each tick or end
    done, last, group, closing, fire, sums  : a finished group, its tick's last one or not: who fired, and sums (two_phase) or
                                              potentials (time_stepped)
    returned                                : a finished group's place is free again
    cleared                                 : ready for events after a reset
    """

    def __init__(self, rom: type[Rom], name: str, event: Event, layer: Layer, contents: Contents, credits: int):
        self._contents, self._credits = contents, credits
        make = self._conv if isinstance(contents, ConvRom) else self._dense
        make(rom, name, event, layer)
        op, tables, held = self.charge.op.shape(), contents.tables, max(contents.repeats) > 1
        dynamics = Dynamics(layer.leak_shift, layer.reset, fires=layer.kind != "readout")
        self.membrane = tables and Membrane(rom, name, op, tables, dynamics, held=held, sum_bits=contents.sum_bits)
        source = self.membrane.v if self.membrane else self.charge.sums
        super().__init__(
            {
                "i": In(stream.Signature(event)),
                "returned": In(1),
                "cleared": Out(1),
                "done": Out(1),
                "last": Out(1),
                "group": Out(op["group"].shape),
                "closing": Out(1),
                "fire": Out(contents.layout.lanes),
                "sums": Out(source.shape()),
            }
        )

    def _dense(self, rom: type[Rom], name: str, event: Event, layer: Layer) -> None:
        contents = self._contents
        assert isinstance(contents, DenseRom)
        readout = layer.kind == "readout"
        pool = Pool(event, layer.pool) if layer.pool > 1 else None
        self.front: Pool | Locate | None = pool
        pooled = pool.o.payload.shape() if pool else event
        self.sequencer: Sequencer | ConvSequencer = Sequencer(
            pooled,
            groups=contents.groups,
            capacity=contents.capacity * event.each,
            repeats=contents.repeats,
            phases=contents.phases,
            credits=self._credits,
            closing_only=readout,
        )
        self.charge: Charge | ConvCharge = Charge(
            rom,
            name,
            self.sequencer.op.shape(),
            lanes=contents.lanes,
            weight_bits=contents.weight_bits,
            rows=contents.weights,
            starts=contents.starts,
            width=contents.sum_bits,
        )

    def _conv(self, rom: type[Rom], name: str, event: Event, layer: Layer) -> None:
        contents = self._contents
        assert isinstance(contents, ConvRom)
        self.front = locate = Locate(event, contents)
        self.sequencer = ConvSequencer(locate.o.payload.shape(), contents, event, self._credits)
        self.charge = ConvCharge(rom, name, self.sequencer.op.shape(), contents)

    @property
    def latency(self) -> int:
        """Cycles from a sweep's issue to its finished group."""
        return self.charge.latency + (self.membrane.latency if self.membrane else 0)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.sequencer, m.submodules.charge = sequencer, charge = self.sequencer, self.charge
        if self.front is None:
            wiring.connect(m, wiring.flipped(self.i), sequencer.i)
        else:
            m.submodules.front = self.front
            wiring.connect(m, wiring.flipped(self.i), self.front.i)
            wiring.connect(m, self.front.o, sequencer.i)
        m.d.comb += [
            charge.op.eq(sequencer.op),
            sequencer.returned.eq(self.returned),
            self.cleared.eq(getattr(sequencer, "cleared", 1)),
        ]
        swept = charge.swept
        if self.membrane:
            m.submodules.membrane = membrane = self.membrane
            m.d.comb += [
                membrane.done.eq(charge.done),
                membrane.coming.eq(charge.coming),
                membrane.swept.eq(charge.swept),
                membrane.sums.eq(charge.sums),
                self.done.eq(membrane.o_done),
                self.sums.eq(membrane.v),
            ]
            fire, swept = membrane.fire, membrane.o_swept
        else:
            m.d.comb += [self.done.eq(charge.done), self.sums.eq(charge.sums)]
            fire = Cat(charge.sums[k] >= 0 for k in range(self._contents.layout.lanes))
        if isinstance(self._contents, ConvRom):
            fire = fire & ~silent(swept, self._contents)
        m.d.comb += [
            self.fire.eq(fire),
            self.group.eq(swept.group),
            self.last.eq(swept.group == self._contents.layout.groups - 1),
            self.closing.eq(swept.closing),
        ]
        return m


class SpikingLayer(wiring.Component):
    """One spiking layer, dense or convolution, events in, events out.

    Parameters
    ----------
    rom : type[Rom]           how memories are built
    name : str                how their files begin
    event : Event             words of `i`
    layer : Layer             reset, leak, T
    contents : Contents       weights, thresholds, widths, lanes; `DenseRom` or `ConvRom`

    Members
    -------
    i : In(stream)            events of the layer before, one tick or end for each step of this layer
    o : Out(stream)           this layer's events: group by group of its layout, ascending lanes within each
    cleared                   ready for events after a reset

    Dense: groups cycles per event and per sweep. Convolution: see `ConvSequencer`. Timing in `sw.timing.cycles`.
    """

    def __init__(self, rom: type[Rom], name: str, event: Event, layer: Layer, contents: Contents):
        self._rom, self._name, self._layer, self._contents = rom, name, layer, contents
        counted = contents.thresholds is not None and layer.T > 1
        self._value_bits = contents.sum_bits if counted else 0
        self.slots = slots(contents.layout.groups, contents.banks, counted)
        self._swept = Swept(rom, name, event, layer, contents, credits=self.slots)
        most = layer.T if contents.thresholds is not None else 1
        super().__init__(
            {
                "i": In(stream.Signature(event)),
                "o": Out(stream.Signature(Event(contents.layout.target, most))),
                "cleared": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout, thresholds = self._contents.layout, self._contents.thresholds
        m.submodules.neurons = swept = self._swept
        m.submodules.serializer = serializer = Serializer(layout, self._value_bits, self.slots)
        wiring.connect(m, wiring.flipped(self.i), swept.i)
        m.d.comb += [
            serializer.put.eq(swept.done),
            swept.returned.eq(serializer.returned),
            serializer.i.fire.eq(swept.fire),
            serializer.i.last.eq(swept.last),
            serializer.i.closing.eq(swept.closing),
            self.cleared.eq(swept.cleared),
        ]
        if not self._value_bits:
            wiring.connect(m, serializer.o, wiring.flipped(self.o))
            return m
        assert thresholds is not None
        m.submodules.counter = counter = Counter(
            self._rom, self._name, thresholds, layout.target, self._value_bits, self._layer.T
        )
        m.d.comb += [serializer.values[k].eq(swept.sums[k]) for k in range(layout.lanes)]
        wiring.connect(m, serializer.o, counter.i)
        wiring.connect(m, counter.o, wiring.flipped(self.o))
        return m


class DenseReadout(wiring.Component):
    """The last layer: events in, one `Result` per frame out; `tick` and `running` show the sums after each tick.

    live: the sums of the group at hand, at any moment
    """

    def __init__(self, rom: type[Rom], name: str, event: Event, layer: Layer, contents: Contents):
        assert isinstance(contents, DenseRom)
        self._swept = Swept(rom, name, event, layer, contents, credits=1)
        bits = self._swept.sums.shape().elem_shape.width
        self.result = Result(contents.n_out, bits)
        self._answer = Readout(contents.n_out, contents.lanes, bits)
        super().__init__(
            {
                "i": In(stream.Signature(event)),
                "o": Out(stream.Signature(self.result)),
                "tick": Out(1),
                "running": Out(self.result["logits"].shape),
                "live": Out(self._swept.sums.shape()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.neurons, m.submodules.answer = swept, answer = self._swept, self._answer
        wiring.connect(m, wiring.flipped(self.i), swept.i)
        wiring.connect(m, answer.o, wiring.flipped(self.o))
        m.d.comb += [
            answer.done.eq(swept.done),
            answer.group.eq(swept.group),
            answer.closing.eq(swept.closing),
            answer.sums.eq(swept.sums),
            swept.returned.eq(answer.returned),
            self.tick.eq(answer.tick),
            self.running.eq(answer.running),
            self.live.eq(swept.sums),
        ]
        return m
