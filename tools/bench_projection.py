"""Where adding up the weights of what fired (sw/training/arithmetic/project.py) is as quick as the
matrix product, forward and backward.

    python tools/bench_projection.py

Both are timed in turns, on one core, with the median of the rounds; spikes are 0 or 1, counts 0..7.
What is told is the time of the marked product as a share of the dense one at each density, marks
included.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from polyrhythm.sw.training.arithmetic import project

SHAPES = (
    (1024, 784, 128),
    (1024, 128, 64),
    (128, 784, 128),
    (2048, 2312, 100),
    (512, 1024, 10),
    (1024, 784, 32),
    (1024, 256, 32),
)
DENSITIES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


def step(
    product: Callable[[Tensor, Tensor], Tensor], counts: Tensor, weight: Tensor, grad: Tensor
) -> float:
    """Seconds for the product and the gradient of its weights."""
    weight.grad = None
    start = time.perf_counter()
    product(counts, weight).backward(grad)
    return time.perf_counter() - start


def share(shape: tuple[int, int, int], density: float, most: int, rounds: int) -> float:
    """Time of the marked product / time of the dense one."""
    R, I, O = shape  # noqa: E741
    generator = torch.Generator().manual_seed(0)
    fired = torch.rand(R, I, generator=generator) < density
    counts = (fired * torch.randint(1, most + 1, (R, I), generator=generator)).float()
    weight, grad = (
        torch.randn(O, I, generator=generator, requires_grad=True),
        torch.randn(R, O, generator=generator),
    )
    kinds: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (project.marked, F.linear)
    found = [[step(kind, counts, weight, grad) for kind in kinds] for _ in range(rounds)][3:]
    marked, dense = (statistics.median(times) for times in zip(*found, strict=True))
    return marked / dense


def main() -> None:
    parser = argparse.ArgumentParser(
        description="time of the marked product as a share of the dense one"
    )
    parser.add_argument("--rounds", type=int, default=40)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "rows x inputs x outputs, counts".ljust(36), *(f"{density:>5.0%}" for density in DENSITIES)
    )
    for shape in SHAPES:
        for most in (1, 7):
            shares = (share(shape, density, most, args.rounds) for density in DENSITIES)
            print(
                f"{' x '.join(map(str, shape))}, {most}".ljust(36),
                *(f"{100 * one:4.0f} %"[:6] for one in shares),
            )


if __name__ == "__main__":
    main()
