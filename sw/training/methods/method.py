"""The seam between the training loop and the published methods: what a method may change in a run.

A `Method` changes nothing. Each file beside this one has a method of its own that overrides what it
does change, and `chosen` puts those of a recipe together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from polyrhythm.sw.network import Network, Profile
from polyrhythm.sw.training.cost.measure import Measured
from polyrhythm.sw.training.data.samples import Samples
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.layers.seen import Seen
from polyrhythm.sw.training.recipe import Recipe, Stage

Score = dict[str, Any]  # what a report says of accuracy


class Run(Protocol):
    """What a method sees of the run that it is part of."""

    recipe: Recipe
    net: TrainableNetwork
    train: Samples  # on the run's device, as is `test`
    test: Samples
    generator: torch.Generator  # on the CPU: every draw of the run
    report: dict[str, Any]  # what was measured on the way

    def share_norms(self) -> None:
        """Give every process the mean of what all normalizations have seen."""


@dataclass(frozen=True)
class Batch:
    """What a forward pass in training gave."""

    logits: Tensor  # (B, C)
    labels: Tensor  # (B,)
    seen: Seen | None  # if the method looks inside
    stage: str
    smoothing: float  # of labels


class Method:
    """A method that changes nothing: the base of all others."""

    looks_inside: bool = False  # whether the loss needs what a forward pass shows

    def begin(self, run: Run, accuracy: Callable[[Network], float]) -> None:
        """Before anything is trained. accuracy: of an integer network on the scored samples."""

    def enter(self, run: Run, stage: Stage) -> None:
        """Before a stage, and before the network itself is made ready for it."""

    def passes(self) -> Iterator[int] | None:
        """Set up each forward pass of a batch and give how many there are; None: one, as it is."""
        return None

    def loss(self, batch: Batch, usual: Callable[[], Tensor]) -> Tensor:
        """The loss of a forward pass. usual: computes it without this method."""
        return usual()

    def group(self, parameter: str) -> str | None:
        """The optimizer's group of a parameter, if the method says so."""
        return None

    def state(self) -> Any:
        """What a run that goes on must know; None: nothing."""
        return None

    def resume(self, state: Any) -> None:
        """Go on from what `state` gave."""

    def profiles(self) -> dict[str, Profile]:
        """The working points of the network file."""
        return {}

    def score(self, run: Run, network: Network, usual: Callable[[], Score]) -> Score:
        """Accuracies of the finished network. usual: computes them without this method."""
        return usual()

    def results(self, measure: Callable[[], Measured]) -> dict[str, Any]:
        """What the report says of the method. measure: costs of the finished network."""
        return {}
