"""Residual additions to a layer that learns: another layer's counts, through weights of 1 x 1."""

from torch import Tensor

from polyrhythm.sw.training.arithmetic import neurons, quantize
from polyrhythm.sw.training.layers.layer import Source, TrainableLayer


def added(layer: TrainableLayer, source: Source, unit: Tensor) -> Tensor:
    """The addition in units, from the counts of its source and what one is worth.

    Its weights share the sums' unit, so their step follows: unit / worth of a count.
    """
    skip = layer.spec.skip
    assert layer.skip_weight is not None and skip is not None
    n, sigma = source
    step = quantize.beside(unit / sigma, layer.skip_weight)
    if layer.stage == "float":
        weight = layer.skip_weight / step
    else:
        weight = quantize.quantize_weight(layer.skip_weight, step, skip.weight_bits)
    return neurons.skipped(n, weight, skip.stride)


def joined(layer: TrainableLayer, y: Tensor, unit: Tensor, source: Source | None) -> Tensor:
    """Float sums y with what the residual addition brings, whose weights have this unit."""
    if source is None:
        return y
    return y + added(layer, source, unit) * neurons.per_channel(unit.expand(layer.spec.size), y)
