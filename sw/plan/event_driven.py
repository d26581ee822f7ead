"""Event-driven layers: neurons that fire the moment an event reaches them."""

import numpy as np

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.constants import Profiles, Rows, hull, thresholds_of
from polyrhythm.sw.plan.neurons import ReactingNeuron, Sums
from polyrhythm.sw.plan.steps import Steps, single_step
from polyrhythm.sw.plan.table import Array
from polyrhythm.sw.plan.widths import bounds, drive, signed_width
from polyrhythm.sw.plan.worst import Worst


def event_driven(
    profiles: Profiles, i: int, rows: Rows, worst: Worst | None = None
) -> tuple[tuple[Steps, ...], Sums, ReactingNeuron]:
    """Steps of each profile, potentials and neurons of hidden layer i.

    worst: bounds in place of the contents' own.
    """
    layers = [network.layers[i] for network in profiles]
    starts = [(layer.v0 + layer.bias)[None] for layer in layers]
    thresholds = [thresholds_of(layer)[None] for layer in layers]
    ranges = [
        _range(network, i, s[0], t[0])
        for network, s, t in zip(profiles, starts, thresholds, strict=True)
    ]
    lowest, highest = min(low for low, _ in ranges), max(high for _, high in ranges)
    largest = hull(thresholds)[1]
    opens = any(bool((s >= t).any()) for s, t in zip(starts, thresholds, strict=True))
    if worst is not None:
        (lowest, highest), largest, opens = worst.between_visits, worst.thresholds[1], True
    v_bits = signed_width(min(lowest, 0), max(highest, 0))
    signed, T = layers[0].neuron == "signed", max(layer.T for layer in layers)
    start_text = f"{rows.of_frames}; what a sum starts with"
    threshold_text = f"{rows.of_frames}; threshold, unsigned"
    bits = largest.bit_length()
    neuron = ReactingNeuron(
        rows.table("threshold", thresholds, 1, bits, threshold_text),
        T=T,
        signed=signed,
        opens=opens,
        above_bits=signed_width(lowest - largest * (1 if signed else T), highest + largest),
    )
    start = rows.table("start", starts, 0, v_bits, start_text)
    steps = tuple(single_step(network, i, phase) for phase, network in enumerate(profiles))
    return steps, Sums((lowest, highest), v_bits, start), neuron


def _range(network: Network, i: int, start: Array, threshold: Array) -> tuple[int, int]:
    """Least and greatest potential between visits.

    v = start + sum w*n - Th*S. An unsigned neuron fires all that it can at each visit
    (`sw.plan.widths`); a signed one moves S by one a visit, so S may lag behind, but never passes
    what the greatest sum allows.
    """
    layer = network.layers[i]
    if layer.neuron != "signed":
        low, high = bounds(network, i).v
        return min(low, int(start.min())), max(high, int(start.max()))
    least, greatest = (network.per_neuron(i, start) + side for side in drive(network, i))
    wide = network.per_neuron(i, threshold)
    most = np.clip(greatest // wide, 0, layer.T)
    return int((least - most * wide).min()), int(greatest.max())
