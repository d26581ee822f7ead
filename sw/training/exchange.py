"""Between layers that learn and the integer layers of a network: out of a snapped layer, and into one."""

import numpy as np
import torch
from torch import Tensor

from polyrhythm.sw.network import Layer, Skip
from polyrhythm.sw.training import quantize, saturate
from polyrhythm.sw.training.trainable_layer import TrainableLayer


@torch.no_grad()
def integer_layer(layer: TrainableLayer, counts: int, added: int = 0) -> Layer:
    """The integer layer, from the numbers that the snapped forward pass computes with.

    counts: largest sum of counts that one weight is multiplied with (`saturate.most_counts`). added: largest count of what is
    added. A bias beyond int32 becomes one that does the same for every such input.
    """
    if layer.stage != "snapped":
        raise ValueError(f"{layer.spec.name}: must be snapped before it is exported, not {layer.stage}")
    weight, bias, threshold, _ = layer.scales(layer.sigma)
    threshold, skip = threshold.expand(layer.spec.size), _skip(layer)
    reach = None if skip is None else np.abs(skip.weight.astype(np.int64)).sum(1) * added
    bias = saturate.fitting_bias(layer, weight, bias, threshold, counts, reach)
    return _layer(layer, _whole(weight), _whole(bias), _whole(threshold), skip)


def blank_layer(layer: TrainableLayer) -> Layer:
    """The integer layer with weights and biases of 0 and thresholds of 1: its shape."""
    none, one = np.zeros(layer.spec.size, np.int64), np.ones(layer.spec.size, np.int64)
    skip, told = None, layer.spec.skip
    if layer.skip_weight is not None and told is not None:
        skip = Skip(told.source, np.zeros(tuple(layer.skip_weight.shape), np.int64), told.weight_bits, told.stride)
    return _layer(layer, np.zeros(tuple(layer.weight.shape), np.int64), none, one, skip)


@torch.no_grad()
def take(layer: TrainableLayer, trained: Layer, held: int, ticks: int) -> None:
    """Be the snapped form of an integer layer that sees each count `held` times and its bias `ticks` times in a frame.

    One step of the sums is worth 1.
    """
    layer.weight.copy_(_floats(trained.weight))
    layer.bias.copy_(_floats(trained.bias) * ticks / held)
    if trained.threshold is not None:
        layer.threshold = quantize.round_half_up(_floats(trained.threshold) / held).clamp_min(1)
    layer.resume("snapped")


def _layer(layer: TrainableLayer, weight: np.ndarray, bias: np.ndarray, threshold: np.ndarray, skip: Skip | None = None) -> Layer:
    spec = layer.spec
    return Layer(
        spec.name, spec.kind, weight, bias,
        None if layer.readout else threshold, spec.weight_bits, spec.T,
        leak_shift=spec.leak_shift, reset=spec.reset, v_init=spec.v_init,
        pool=spec.pool, stride=spec.stride, padding=spec.padding,
        bias_mode=spec.bias_mode if layer.schedule == "time_stepped" else "once",
        neuron="unsigned" if layer.schedule == "event_driven" else "signed", skip=skip,
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
