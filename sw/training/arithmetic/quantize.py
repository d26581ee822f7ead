"""Quantizers with straight-through gradients, and the export rule from float scales to integers.

Rounding is floor(x + 1/2) everywhere: ties go up, as in the integer network, and not to even as in
torch.round.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

ENOUGH = 1 << 22  # activations that set a clip range
# weights that are all below say nothing; squares of those above leave float32
FAINT, STRONG = 1e-8, 1e15


class _Floor(Function):
    """floor(x); the gradient passes as if it were x (straight-through, Bengio et al. 2013)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.floor(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


def floor(x: Tensor) -> Tensor:
    """floor(x) with a straight-through gradient."""
    return _Floor.apply(x)


def round_half_up(x: Tensor) -> Tensor:
    """floor(x + 1/2) with a straight-through gradient."""
    return floor(x + 0.5)


def weight_range(bits: int) -> tuple[int, int]:
    return -(1 << bits - 1), (1 << bits - 1) - 1


def quantize_weight(weight: Tensor, step: Tensor, bits: int) -> Tensor:
    """Integer weights clip(floor(w / step + 1/2), -2^(b-1), 2^(b-1) - 1).

    Gradients: inside the range d/dw = 1 / step and d/dstep = -w / step^2 (so step * integer has the
    gradient of LSQ, Esser et al. 2020); outside both are 0.
    """
    low, high = weight_range(bits)
    return round_half_up(weight / step).clamp(low, high)


def quantize_count(v: Tensor, threshold: Tensor, T: int | Tensor) -> Tensor:
    """Counts clip(floor(v / threshold), 0, T).

    The gradient is straight-through where the floor is within 0..T, and 0 outside.

    A T that is learned is a whole number in a tensor; its gradient is that of the counts that are
    clipped to it.

    `v` holds the start value threshold / 2, so this is the rounding quantizer of design 1.1. Exact
    for integers while |v| + threshold stays below 2^24 (float32) or 2^53 (float64): no quotient is
    then rounded up to the next integer.
    """
    counts = floor(v / threshold)
    return counts.clamp(0, T) if isinstance(T, int) else torch.clamp(counts, torch.zeros_like(T), T)


class _Round(Function):
    """`round_counts` with gradients in closed form, which read maps a few times and not dozens."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, worth: Tensor, T: Tensor) -> Tensor:
        v = torch.div(y, worth).add_(0.5)
        ctx.save_for_backward(v, worth, T)
        return v.floor().clamp_(0, float(T))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        v, worth, T = ctx.saved_tensors
        most, aten = float(T) + 1, torch.ops.aten
        passed = aten.hardtanh_backward(grads[0], v, 0.0, most)  # where 0 < v < T + 1
        for_worth = (0.5 * passed.sum() - (passed * v).sum()) / worth
        # where v > T + 1
        for_T = (
            aten.threshold_backward(grads[0], v, most).sum() if ctx.needs_input_grad[2] else None
        )
        return passed.div_(worth), for_worth, for_T


def round_counts(y: Tensor, worth: Tensor, T: Tensor) -> Tensor:
    """Counts clip(floor(y / worth + 1/2), 0, T) of activations, with `quantize_count`'s gradients.

    worth, T: scalars.
    """
    return _Round.apply(y, worth, T)


def steps(clip_range: Tensor, count: Tensor, max_T: int) -> Tensor:
    """Time steps T = clip(floor(range / count + 1/2), 1, max_T) (Uhlich et al. 2020).

    clip_range: of the activations. count: what one count is worth.

    Straight-through inside 1..max_T, 0 outside: beyond the range a quantizer's value is T counts =
    the range, and so is the gradient; within it, it depends on the count alone.
    """
    return round_half_up(clip_range / count).clamp(1, max_T)


@torch.no_grad()
def best_step(weight: Tensor, bits: int) -> Tensor:
    """The step of least squared error for `weight`.

    It is one of 100 between a fiftieth and twice the one that clips nothing.

    Weights that are all 0, or as good as that, get a step that suits weights up to 1.
    """
    top, largest = weight_range(bits)[1], weight.abs().max()
    if largest < FAINT:
        return torch.full_like(largest, 1 / top)
    if largest > STRONG:
        unit = 2.0 ** torch.log2(largest).floor()
        return best_step(weight / unit, bits) * unit
    full = largest.clamp_min(FAINT) / top
    steps = full * torch.linspace(0.02, 2, 100, dtype=weight.dtype, device=weight.device)
    errors = torch.stack(
        [(quantize_weight(weight, step, bits) * step - weight).square().sum() for step in steps]
    )
    return steps[errors.argmin()]


def beside(step: Tensor, weight: Tensor) -> Tensor:
    """Steps as they broadcast to weights: of output channels (C,) -> (C, 1, ..).

    One step for all weights stays.
    """
    return step.reshape(-1, *[1] * (weight.ndim - 1)) if step.ndim else step


@torch.no_grad()
def best_steps(weight: Tensor, bits: int, like: Tensor) -> Tensor:
    """`best_step` of all weights, or of each output channel's, as `like` has one or many.

    A channel without weights has the largest step.
    """
    if not like.ndim:
        return best_step(weight, bits)
    steps = torch.stack([best_step(channel, bits) for channel in weight])
    faint = weight.flatten(1).abs().amax(1) < FAINT
    if bool(faint.any()) and not bool(faint.all()):
        steps[faint] = steps[~faint].max()
    return steps


@torch.no_grad()
def best_range(y: Tensor, T: int) -> Tensor:
    """The clip range lambda of least squared error for activations `y` of T levels above 0.

    y: non-negative.

    Of more than 2 ENOUGH activations every third, fifth, .. is looked at: less than 2 ENOUGH.
    """
    # an odd distance: channels and columns have even numbers
    y = y.flatten()[:: 1 + 2 * (y.numel() // (2 * ENOUGH))]
    top = y.max().clamp_min(1e-8)
    ranges = top * torch.linspace(0.02, 1, 50, dtype=y.dtype, device=y.device)
    errors = [((y * T / r + 0.5).floor().clamp(0, T) * (r / T) - y).square().sum() for r in ranges]
    return ranges[torch.stack(errors).argmin()]


@torch.no_grad()
def export_threshold(clip_range: Tensor, levels: int, unit: Tensor) -> Tensor:
    """Th = max(1, floor(lambda / (levels * unit) + 1/2)), unit = weight step * input sigma."""
    return round_half_up(clip_range / (levels * unit)).clamp_min(1)


@torch.no_grad()
def export_bias(bias: Tensor, unit: Tensor) -> Tensor:
    """B = floor(b / unit + 1/2)."""
    return round_half_up(bias / unit)
