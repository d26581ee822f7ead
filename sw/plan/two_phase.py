"""Layers without ticks: all events of a frame come in, then each neuron fires as often as it has
to."""

import numpy as np

from polyrhythm.sw.plan.constants import (
    Profiles,
    Rows,
    driven_channels,
    hull,
    thresholds_of,
)
from polyrhythm.sw.plan.neurons import CountingNeuron, Neuron, SummingNeuron, Sums
from polyrhythm.sw.plan.steps import Steps, single_step
from polyrhythm.sw.plan.table import Table
from polyrhythm.sw.plan.widths import signed_width
from polyrhythm.sw.plan.worst import Worst


def two_phase(
    profiles: Profiles, i: int, rows: Rows, worst: Worst | None = None
) -> tuple[tuple[Steps, ...], Sums, Neuron]:
    """Steps of each profile, sums and neurons of layer i; also of an event_driven readout.

    worst: bounds in place of the contents' own.
    """
    readout = profiles[0].layers[i].threshold is None
    starts, reached = [], []
    for network in profiles:
        layer, (low, high) = network.layers[i], driven_channels(network, i)
        # Less the threshold, so that the sign of a finished sum says whether the neuron fires.
        start = (layer.v0 + layer.bias - thresholds_of(layer))[None]
        starts.append(start)
        reached += [start, start + low, start + high]
    idle, bounds = 0 if readout else -1, hull(reached)
    if worst is not None:
        bounds = min(worst.start[0], worst.finished[0]), max(worst.start[1], worst.finished[1])
    bits = signed_width(min(*bounds, idle), max(*bounds, idle))
    text = f"{rows.of_frames}; what a sum starts with"
    sums = Sums(bounds, bits, rows.table("start", starts, idle, bits, text))
    steps = tuple(single_step(network, i, phase) for phase, network in enumerate(profiles))
    return steps, sums, SummingNeuron() if readout else _counting(profiles, i, rows, worst)


def _counting(profiles: Profiles, i: int, rows: Rows, worst: Worst | None) -> CountingNeuron:
    values = [thresholds_of(network.layers[i])[:, None] for network in profiles]
    highest = int(max(v.max() for v in values)) if worst is None else worst.thresholds[1]
    bits = highest.bit_length()
    text = "row = neuron, or channel; threshold, unsigned"
    name = f"{rows.stem}_threshold"
    table = Table(name, np.concatenate(values), bits, text, swappable=rows.swappable)
    return CountingNeuron(table, max(network.layers[i].T for network in profiles))
