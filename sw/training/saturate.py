"""Layers that are zero, tiny or huge, never fire or always do: ordinary in pruned networks, and no number of theirs leaves int32.

Where weights say nothing, their step may be anything, so it is one that thresholds and biases fit beside. A bias that no input can
make up for is as good as the nearest one that no input can make up for.
"""

import numpy as np
import torch
from torch import Tensor

from polyrhythm.sw.training import quantize
from polyrhythm.sw.training.trainable_layer import TrainableLayer

FINEST = 1 << 20  # steps of the sums in a threshold
FINEST_LOGIT = 1 << 22  # and in the largest bias of a readout
CUT = 16.0  # a residual addition's weights that would be cut to less than a sixteenth
INT32 = (1 << 31) - 1


@torch.no_grad()
def make_room(layer: TrainableLayer, sigma_in: Tensor, sigma_skip: Tensor | None) -> None:
    """Widen a quantized layer's steps where its residual addition, which shares them, would be cut off."""
    if sigma_skip is None:
        return
    unit = sigma_in * layer.log_step.exp() * (layer.stretch() if layer.norm is not None else 1.0)
    wanted = _room(layer, unit, sigma_skip)
    layer.log_step.add_(torch.where(wanted > unit, (wanted / unit).log(), torch.zeros_like(unit)))


@torch.no_grad()
def coarse_enough(layer: TrainableLayer, unit: Tensor, worth: Tensor, sigma_skip: Tensor | None) -> Tensor:
    """The worth of a step of v (`unit`), or the least beside which thresholds, biases and residual additions have room."""
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
    layer: TrainableLayer, weight: Tensor, bias: Tensor, threshold: Tensor, most: int, skip: np.ndarray | None
) -> Tensor:
    """Biases within int32 that do what these do for every input; where they fit already, these.

    most: largest sum of counts that one weight is multiplied with. skip: (C_out,) largest sum of the residual addition's size.
    """
    if bool((bias.abs() < INT32).all()) or layer.readout or layer.schedule == "event_driven":
        return bias
    spec = layer.spec
    if spec.leak_shift is not None and spec.bias_mode != "per_tick":
        return bias
    reach = weight.double().abs().flatten(1).sum(1) * most
    if skip is not None:
        reach = reach + torch.from_numpy(skip).to(reach)
    ticks = spec.T if layer.schedule == "time_stepped" and spec.bias_mode != "per_tick" else 1
    high = (ticks * (reach + (spec.T + 1) * threshold.double())).ceil()
    return torch.minimum(torch.maximum(bias.double(), -high), high)


def most_counts(layer: TrainableLayer, counts: int, ticks: int) -> int:
    """Largest sum of counts, in one of the layer's ticks, that one weight is multiplied with."""
    held = -(-ticks // layer.spec.T) if layer.schedule == "time_stepped" else 1
    return counts * held * layer.spec.pool**2

