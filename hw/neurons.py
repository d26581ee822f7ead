"""What dense layers, convolutions and readouts have in common: events in, finished groups out."""

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.charge import ConvCharge, silent
from polyrhythm.hw.conv.locate import Locate
from polyrhythm.hw.conv.sequencer import ConvSequencer
from polyrhythm.hw.dense.charge import Charge
from polyrhythm.hw.dense.sequencer import Sequencer
from polyrhythm.hw.lib.loading import held_back, loading
from polyrhythm.hw.lib.operations import CreditedSignature
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.neuron.membrane import Membrane
from polyrhythm.hw.output.readout import SummedWord
from polyrhythm.hw.output.words import FiredWord
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.pool import Pool
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.dense import DenseSynapses
from polyrhythm.sw.plan.layer import Classes, LayerPlan
from polyrhythm.sw.plan.neurons import TickingNeuron


class Neurons(wiring.Component):
    """Events in, finished groups out, by the sequencer, the charge and the neuron that the plan
    names.

    Members
    -------
    i        events, one step of the layer for each tick or end
    o        finished groups: `FiredWord`, or in a readout `SummedWord`
    cleared  ready for events after a reset
    """

    def __init__(self, rom: type[Rom], plan: LayerPlan):
        self._rom, self._plan = rom, plan
        layout = plan.layout
        profiles = plan.input.word.profiles
        word: data.StructLayout = FiredWord(layout.lanes, plan.value_bits, profiles=profiles)
        if isinstance(plan.output, Classes):
            word = SummedWord(layout.groups, layout.lanes, plan.potential_bits)
        super().__init__(
            {
                "i": In(stream.Signature(Event.of(plan.input.word))),
                "o": Out(CreditedSignature(word)),
                "cleared": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, synapses = self._plan, self._plan.input.synapses
        loads = loading(m, [plan.sums.start, *plan.neuron.tables])
        match synapses:
            case DenseSynapses():
                charge = self._dense(m, synapses, loads)
            case ConvSynapses():
                charge = self._conv(m, synapses, loads)
        done, finished = charge.o.words.valid, charge.o.words.payload
        if isinstance(plan.neuron, TickingNeuron):
            sums, op = finished.shape()["values"].shape, finished.op.shape()
            m.submodules.membrane = membrane = Membrane(
                self._rom, op, plan.neuron, plan.layout.groups, sums
            )
            wiring.connect(m, charge.o, membrane.i)
            done, finished = membrane.o.valid, membrane.o.payload
            fire: Value = finished.fire
        else:
            # The threshold is in the sum, so its sign is the comparison.
            fire = Cat(finished["values"][k] >= 0 for k in range(plan.layout.lanes))
        # Lanes beyond the map's edge have sums as well, of no neuron.
        if isinstance(synapses, ConvSynapses):
            fire = fire & ~silent(finished.op, synapses)
        self._out(m, done, finished, fire)
        return m

    def _dense(self, m: Module, synapses: DenseSynapses, loads: Value | None) -> Charge:
        plan, event = self._plan, Event.of(self._plan.input.word)
        events = wiring.flipped(self.i)
        if synapses.pool > 1:
            m.submodules.pool = pool = Pool(event, synapses.pool)
            wiring.connect(m, events, pool.i)
            event, events = pool.o.payload.shape(), pool.o
        m.submodules.sequencer = sequencer = Sequencer(
            event,
            groups=synapses.groups,
            capacity=synapses.capacity,
            steps=plan.steps,
            credits=plan.slots,
            closing_only=isinstance(plan.output, Classes),
        )
        m.submodules.charge = charge = Charge(
            self._rom, sequencer.ops.payload.shape(), synapses.weights, plan.sums, plan.parameters
        )
        wiring.connect(m, events, sequencer.i)
        wiring.connect(m, sequencer.ops, charge.i)
        m.d.comb += [
            sequencer.returned.eq(self.o.returned),
            self.cleared.eq(1 if loads is None else ~loads),
        ]
        return charge

    def _conv(self, m: Module, synapses: ConvSynapses, loads: Value | None) -> ConvCharge:
        plan, event = self._plan, Event.of(self._plan.input.word)
        m.submodules.locate = locate = Locate(event, synapses)
        sequencer = ConvSequencer(locate.o.payload.shape(), synapses, plan.steps, event, plan.slots)
        m.submodules.sequencer = held_back(sequencer, loads)
        m.submodules.charge = charge = ConvCharge(
            self._rom, sequencer.ops.payload.shape(), synapses, plan.sums, plan.parameters
        )
        wiring.connect(m, wiring.flipped(self.i), locate.i)
        wiring.connect(m, locate.o, sequencer.i)
        wiring.connect(m, sequencer.ops, charge.i)
        m.d.comb += [
            sequencer.returned.eq(self.o.returned),
            self.cleared.eq(sequencer.cleared),
        ]
        return charge

    def _out(self, m: Module, done: Value, finished: data.View, fire: Value) -> None:
        """The finished group as the serializer or the readout asks for it."""
        word, op, values = self.o.words.payload, finished.op, finished["values"]
        m.d.comb += self.o.words.valid.eq(done)
        if isinstance(self._plan.output, Classes):
            m.d.comb += [word.group.eq(op.group), word.closing.eq(op.closing), word.sums.eq(values)]
            return
        m.d.comb += [
            word.fired.fire.eq(fire),
            word.fired.last.eq(op.last),
            word.fired.closing.eq(op.closing),
        ]
        if self._plan.input.word.profiles > 1:
            m.d.comb += word.fired.profile.eq(op.profile)
        if self._plan.value_bits:
            m.d.comb += [word["values"][k].eq(values[k]) for k in range(self._plan.layout.lanes)]
