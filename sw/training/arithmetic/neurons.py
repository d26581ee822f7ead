"""A layer's arithmetic in torch, exact for evaluation and differentiable for training.

Axis order: counts (B, *map) in two_phase and (T, B, *map) in time_stepped; currents and potentials
(B, *map).
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from polyrhythm.sw.network.align import source_ticks
from polyrhythm.sw.training.arithmetic import quantize
from polyrhythm.sw.training.arithmetic.lif import lif
from polyrhythm.sw.training.arithmetic.project import linear


class Kind(Protocol):
    """What the arithmetic asks of a layer: a network's Layer or a recipe's LayerSpec."""

    @property
    def kind(self) -> str: ...
    @property
    def T(self) -> int: ...
    @property
    def leak_shift(self) -> int | None: ...
    @property
    def reset(self) -> str: ...
    @property
    def v_init(self) -> str: ...
    @property
    def bias_mode(self) -> str: ...
    @property
    def pool(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def padding(self) -> int: ...


def project(layer: Kind, counts: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Currents sum w*n (+ bias) after sum pooling: (B, *map) -> (B, N_out) or (B, C_out, H, W)."""
    if layer.pool > 1:
        counts = F.avg_pool2d(counts, layer.pool, divisor_override=1)
    if layer.kind == "conv2d":
        return F.conv2d(counts, weight, bias, stride=layer.stride, padding=layer.padding)
    return linear(counts.flatten(1), weight, bias)


def skipped(counts: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Currents (B, C_out, H', W') of a residual addition.

    counts: of its source, (B, C, H, W). weight: (C_out, C).
    """
    # Sliced first: with a stride, the gradient of a few channels can abort torch 2.13.
    seen = counts[:, :, ::stride, ::stride]
    return F.conv2d(seen, weight[:, :, None, None])


def project_ticks(layer: Kind, counts: Tensor, weight: Tensor) -> Tensor:
    """Currents of each of the layer's T ticks (T, B, *map), from the source ticks that it sees.

    Sums over groups, or one held.

    Counts that are added up, or held, are projected once.
    """
    if len(counts) == layer.T:
        return project(layer, counts.flatten(0, 1), weight).unflatten(0, counts.shape[:2])
    groups = source_ticks(len(counts), layer.T)
    if len(counts) > layer.T:
        counts = torch.stack([counts[ticks.start : ticks.stop].sum(0) for ticks in groups])
    currents = project(layer, counts.flatten(0, 1), weight).unflatten(0, counts.shape[:2])
    return currents[[ticks.start for ticks in groups]] if len(counts) < layer.T else currents


def per_channel(values: Tensor, like: Tensor) -> Tensor:
    """(C,) -> (C, 1, 1) beside maps (B, C, H, W); (N,) beside (B, N) stays."""
    return values.reshape(-1, *[1] * (like.ndim - 2))


def start_value(layer: Kind, threshold: Tensor, whole: bool) -> Tensor:
    """v before the first event: Th >> 1 (Th / 2 while thresholds are not whole) or 0."""
    if layer.v_init == "zero":
        return torch.zeros_like(threshold)
    return torch.floor(threshold / 2) if whole else threshold / 2


def bias_at(layer: Kind, bias: Tensor, t: int, whole: bool) -> Tensor:
    """b(t) of the contract; without its floor while biases are not whole."""
    if layer.bias_mode == "per_tick":
        return bias
    if layer.bias_mode == "once":
        return bias if t == 0 else torch.zeros_like(bias)
    if whole:
        return quantize.floor((t + 1) * bias / layer.T) - quantize.floor(t * bias / layer.T)
    return bias / layer.T


def leaked(layer: Kind, v: Tensor, whole: bool) -> Tensor:
    """v - (v >> leak_shift): the arithmetic shift is the floor of a division by a power of two."""
    if layer.leak_shift is None:
        return v
    lost = v / 2**layer.leak_shift
    return v - (quantize.floor(lost) if whole else lost)


def driven(layer: Kind, currents: Tensor, bias: Tensor, whole: bool) -> Tensor:
    """Currents (T, B, *map) with each tick's share of the bias."""
    bias = per_channel(bias, currents[0])
    if layer.bias_mode == "per_tick":
        return currents + bias
    return currents + torch.stack(
        [bias_at(layer, bias, t, whole) for t in range(len(currents))]
    ).unsqueeze(1)


def fire(
    layer: Kind,
    currents: Tensor,
    bias: Tensor,
    threshold: Tensor,
    *,
    whole: bool,
    width: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """One layer's ticks, from currents (T, B, *map).

    Gives spikes 0/1 and the potentials before each reset, (T, B, *map).
    """
    threshold = per_channel(threshold, currents[0])
    drive, start = driven(layer, currents, bias, whole), start_value(layer, threshold, whole)
    return lif(
        drive,
        start,
        threshold,
        leak_shift=layer.leak_shift,
        subtract=layer.reset == "subtract",
        whole=whole,
        width=width,
    )


def read_out(layer: Kind, currents: Tensor, bias: Tensor, *, whole: bool) -> Tensor:
    """The readout's sum after each of its ticks: (T, B, C)."""
    drive = driven(layer, currents, bias, whole)
    if layer.leak_shift is None:
        return drive.cumsum(0)
    sums = [drive[0]]
    for current in drive[1:]:
        sums.append(leaked(layer, sums[-1], whole) + current)
    return torch.stack(sums)


def read_out_frame(
    layer: Kind, counts: Tensor, weight: Tensor, bias: Tensor, *, whole: bool
) -> Tensor:
    """The readout's sum after its last tick alone: (B, C), from the source ticks (T_in, B, *map).

    Without a leak it does not matter when a count came, so those of all ticks are added up and
    projected once.
    """
    if layer.leak_shift is not None:
        return read_out(layer, project_ticks(layer, counts, weight), bias, whole=whole)[-1]
    if len(counts) < layer.T:
        starts = [ticks.start for ticks in source_ticks(len(counts), layer.T)]
        held = torch.tensor(
            [starts.count(t) for t in range(len(counts))], dtype=counts.dtype, device=counts.device
        )
        counts = counts * held.reshape(-1, *[1] * (counts.ndim - 1))
    # counts of a frame can be more than bfloat16 holds
    with torch.autocast(counts.device.type, enabled=False):
        sums = project(layer, counts.sum(0), weight)
    return sums + (bias * layer.T if layer.bias_mode == "per_tick" else bias)


def count(
    layer: Kind,
    current: Tensor,
    bias: Tensor,
    threshold: Tensor,
    *,
    whole: bool,
    T: Tensor | None = None,
) -> Tensor:
    """One two_phase layer: clip(floor((start + B + current) / Th), 0, T).

    T: where it is learned; else it is the layer's.
    """
    bias, threshold = per_channel(bias, current), per_channel(threshold, current)
    v = start_value(layer, threshold, whole) + bias + current
    return quantize.quantize_count(v, threshold, layer.T if T is None else T)
