"""The parts of a network: its input, layers and profiles, frozen.

Axis order: weights are (N_out, N_in) or (C_out, C_in, K, K); maps are (C, H, W), flattened in that
order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.lib import check
from polyrhythm.sw.network.exit_rule import Exit
from polyrhythm.sw.network.frozen import FrozenDict, Rebuilt, frozen_array

Ints = npt.NDArray[np.integer]
SAME: Final = "same"  # a profile's exit: the network's own rule


@dataclass(frozen=True)
class Input:
    """What one frame feeds in: T source ticks of integer counts 0..max_count for each place of
    `shape`."""

    shape: tuple[int, ...]
    T: int = 1
    max_count: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", check.as_tuple("input: shape", self.shape))

    @property
    def size(self) -> int:
        """Number of input neurons."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Layer(Rebuilt):
    """One layer: integer weights, bias and threshold per output channel, and its own number of time
    steps T.

    Arrays are copied and become read-only: weight int8, bias and threshold int32 (threshold None on
    the readout). Checked as part of a Network, which knows the layer's index and the shapes around
    it.
    """

    name: str
    kind: str
    weight: Ints
    bias: Ints
    threshold: Ints | None = None
    weight_bits: int = 8
    T: int = 1
    leak_shift: int | None = None
    reset: str = "subtract"
    v_init: str = "half_threshold"
    bias_mode: str = "per_tick"
    pool: int = 1
    stride: int = 1
    padding: int = 0
    neuron: str = "signed"
    skip: Skip | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen_array(self.weight, np.int8))
        object.__setattr__(self, "bias", frozen_array(self.bias, np.int32))
        if self.threshold is not None:
            object.__setattr__(self, "threshold", frozen_array(self.threshold, np.int32))

    @property
    def v0(self) -> npt.NDArray[np.int64]:
        """Start potential per channel without the bias: Th >> 1, or 0 (always 0 on the readout)."""
        if self.threshold is None or self.v_init == "zero":
            return np.zeros(len(self.bias), dtype=np.int64)
        return self.threshold.astype(np.int64) >> 1


@dataclass(frozen=True, eq=False)
class Skip(Rebuilt):
    """A residual addition: counts of an earlier layer, through weights of 1 x 1, into the same sums
    (two_phase, conv2d).

    source: name of that layer, a conv2d one. weight: (C_out, C_source). stride: every how many of
    its rows and columns are seen.
    """

    source: str
    weight: Ints
    weight_bits: int = 8
    stride: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", frozen_array(self.weight, np.int8))


@dataclass(frozen=True, eq=False)
class Profile(Rebuilt):
    """Another working point of one network: T of every layer, and thresholds and biases by layer
    index.

    exit: a rule of its own, or none; SAME: the network's.
    """

    T: tuple[int, ...]
    threshold: Mapping[int, Ints] = field(default_factory=dict)
    bias: Mapping[int, Ints] = field(default_factory=dict)
    exit: Exit | Literal["same"] | None = SAME

    def __post_init__(self) -> None:
        object.__setattr__(self, "T", check.as_tuple("T", self.T))
        object.__setattr__(self, "threshold", _arrays(self.threshold))
        object.__setattr__(self, "bias", _arrays(self.bias))


def _arrays(given: Mapping[int, Ints]) -> FrozenDict:
    return FrozenDict({i: frozen_array(values, np.int32) for i, values in given.items()})


class Fields(Protocol):
    """What the checks and the file format read of a Network."""

    @property
    def name(self) -> str: ...
    @property
    def schedule(self) -> str: ...
    @property
    def input(self) -> Input: ...
    @property
    def layers(self) -> tuple[Layer, ...]: ...
    @property
    def exit(self) -> Exit | None: ...
    @property
    def profiles(self) -> Mapping[str, Profile]: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def provenance(self) -> Mapping[str, Any]: ...
    def t_in(self, i: int) -> int:
        """Source ticks of layer i."""

    def in_count(self, i: int) -> int:
        """Largest count of one input neuron of layer i per source tick."""
