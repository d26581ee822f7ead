"""Products of counts and weights, where most counts are 0: rows of weights are added up, instead of multiplied.

Spikes are 0 or 1 and few. A dense layer's currents are then sums of the weights of what fired, and the gradient of its weights sums
of the currents' gradients; both are taken from the same marks, a bit for each count (kernels.cpp). Counts above 1 and fractions
are multiplied as they are. Sums of integers stay exact: only the order of the additions differs.

Break-even, measured with `python tools/bench_projection.py`, on one core with AVX2.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sw.training import compiled

SPARSE = 0.35  # share of counts that are not 0, below which marks are quicker
WORTH = 1 << 18  # multiplications below which a call costs more than it saves


class _Sparse(Function):
    @staticmethod
    def forward(ctx: Any, counts: Tensor, weight: Tensor) -> Tensor:
        marks, ones = compiled.mark(counts)
        ctx.save_for_backward(counts, marks, weight)
        ctx.ones = ones
        return compiled.project(counts, marks, ones, weight.contiguous())

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        counts, marks, weight = ctx.saved_tensors
        grad = grads[0].contiguous()
        of_counts = grad @ weight if ctx.needs_input_grad[0] else None
        of_weight = compiled.project_back(counts, marks, ctx.ones, grad) if ctx.needs_input_grad[1] else None
        return of_counts, of_weight


def sparse(counts: Tensor, weight: Tensor) -> bool:
    """Whether marks are quicker for counts (R, N_in) and weight (N_out, N_in)."""
    if len(counts) * weight.numel() < WORTH or torch.is_autocast_enabled("cpu") or not compiled.usable(counts, weight):
        return False
    return counts.is_contiguous() and compiled.density(counts) < SPARSE


def linear(counts: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Sums w*n (+ bias): counts (R, N_in), weight (N_out, N_in) -> (R, N_out)."""
    if not sparse(counts, weight):
        return F.linear(counts, weight, bias)
    currents: Tensor = _Sparse.apply(counts, weight)
    return currents if bias is None else currents + bias
