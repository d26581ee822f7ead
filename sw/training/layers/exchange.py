"""Between layers that learn and the integer layers of a network: from one to the other."""

import numpy as np
import torch
from torch import Tensor

from polyrhythm.sw.network import Layer, Skip
from polyrhythm.sw.training.arithmetic import quantize
from polyrhythm.sw.training.layers import saturate
from polyrhythm.sw.training.layers.layer import TrainableLayer


@torch.no_grad()
def integer_layer(layer: TrainableLayer, counts: int, added: int = 0) -> Layer:
    """The integer layer, from the numbers that the snapped forward pass computes with.

    counts: largest sum of counts that one weight is multiplied with (`saturate.most_counts`).
    added: largest count of what is added. A bias beyond int32 becomes one that does the same for
    every such input. ValueError before the snap.
    """
    if layer.stage != "snapped":
        raise ValueError(
            f"{layer.spec.name}: must be snapped before it is exported, not {layer.stage}"
        )
    weight, bias, threshold, _ = layer.scales(layer.sigma)
    threshold, skip = threshold.expand(layer.spec.size), _skip(layer)
    most = None if skip is None else np.abs(skip.weight.astype(np.int64)).sum(1) * added
    bias = saturate.fitting_bias(layer, weight, bias, threshold, counts, most)
    return _layer(layer, _whole(weight), _whole(bias), _whole(threshold), skip)


def blank_layer(layer: TrainableLayer) -> Layer:
    """The integer layer with weights and biases of 0 and thresholds of 1: its shape."""
    zeros, ones = np.zeros(layer.spec.size, np.int64), np.ones(layer.spec.size, np.int64)
    skip, spec = None, layer.spec.skip
    if layer.skip_weight is not None and spec is not None:
        blank = np.zeros(tuple(layer.skip_weight.shape), np.int64)
        skip = Skip(spec.source, blank, spec.weight_bits, spec.stride)
    return _layer(layer, np.zeros(tuple(layer.weight.shape), np.int64), zeros, ones, skip)


@torch.no_grad()
def take(layer: TrainableLayer, trained: Layer, held: int, ticks: int) -> None:
    """Be the snapped form of an integer layer, one step of whose sums is worth 1.

    held, ticks: how often that layer sees each count, and its bias, in a frame.
    """
    layer.weight.copy_(_floats(trained.weight))
    layer.bias.copy_(_floats(trained.bias) * ticks / held)
    if trained.threshold is not None:
        layer.threshold = quantize.round_half_up(_floats(trained.threshold) / held).clamp_min(1)
    layer.resume("snapped")


def _layer(
    layer: TrainableLayer,
    weight: np.ndarray,
    bias: np.ndarray,
    threshold: np.ndarray,
    skip: Skip | None,
) -> Layer:
    spec, schedule = layer.spec, layer.schedule
    return Layer(
        spec.name, spec.kind, weight, bias,
        None if layer.readout else threshold, spec.weight_bits, spec.T,
        leak_shift=spec.leak_shift, reset=spec.reset, v_init=spec.v_init,
        pool=spec.pool, stride=spec.stride, padding=spec.padding,
        bias_mode=schedule.bias_mode(spec), neuron=schedule.neuron, skip=skip,
    )  # fmt: skip


def _skip(layer: TrainableLayer) -> Skip | None:
    spec = layer.spec.skip
    if layer.skip_weight is None or spec is None:
        return None
    step = quantize.beside(layer.unit / layer.sigma_skip, layer.skip_weight)
    weight = quantize.quantize_weight(layer.skip_weight, step, spec.weight_bits)
    return Skip(spec.source, _whole(weight), spec.weight_bits, spec.stride)


def _whole(values: Tensor) -> np.ndarray:
    return values.cpu().numpy().astype(np.int64)


def _floats(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
