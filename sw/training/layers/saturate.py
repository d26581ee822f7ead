"""Layers that are zero, tiny or huge, never fire or always do: ordinary in pruned networks.

No number of theirs may leave int32. Where weights mean nothing, their step may be anything, so it
is one that thresholds and biases fit beside. A bias that no input can make up for is as good as the
nearest one that no input can make up for.
"""

import numpy as np
import torch
from torch import Tensor

from polyrhythm.sw.training.arithmetic import quantize
from polyrhythm.sw.training.layers.layer import TrainableLayer
from polyrhythm.sw.training.layers.normalization import stretch

FINEST = 1 << 20  # steps of the sums in a threshold
FINEST_LOGIT = 1 << 22  # and in the largest bias of a readout
CUT = 16.0  # a residual addition's weights that would be cut to less than a sixteenth
INT32 = (1 << 31) - 1


@torch.no_grad()
def make_room(layer: TrainableLayer, sigma_in: Tensor, sigma_skip: Tensor | None) -> None:
    """Widen a quantized layer's steps where its residual addition would be cut off beside them."""
    if sigma_skip is None:
        return
    unit = sigma_in * layer.log_step.exp() * (stretch(layer) if layer.norm is not None else 1.0)
    wanted = _room(layer, unit, sigma_skip)
    widened = torch.where(wanted > unit, (wanted / unit).log(), torch.zeros_like(unit))
    layer.log_step.add_(widened)


@torch.no_grad()
def coarse_enough(
    layer: TrainableLayer, unit: Tensor, worth: Tensor, sigma_skip: Tensor | None
) -> Tensor:
    """The worth of a step of v (`unit`), or the least that leaves room for the other numbers.

    These are thresholds, biases and residual additions.
    """
    if layer.readout:
        return torch.maximum(unit, layer.bias.abs().max() / FINEST_LOGIT)
    unit = torch.maximum(unit, worth / FINEST)
    return unit if sigma_skip is None else _room(layer, unit, sigma_skip)


def _room(layer: TrainableLayer, unit: Tensor, sigma_skip: Tensor) -> Tensor:
    """`unit`, or where the residual addition would be cut off, the one that it fits."""
    assert layer.skip_weight is not None and layer.spec.skip is not None
    top = quantize.weight_range(layer.spec.skip.weight_bits)[1]
    largest = layer.skip_weight.abs().flatten(1).amax(1) * sigma_skip / top
    largest = largest if unit.ndim else largest.max()
    return torch.where(unit * CUT < largest, largest, unit)


def silent_range(layer: TrainableLayer) -> Tensor:
    """A clip range for a layer that does not fire at all: a count is worth its largest weight."""
    largest = layer.weight.abs().max()
    return layer.spec.T * torch.where(largest > 0, largest, torch.ones_like(largest))


def fitting_bias(
    layer: TrainableLayer,
    weight: Tensor,
    bias: Tensor,
    threshold: Tensor,
    most: int,
    skip: np.ndarray | None,
) -> Tensor:
    """Biases within int32 that do what these do for every input; where they fit already, these.

    most: largest sum of counts that one weight is multiplied with. skip: (C_out,) largest sum of
    the residual addition's size.
    """
    fits = bool((bias.abs() < INT32).all())
    if fits or layer.readout or not layer.schedule.cuts_bias:
        return bias
    spec = layer.spec
    if spec.leak_shift is not None and spec.bias_mode != "per_tick":
        return bias
    largest = weight.double().abs().flatten(1).sum(1) * most
    if skip is not None:
        largest = largest + torch.from_numpy(skip).to(largest)
    ticks = layer.schedule.bias_ticks(spec)
    high = (ticks * (largest + (spec.T + 1) * threshold.double())).ceil()
    return torch.minimum(torch.maximum(bias.double(), -high), high)


def most_counts(layer: TrainableLayer, counts: int, ticks: int) -> int:
    """Largest sum of counts, in one of the layer's ticks, that one weight is multiplied with.

    counts, ticks: the largest count that a source sends in a tick, and how many ticks it has.
    """
    return counts * layer.schedule.held(layer.spec, ticks) * layer.spec.pool**2
