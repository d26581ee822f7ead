"""All ticks of a layer of LIF neurons as one operation with a surrogate gradient.

Time-stepped training spends most of its time on it.

Written out tick by tick for autograd, every tick leaves a dozen small operations and as many saved
tensors behind. Here a tick is three operations on memory that is there already, and what backward
needs of it are its potential and its spikes.

On a CPU all ticks of a neuron are gone through at once, while its potential is in the cache
(kernels.cpp), forth and back.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from polyrhythm.sw.training.arithmetic import compiled

CHANNELS_LAST = (0, 1, 3, 4, 2)  # (T, B, C, H, W) in the order of memory (T, B, H, W, C), and back:
CHANNELS_FIRST = (0, 1, 4, 2, 3)


class _Ticks(Function):
    """The kernels' ticks, in whatever order the maps lie in memory."""

    @staticmethod
    def forward(
        ctx: Any,
        drive: Tensor,
        start: Tensor,
        threshold: Tensor,
        leak: int | None,
        subtract: bool,
        width: float,
        whole: bool,
    ) -> tuple[Tensor, Tensor]:
        last = (
            drive.ndim == 5
            and not drive.is_contiguous()
            and drive.permute(CHANNELS_LAST).is_contiguous()
        )
        each = repeating(threshold, drive, last)
        spikes, potential = compiled.lif(
            laid(drive, last), repeating(start, drive, last), each, leak, subtract, whole
        )
        ctx.save_for_backward(potential, each)
        ctx.shapes, ctx.chosen, ctx.last = (
            (start.shape, threshold.shape),
            (leak, subtract, width),
            last,
        )
        ctx.set_materialize_grads(False)
        return taken(spikes, last), taken(potential, last)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        potential, each = ctx.saved_tensors
        (of_start, of_threshold), (leak, subtract, width) = ctx.shapes, ctx.chosen
        of_spikes, of_potential = (None if grad is None else laid(grad, ctx.last) for grad in grads)
        learns, learned = ctx.needs_input_grad[1:3]
        grad, of_each = compiled.lif_back(
            of_spikes, of_potential, potential, each, leak, subtract, width, learned
        )
        of_drive = taken(grad, ctx.last)
        kept = 1.0 if leak is None else 1 - 2.0**-leak
        of_start = (of_drive[0] * kept).sum_to_size(of_start) if learns else None
        of_threshold = (
            None if of_each is None else taken(of_each[None], ctx.last)[0].sum_to_size(of_threshold)
        )
        return of_drive, of_start, of_threshold, None, None, None, None


def repeating(x: Tensor, drive: Tensor, last: bool) -> Tensor:
    """The shortest part of what is broadcast to the maps of drive that repeats over memory.

    This is one number, a frame's numbers, or a batch's.
    """
    if x.numel() == 1:
        return x.contiguous()
    of = drive[0] if x.ndim == drive.ndim - 1 and len(x) > 1 else drive[0, :1]
    return laid(x.expand_as(of)[None], last)


def laid(x: Tensor, last: bool) -> Tensor:
    """Maps (T, B, C, H, W) as they lie in memory where channels come last; contiguous."""
    return (x.permute(CHANNELS_LAST) if last else x).contiguous()


def taken(x: Tensor, last: bool) -> Tensor:
    """`laid` undone."""
    return x.permute(CHANNELS_FIRST) if last else x


class _Lif(Function):
    @staticmethod
    def forward(
        ctx: Any,
        drive: Tensor,
        start: Tensor,
        threshold: Tensor,
        leak: int | None,
        subtract: bool,
        width: float,
        whole: bool,
    ) -> tuple[Tensor, Tensor]:
        kept = 1.0 if leak is None else 1 - 2.0**-leak  # of v in a tick, and of its gradient
        v, potential, spikes = (
            torch.empty_like(drive[0]).copy_(start),
            torch.empty_like(drive),
            torch.empty_like(drive),
        )
        for current, u, s in zip(drive.unbind(), potential.unbind(), spikes.unbind(), strict=True):
            if leak is not None and whole:
                v -= (v / 2**leak).floor_()
            torch.add(current, v, alpha=1.0 if whole else kept, out=u)
            torch.ge(u, threshold, out=s)
            if subtract:
                torch.addcmul(u, s, threshold, value=-1, out=v)
            else:
                torch.mul(u, 1 - s, out=v)
        ctx.save_for_backward(potential, spikes, threshold, start)
        ctx.kept, ctx.subtract, ctx.width = kept, subtract, width
        ctx.set_materialize_grads(False)
        return spikes, potential

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        of_spikes, of_potential = grads
        potential, spikes, threshold, start = ctx.saved_tensors
        learned = ctx.needs_input_grad[2]
        of_threshold = torch.zeros_like(threshold) if learned else None
        if of_spikes is None:
            assert of_potential is not None
            grad = of_potential.clone()
        else:
            grad, of_threshold = _through_spikes(
                potential, threshold, of_spikes, ctx.width, learned
            )
            if of_potential is not None:
                grad += of_potential
        ticks, fired = grad.unbind(), spikes.unbind()
        resets = torch.zeros_like(ticks[0]) if learned and ctx.subtract else None
        for here, later, s in zip(
            reversed(ticks[:-1]), reversed(ticks[1:]), reversed(fired[:-1]), strict=True
        ):
            here.add_(later if ctx.subtract else later.addcmul(later, s, value=-1), alpha=ctx.kept)
            if resets is not None:
                resets.addcmul_(later, s, value=-ctx.kept)
        if resets is not None and of_threshold is not None:
            of_threshold += resets.sum_to_size(threshold.shape)
        of_start = (
            (ticks[0] * ctx.kept).sum_to_size(start.shape) if ctx.needs_input_grad[1] else None
        )
        return grad, of_start, of_threshold, None, None, None, None


def _through_spikes(
    potential: Tensor, threshold: Tensor, of_spikes: Tensor, width: float, learned: bool
) -> tuple[Tensor, Tensor | None]:
    """Gradients of potentials and threshold by the triangle of x = potential / threshold - 1."""
    ratio = potential / threshold
    surrogate = (
        (ratio - 1)
        .abs_()
        .mul_(-1 / width)
        .add_(1)
        .clamp_min_(0)
        .mul_(of_spikes)
        .div_(threshold * width)
    )
    of_threshold = -(ratio.mul_(surrogate)).sum_to_size(threshold.shape) if learned else None
    return surrogate, of_threshold


def lif(
    drive: Tensor,
    start: Tensor,
    threshold: Tensor,
    *,
    leak_shift: int | None,
    subtract: bool,
    whole: bool,
    width: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Leak, integrate, fire, reset in every tick.

    Gives spikes 0/1 and the potentials before each reset, both (T, B, *map).

    drive: currents with their bias, (T, B, *map). start, v before the first tick, and threshold (>
    0) are broadcast to (B, *map). whole: the leak rounds as v >> leak_shift does, while potentials
    are whole. A neuron fires where v >= threshold.

    The gradient of a spike is the triangle max(0, 1 - |x| / width) / width of x = (v - threshold) /
    threshold (Esser et al., 2016); the reset takes none of its own, and rounding passes it on
    (straight-through).
    """
    drive = drive.to(threshold.dtype)  # what was projected in half precision is added up in full
    operation = _Ticks if compiled.usable(drive, start, threshold) else _Lif
    spikes, potential = operation.apply(drive, start, threshold, leak_shift, subtract, width, whole)
    return spikes, potential
