"""Products of counts and weights, where most counts are 0.

Rows of weights are added up, instead of multiplied.

Spikes are 0 or 1 and few. A dense layer's currents are then sums of the weights of what fired, and
the gradient of its weights sums of the currents' gradients; both are taken from the same marks, a
bit for each count (kernels.cpp). Counts above 1 and fractions are multiplied as they are. Sums of
integers stay exact: only the order of the additions differs.

Where that pays was measured with `python tools/bench_projection.py` (one core with AVX2). From 32
outputs on, spikes cost 20 to 75 % of the matrix product at a density of 0.2, and as much as it from
0.4 or 0.5 on; counts above 1 cost 55 to 87 %, and as much from 0.3 on. MNIST's pixels as rates have
a density of 0.13, its pixels as counts one of 0.19, N-MNIST in six frames one of 0.11.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from polyrhythm.sw.training.arithmetic import compiled

SPARSE = 0.25  # share of counts that are not 0, below which marks are quicker
OUTPUTS = 32  # fewer of them fill no vectors
WORTH = 1 << 22  # multiplications below which marking costs more than it saves


class _Sparse(Function):
    @staticmethod
    def forward(ctx: Any, counts: Tensor, weight: Tensor) -> Tensor:
        marks, values = compiled.mark(counts)
        ctx.save_for_backward(marks, values, weight)
        return compiled.project(marks, values, weight.contiguous())

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        marks, values, weight = ctx.saved_tensors
        grad = grads[0].contiguous()
        of_counts = grad @ weight if ctx.needs_input_grad[0] else None
        of_weight = (
            compiled.project_back(marks, values, grad, weight.shape[1])
            if ctx.needs_input_grad[1]
            else None
        )
        return of_counts, of_weight


def sparse(counts: Tensor, weight: Tensor) -> bool:
    """Whether marks are quicker for counts (R, N_in) and weight (N_out, N_in)."""
    if len(weight) < OUTPUTS or len(counts) * weight.numel() < WORTH:
        return False
    if torch.is_autocast_enabled("cpu") or not compiled.usable(counts, weight):
        return False
    return counts.is_contiguous() and compiled.density(counts) < SPARSE


def marked(counts: Tensor, weight: Tensor) -> Tensor:
    """Sums w*n from marks: float32 on a CPU, counts contiguous."""
    currents: Tensor = _Sparse.apply(counts, weight)
    return currents


def linear(counts: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Sums w*n (+ bias): counts (R, N_in), weight (N_out, N_in) -> (R, N_out)."""
    if not sparse(counts, weight):
        return F.linear(counts, weight, bias)
    currents = marked(counts, weight)
    return currents if bias is None else currents + bias
