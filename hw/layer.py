"""A fully connected layer and a readout, assembled: sequencer -> charge -> (membrane) -> serializer -> (counter), or -> answer."""

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.charge import Charge
from hw.counter import Counter
from hw.events import Event
from hw.membrane import Dynamics, Membrane
from hw.memory import Rom
from hw.readout import Readout, Result
from hw.sequencer import Sequencer
from hw.serializer import Serializer
from sw.architecture import MASK_SLOTS, VALUE_SLOTS
from sw.network import Layer
from sw.rom import DenseRom


class Swept(wiring.Component):
    """What a layer and a readout have in common: events in, finished groups out.

    Members
    -------
    i                                 : events, one step of the layer for each tick or end
    done, group, closing, fire, sums  : a finished group: who fired, and sums (two_phase) or potentials (time_stepped)
    returned                          : a finished group's place is free again
    """

    def __init__(self, rom: type[Rom], name: str, event: Event, layer: Layer, contents: DenseRom, credits: int, closing_only: bool):
        self._layer, self._contents = layer, contents
        self.sequencer = Sequencer(
            event,
            groups=contents.groups,
            capacity=contents.capacity,
            repeats=contents.repeats,
            phases=contents.phases,
            credits=credits,
            closing_only=closing_only,
        )
        op, tables = self.sequencer.op.shape(), contents.tables
        self.charge = Charge(
            rom,
            name,
            op,
            lanes=contents.lanes,
            weight_bits=contents.weight_bits,
            rows=contents.weights,
            starts=contents.starts,
            width=contents.sum_bits,
        )
        self.membrane = tables and Membrane(
            rom,
            name,
            op,
            tables,
            Dynamics(layer.leak_shift, layer.reset, fires=layer.kind != "readout"),
            held=max(contents.repeats) > 1,
            sum_bits=contents.sum_bits,
        )
        source = self.membrane.v if self.membrane else self.charge.sums
        super().__init__(
            {
                "i": In(stream.Signature(event)),
                "returned": In(1),
                "done": Out(1),
                "group": Out(op["group"].shape),
                "closing": Out(1),
                "fire": Out(contents.lanes),
                "sums": Out(source.shape()),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a sweep's issue to its finished group."""
        return self.charge.latency + (self.membrane.latency if self.membrane else 0)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.sequencer, m.submodules.charge = sequencer, charge = self.sequencer, self.charge
        wiring.connect(m, wiring.flipped(self.i), sequencer.i)
        m.d.comb += [charge.op.eq(sequencer.op), sequencer.returned.eq(self.returned)]
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
                self.fire.eq(membrane.fire),
            ]
            swept = membrane.o_swept
        else:
            m.d.comb += [
                self.done.eq(charge.done),
                self.sums.eq(charge.sums),
                self.fire.eq(Cat(charge.sums[k] >= 0 for k in range(self._contents.lanes))),
            ]
        m.d.comb += [self.group.eq(swept.group), self.closing.eq(swept.closing)]
        return m


class DenseLayer(wiring.Component):
    """One fully connected spiking layer, events in, events out.

    Parameters
    ----------
    rom : type[Rom]           how memories are built
    name : str                how their files begin
    event : Event             words of `i`
    layer : Layer             reset, leak, T
    contents : DenseRom       weights, thresholds, widths, lanes

    Members
    -------
    i : In(stream)            events of the layer before, one tick or end for each step of this layer
    o : Out(stream)           this layer's events, ascending neuron order within each tick

    ceil(N_out / lanes) cycles per event and per sweep; timing in `sw.cycles`.
    """

    def __init__(self, rom: type[Rom], name: str, event: Event, layer: Layer, contents: DenseRom):
        self._rom, self._name, self._layer, self._contents = rom, name, layer, contents
        counted = contents.thresholds is not None and layer.T > 1
        self._value_bits = contents.sum_bits if counted else 0
        self.slots = VALUE_SLOTS if counted else MASK_SLOTS
        self._swept = Swept(rom, name, event, layer, contents, credits=self.slots, closing_only=False)
        super().__init__(
            {
                "i": In(stream.Signature(event)),
                "o": Out(stream.Signature(Event(contents.n_out, layer.T if contents.thresholds is not None else 1))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        contents = self._contents
        m.submodules.swept = swept = self._swept
        m.submodules.serializer = serializer = Serializer(contents.n_out, contents.lanes, self._value_bits, self.slots)
        wiring.connect(m, wiring.flipped(self.i), swept.i)
        m.d.comb += [
            serializer.put.eq(swept.done),
            swept.returned.eq(serializer.returned),
            serializer.i.fire.eq(swept.fire),
            serializer.i.last.eq(swept.group == contents.groups - 1),
            serializer.i.closing.eq(swept.closing),
        ]
        if not self._value_bits:
            wiring.connect(m, serializer.o, wiring.flipped(self.o))
            return m
        assert contents.thresholds is not None
        m.submodules.counter = counter = Counter(self._rom, self._name, contents.thresholds, self._value_bits, self._layer.T)
        m.d.comb += [serializer.values[k].eq(swept.sums[k]) for k in range(contents.lanes)]
        wiring.connect(m, serializer.o, counter.i)
        wiring.connect(m, counter.o, wiring.flipped(self.o))
        return m


class DenseReadout(wiring.Component):
    """The last layer: events in, one `Result` per frame out; `tick` and `running` show the sums after each tick."""

    def __init__(self, rom: type[Rom], name: str, event: Event, layer: Layer, contents: DenseRom):
        self._contents = contents
        self._swept = Swept(rom, name, event, layer, contents, credits=1, closing_only=True)
        bits = self._swept.sums.shape().elem_shape.width
        self.result = Result(contents.n_out, bits)
        self._answer = Readout(contents.n_out, contents.lanes, bits)
        super().__init__(
            {
                "i": In(stream.Signature(event)),
                "o": Out(stream.Signature(self.result)),
                "tick": Out(1),
                "running": Out(self.result["logits"].shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.swept, m.submodules.answer = swept, answer = self._swept, self._answer
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
        ]
        return m
