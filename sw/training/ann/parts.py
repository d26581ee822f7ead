"""What is read off an ordinary ANN: layers, and the problems that stand in the way.

Everything that surrounds a layer's weights is folded into them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

MAX_LINES = 40  # problems that one message shows


@dataclass(frozen=True)
class Problem:
    """A part of a model that no spiking layer can replace, why, and what to use instead."""

    name: str  # path of the module, or name of the function
    text: str
    line: str = ""  # of the user's file

    @property
    def where(self) -> str:
        return f"{self.name} ({self.line})" if self.line else self.name

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class UnsupportedError(ValueError):
    """A torch model that cannot be converted, with all of its problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems]
        if len(lines) > MAX_LINES:
            lines = [*lines[:MAX_LINES], f"... and {len(lines) - MAX_LINES} more"]
        head = f"the model cannot be converted, for {len(self.problems)} reasons:\n  "
        super().__init__(lines[0] if len(lines) == 1 else head + "\n  ".join(lines))


@dataclass
class Part:
    """A layer as it is read off: weights (float64) and what surrounds them."""

    path: str  # of the module, or of the parameter
    # (N_out, N_in) or (C_out, C_in, K, K), pooling's division and normalization folded in
    weight: Tensor
    bias: Tensor
    pool: int
    stride: int = 1
    padding: int = 0
    line: str = ""
    fires: bool = False  # a ReLU follows
    source: "Part | None" = None  # the part that it takes its counts from; None: the model's input
    skip: "Shortcut | None" = None
    name: str = ""
    shown: int | None = None  # step of the trace that gives its output

    def scale(self, gain: Tensor) -> None:
        """Multiply each channel's output, before its ReLU; gain: (N_out,)."""
        self.weight = self.weight * beside(gain, self.weight)
        self.bias = self.bias * gain
        if self.skip is not None:
            self.skip.weight = self.skip.weight * gain[:, None]


@dataclass
class Shortcut:
    """A residual addition to a part's sums.

    The map of `source` is added through weights (C_out, C), every `stride`-th row and column.
    """

    source: Part
    weight: Tensor
    stride: int


@dataclass
class Value:
    """What a step computes: counts of a part that has fired, or sums of one that has not.

    Each of its elements, without the batch, is gain * (mean over k of the part's elements `index`)
    + shift; of sums, gain and shift are in the part already.
    """

    part: Part | None  # None: the model's input
    map: tuple[int, ...]  # shape of the part's elements, behind the pooling
    index: Tensor  # (*shape, k)
    gain: Tensor  # (*shape)
    shift: Tensor  # (*shape)
    pool: int = 1  # pooled since the part fired
    pad: int = 0  # zeros put around the map
    doubt: bool = False  # something on the way here has been reported already
    answered: bool = False  # a softmax has been dropped
    # why a convolution cannot take it, though a Linear can
    skewed: str = field(default="", compare=False)

    @staticmethod
    def fresh(part: Part | None, shape: tuple[int, ...], doubt: bool = False) -> "Value":
        """All elements of a part in their order."""
        index = torch.arange(_size(shape)).reshape(*shape, 1)
        ones = torch.ones(shape, dtype=torch.float64)
        return Value(part, shape, index, ones, torch.zeros_like(ones), doubt=doubt)

    def shaped(self, shape: tuple[int, ...]) -> "Value":
        """The same elements in another shape."""
        index = self.index.reshape(*shape, self.index.shape[-1])
        return replace(
            self, index=index, gain=self.gain.reshape(shape), shift=self.shift.reshape(shape)
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.gain.shape)

    @property
    def fired(self) -> bool:
        return self.part is None or self.part.fires

    @property
    def in_order(self) -> bool:
        """Whether it holds each element once, in the part's order."""
        return self.index.shape[-1] == 1 and torch.equal(
            self.index.flatten(), torch.arange(_size(self.map))
        )

    @property
    def plain(self) -> bool:
        """Whether it is what the part gives, in its order."""
        as_it_is = bool((self.gain == 1).all() and (self.shift == 0).all())
        return self.pool == 1 and not self.pad and not self.answered and as_it_is and self.in_order

    @property
    def is_map(self) -> bool:
        """Whether it is the part's map (C, H, W) as it is."""
        return len(self.map) == 3 and self.shape == self.map and self.in_order


def _size(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())


def beside(values: Tensor, weight: Tensor) -> Tensor:
    """Values of output channels (C,), to stand beside their weights (C, 1, ..)."""
    return values.reshape(-1, *[1] * (weight.ndim - 1))


def per_channel(values: Tensor) -> Tensor | None:
    """(C,) of values (C, ...) that are the same within each channel; None where they are not."""
    flat = values.reshape(len(values), -1)
    return flat[:, 0] if bool((flat == flat[:, :1]).all()) else None
