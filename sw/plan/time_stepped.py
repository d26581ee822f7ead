"""Layers with ticks: each tick adds a current and a bias to the potentials, and neurons fire and
reset."""

from dataclasses import replace

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
    no adder; where currents are held, it begins at 0 and that number is added in each tick.
    """
    steps, offsets = _steps(profiles, i, rows.swappable)
    held, fires = any(s.held for s in steps), profiles[0].layers[i].threshold is not None
    starts = [offset[:1] * 0 if held else offset for offset in offsets]
    idle = -1 if fires and not held else 0  # lanes without a neuron never fire
    reached = []
    for network, step, start in zip(profiles, steps, starts, strict=True):
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


def _steps(profiles: Profiles, i: int, swappable: bool) -> tuple[tuple[Steps, ...], list[Array]]:
    """Steps of each profile, and its b(t) - threshold, (phases, channels)."""
    steps, offsets, before = [], [], 0
    for network in profiles:
        layer = network.layers[i]
        shares, phases = shares_of(layer, swappable)
        steps.append(ticked_steps(network, i, tuple(before + phase for phase in phases)))
        offsets.append(shares - thresholds_of(layer))
        before += len(shares)
    return tuple(steps), offsets


def _neuron(
    profiles: Profiles,
    i: int,
    rows: Rows,
    offsets: list[Array],
    held_text: str | None,
    worst: Worst | None,
) -> TickingNeuron:
    layer, copies = profiles[0].layers[i], rows.synapses.banks
    fires = layer.threshold is not None
    idle, idle_threshold = (-1, 1) if fires else (0, 0)
    proved = worst.ticking if worst else joined([bounds(network, i) for network in profiles])
    v = min(proved.v[0], 0), max(proved.v[1], 0)
    span = worst.offsets if worst else hull(offsets)
    offset = min(idle, span[0]), max(idle, span[1])
    thresholds = [thresholds_of(network.layers[i])[None] for network in profiles]
    highest = worst.thresholds[1] if worst else hull(thresholds)[1]
    initial = [network.layers[i].v0[None] for network in profiles]
    threshold_bits, v_bits = highest.bit_length() or 1, signed_width(*v)
    held = None
    if held_text is not None:
        text, bits = f"{held_text}; b(t) - threshold", signed_width(*offset)
        y_bits = signed_width(proved.acc[0] + offset[0], proved.acc[1] + offset[1])
        held = HeldCurrent(rows.table("offset", offsets, idle, bits, text, copies), y_bits)
    if not fires:  # 0 in every network
        rows = replace(rows, swappable=False)
    threshold_text = f"{rows.of_frames}; threshold, unsigned"
    initial_text = f"{rows.of_frames}; potential at the start of a frame"
    return TickingNeuron(
        rows.table("threshold", thresholds, idle_threshold, threshold_bits, threshold_text, copies),
        rows.table("initial", initial, 0, v_bits, initial_text, copies),
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
