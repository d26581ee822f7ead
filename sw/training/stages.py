"""From one stage to the next: float weights get quantizers, quantizers whole thresholds; normalization is folded on the way."""

import numpy as np
import torch
from torch import Tensor

from polyrhythm.sw.training import quantize, saturate
from polyrhythm.sw.training.trainable_layer import TrainableLayer


@torch.no_grad()
def calibrate(layer: TrainableLayer) -> None:
    """float -> quantized: the normalization folded in, unless it lives on; step and clip range of least squared error."""
    if not layer.live_norm:
        fold(layer)
    layer.log_step.copy_(quantize.best_steps(layer.weight, layer.spec.weight_bits, layer.log_step).log())
    if layer.seen is not None:
        fires = bool((layer.seen > quantize.FAINT).any())
        layer.log_range.copy_((quantize.best_range(layer.seen, layer.spec.T) if fires else saturate.silent_range(layer)).log())
        layer.seen = None
    if layer.log_count is not None:
        layer.log_count.copy_(layer.log_range - float(np.log(layer.spec.T)))
    layer.stage = "quantized"


@torch.no_grad()
def fold(layer: TrainableLayer) -> None:
    """Fold the batch normalization, as it is in evaluation, into weights and bias, and into steps that there are already.

    Nothing that the layer computes changes. Integer weights stay, but where a channel's gain is below 0: its signs turn. A channel
    without any gain says the same whatever it receives, so its weights become 0.
    """
    if layer.norm is None:
        return
    gain, mean = layer.gain(), layer.norm.running_mean
    assert mean is not None
    if layer.stage == "quantized":
        layer.log_step.add_(layer.stretch().log())
    layer.weight.mul_(quantize.beside(gain, layer.weight))
    normed, behind = (layer.bias, 0.0) if layer.bias_normed else (0.0, layer.bias)
    layer.bias.copy_(layer.norm.bias + (normed - mean) * gain + behind)
    layer.norm = None


@torch.no_grad()
def snap(layer: TrainableLayer, sigma_in: Tensor, sigma_skip: Tensor | None = None) -> Tensor:
    """quantized -> snapped: whole thresholds, and the scale of the output that follows from them.

    sigma_in, sigma_skip: what a count of the layer before, and of the one that is added, is worth.
    """
    fold(layer)
    if sigma_skip is not None:
        layer.sigma_skip.copy_(sigma_skip)
    unit = layer.log_step.exp() * sigma_in
    layer.settle()
    clip_range, levels = layer.range()
    wide = saturate.coarse_enough(layer, unit, clip_range / levels, sigma_skip)
    if bool((wide > unit).any()):
        unit = wide
        layer.log_step.copy_((unit / sigma_in).log())
    layer.threshold.copy_(quantize.export_threshold(clip_range, levels, unit))
    if unit.ndim:  # channels whose thresholds were rounded apart: their steps follow, so that a count is worth the same in all
        unit = clip_range / levels / layer.threshold
        layer.log_step.copy_((unit / sigma_in).log())
    layer.unit.copy_(unit)
    worth = layer.threshold * unit
    layer.sigma.copy_((worth.mean() if unit.ndim else worth) if layer.schedule == "two_phase" else torch.ones(()))
    layer.resume("snapped")
    return layer.sigma
