"""Averages between two layers.

A layer adds up tiles before its weights; any other average folds into a Linear.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyrhythm.sw.training.ann.chain import Chain, argument
from polyrhythm.sw.training.ann.parts import Value, per_channel
from polyrhythm.sw.training.ann.refuse import Refused
from polyrhythm.sw.training.ann.step import Step

TILES = "pooling must tile the map: stride equal to kernel_size, no padding, ceil_mode or divisor"
SPREAD = 1 << 22  # elements that an average which is no tile may read


def avg_pool2d(chain: Chain, step: Step, given: list[Value]) -> Value:
    size = argument(step, 1, "kernel_size", None)
    stride = argument(step, 2, "stride", None)
    options = (
        argument(step, 3, "padding", 0),
        argument(step, 4, "ceil_mode", False),
        argument(step, 6, "divisor_override", None),
    )
    return pooled(step, given[0], size, size if stride in (None, ()) else stride, *options)


def adaptive_avg_pool2d(chain: Chain, step: Step, given: list[Value]) -> Value:
    value, wanted = given[0], argument(step, 1, "output_size", None)
    if len(value.shape) != 3:
        raise Refused("must take a map (C, H, W)")
    extents = value.shape[1:]
    pair = wanted if isinstance(wanted, tuple | list) else (wanted, wanted)
    out = [extent if n is None else n for n, extent in zip(pair, extents, strict=True)]
    if any(extent % n for n, extent in zip(out, extents, strict=True)):
        text = (
            f"must divide its map of {extents[0]} x {extents[1]} evenly, not into {out[0]} x "
            f"{out[1]}; use AvgPool2d"
        )
        raise Refused(text, certain=True)
    size = tuple(extent // n for n, extent in zip(out, extents, strict=True))
    return pooled(step, value, size, size, 0, False, None)


def mean(chain: Chain, step: Step, given: list[Value]) -> Value:
    return averaged(step, given[0], step.results[0], argument(step, 1, "dim", None), total=False)


def sum(chain: Chain, step: Step, given: list[Value]) -> Value:
    return averaged(step, given[0], step.results[0], argument(step, 1, "dim", None), total=True)


def pad(chain: Chain, step: Step, given: list[Value]) -> Value:
    value, sizes = given[0], list(argument(step, 1, "pad", ()))
    mode, filled = argument(step, 2, "mode", "constant"), argument(step, 3, "value", None)
    if isinstance(step.module, nn.Conv2d):
        raise Refused(f"padding_mode must be zeros, not {step.module.padding_mode}", certain=True)
    if mode != "constant" or filled or len(sizes) != 4 or len(set(sizes)) != 1 or min(sizes) < 0:
        raise Refused(
            "must pad all four sides of a map alike, with zeros; put it into the Conv2d: "
            "padding=..",
            certain=True,
        )
    if not value.fired or not value.is_map or bool((value.shift != 0).any()):
        raise Refused("must pad the map of an earlier layer; put it into the Conv2d: padding=..")
    return replace(value, pad=value.pad + sizes[0])


def pooled(
    step: Step, value: Value, size: Any, stride: Any, padding: Any, ceil: bool, divisor: Any
) -> Value:
    """Means of windows (C, H, W) -> (C, H', W')."""
    _only_counts(step, value)
    if len(value.shape) != 3:
        raise Refused("must take a map (C, H, W)")
    (high, wide), steps = _pair(size), _pair(stride)
    exact = not ceil or all(
        (extent - n) % by == 0
        for extent, n, by in zip(value.shape[1:], (high, wide), steps, strict=True)
    )
    if any(_pair(padding)) or divisor or not exact or value.pad:
        raise Refused(TILES, certain=True)
    if high == wide == steps[0] == steps[1] and value.is_map and not value.skewed:
        return _tiled(value, high)
    return _windows(value, (high, wide), steps)


def averaged(step: Step, value: Value, result: Tensor, dims: Any, total: bool) -> Value:
    """Means (sums, if `total`) over axes."""
    _only_counts(step, value)
    axes = len(value.shape) + 1
    chosen = sorted({d % axes for d in ([dims] if isinstance(dims, int) else list(dims or []))})
    if not chosen or chosen[0] == 0:
        raise Refused(
            "must keep the samples of a batch apart; name the axes, as in x.mean((2, 3))",
            certain=True,
        )
    extents = [value.shape[d - 1] for d in chosen]
    count = torch.Size(extents).numel()
    factor = float(count if total else 1)
    if (
        value.is_map
        and not value.pad
        and chosen == [2, 3]
        and extents[0] == extents[1]
        and not value.skewed
    ):
        found = _tiled(value, extents[0])
        found = found.shaped(tuple(result.shape[1:]))
        return replace(found, gain=found.gain * factor, shift=found.shift * factor)
    if value.pad:
        raise Refused(TILES, certain=True)
    kept = [d for d in range(1, axes) if d not in chosen]
    index, gain, shift = (
        _last(values, kept, chosen)
        for values in (value.index, value.gain[..., None], value.shift[..., None])
    )
    shape = tuple(result.shape[1:])
    return _gathered(
        value,
        index.reshape(*shape, -1),
        gain.reshape(*shape, -1),
        shift.reshape(*shape, -1),
        factor,
    )


def _last(values: Tensor, kept: list[int], chosen: list[int]) -> Tensor:
    """Axes of one sample, those that are averaged behind the others."""
    return values.permute([d - 1 for d in kept] + [d - 1 for d in chosen] + [values.ndim - 1])


def _only_counts(step: Step, value: Value) -> None:
    if not value.fired and value.part is not None:
        raise Refused(f"pools sums; put the ReLU of {value.part.path} before it")


def _pair(value: Any) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    return (pair * 2 if len(pair) == 1 else pair)[:2]


def _tiled(value: Value, size: int) -> Value:
    """Tiles of size x size: the layer behind adds them up."""
    gain, shift = (per_channel(values) for values in (value.gain, value.shift))
    if gain is None or shift is None:
        return _windows(value, (size, size), (size, size))
    channels, height, width = value.map
    found = Value.fresh(value.part, (channels, height // size, width // size))
    ones = torch.ones(found.map, dtype=torch.float64)
    return replace(
        found,
        pool=value.pool * size,
        gain=ones * gain[:, None, None],
        shift=ones * shift[:, None, None],
    )


def _windows(value: Value, size: tuple[int, int], steps: tuple[int, int]) -> Value:
    """Any windows: which elements each one holds."""
    channels, height, width = value.shape
    positions = torch.arange(height * width, dtype=torch.float64).reshape(1, 1, height, width)
    windows = F.unfold(positions, size, stride=steps)[0].T.long()  # (positions, k)
    out = [
        (extent - n) // by + 1 for extent, n, by in zip((height, width), size, steps, strict=True)
    ]
    at = (torch.arange(channels)[:, None, None] * height * width + windows[None]).reshape(
        channels, *out, -1
    )
    if at.numel() * value.index.shape[-1] > SPREAD:
        raise Refused(TILES, certain=True)
    index = value.index.flatten(0, -2)[at].flatten(-2)
    return _gathered(value, index, value.gain.flatten()[at], value.shift.flatten()[at], 1.0)


def _gathered(value: Value, index: Tensor, gain: Tensor, shift: Tensor, factor: float) -> Value:
    """Means over the last axis; a convolution cannot take them, a Linear can."""
    if bool((gain != gain[..., :1]).any()):
        raise Refused("averages places that have been multiplied by different numbers before")
    return replace(
        value, index=index, gain=gain[..., 0] * factor, shift=shift.mean(-1) * factor, skewed=TILES
    )
