"""Batch normalization of a layer that learns: how it begins, what it multiplies with, its fold."""

import torch
from torch import Tensor, nn

from polyrhythm.sw.training.arithmetic import quantize
from polyrhythm.sw.training.layers.layer import TrainableLayer

# Squares of huge sums leave float32; gain and shift undo any variance.
MOST_VARIANCE = 1e38


@torch.no_grad()
def gain(layer: TrainableLayer) -> Tensor:
    """What the normalization multiplies each channel with in evaluation, (C,)."""
    assert layer.norm is not None and layer.norm.running_var is not None
    return layer.norm.weight / torch.sqrt(layer.norm.running_var + layer.norm.eps)


def stretch(layer: TrainableLayer) -> Tensor:
    """What the fold multiplies each channel's unit with, (C,): its gain's size, or 1 for none."""
    size = gain(layer).abs()
    return torch.where(size == 0, 1.0, size)


@torch.no_grad()
def fold(layer: TrainableLayer) -> None:
    """Fold the normalization, as in evaluation, into weights, bias, and steps that are there.

    Nothing that the layer computes changes. Integer weights stay, but where a channel's gain is
    below 0: its signs turn. A channel without any gain gives the same whatever it receives, so its
    weights become 0.
    """
    if layer.norm is None:
        return
    factor, mean = gain(layer), layer.norm.running_mean
    assert mean is not None
    if layer.stage == "quantized":
        layer.log_step.add_(stretch(layer).log())
    layer.weight.mul_(quantize.beside(factor, layer.weight))
    normed, behind = (layer.bias, 0.0) if layer.schedule.norms_bias else (0.0, layer.bias)
    layer.bias.copy_(layer.norm.bias + (normed - mean) * factor + behind)
    layer.norm = None


def begin(norm: nn.Module, inputs: tuple[Tensor]) -> None:
    """Forward hook: normalize what comes in now, and multiply and shift it back."""
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
    assert norm.running_mean is not None and norm.running_var is not None
    channels = inputs[0].transpose(0, 1).flatten(1)  # (C, B * map)
    norm.running_mean.copy_(channels.mean(1))
    norm.running_var.copy_(channels.var(1).clamp(max=MOST_VARIANCE))
    norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
    norm.bias.copy_(norm.running_mean)
