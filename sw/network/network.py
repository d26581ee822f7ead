"""The network contract: a frozen, self-checking Network that everything right of training follows
from."""

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

from polyrhythm.sw.lib import check
from polyrhythm.sw.lib.check import NetworkError
from polyrhythm.sw.network import checks, exit_rule, file
from polyrhythm.sw.network.exit_rule import Exit, MarginExit, SafeExit, SoftmaxExit
from polyrhythm.sw.network.frozen import FrozenDict, Rebuilt, frozen_json
from polyrhythm.sw.network.parts import SAME, Input, Ints, Layer, Profile, Skip

__all__ = [
    "Exit",
    "Input",
    "Layer",
    "MarginExit",
    "Network",
    "NetworkError",
    "Profile",
    "SafeExit",
    "Skip",
    "SoftmaxExit",
]


@dataclass(frozen=True, eq=False, repr=False)
class Network(Rebuilt):
    """A spiking network in integers; whatever breaks the contract is refused here, with its place
    and bound.

    Nothing in it can be changed. Two networks are the same where their `digest` is; == asks whether
    they are one object. exit also takes the entry of a file (a dict), which becomes a value. Raises
    NetworkError (a ValueError) for values and TypeError for kinds.
    """

    name: str
    schedule: str
    input: Input
    layers: tuple[Layer, ...]
    exit: Exit | None = None
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    _shapes: checks.Shapes = field(init=False, repr=False)

    def __repr__(self) -> str:
        sizes = "-".join(
            str(n) for n in (self.input.size, *(self.n_out(i) for i in range(len(self.layers))))
        )
        return f"<Network {self.name}: {self.schedule} {sizes}, digest {self.digest[:16]}>"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", check.as_tuple("layers", self.layers))
        object.__setattr__(self, "labels", check.as_tuple("labels", self.labels))
        object.__setattr__(self, "provenance", copy.deepcopy(self.provenance))
        object.__setattr__(self, "profiles", FrozenDict(self.profiles))
        object.__setattr__(self, "_shapes", checks.check_network(self))
        rule = exit_rule.checked(self.exit, self.schedule, self.layers[-1].T)
        object.__setattr__(self, "exit", rule)
        checks.check_labels(self)
        checks.check_profiles(self)
        object.__setattr__(self, "profiles", FrozenDict(self._profiles_with_rules()))
        object.__setattr__(self, "provenance", frozen_json(self.provenance))
        for name in self.profiles:
            self.profile(name)

    def _profiles_with_rules(self) -> dict[str, Profile]:
        """The profiles, their exits as values."""
        made = dict(self.profiles)
        for name, profile in self.profiles.items():
            if profile.exit == SAME:
                continue
            try:
                rule = exit_rule.checked(profile.exit, self.schedule, profile.T[-1])
            except NetworkError as error:
                raise NetworkError(f"profile {name!r}: {error}") from None
            made[name] = dataclasses.replace(profile, exit=rule)
        return made

    @property
    def T(self) -> tuple[int, ...]:
        """Time steps of each layer."""
        return tuple(layer.T for layer in self.layers)

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
        """Spread values per output channel of layer i over its neurons: (..., C) -> (...,
        n_out(i)), int64."""
        wide = np.asarray(values, dtype=np.int64)
        return np.repeat(wide, self.n_out(i) // wide.shape[-1], axis=-1)

    def profile(self, name: str | None) -> Network:
        """Give the network with the profile's T, thresholds, biases and exit put in (the network
        itself for None)."""
        if name is None:
            return self
        if name not in self.profiles:
            raise NetworkError(
                f"profile must be one of this network's, not {name!r}; {check.known(self.profiles)}"
            )
        chosen = self.profiles[name]
        layers = []
        for i, layer in enumerate(self.layers):
            bias, threshold = (
                chosen.bias.get(i, layer.bias),
                chosen.threshold.get(i, layer.threshold),
            )
            layers.append(dataclasses.replace(layer, T=chosen.T[i], bias=bias, threshold=threshold))
        rule = self.exit if chosen.exit == SAME else chosen.exit
        try:
            return dataclasses.replace(self, layers=tuple(layers), profiles={}, exit=rule)
        except NetworkError as error:
            raise NetworkError(f"profile {name!r}: {error}") from None

    def at(self, T: Sequence[int]) -> Network:
        """Give the network with other time steps, one number for each layer, and without profiles.

        Thresholds and biases stay. A margin rule of the exit has a threshold for each tick of the
        readout, so it goes where that T changes. Raises NetworkError for a T that cannot be.
        """
        ticks = check.as_tuple("T", T)
        if len(ticks) != len(self.layers):
            raise NetworkError(
                f"T must list {len(self.layers)} values, one per layer, not {len(ticks)}"
            )
        pairs = zip(self.layers, ticks, strict=True)
        layers = tuple(dataclasses.replace(layer, T=value) for layer, value in pairs)
        stale = isinstance(self.exit, MarginExit) and ticks[-1] != self.readout.T
        rule = None if stale else self.exit
        return dataclasses.replace(self, layers=layers, profiles={}, exit=rule)

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex over the name and everything that fixes the arithmetic.

        Not in it: labels, provenance, and fields that the schedule ignores (`bias_mode`, the
        readout's T in two_phase).
        """
        return file.digest(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the `.safetensors` file, in the lowest format that can say it: same network, same
        bytes; never half a file."""
        file.save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Network:
        """Read a `.safetensors` network file; NetworkError names file, place, value and bound."""
        return file.load(path, Network)

    @property
    def hidden(self) -> Sequence[Layer]:
        """The layers that spike: all but the readout."""
        return self.layers[:-1]

    @property
    def readout(self) -> Layer:
        """The last layer."""
        return self.layers[-1]
