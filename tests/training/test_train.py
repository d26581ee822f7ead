"""Training runs: they repeat, they report, and the reference files are what their recipes give."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from polyrhythm.sw import data, golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.training import train
from polyrhythm.sw.training.checks.problems import RecipeError
from polyrhythm.sw.training.data import augment, samples
from polyrhythm.sw.training.recipe import Augment, LayerSpec, Recipe
from polyrhythm.sw.training.recipes import DIGITS, DIGITS_LIF, RECIPES

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def message(kind: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


TINY = {"float_epochs": 2, "quantized_epochs": 1, "snapped_epochs": 1, "batch": 64}


@pytest.mark.parametrize("recipe", [DIGITS, DIGITS_LIF], ids=lambda recipe: recipe.name)
def test_same_seed_same_network(recipe: Recipe, tmp_path: Path) -> None:
    tiny = dataclasses.replace(recipe, **TINY)  # type: ignore[arg-type]
    seen: list[train.Epoch] = []
    torch.set_num_threads(2)  # the recipe's own number counts
    network, report = train.train(tiny, out=tmp_path / "a" / "n.safetensors", progress=seen.append)
    assert torch.get_num_threads() == 2
    torch.manual_seed(99)
    again, _ = train.train(tiny, out=tmp_path / "b.safetensors", progress=seen.append)
    assert (
        again.digest
        == network.digest
        == report["digest"]
        == Network.load(tmp_path / "b.safetensors").digest
    )
    assert (tmp_path / "a" / "n.safetensors").read_bytes() == (
        tmp_path / "b.safetensors"
    ).read_bytes()
    other, _ = train.train(dataclasses.replace(tiny, seed=1), progress=seen.append)
    assert other.digest != network.digest

    assert [epoch.stage for epoch in seen[:4]] == ["float", "float", "quantized", "snapped"]
    assert [epoch.epoch for epoch in seen[:4]] == [1, 2, 3, 4] and seen[3].eta == 0
    stated = network.provenance
    assert (
        report["accuracy"]
        == report["quantized_accuracy"]
        == stated["accuracy"]
        == stated["quantized_accuracy"]
        > 0.5
    )
    assert report["float_accuracy"] == stated["float_accuracy"] > 0.5
    assert (
        stated["recipe"] == recipe.name
        and stated["config"]["batch"] == 64
        and stated["scored_on"] == "test"
    )
    assert (
        stated["preprocess"] == recipe.preprocess
        and stated["dataset"] == "digits"
        and stated["seed"] == 0
    )
    assert set(stated["versions"]) == {"python", "numpy", "torch"}


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    train.to_stderr(
        train.Epoch("digits", "float", 3, 160, 0.25, 0.875, 1e-3, 2.5, None, None, 12.34, 99.6)
    )
    train.to_stderr(
        train.Epoch("digits", "snapped", 160, 160, 0.25, 0.875, 1e-3, 2.5, 0.1234, 1234.5, 12.34, 0)
    )
    out, err = capsys.readouterr()
    assert out == "" and err == (
        "digits float     epoch   3/160 loss 0.2500 train  87.50 % T 2.50   12.3 s,   100 s left\n"
        "digits snapped   epoch 160/160 loss 0.2500 train  87.50 % T 2.50 rate 0.123    1,234 cycles   12.3 s,     0 s left\n"
    )


def test_validation_leaves_the_test_split_alone() -> None:
    recipe = dataclasses.replace(DIGITS, validation=100)
    kept_in, kept_back = samples.splits(data.find("digits"), recipe, None)
    images, labels = data.load("digits", "train")
    assert len(kept_in.labels) == 1337 and len(kept_back.labels) == 100
    assert kept_back.labels.tolist() == [labels[i * 1437 // 100] for i in range(100)]
    assert int(kept_in.images.sum()) + int(kept_back.images.sum()) == int(images.sum())


def test_diverging_loss() -> None:
    recipe = dataclasses.replace(DIGITS, lr=1e30, **TINY)  # type: ignore[arg-type]
    assert message(
        train.DivergedError, lambda: train.train(recipe, progress=lambda epoch: None)
    ) == (
        "digits: the loss must stay finite, but is nan in epoch 1 (float), batch 1; lower the recipe's learning rate of this stage"
    )


def test_train_refuses_to_hand_out_a_network_that_golden_computes_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = golden.run

    def wrong(network: Network, inputs: np.ndarray) -> object:
        trace = run(network, inputs)
        trace.counts["fc1"][7, 3] += 1
        return trace

    monkeypatch.setattr(golden, "run", wrong)
    recipe = dataclasses.replace(DIGITS, **TINY)  # type: ignore[arg-type]
    assert message(RuntimeError, lambda: train.train(recipe, progress=lambda epoch: None)) == (
        "digits: torch and golden must agree, but fc1 differs in 1 places"
    )


def test_augmentation() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.zeros(200, 1, 9, 9, dtype=torch.uint8)
    image[:, :, 4, 4] = 200
    assert augment.augmented(image, Augment(), generator) is image
    same = augment.augmented(image, Augment(shift=1e-9), generator)
    assert torch.equal(same, image)
    moved = augment.augmented(image, Augment(shift=2), generator).float()[:, 0]
    x = (moved.sum(1) * torch.arange(9)).sum(1) / moved.sum((1, 2)) - 4
    assert 1.6 < float(x.max()) < 2.05 and -2.05 < float(x.min()) < -1.6
    turned = augment.augmented(image, Augment(rotate=20, zoom=0.2, shear=0.2), generator)
    assert bool((turned[:, 0, 4, 4] > 150).all())  # the middle stays
    side = image.roll(3, -1)
    mirrored = augment.augmented(side, Augment(mirror=True), generator)
    swapped = (mirrored == side.flip(-1)).flatten(1).all(1)
    assert torch.equal(mirrored[~swapped], side[~swapped])
    assert 60 < int(swapped.sum()) < 140


def test_recordings_train_too(data_root: Path) -> None:
    layers = (LayerSpec("fc", 16, T=3, leak_shift=4, pool=2), LayerSpec("out", 10, "readout", T=2))
    recipe = dataclasses.replace(
        DIGITS_LIF,
        name="nmnist",
        dataset="nmnist",
        preprocess="frames:4:3",
        layers=layers,
        augment=Augment(),
        **TINY,
    )  # type: ignore[arg-type]
    network, report = train.train(recipe, data_root=data_root, progress=lambda epoch: None)
    assert (network.input.T, network.input.max_count) == (4, 3) and report["accuracy"] > 0.2


def test_crops_are_images_moved_by_whole_pixels() -> None:
    image = torch.arange(1, 65, dtype=torch.uint8).reshape(1, 1, 8, 8).expand(400, -1, -1, -1)
    cropped = augment.augmented(image, Augment(crop=2), torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(image[0, 0], (2, 2, 2, 2))
    places = {(y, x): padded[y : y + 8, x : x + 8] for y in range(5) for x in range(5)}
    found = [
        [place for place, whole in places.items() if torch.equal(whole, one)]
        for one in cropped[:, 0]
    ]
    assert all(len(place) == 1 for place in found) and len({place[0] for place in found}) == 25
    both = augment.augmented(image, Augment(crop=2, mirror=True), torch.Generator().manual_seed(0))
    turned = torch.tensor([not torch.equal(a, b) for a, b in zip(both, cropped, strict=True)])
    assert torch.equal(both[turned], cropped[turned].flip(-1)) and 150 < turned.sum() < 250


def test_a_square_is_cut_out_anywhere() -> None:
    white = torch.full((900, 3, 8, 6), 255, dtype=torch.uint8)
    cut = augment.augmented(white, Augment(cutout=4), torch.Generator().manual_seed(0))
    black = (cut == 0).all(1)
    assert (
        bool(((cut == 0) | (cut == 255)).all())
        and torch.equal((cut == 0).any(1), black)
        and cut.dtype == torch.uint8
    )
    heights, widths = black.any(2).sum(1), black.any(1).sum(1)
    assert torch.equal(black.sum((1, 2)), heights * widths)  # rectangles
    assert (int(heights.max()), int(widths.max())) == (4, 4) and (
        int(heights.min()),
        int(widths.min()),
    ) == (2, 2)
    assert bool(black.any(0).all())  # every pixel of some image


def test_a_crop_stands_alone() -> None:
    with pytest.raises(
        ValueError,
        match="crop and cutout keep pixels whole, so shift, rotate, zoom and shear must be 0 beside them",
    ):
        Augment(crop=2, rotate=3)


def test_recordings_can_be_shifted_and_nothing_else() -> None:
    recipe = dataclasses.replace(
        DIGITS_LIF, dataset="nmnist", preprocess="frames:4:3", augment=Augment(shift=1, rotate=2)
    )
    assert message(RecipeError, lambda: train.train(recipe)) == (
        "recipe digits-lif: augment can shift the event recordings of nmnist, and nothing else"
    )


def test_recordings_are_shifted_by_whole_pixels() -> None:
    counts = torch.zeros(300, 2, 2, 9, 7, dtype=torch.int32)
    counts[:, 1, 0, 4, 3], counts[:, 0, 1, 0, 0] = 5, 2
    moved = augment.augmented(counts, Augment(shift=2), torch.Generator().manual_seed(0))
    assert moved.shape == counts.shape and moved.dtype == counts.dtype
    # Whole, and in its own tick and channel
    assert bool((moved[:, 1, 0, 2:7, 1:6].sum((1, 2)) == 5).all())
    assert {tuple(place) for place in torch.nonzero(moved[:, 1, 0])[:, 1:].tolist()} == {
        (y, x) for y in range(2, 7) for x in range(1, 6)
    }
    corner = moved[:, 0, 1].sum((1, 2))
    # What leaves does not come in elsewhere
    assert bool(((corner == 2) | (corner == 0)).all()) and 0 < int((corner == 0).sum()) < 300


def test_reference_files_are_those_of_the_recipes() -> None:
    for name, recipe in RECIPES.items():
        network = Network.load(MODELS / f"{name}.safetensors")
        # through JSON and back: tuples are lists in the file
        assert network.provenance["config"] == train.config(recipe), (
            f"{name}: train it again, its recipe has changed"
        )
        if recipe.conversion is None:
            assert [layer.T for layer in network.layers] == [spec.T for spec in recipe.layers]
        assert [layer.weight_bits for layer in network.layers] == [
            spec.weight_bits for spec in recipe.layers
        ]
