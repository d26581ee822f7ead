"""Every recipe in short: a part of its data, an epoch or two in each stage, and the accuracy that
this must reach."""

import dataclasses
from pathlib import Path

import pytest
import torch

from polyrhythm.sw.training import train
from polyrhythm.sw.training.data import samples
from polyrhythm.sw.training.data.samples import Samples
from polyrhythm.sw.training.recipes import RECIPES, Recipe

TRAINING, TEST = 4000, 1000  # images
# Training images of the CIFAR-10 networks, which take far more operations than the others
DEEP = 1000
# Some points below what they reached when this was written; of the deep networks, five deviations
# above chance
FLOORS = {
    "digits": 0.88, "digits-lif": 0.93, "digits-mtt": 0.92, "mnist-mlp": 0.85, "mnist-lif": 0.85, "mnist-conv": 0.88,
    "mnist-conv-lif": 0.88, "mnist-mt": 0.87, "mnist-mtt": 0.87, "mnist-anytime": 0.85, "nmnist-mtt": 0.5, "nmnist-conv": 0.6, "fashion-mt": 0.75,
    "cifar10-mt": 0.15, "cifar10-resnet18": 0.15,
}  # fmt: skip


def short(recipe: Recipe) -> Recipe:
    """Two epochs of floats and one each of the other stages; of small data sets ten and five, of
    deep networks four and two in small batches."""
    epochs = {"digits": 10, "nmnist": 10, "cifar10": 4}.get(recipe.dataset, 2)
    batch = 32 if recipe.dataset == "cifar10" else recipe.batch
    return dataclasses.replace(
        recipe,
        float_epochs=epochs,
        quantized_epochs=epochs // 2,
        snapped_epochs=epochs // 2,
        batch=batch,
    )


def test_every_recipe_has_a_floor() -> None:
    assert set(RECIPES) == set(FLOORS)


@pytest.mark.long
@pytest.mark.parametrize("name", RECIPES)
def test_in_short_it_reaches(name: str, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = samples.samples

    def part(*args: object) -> Samples:
        found = whole(*args)  # type: ignore[arg-type]
        size = len(found.labels)
        kept = min(
            size,
            TEST if args[2] == "test" else DEEP if RECIPES[name].dataset == "cifar10" else TRAINING,
        )
        return found.rows(torch.arange(kept) * size // kept)

    monkeypatch.setattr(samples, "samples", part)
    recipe = short(RECIPES[name])
    _, report = train.train(recipe, data_root=data_root, progress=lambda _: None, device="cpu")
    print(name, report["accuracy"])
    assert report["accuracy"] >= FLOORS[name]
