"""From one stage to the next: float weights get quantizers, quantizers whole thresholds.

Normalization is folded on the way.
"""

import numpy as np
import torch
from torch import Tensor

from polyrhythm.sw.training.arithmetic import quantize
from polyrhythm.sw.training.layers import normalization, saturate
from polyrhythm.sw.training.layers.layer import TrainableLayer


@torch.no_grad()
def calibrate(layer: TrainableLayer) -> None:
    """float -> quantized: step and clip range of least squared error.

    The normalization is folded in, unless it is live.
    """
    if not layer.live_norm:
        normalization.fold(layer)
    steps = quantize.best_steps(layer.weight, layer.spec.weight_bits, layer.log_step)
    layer.log_step.copy_(steps.log())
    if layer.seen is not None:
        fires = bool((layer.seen > quantize.FAINT).any())
        best = (
            quantize.best_range(layer.seen, layer.spec.T) if fires else saturate.silent_range(layer)
        )
        layer.log_range.copy_(best.log())
        layer.seen = None
    if layer.log_count is not None:
        layer.log_count.copy_(layer.log_range - float(np.log(layer.spec.T)))
    layer.stage = "quantized"


@torch.no_grad()
def snap(layer: TrainableLayer, sigma_in: Tensor, sigma_skip: Tensor | None = None) -> Tensor:
    """quantized -> snapped: whole thresholds, and the scale of the output that follows from them.

    sigma_in, sigma_skip: what a count of the layer before, and of the one that is added, is worth.
    """
    normalization.fold(layer)
    if sigma_skip is not None:
        layer.sigma_skip.copy_(sigma_skip)
    unit = layer.log_step.exp() * sigma_in
    layer.fix_steps()
    clip_range, levels = layer.range()
    wide = saturate.coarse_enough(layer, unit, clip_range / levels, sigma_skip)
    if bool((wide > unit).any()):
        unit = wide
        layer.log_step.copy_((unit / sigma_in).log())
    layer.threshold.copy_(quantize.export_threshold(clip_range, levels, unit))
    if unit.ndim:
        # The thresholds of channels were rounded apart: their steps follow, so that a count is
        # worth the same in all.
        unit = clip_range / levels / layer.threshold
        layer.log_step.copy_((unit / sigma_in).log())
    layer.unit.copy_(unit)
    layer.sigma.copy_(layer.schedule.sigma(layer.threshold * unit))
    layer.resume("snapped")
    return layer.sigma
