"""How a reader of models says no."""

from typing import Any

from polyrhythm.sw.training.ann.step import Step, of_torch
from polyrhythm.sw.training.ann.words import INSTEAD


class Refused(Exception):
    """A step that no spiking layer does.

    certain: true whatever came before it; place: of another part.
    """

    def __init__(self, text: str, certain: bool = False, name: str = "") -> None:
        super().__init__(text)
        self.certain, self.name = certain, name


def missing(step: Step) -> Refused:
    """For a function that is not understood."""
    called = type(step.module).__name__ if step.module is not None and of_torch(step.module) else ""
    known, use = INSTEAD.get(step.word, (step.word.strip("_"), ""))
    understood = "Conv2d, Linear, BatchNorm, ReLU, AvgPool2d, Flatten, Dropout, and additions"
    instead = f"use {use}" if use else f"understood are {understood}"
    return Refused(f"{called or known} has no spiking counterpart; {instead}", certain=True)


def square(name: str, value: Any) -> int:
    """A number, or a pair of one number twice."""
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    pair = pair * 2 if len(pair) == 1 else pair
    if not all(isinstance(n, int) for n in pair) or len(set(pair)) != 1:
        raise Refused(
            f"{name} must be the same number in both directions, not {value!r}", certain=True
        )
    return int(pair[0])
