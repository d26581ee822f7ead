"""Tensors that a write in place has changed without a step that shows it.

This happens through a view, through .data and by an assignment.

A function that works in place and gives the tensor back, as relu_ does, is a step like any other.
All other tensors that show the same memory are another thing from then on, which no step tells:
a problem for whoever takes one of them later.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from polyrhythm.sw.training.ann.parts import Problem

INSTEAD = (
    "what stands in the model afterwards cannot be followed; write a function that gives a new "
    "tensor (h = torch.relu(h), "
    "h = h * mask), and put numbers behind the last Linear into its weights and bias"
)


def tensors(values: Any) -> Iterator[Tensor]:
    """All tensors in arguments."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from tensors(value)
    elif isinstance(values, Sequence) and not isinstance(values, str):
        for value in values:
            yield from tensors(value)


class Stale:
    """The tensors of a forward pass, and which of them a step that is not theirs changed."""

    def __init__(self, x: Tensor) -> None:
        self.all: dict[int, Tensor] = {id(x): x}
        self.changed: dict[int, Problem] = {}

    def kept(self, made: Iterable[Tensor]) -> None:
        """The results of a step: they are what it made of them."""
        for value in made:
            self.all[id(value)] = value
            self.changed.pop(id(value), None)

    def before(
        self, word: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> list[tuple[Tensor, Tensor]]:
        """What shows the memory that a function will write to, each with what it is now."""
        given = (*args[:1], kwargs.get("out"))
        written = [value for value in given if isinstance(value, Tensor) and _strided(value)]
        if not _writes(word, kwargs) or not written:
            return []
        memories = {_memory(value) for value in written}
        known = (value for value in self.all.values() if _strided(value))
        shared = [value for value in known if _memory(value) in memories]
        return [(value, value.detach().clone()) for value in shared]

    def after(self, word: str, before: list[tuple[Tensor, Tensor]], result: Any, line: str) -> None:
        """Remember which of them are something else now, but for the function's own result."""
        own = {id(value) for value in tensors(result)}
        for value, was in before:
            if id(value) in own:
                continue
            if not torch.equal(torch.nan_to_num(value), torch.nan_to_num(was)):
                self.changed.setdefault(id(value), Problem("forward", _what(word), line))

    def report(self, taken: Iterable[int], problems: list[Problem]) -> None:
        """Problems with the tensors that something takes."""
        for key in taken:
            problem = self.changed.get(key)
            if problem is not None and problem not in problems:
                problems.append(problem)


def _what(word: str) -> str:
    what = f"{word} writes in place to a tensor that goes on under another name "
    what += "(a view, a slice, or .data)"
    if word == "__setitem__":
        what = "assigns to elements of a tensor in place (h[...] = ...)"
    return f"{what}, and {INSTEAD}"


def _writes(word: str, kwargs: Mapping[str, Any]) -> bool:
    """Whether a function may work in place, by its name."""
    special = word.startswith("__")
    named = word[2:3] == "i" if special else word.endswith("_")
    return (
        word == "__setitem__"
        or named
        or bool(kwargs.get("inplace"))
        or kwargs.get("out") is not None
    )


def _memory(value: Tensor) -> int:
    return value.untyped_storage().data_ptr()


def _strided(value: Tensor) -> bool:
    return value.layout == torch.strided
