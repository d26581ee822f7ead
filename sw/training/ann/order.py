"""Elements in another order or shape.

A function is applied to the numbers of the elements, which shows where it leaves them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from polyrhythm.sw.training.ann.chain import argument
from polyrhythm.sw.training.ann.parts import Value
from polyrhythm.sw.training.ann.refuse import Refused
from polyrhythm.sw.training.ann.stale import tensors
from polyrhythm.sw.training.ann.step import Step
from polyrhythm.sw.training.ann.words import DROPOUTS


def unchanged(step: Step, value: Value) -> Value:
    """Dropout in evaluation, and other kinds of floats."""
    if step.word in DROPOUTS:
        if argument(step, 2, "training", True) and argument(step, 1, "p", 0.5):
            raise Refused(
                "drops values in evaluation too; call it with training=self.training, or use "
                "nn.Dropout",
                certain=True,
            )
    elif not step.results[0].is_floating_point():
        raise Refused("makes whole numbers of the data, which rounds; take it out", certain=True)
    return value


def rearranged(step: Step, value: Value, k: int) -> Value:
    """The elements in another order or shape: the function is applied to their numbers."""
    found = _positions(step, value.shape, k)
    if value.pad and found.shape != value.shape:
        raise Refused("follows a padding that no Conv2d takes; put the padding into the Conv2d")
    flat = found.flatten()
    index = value.index.flatten(0, -2)[flat].reshape(*found.shape, -1)
    gain, shift = (
        values.flatten()[flat].reshape(found.shape) for values in (value.gain, value.shift)
    )
    return replace(value, index=index, gain=gain, shift=shift)


def _positions(step: Step, shape: Sequence[int], k: int) -> Tensor:
    """Which elements (of one sample, flat) a function leaves where."""
    size, batch = torch.Size(shape).numel(), len(step.results[0]) if step.results[0].ndim else 0
    target = next(value for value in tensors((step.args, step.kwargs)) if id(value) in step.taken)
    numbers = torch.arange(target.numel(), device=target.device).reshape(target.shape)

    def put(value: Any) -> Any:
        if value is target:
            return numbers
        return type(value)(map(put, value)) if type(value) in (list, tuple) else value

    with torch.no_grad():
        found = step.function(
            *map(put, step.args), **{key: put(value) for key, value in step.kwargs.items()}
        )
    found = (found if isinstance(found, Tensor) else list(tensors(found))[k]).cpu()
    mixed = found.ndim == 0 or len(found) != len(target) or batch == 0
    if not mixed:
        first = torch.arange(len(found)).reshape(-1, *[1] * (found.ndim - 1)) * size
        mixed = not torch.equal(found - first, (found[:1]).expand(found.shape))
    if mixed:
        raise Refused(
            "must keep the samples of a batch apart; flatten with start_dim=1, as in x.flatten(1)",
            certain=True,
        )
    return found[0].long()
