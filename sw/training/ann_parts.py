"""Parts of an ordinary ANN, as a spiking layer takes them over: weights with their pooling and normalization folded in."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


class UnsupportedError(ValueError):
    """A part of a torch model that no spiking layer can stand for."""


@dataclass
class Part:
    """A layer as it is read off: weights and what surrounds them."""

    path: str
    weight: Tensor  # (N_out, N_in) or (C_out, C_in, K, K), pooling's division and normalization folded in
    bias: Tensor
    pool: int
    stride: int = 1
    padding: int = 0
    fires: bool = False  # a ReLU follows
    source: "Part | None" = None  # the part that it takes its counts from; None: the model's input
    skip: "Shortcut | None" = None


@dataclass
class Shortcut:
    """A residual addition: the part whose map is added, through weights (C_out, C), every `stride`-th row and column."""

    source: Part
    weight: Tensor
    stride: int


def pool_size(path: str, pool: nn.AvgPool2d) -> int:
    """Of a pooling that tiles its map."""
    size = _square(path, "kernel_size", pool.kernel_size)
    tiles = _square(path, "stride", pool.stride) == size and not _square(path, "padding", pool.padding)
    if not tiles or pool.ceil_mode or pool.divisor_override:
        raise UnsupportedError(f"{path}: pooling must tile the map: stride equal to kernel_size, no padding, ceil_mode or divisor")
    return size


def _square(path: str, name: str, value: Any) -> int:
    """A number, or a pair of one number twice."""
    pair = value if isinstance(value, tuple) else (value, value)
    if not all(isinstance(n, int) for n in pair) or len(set(pair)) != 1:
        raise UnsupportedError(f"{path}: {name} must be the same number in both directions, not {value!r}")
    return int(pair[0])


def weights_of(path: str, step: nn.Conv2d | nn.Linear, pool: int) -> Part:
    """A module's weights behind a pooling."""
    weight = step.weight.detach().float() / pool**2  # an average is a sum over weights of a k * k-th
    bias = torch.zeros(len(weight)) if step.bias is None else step.bias.detach().float().clone()
    if isinstance(step, nn.Linear):
        return Part(path, weight, bias, pool)
    if step.groups != 1 or _square(path, "dilation", step.dilation) != 1 or step.padding_mode != "zeros":
        raise UnsupportedError(f"{path}: groups and dilation must be 1 and padding_mode zeros")
    if _square(path, "kernel_size", step.kernel_size) not in (1, 3, 5):
        raise UnsupportedError(f"{path}: kernel_size must be 1, 3 or 5, not {step.kernel_size[0]}")
    return Part(path, weight, bias, pool, _square(path, "stride", step.stride), _square(path, "padding", step.padding))


def fold(path: str, norm: nn.BatchNorm1d | nn.BatchNorm2d, part: Part | None) -> None:
    """A normalization behind weights, as it is in evaluation, into them."""
    if part is None or part.fires:
        raise UnsupportedError(f"{path}: normalization must stand between weights and their ReLU")
    if norm.running_mean is None or norm.running_var is None:
        raise UnsupportedError(f"{path}: normalization must keep running statistics (track_running_stats=True)")
    gain = 1 / torch.sqrt(norm.running_var + norm.eps)
    shift = torch.zeros_like(gain)
    if norm.affine:
        gain, shift = gain * norm.weight.detach(), norm.bias.detach()
    part.weight = part.weight * gain.reshape(-1, *[1] * (part.weight.ndim - 1))
    part.bias = shift + (part.bias - norm.running_mean) * gain


