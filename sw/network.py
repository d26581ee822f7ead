"""The network contract: frozen, self-checking dataclasses that everything right of training follows from.

Axis order: weights are (N_out, N_in) or (C_out, C_in, K, K); maps are (C, H, W), flattened in that order.
"""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw import check, exit_rule, network_check
from polyrhythm.sw.check import NetworkError

__all__ = ["Input", "Layer", "Network", "NetworkError", "Profile", "Skip"]

Ints = npt.NDArray[np.integer]


def _freeze(values: Any, dtype: type[np.integer]) -> Any:
    """Copy into a read-only array in C order, in `dtype` where the values fit (where they do not, Network says so)."""
    array = np.array(values, order="C")
    limits = np.iinfo(dtype)
    if array.dtype.kind in "iu" and (array.size == 0 or (array.min() >= limits.min and array.max() <= limits.max)):
        array = array.astype(dtype)
    array.flags.writeable = False
    return array


@dataclass(frozen=True)
class Input:
    """What one frame feeds in: T source ticks of integer counts 0..max_count for each place of `shape`."""

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
class Layer:
    """One layer: integer weights, bias and threshold per output channel, and its own number of time steps T.

    Arrays are copied and become read-only: weight int8, bias and threshold int32 (threshold None on the readout).
    Checked as part of a Network, which knows the layer's index and the shapes around it.
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
        object.__setattr__(self, "weight", _freeze(self.weight, np.int8))
        object.__setattr__(self, "bias", _freeze(self.bias, np.int32))
        if self.threshold is not None:
            object.__setattr__(self, "threshold", _freeze(self.threshold, np.int32))

    @property
    def v0(self) -> npt.NDArray[np.int64]:
        """Start potential per channel without the bias: Th >> 1, or 0 (always 0 on the readout)."""
        if self.threshold is None or self.v_init == "zero":
            return np.zeros(len(self.bias), dtype=np.int64)
        return self.threshold.astype(np.int64) >> 1


@dataclass(frozen=True, eq=False)
class Skip:
    """A residual addition: counts of an earlier layer, through weights of 1 x 1, into the same sums (two_phase, conv2d).

    source: name of that layer, a conv2d one. weight: (C_out, C_source). stride: every how many of its rows and columns are seen.
    """

    source: str
    weight: Ints
    weight_bits: int = 8
    stride: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", _freeze(self.weight, np.int8))


@dataclass(frozen=True, eq=False)
class Profile:
    """Another working point of one network: T of every layer, and thresholds and biases by layer index."""

    T: tuple[int, ...]
    threshold: Mapping[int, Ints] = field(default_factory=dict)
    bias: Mapping[int, Ints] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "T", check.as_tuple("T", self.T))
        object.__setattr__(self, "threshold", {i: _freeze(a, np.int32) for i, a in self.threshold.items()})
        object.__setattr__(self, "bias", {i: _freeze(a, np.int32) for i, a in self.bias.items()})


@dataclass(frozen=True, eq=False)
class Network:
    """A spiking network in integers; whatever breaks the contract is refused here, with its place and bound.

    Raises NetworkError (a ValueError) for values and TypeError for kinds.
    """

    name: str
    schedule: str
    input: Input
    layers: tuple[Layer, ...]
    exit: dict[str, Any] | None = None
    profiles: dict[str, Profile] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    _shapes: network_check.Shapes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", check.as_tuple("layers", self.layers))
        object.__setattr__(self, "labels", check.as_tuple("labels", self.labels))
        object.__setattr__(self, "provenance", copy.deepcopy(self.provenance))
        object.__setattr__(self, "profiles", dict(self.profiles))
        object.__setattr__(self, "_shapes", network_check.check_network(self))
        object.__setattr__(self, "exit", exit_rule.plain_exit(self.exit))
        for name in self.profiles:
            self.profile(name)

    def in_shape(self, i: int) -> tuple[int, ...]:
        """Shape of layer i's input map before pooling."""
        return self.input.shape if i == 0 else self.out_shape(i - 1)

    def out_shape(self, i: int) -> tuple[int, ...]:
        """Shape of layer i's output map: (N,) or (C, H, W)."""
        return self._shapes[i][1]

    def pooled_shape(self, i: int) -> tuple[int, ...]:
        """Shape of layer i's input map after pooling."""
        return self._shapes[i][0]

    def n_in(self, i: int) -> int:
        """Inputs that the weights of layer i see: its input map flattened after pooling."""
        return int(np.prod(self.pooled_shape(i), dtype=np.int64))

    def n_out(self, i: int) -> int:
        """Neurons of layer i."""
        return int(np.prod(self.out_shape(i), dtype=np.int64))

    def skip_source(self, i: int) -> int | None:
        """Index of the layer whose counts layer i adds; None where it adds none."""
        skip = self.layers[i].skip
        return None if skip is None else [layer.name for layer in self.layers].index(skip.source)

    def t_in(self, i: int) -> int:
        """Source ticks of layer i."""
        return self.input.T if i == 0 else self.layers[i - 1].T

    def in_count(self, i: int) -> int:
        """Largest count that one input neuron of layer i can carry per source tick, before pooling.

        In two_phase and event_driven a frame is one step, so that is T of the layer before.
        """
        if i == 0:
            return self.input.max_count
        return 1 if self.schedule == "time_stepped" else self.layers[i - 1].T

    def per_neuron(self, i: int, values: Ints) -> npt.NDArray[np.int64]:
        """Spread values per output channel of layer i over its neurons: (..., C) -> (..., n_out(i)), int64."""
        wide = np.asarray(values, dtype=np.int64)
        return np.repeat(wide, self.n_out(i) // wide.shape[-1], axis=-1)

    def profile(self, name: str | None) -> Network:
        """Give the network with the profile's T, thresholds and biases put in (the network itself for None)."""
        if name is None:
            return self
        if name not in self.profiles:
            raise NetworkError(f"profile must be one of this network's, not {name!r}; {check.known(self.profiles)}")
        chosen = self.profiles[name]
        layers = []
        for i, layer in enumerate(self.layers):
            bias, threshold = chosen.bias.get(i, layer.bias), chosen.threshold.get(i, layer.threshold)
            layers.append(dataclasses.replace(layer, T=chosen.T[i], bias=bias, threshold=threshold))
        try:
            return dataclasses.replace(self, layers=tuple(layers), profiles={})
        except NetworkError as error:
            raise NetworkError(f"profile {name!r}: {error}") from None

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex over the name and everything that fixes the arithmetic.

        Not in it: labels, provenance, and fields that the schedule ignores (`bias_mode`, the readout's T in two_phase).
        """
        from polyrhythm.sw import netfile

        return netfile.digest(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the `.safetensors` file of format 1: same network, same bytes; never half a file."""
        from polyrhythm.sw import netfile

        netfile.save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Network:
        """Read a `.safetensors` network file; NetworkError names file, place, value and bound."""
        from polyrhythm.sw import netfile

        return netfile.load(path)

    @property
    def hidden(self) -> Sequence[Layer]:
        """The layers that spike: all but the readout."""
        return self.layers[:-1]

    @property
    def readout(self) -> Layer:
        """The last layer."""
        return self.layers[-1]
