"""Layers with ticks: each tick adds a current and a bias to the potentials, and neurons fire and
reset."""

from dataclasses import replace

import numpy as np

from polyrhythm.sw.plan.constants import (
    Profiles,
    Rows,
    driven_channels,
    hull,
    shares_of,
    thresholds_of,
)
from polyrhythm.sw.plan.neurons import HeldCurrent, Sums, TickingNeuron
from polyrhythm.sw.plan.steps import Steps, ticked_steps
from polyrhythm.sw.plan.table import Array
from polyrhythm.sw.plan.widths import Bounds, bounds, signed_width
from polyrhythm.sw.plan.worst import Worst


def time_stepped(
    profiles: Profiles, i: int, rows: Rows, worst: Worst | None = None
) -> tuple[tuple[Steps, ...], Sums, TickingNeuron]:
    """Steps of each profile, sums and neurons of layer i, which may be a readout; worst: bounds in
    place of the contents' own.

    Where every step has its own tick, its sum begins at b(t) - threshold, and the comparison costs
    no adder; where currents are held, it begins at 0 and that number is added in each tick. So it
    is for several profiles too: which one the next frame has is not known when a sum begins.
    """
    steps, offsets = _steps(profiles, i, rows.swappable)
    held = len(profiles) > 1 or any(s.held for s in steps)
    fires = profiles[0].layers[i].threshold is not None
    starts = [offsets[:1] * 0 if held else offsets]
    idle = -1 if fires and not held else 0  # lanes without a neuron never fire
    reached = []
    for network, step, start in zip(profiles, steps, starts * len(steps), strict=True):
        low, high = driven_channels(network, i)
        reached += [start, start + step.most_merged * low, start + step.most_merged * high]
    span = hull(reached)
    if worst is not None:
        first = (0, 0) if held else worst.offsets
        current = worst.current
        span = first[0] + min(current[0], 0), first[1] + max(current[1], 0)
    bits = signed_width(min(*span, idle), max(*span, idle))
    ticks = rows.of_ticks(steps[0].phases)
    table = rows.table("start", starts, idle, bits, f"{ticks}; what a sum starts with")
    neuron = _neuron(profiles, i, rows, offsets, ticks if held else None, worst)
    return steps, Sums(span, bits, table), neuron


def _steps(profiles: Profiles, i: int, swappable: bool) -> tuple[tuple[Steps, ...], Array]:
    """Steps of each profile, and all different b(t) - threshold, (phases, channels)."""
    steps, numbers, offsets = [], dict[bytes, int](), list[Array]()
    for network in profiles:
        layer = network.layers[i]
        shares, phases = shares_of(layer, swappable, begins=len(profiles) > 1)
        mine = shares - thresholds_of(layer)
        if len(profiles) > 1:  # phases that profiles share are one
            for row in mine:
                if numbers.setdefault(row.tobytes(), len(numbers)) == len(offsets):
                    offsets.append(row)
            phases = tuple(numbers[mine[phase].tobytes()] for phase in phases)
        steps.append(ticked_steps(network, i, phases))
    return tuple(steps), np.stack(offsets) if offsets else mine


def _neuron(
    profiles: Profiles,
    i: int,
    rows: Rows,
    offsets: Array,
    held_text: str | None,
    worst: Worst | None,
) -> TickingNeuron:
    layer, copies = profiles[0].layers[i], rows.synapses.banks
    fires = layer.threshold is not None
    idle, idle_threshold = (-1, 1) if fires else (0, 0)
    proved = worst.ticking if worst else joined([bounds(network, i) for network in profiles])
    v = min(proved.v[0], 0), max(proved.v[1], 0)
    span = worst.offsets if worst else hull([offsets])
    offset = min(idle, span[0]), max(idle, span[1])
    thresholds = [thresholds_of(network.layers[i])[None] for network in profiles]
    highest = worst.thresholds[1] if worst else hull(thresholds)[1]
    if all((one == thresholds[0]).all() for one in thresholds):
        thresholds = thresholds[:1]
    start = [network.layers[i].v0[None] for network in profiles]
    threshold_bits, v_bits = highest.bit_length() or 1, signed_width(*v)
    held = None
    if held_text is not None:
        text, bits = f"{held_text}; b(t) - threshold", signed_width(*offset)
        y_bits = signed_width(proved.acc[0] + offset[0], proved.acc[1] + offset[1])
        held = HeldCurrent(rows.table("offset", [offsets], idle, bits, text, copies), y_bits)
    if not fires:  # 0 in every network
        rows = replace(rows, swappable=False)
    row = f"row = profile * {rows.synapses.channel_groups} + {rows.synapses.row}"
    threshold_text = f"{rows.of_frames if len(thresholds) == 1 else row}; threshold, unsigned"
    initial_text = f"{rows.of_frames}; potential at the start of a frame"
    initial = rows.table("initial", start, 0, v_bits, initial_text, copies)
    return TickingNeuron(
        rows.synapses.channel_groups,
        rows.table("threshold", thresholds, idle_threshold, threshold_bits, threshold_text, copies),
        initial if len(profiles) == 1 else None,
        held,
        above_bits=signed_width(v[0] - max(highest, idle_threshold), v[1]),
        v_bits=v_bits,
        leak_shift=layer.leak_shift,
        reset=layer.reset,
        fires=fires,
    )


def joined(proved: list[Bounds]) -> Bounds:
    """Bounds that hold in every profile."""
    return Bounds(
        (min(b.acc[0] for b in proved), max(b.acc[1] for b in proved)),
        (min(b.v[0] for b in proved), max(b.v[1] for b in proved)),
    )
