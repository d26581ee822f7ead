"""The methods of a recipe, chosen here alone, as one method."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from polyrhythm.sw.network import Network, Profile
from polyrhythm.sw.training.cost.measure import Measured
from polyrhythm.sw.training.cost.work import Work
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.methods.anytime import AnytimeLoss
from polyrhythm.sw.training.methods.conversion import Price
from polyrhythm.sw.training.methods.event_driven import EventTuning
from polyrhythm.sw.training.methods.method import Batch, Method, Run, Score
from polyrhythm.sw.training.methods.mtt import Mixing
from polyrhythm.sw.training.recipe import Recipe, Stage


def choose(
    recipe: Recipe,
    net: TrainableNetwork,
    generator: torch.Generator,
    work: Work | None,
    batches: int,
) -> "Methods":
    """The methods that the recipe names. batches: of an epoch. ValueError where one cannot be.

    work: the cycle model of the network's shapes, None where they do not decide what it costs.
    """
    found: list[Method] = []
    if recipe.mixture:
        found.append(Mixing(recipe.mixture, net, generator))
    if recipe.conversion:
        found.append(Price(recipe.conversion, net, work, recipe.quantized_epochs * batches))
    if recipe.anytime:
        found.append(AnytimeLoss(recipe.anytime, net))
    if recipe.clockless:
        found.append(EventTuning())
    return Methods(found)


class Methods:
    """Several methods as one, in their order; without any, ordinary training."""

    def __init__(self, each: list[Method]) -> None:
        self.each = each

    @property
    def looks_inside(self) -> bool:
        return any(method.looks_inside for method in self.each)

    def begin(self, run: Run, accuracy: Callable[[Network], float]) -> None:
        for method in self.each:
            method.begin(run, accuracy)

    def enter(self, run: Run, stage: Stage) -> None:
        for method in self.each:
            method.enter(run, stage)

    def passes(self) -> Iterator[int]:
        """Of the first method that has some; else one."""
        found = (method.passes() for method in self.each)
        return next((passes for passes in found if passes is not None), iter((1,)))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy, as the methods change it one after the other."""
        found: Callable[[], Tensor] = partial(
            F.cross_entropy, batch.logits, batch.labels, label_smoothing=batch.smoothing
        )
        for method in self.each:
            found = partial(method.loss, batch, found)
        return found()

    def group(self, parameter: str) -> str | None:
        return next((name for method in self.each if (name := method.group(parameter))), None)

    def state(self) -> Any:
        """Of the one method that has any."""
        states = (method.state() for method in self.each)
        return next((state for state in states if state is not None), None)

    def resume(self, state: Any) -> None:
        for method in self.each:
            method.resume(state)

    def profiles(self) -> dict[str, Profile]:
        return {name: at for method in self.each for name, at in method.profiles().items()}

    def score(self, run: Run, network: Network, usual: Callable[[], Score]) -> Score:
        found = usual
        for method in self.each:
            found = partial(method.score, run, network, found)
        return found()

    def results(self, measure: Callable[[], Measured]) -> dict[str, Any]:
        return {
            key: value for method in self.each for key, value in method.results(measure).items()
        }
