"""The chain of layers as it grows, and the arguments of the steps that it is read from."""

from typing import Any

import torch
from torch import Tensor, nn

from polyrhythm.sw.training.ann.parts import Part, Shortcut, Value, per_channel
from polyrhythm.sw.training.ann.refuse import Refused
from polyrhythm.sw.training.ann.stale import tensors
from polyrhythm.sw.training.ann.step import Step
from polyrhythm.sw.training.ann.trace import Trace


class Chain:
    """Layers in their order; a residual addition brings in an earlier one's map.

    Each takes its counts from the one before, and one of an earlier one may be added to its sums.
    """

    def __init__(self, found: Trace) -> None:
        self.owners = found.owners
        self.parts: list[Part] = []

    def append(self, part: Part) -> None:
        """The next layer of the chain; its input is the layer before it."""
        if part.source is not (self.parts[-1] if self.parts else None):
            text = "the model's input" if part.source is None else part.source.path
            text = (
                f"takes {text}, and not the layer before it; the model must be one chain but for "
                "residual additions"
            )
            raise Refused(text, name=part.path)
        self.parts.append(part)

    def residual(self, one: Value, two: Value) -> Value:
        """Sums of the next layer, and an earlier layer's map, plain or through a 1 x 1 Conv2d."""
        before = self.parts[-1] if self.parts else None
        chained = [
            v
            for v in (one, two)
            if v.part is not None and not v.part.fires and v.part.source is before
        ]
        if len(chained) != 1 or chained[0].part is None:
            raise Refused("must add an earlier map to the sums of the next layer, before its ReLU")
        value = chained[0]
        other = two if value is one else one
        main, shortcut = value.part, other.part
        assert main is not None
        if main.skip is not None or main.weight.ndim != 4:
            raise Refused(
                f"a Conv2d can take one residual addition, {main.path} cannot take this one"
            )
        if shortcut is None or other.pool > 1 or other.pad or not other.is_map or not value.is_map:
            raise Refused("what is added must be the map of an earlier layer, without pooling")
        if other.shape != value.shape:
            raise Refused(
                f"adds maps of shapes {value.shape} and {other.shape}, which must be the same"
            )
        if shortcut.fires:
            gain = per_channel(other.gain)
            if gain is None or bool((other.shift != 0).any()):
                raise Refused(
                    "what is added must be the map of an earlier layer, with one factor for a "
                    "channel and no shift"
                )
            main.skip = Shortcut(shortcut, torch.diag(gain), 1)
            return value
        if (
            shortcut.source is None
            or shortcut.weight.shape[-1] != 1
            or shortcut.padding
            or shortcut.pool > 1
            or shortcut.skip
        ):
            raise Refused(
                "what is added may pass one 1 x 1 Conv2d without padding, and nothing else",
                name=shortcut.path,
            )
        main.skip = Shortcut(shortcut.source, shortcut.weight[:, :, 0, 0], shortcut.stride)
        main.bias = main.bias + shortcut.bias
        return value

    def path(self, step: Step) -> str:
        """The module with the weights, else the parameter that they are, else the module around."""
        if isinstance(step.module, nn.Conv2d | nn.Linear):
            return step.path
        names = [
            self.owners[id(value)]
            for value in tensors((step.args, step.kwargs))
            if id(value) in self.owners
        ]
        return names[0].removesuffix(".weight") if names else step.path


def argument(step: Step, at: int, name: str, otherwise: Any) -> Any:
    """An argument of a function by its position or name."""
    return (
        step.kwargs[name]
        if name in step.kwargs
        else step.args[at]
        if len(step.args) > at
        else otherwise
    )


def numbers(step: Step, at: int, *names: str) -> Tensor | None:
    """An argument that is a tensor of numbers, or None; it must not depend on the input."""
    value = argument(step, at, names[0], None)
    for name in names[1:]:
        value = step.kwargs.get(name, value)
    if isinstance(value, Tensor) and id(value) in step.taken:
        raise Refused("has weights that hang on the input; they must be numbers", certain=True)
    return value.detach().cpu() if isinstance(value, Tensor) else None
