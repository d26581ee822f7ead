"""From a network to the plan of its accelerator: the one place that asks for schedule and kind."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan import lanes as parallel
from polyrhythm.sw.plan.addresses import input_addresses
from polyrhythm.sw.plan.constants import Profiles, Rows, Synapses
from polyrhythm.sw.plan.conv import conv_synapses, whole_map_synapses
from polyrhythm.sw.plan.dense import dense_synapses
from polyrhythm.sw.plan.event_driven import event_driven
from polyrhythm.sw.plan.events import EventWord
from polyrhythm.sw.plan.lanes import Lanes, checked_lanes, default_lanes
from polyrhythm.sw.plan.layer import Classes, LayerInput, LayerPlan, Spikes
from polyrhythm.sw.plan.layout import Layout
from polyrhythm.sw.plan.names import stems
from polyrhythm.sw.plan.neurons import CountingNeuron, Neuron, ReactingNeuron, Sums
from polyrhythm.sw.plan.parameters import STANDARD, Coding, Parameters
from polyrhythm.sw.plan.refusals import check_buildable, check_profiles
from polyrhythm.sw.plan.shape import Shape
from polyrhythm.sw.plan.steps import Steps, merged_ticks
from polyrhythm.sw.plan.time_stepped import time_stepped
from polyrhythm.sw.plan.two_phase import two_phase
from polyrhythm.sw.plan.widths import bounds
from polyrhythm.sw.plan.worst import Worst, worst


@dataclass(frozen=True, eq=False)
class NetworkPlan:
    """A whole accelerator: its layers in their order, and what goes in.

    name, digest, schedule  of the network
    lanes, coding           as chosen
    input                   words of the network's input
    shape                   of the network's input, (channels, rows, columns)
    ticks                   source ticks of a frame
    live                    whether the readout's sums are shown at any moment (event_driven)
    swappable               shape of the networks whose contents the finished circuit takes; None
                            where it is made for this one
    profiles                working points that the circuit has, in the order of their numbers on
                            the words; None: the network's own
    """

    name: str
    digest: str
    schedule: str
    lanes: tuple[Lanes, ...]
    coding: Coding
    input: EventWord
    shape: tuple[int, ...]
    ticks: int
    live: bool
    layers: tuple[LayerPlan, ...]
    parameters: Parameters
    swappable: Shape | None = None
    profiles: tuple[str | None, ...] = (None,)

    @property
    def hidden(self) -> tuple[LayerPlan, ...]:
        """All layers but the readout."""
        return self.layers[:-1]

    @property
    def readout(self) -> LayerPlan:
        """The last layer."""
        return self.layers[-1]


def plan(
    network: Network,
    lanes: Sequence[Lanes] | None = None,
    coding: Coding = "count",
    parameters: Parameters = STANDARD,
    shape: Shape | None = None,
    profiles: Sequence[str | None] = (None,),
) -> NetworkPlan:
    """Plan the accelerator of `network`, or with `shape` one for all networks of that shape.

    Of two networks of one shape the plans, and so the circuits, are the same but for the values in
    tables; all tables are memories, and no name of a layer enters.

    lanes: of each layer, neurons served per cycle, 1..N_out; in a convolution channels, or
    (channels, banks); default: `default_lanes`. coding: how hidden layers send a neuron's several
    spikes. profiles: working points between which frames choose. Raises ValueError for what the
    gateware cannot build and for a network that is not of the shape, TypeError for lanes that are
    no integers.
    """
    check_profiles(network, profiles, shape)
    points = tuple(network.profile(name) for name in profiles)
    for point in points:
        check_buildable(point)
    if shape is not None:
        shape.check(network)
    if coding not in get_args(Coding):
        raise ValueError(f"coding must be one of {', '.join(get_args(Coding))}, not {coding!r}")
    chosen = checked_lanes(network, default_lanes(network) if lanes is None else lanes)
    source = input_addresses(network, 0)
    word = first = EventWord(source, network.input.max_count, profiles=len(points))
    layers: list[LayerPlan] = []
    words = stems(network)
    if shape is not None:
        words = [f"{layer.kind}{i}" for i, layer in enumerate(network.layers)]
    for i, stem in enumerate(words):
        layer = plan_layer(points, i, stem, word, chosen[i], coding, parameters, shape)
        layers.append(layer)
        if isinstance(layers[-1].output, Spikes):
            word = layers[-1].output.wire
    return NetworkPlan(
        network.name,
        network.digest,
        network.schedule,
        chosen,
        coding,
        first,
        network.input.shape,
        network.input.T,
        network.schedule == "event_driven",
        tuple(layers),
        parameters,
        shape,
        tuple(profiles),
    )


def plan_layer(
    profiles: Profiles,
    i: int,
    stem: str,
    word: EventWord,
    lanes: Lanes,
    coding: Coding = "count",
    parameters: Parameters = STANDARD,
    shape: Shape | None = None,
) -> LayerPlan:
    """Plan layer i of a network for all of its `profiles`; word: what comes into the layer; shape:
    as of `plan`."""
    network, layer = profiles[0], profiles[0].layers[i]
    synapses, layout = _synapses(profiles, i, stem, word, lanes)
    limits = None if shape is None else worst(shape, network, i)
    if shape is not None:
        weights = replace(synapses.weights, swappable=True)
        synapses = replace(synapses, weights=weights)
    rows = Rows(synapses, stem, shape is not None)
    steps, sums, neuron = _neurons(profiles, i, rows, limits)
    proved = [bounds(profile, i).v for profile in profiles]
    if limits is not None:
        proved = [_potentials(network, sums, neuron, limits)]
    return LayerPlan(
        index=i,
        name=layer.name,
        kind=layer.kind,
        stem=stem,
        inputs=(LayerInput(i - 1, word, synapses),),
        layout=layout,
        steps=steps,
        sums=sums,
        v_bounds=(min(low for low, _ in proved), max(high for _, high in proved)),
        neuron=neuron,
        output=_output(network, i, layout, neuron, coding, len(profiles)),
        parameters=parameters,
    )


def _synapses(
    profiles: Profiles, i: int, stem: str, word: EventWord, lanes: Lanes
) -> tuple[Synapses, Layout]:
    network, layer = profiles[0], profiles[0].layers[i]
    channels, banks = parallel.split(network, i, lanes)
    reacts = network.schedule == "event_driven" and layer.kind != "readout"
    if layer.kind == "conv2d":
        made = conv_synapses(network, i, stem, channels, banks)
        if reacts and layer.neuron == "unsigned" and (channels, banks) != (1, 1):
            raise ValueError(
                f"layer {i} ({layer.name}): unsigned neurons emit in the order channel, row, "
                "column, so a convolution of them must have one lane and one bank, (1, 1), not "
                f"({channels}, {banks}); signed neurons may have more"
            )
        return made
    if reacts:
        return whole_map_synapses(network, i, stem, channels)
    merged = max(merged_ticks(profile, i) for profile in profiles)
    return dense_synapses(network, i, stem, channels, merged * word.each)


def _neurons(
    profiles: Profiles, i: int, rows: Rows, limits: Worst | None
) -> tuple[tuple[Steps, ...], Sums, Neuron]:
    network = profiles[0]
    if network.schedule == "time_stepped":
        return time_stepped(profiles, i, rows, limits)
    if network.schedule == "event_driven" and network.layers[i].kind != "readout":
        return event_driven(profiles, i, rows, limits)
    return two_phase(profiles, i, rows, limits)


def _potentials(network: Network, sums: Sums, neuron: Neuron, limits: Worst) -> tuple[int, int]:
    """Least and greatest potential over all networks of a shape."""
    if network.schedule == "time_stepped":
        return limits.ticking.v
    if isinstance(neuron, ReactingNeuron):
        return sums.bounds
    # The threshold is in the sum already.
    low, high = sums.bounds[0] + limits.thresholds[0], sums.bounds[1] + limits.thresholds[1]
    return min(low, 0), high


def _output(
    network: Network, i: int, layout: Layout, neuron: Neuron, coding: Coding, profiles: int
) -> Spikes | Classes:
    """What a layer sends: neurons that count send their count, or, in unary coding, every spike."""
    match neuron:
        case _ if network.layers[i].kind == "readout":
            return Classes(network.n_out(i))
        case CountingNeuron(T=most) | ReactingNeuron(signed=False, T=most):
            word = EventWord(layout.target, most)
        case ReactingNeuron():
            word = EventWord(layout.target, 1, signed=True)
        case _:
            word = EventWord(layout.target, 1, profiles=profiles)
    return Spikes(word, word.in_units if coding == "unary" and word.max_count > 1 else word)
