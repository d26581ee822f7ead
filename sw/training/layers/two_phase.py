"""two_phase layers that learn: one count for each neuron and frame, a quantizer of T levels."""

import torch
from torch import Tensor

from polyrhythm.sw.training.arithmetic import neurons, quantize
from polyrhythm.sw.training.layers.layer import Schedule, Source, TrainableLayer
from polyrhythm.sw.training.layers.normalization import stretch
from polyrhythm.sw.training.layers.residual import added, joined
from polyrhythm.sw.training.layers.seen import Seen
from polyrhythm.sw.training.recipe import LayerSpec


class TwoPhase(Schedule):
    """Counts (B, *map) of counts; or logits (B, C)."""

    name = "two_phase"
    learns_range = True
    norms_bias = True  # it is in the sums

    def levels(self, spec: LayerSpec) -> int:
        return spec.T

    def sigma(self, worth: Tensor) -> Tensor:
        return worth.mean() if worth.ndim else worth

    def forward(
        self,
        layer: TrainableLayer,
        n: Tensor,
        sigma_in: Tensor,
        seen: Seen | None,
        source: Source | None,
    ) -> tuple[Tensor, Tensor]:
        weight, bias, threshold, unit = layer.scales(sigma_in)
        if layer.norm is not None:
            return _normed(layer, n, weight, unit, source)
        size, one = layer.spec.size, torch.ones((), device=n.device)
        current = neurons.project(layer.spec, n, weight)
        bias, threshold = bias.expand(size), threshold.expand(size)
        if layer.readout:
            return (current + bias) * unit, one
        if layer.stage == "float":
            each = neurons.per_channel(unit.expand(size), current)
            y = (current + neurons.per_channel(bias, current)) * each
            return _rectified(layer, y, unit, source), one
        whole = layer.stage == "snapped"
        worth = layer.sigma if whole else _worth(layer)
        if source is not None:
            current = current + added(layer, source, unit)
        T = layer.learned_T()
        return neurons.count(layer.spec, current, bias, threshold, whole=whole, T=T), worth


def _normed(
    layer: TrainableLayer, n: Tensor, weight: Tensor, unit: Tensor, source: Source | None
) -> tuple[Tensor, Tensor]:
    """With batch normalization. The unit is in the weights, which are few beside a map's sums."""
    assert layer.norm is not None
    sums = neurons.project(layer.spec, n, weight * quantize.beside(unit, weight), layer.bias)
    y, unit = layer.norm(sums), unit * stretch(layer)
    if layer.stage == "float":
        return _rectified(layer, y, unit, source), torch.ones((), device=n.device)
    worth = _worth(layer)
    return quantize.round_counts(joined(layer, y, unit, source), worth, layer.present_T()), worth


def _worth(layer: TrainableLayer) -> Tensor:
    """What one count is worth, as it is learned."""
    clip_range, levels = layer.range()
    return clip_range / levels


def _rectified(layer: TrainableLayer, y: Tensor, unit: Tensor, source: Source | None) -> Tensor:
    """The float stage's activation, which calibration looks at."""
    y = torch.relu(joined(layer, y, unit, source))
    layer.seen = y.detach()
    return y
