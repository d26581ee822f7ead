"""Unsigned integrate-and-fire neurons that take events one by one, in closed form.

An `unsigned` neuron cannot take a spike back, so its count depends on the order of events and is
not that of any network with time steps. Without a leak it has a closed form: S = clip(floor(max of
v over all events so far / Th), 0, T), v with nothing subtracted. Here a frame's events are cut into
`bins` in their order and v is looked at behind each; with a bin for each event that is the integer
network's arithmetic itself. Closed form and order are those of our contract
(docs/decisions/0001-unsigned-order.md).
"""

import torch
from torch import Tensor

from polyrhythm.sw.training.arithmetic import neurons, quantize


def bins(n: Tensor, number: int) -> Tensor:
    """Counts (B, *map), in the order of their addresses, cut into equal parts of the map.

    Gives (number, B, *map).
    """
    size = n[0].numel()
    part = torch.arange(size, device=n.device) * number // size
    mask = part == torch.arange(number, device=n.device)[:, None]  # (number, N)
    return n * mask.reshape(number, 1, *n.shape[1:])


def counts_in_bins(spec: neurons.Kind, currents: Tensor, bias: Tensor, threshold: Tensor) -> Tensor:
    """What the neurons send in each bin, from currents (bins, B, *map): counts of that shape.

    What can fire before the first event does so in the first bin. The gradient of a count is that
    of the potential where it was largest, straight through the floor.
    """
    bias = neurons.per_channel(bias, currents[0])
    threshold = neurons.per_channel(threshold, currents[0])
    start = (neurons.start_value(spec, threshold, whole=True) + bias).expand_as(currents[0])
    v = torch.cat([start[None], start + currents.cumsum(0)])
    largest = v.cummax(0).values[1:]
    total = quantize.quantize_count(largest, threshold, spec.T).clamp_min(0)
    return torch.diff(total, dim=0, prepend=torch.zeros_like(total[:1]))
