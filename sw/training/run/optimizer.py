"""AdamW with a group for each kind of parameter, its rates falling along a half cosine to 0."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from polyrhythm.sw.training.recipe import Recipe, Stage

# How far a range and a count that T is learned from can go in a stage: by a factor of e^3, however
# long it is.
FARTHEST = 3.0

Optimizer = torch.optim.Optimizer
Rate = torch.optim.lr_scheduler.LRScheduler


def make_optimizer(
    parameters: Iterable[tuple[str, Tensor]],
    recipe: Recipe,
    stage: Stage,
    steps: int,
    chosen: Callable[[str], str | None],
) -> tuple[Optimizer, Rate]:
    """For a stage of so many steps. chosen: the group that a method gives a parameter, or None."""
    groups: dict[str, list[Tensor]] = {"weight": [], "bias": [], "scale": [], "steps": []}
    for name, parameter in parameters:
        if parameter.requires_grad:
            groups[chosen(name) or _group(name)].append(parameter)
    steps = max(1, steps)
    scale_lr, steps_lr = stage.lr * recipe.scale_lr, 2 * FARTHEST / steps
    optimizer = torch.optim.AdamW([
        {"params": groups["weight"], "lr": stage.lr, "weight_decay": recipe.weight_decay},
        {"params": groups["bias"], "lr": stage.lr, "weight_decay": 0.0},
        {"params": groups["scale"], "lr": scale_lr, "weight_decay": 0.0},
        {"params": groups["steps"], "lr": steps_lr, "weight_decay": 0.0},
    ], fused=True)  # fmt: skip
    falling = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    return optimizer, falling


def _group(name: str) -> str:
    """How a parameter is trained: normalization's gain and shift as biases are."""
    if ".log_" in name:
        return "scale"
    return "bias" if ".norm." in name else name.rsplit(".", 1)[-1].removeprefix("skip_")
