"""The plan of a layer: what its circuit is, complete and immutable."""

from dataclasses import dataclass

from polyrhythm.sw.plan.constants import Synapses
from polyrhythm.sw.plan.events import EventWord
from polyrhythm.sw.plan.layout import Layout
from polyrhythm.sw.plan.neurons import CountingNeuron, Neuron, ReactingNeuron, Sums, TickingNeuron
from polyrhythm.sw.plan.parameters import Parameters
from polyrhythm.sw.plan.steps import Steps
from polyrhythm.sw.plan.table import Table


@dataclass(frozen=True, eq=False)
class LayerInput:
    """One edge into a layer: source (index of a layer; -1 the network's input), the words that
    come, and what they do."""

    source: int
    word: EventWord
    synapses: Synapses


@dataclass(frozen=True)
class Spikes:
    """A hidden layer's output: the words that its neurons make, and those on the wire, which stand
    for one spike each where the coding is unary."""

    word: EventWord
    wire: EventWord


@dataclass(frozen=True)
class Classes:
    """A readout's output: the logits of so many classes, and the largest one's index."""

    number: int


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """Everything that gateware, export and cycle model need to know of a layer.

    index, name, kind  of the layer in its network
    stem               how its modules and files begin
    inputs             the edges into it; each layer has one
    layout             which lane of which group each neuron is
    steps              when it integrates and fires, in each profile that the circuit has; it has
                       one
    sums               what its neurons add up
    v_bounds           least and greatest potential, proved over all legal frames
    neuron             what they do with it
    output             what leaves the layer
    """

    index: int
    name: str
    kind: str
    stem: str
    inputs: tuple[LayerInput, ...]
    layout: Layout
    steps: tuple[Steps, ...]
    sums: Sums
    v_bounds: tuple[int, int]
    neuron: Neuron
    output: Spikes | Classes
    parameters: Parameters

    @property
    def input(self) -> LayerInput:
        """The only edge into the layer."""
        (only,) = self.inputs
        return only

    @property
    def rhythm(self) -> Steps:
        """The steps of the only profile."""
        (only,) = self.steps
        return only

    @property
    def T(self) -> int:
        """The most time steps, of any profile."""
        return max(steps.T for steps in self.steps)

    @property
    def ticks(self) -> int:
        """The most ticks of a frame, of any profile; 1 where there are none."""
        return max(steps.sweeps for steps in self.steps)

    @property
    def n_out(self) -> int:
        """Neurons of the layer."""
        return (
            self.output.number if isinstance(self.output, Classes) else self.layout.target.neurons
        )

    @property
    def value_bits(self) -> int:
        """Bits of what goes to the serializer beside who fired: how far a sum passes its threshold
        (two_phase), or how much an event-driven neuron emits."""
        match self.neuron:
            case CountingNeuron(counts=True):
                return self.sums.bits
            case ReactingNeuron(signed=True):
                return 1
            case ReactingNeuron(T=T) if T > 1:
                return T.bit_length()
        return 0

    @property
    def potential_bits(self) -> int:
        """Bits of a potential; on the readout, of a logit."""
        return self.neuron.v_bits if isinstance(self.neuron, TickingNeuron) else self.sums.bits

    @property
    def slots(self) -> int:
        """Groups that may wait for the serializer, or for whoever takes the answer."""
        match self.output, self.neuron:
            case Classes(), _:
                return 1
            case _, ReactingNeuron():
                return self.parameters.event_slots
        banks = self.input.synapses.banks
        return self.parameters.slots(self.layout.groups, banks, self.value_bits > 0)

    @property
    def fetch_stages(self) -> int:
        """Cycles from a weight row's address to the row in its lanes."""
        return self.parameters.fetch_stages(len(self.input.synapses.weights.values))

    @property
    def gather_stages(self) -> int:
        """Cycles from a finished group to its place before the serializer."""
        return self.parameters.gather_stages(self.layout.lanes, self.stored)

    @property
    def stored(self) -> bool:
        """Whether the values of groups that wait stand in block RAMs."""
        return self.parameters.stored(self.value_bits > 0, self.slots)

    @property
    def memories(self) -> tuple[Table, ...]:
        """The tables that are memories of the circuit: equal rows are constants, except of
        weights."""
        weights = tuple(edge.synapses.weights for edge in self.inputs)
        constants = (self.sums.start, *self.neuron.tables)
        return (*weights, *(table.memory for table in constants if not table.is_constant))
