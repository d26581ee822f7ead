"""Training: torch and golden agree on every count, runs repeat, the reference files hold what they promise."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import random_inputs, random_network

from sw import data, golden, train
from sw.data import DataError
from sw.model import EXACT, TorchNetwork, accuracy
from sw.network import Input, Layer, Network
from sw.recipes import DIGITS, DIGITS_LIF, RECIPES, Augment, LayerSpec, Recipe
from sw.trainable import TrainableNetwork

MODELS = Path(__file__).resolve().parents[1] / "models"
# what each reference file must reach on its whole test split
FLOORS = {"digits": 0.95, "digits-lif": 0.953, "mnist-mlp": 0.98, "mnist-lif": 0.97}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def message(kind: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def assert_equal_to_golden(network: Network, inputs: np.ndarray) -> np.ndarray:
    """Compare every count and every logit of every frame; give the answers."""
    ours, theirs = train.evaluate(network, inputs), golden.run(network, inputs)
    for layer in network.hidden:
        differ = np.argwhere(ours.counts[layer.name] != theirs.counts[layer.name])
        assert len(differ) == 0, f"{layer.name}: {len(differ)} counts differ, first at (frame, neuron) {differ[0]}"
    assert np.array_equal(ours.logits, theirs.logits)
    assert np.array_equal(ours.answer, theirs.answer)
    return ours.answer


# ---- torch against golden


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped"])
@pytest.mark.parametrize("kinds", [(), ("dense", "dense"), ("conv2d", "conv2d", "dense")])
def test_torch_equals_golden_on_random_networks(schedule: str, kinds: tuple[str, ...]) -> None:
    spiking = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        network = random_network(rng, schedule, kinds, extreme=seed % 2 == 1)
        inputs = random_inputs(rng, network)
        assert_equal_to_golden(network, inputs)
        spiking += sum(int(count.sum()) for count in golden.run(network, inputs).counts.values())
    assert spiking > 0 or not kinds


@pytest.mark.parametrize("ticks", [(5, 3, 4), (1, 7, 2), (4, 4, 1), (3, 5, 7)])
def test_torch_equals_golden_for_shrinking_and_stretching_ticks(ticks: tuple[int, ...]) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        network = random_network(rng, "time_stepped", ("dense", "dense"), T=ticks, shape=(9,))
        assert_equal_to_golden(network, random_inputs(rng, network))


def test_torch_equals_golden_on_the_whole_digits_test_split() -> None:
    for name in ("digits", "digits-lif"):
        network = Network.load(MODELS / f"{name}.safetensors")
        inputs, labels = data.inputs_for(network, "digits")
        assert len(labels) == 360
        reached = accuracy(assert_equal_to_golden(network, inputs), labels)
        assert reached == network.provenance["accuracy"] >= FLOORS[name]


@pytest.mark.parametrize("name", ["mnist-mlp", "mnist-lif"])
def test_torch_equals_golden_on_the_whole_mnist_test_split(name: str, data_root: Path) -> None:
    network = Network.load(MODELS / f"{name}.safetensors")
    inputs, labels = data.inputs_for(network, "mnist", "test", data_root)
    assert len(labels) == 10000
    reached = accuracy(assert_equal_to_golden(network, inputs), labels)
    assert reached == network.provenance["accuracy"] >= FLOORS[name]


def plain(**fields: object) -> Network:
    readout = Layer("out", "readout", np.ones((2, 3), np.int8), np.zeros(2, np.int32))
    return Network(**({"name": "n", "schedule": "time_stepped", "input": Input((3,)), "layers": (readout,)} | fields))  # type: ignore[arg-type]


def test_what_torch_does_not_run() -> None:
    assert message(ValueError, lambda: TorchNetwork.from_network(plain(schedule="event_driven"))) == (
        "n: torch runs two_phase and time_stepped networks, not event_driven; use golden"
    )
    assert message(ValueError, lambda: TorchNetwork.from_network(plain(exit={"kind": "safe"}))) == (
        "n: torch runs whole frames; exit must be null, not safe; use golden"
    )
    hidden = Layer("fc", "dense", np.full((1, 1 << 12), 127), [0], [1], T=1 << 16)
    out = Layer("out", "readout", [[1]], [0])
    wide = plain(input=Input((1 << 12,), 1, 1 << 24), layers=(hidden, out))
    assert message(ValueError, lambda: TorchNetwork.from_network(wide)) == (
        f"layer 0 (fc): sums must stay within 2^53 to be exact in float64, not {(0, (127 << 52) - 65535)}; use golden"
    )
    assert EXACT < 127 << 52


def test_inputs_of_another_shape() -> None:
    assert message(ValueError, lambda: train.evaluate(plain(), np.zeros((2, 4), int))) == (
        "n: inputs must have shape (B, 3,), not (2, 4)"
    )
    ticks = plain(input=Input((3,), 2))
    assert message(ValueError, lambda: train.evaluate(ticks, np.zeros((2, 3), int))) == (
        "n: inputs must have shape (B, 2, 3), not (2, 3)"
    )
    assert train.evaluate(plain(), np.zeros((0, 3), int)).logits.shape == (0, 2)
    assert train.evaluate(plain(), np.zeros((4, 1, 3), int)).logits.shape == (4, 2)


# ---- the trainable network is the integer network

CONV = (
    LayerSpec("conv", 4, "conv2d", T=3, padding=1, stride=2),
    LayerSpec("fc", 12, T=5, weight_bits=3, pool=2),
    LayerSpec("out", 10, "readout", T=2, weight_bits=6),
)


def snapped(recipe: Recipe) -> tuple[TrainableNetwork, train.Samples]:
    """A snapped network with random weights, and the test split."""
    test = train.samples(data.find("digits"), recipe, "test", None)
    chosen = data.parse_preprocess(recipe.preprocess)
    source = Input((1, 8, 8), chosen.T, chosen.max_count)
    generator = torch.Generator().manual_seed(3)
    net = TrainableNetwork(recipe.layers, recipe.schedule, source, generator)
    with torch.no_grad():
        for layer in net.stack():
            layer.bias.uniform_(-0.5, 0.5, generator=generator)
    net.calibrate(test.counts(test.images[:100]))
    net.snap()
    return net, test


def lif(**fields: object) -> Recipe:
    layers = tuple(dataclasses.replace(spec, **fields) for spec in CONV)  # type: ignore[arg-type]
    return dataclasses.replace(DIGITS_LIF, layers=layers, preprocess="rate:4")


@pytest.mark.parametrize(
    "recipe",
    [
        DIGITS,
        dataclasses.replace(DIGITS, layers=CONV),
        lif(leak_shift=2),
        lif(leak_shift=1, reset="zero", bias_mode="spread"),
        lif(v_init="zero", bias_mode="once"),
    ],
    ids=["dense", "conv", "lif", "lif-zero-spread", "lif-once"],
)
def test_training_forward_is_the_integer_network(recipe: Recipe) -> None:
    net, test = snapped(recipe)
    network = net.export("n")
    counts = train.integer_counts(test)
    assert_equal_to_golden(network, counts)
    exact = train.evaluate(network, counts)
    assert sum(int(count.sum()) for count in exact.counts.values()) > 1000
    last = net.stack()[-1]
    ticks = recipe.layers[-1].T if recipe.schedule == "time_stepped" else 1
    with torch.no_grad():
        logits = net(test.counts(test.images)) / last.unit * ticks
    assert np.array_equal(np.rint(logits.numpy()).astype(np.int64), exact.logits)
    assert np.abs(logits.numpy() - exact.logits).max() < 0.01


def test_snap_follows_the_export_rule() -> None:
    net, _ = snapped(dataclasses.replace(DIGITS, layers=CONV))
    sigma = 1 / 15
    for layer in net.stack()[:-1]:
        unit = math.exp(float(layer.log_step.detach())) * sigma
        threshold = max(1, math.floor(math.exp(float(layer.log_range.detach())) / (layer.spec.T * unit) + 0.5))
        assert int(layer.threshold) == threshold > 1
        sigma = threshold * unit
        assert float(layer.sigma) == pytest.approx(sigma, rel=1e-5)


def test_gradients_reach_every_parameter() -> None:
    for recipe in (dataclasses.replace(DIGITS, layers=CONV), lif(leak_shift=3)):
        net, test = snapped(recipe)
        net(test.counts(test.images[:50])).square().sum().backward()
        for name, parameter in net.named_parameters():
            moving = parameter.requires_grad
            assert moving == (".log_" not in name)  # scales stand still once they are snapped
            assert not moving or (parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)), name


def test_export_needs_the_snap() -> None:
    net = TrainableNetwork(DIGITS.layers, "two_phase", Input((1, 8, 8), 1, 15), torch.Generator())
    assert message(ValueError, lambda: net.export("n")) == "fc1: must be snapped before it is exported, not float"


# ---- whole runs

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
    assert again.digest == network.digest == report["digest"] == Network.load(tmp_path / "b.safetensors").digest
    assert (tmp_path / "a" / "n.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    other, _ = train.train(dataclasses.replace(tiny, seed=1), progress=seen.append)
    assert other.digest != network.digest

    assert [epoch.stage for epoch in seen[:4]] == ["float", "float", "quantized", "snapped"]
    assert [epoch.epoch for epoch in seen[:4]] == [1, 2, 3, 4] and seen[3].eta == 0
    stated = network.provenance
    assert (
        report["accuracy"] == report["quantized_accuracy"] == stated["accuracy"] == stated["quantized_accuracy"] > 0.5
    )
    assert report["float_accuracy"] == stated["float_accuracy"] > 0.5
    assert stated["recipe"] == recipe.name and stated["config"]["batch"] == 64 and stated["scored_on"] == "test"
    assert stated["preprocess"] == recipe.preprocess and stated["dataset"] == "digits" and stated["seed"] == 0
    assert set(stated["versions"]) == {"python", "numpy", "torch"}


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    train.to_stderr(train.Epoch("digits", "float", 3, 160, 0.25, 0.875, 12.34, 99.6))
    out, err = capsys.readouterr()
    assert out == "" and err == "digits float     epoch   3/160 loss 0.2500 train  87.50 %   12.3 s,   100 s left\n"


def test_validation_leaves_the_test_split_alone() -> None:
    recipe = dataclasses.replace(DIGITS, validation=100)
    kept_in, kept_back = train.splits(data.find("digits"), recipe, None)
    images, labels = data.load("digits", "train")
    assert len(kept_in.labels) == 1337 and len(kept_back.labels) == 100
    assert kept_back.labels.tolist() == [labels[i * 1437 // 100] for i in range(100)]
    assert int(kept_in.images.sum()) + int(kept_back.images.sum()) == int(images.sum())


def test_diverging_loss() -> None:
    recipe = dataclasses.replace(DIGITS, lr=math.inf, **TINY)  # type: ignore[arg-type]
    assert message(train.DivergedError, lambda: train.train(recipe, progress=lambda epoch: None)) == (
        "digits: the loss must stay finite, but is nan in epoch 1 (float), batch 1; "
        "lower the recipe's learning rate of this stage"
    )


def test_train_refuses_to_hand_out_a_network_that_golden_computes_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert train.augmented(image, Augment(), generator) is image
    same = train.augmented(image, Augment(shift=1e-9), generator)
    assert torch.equal(same, image)
    moved = train.augmented(image, Augment(shift=2), generator).float()[:, 0]
    x = (moved.sum(1) * torch.arange(9)).sum(1) / moved.sum((1, 2)) - 4
    assert 1.6 < float(x.max()) < 2.05 and -2.05 < float(x.min()) < -1.6
    turned = train.augmented(image, Augment(rotate=20, zoom=0.2, shear=0.2), generator)
    assert bool((turned[:, 0, 4, 4] > 150).all())  # the middle stays


def test_recordings_train_too(data_root: Path) -> None:
    layers = (LayerSpec("fc", 16, T=3, leak_shift=4, pool=2), LayerSpec("out", 10, "readout", T=2))
    recipe = dataclasses.replace(
        DIGITS_LIF, name="nmnist", dataset="nmnist", preprocess="frames:4:3", layers=layers, augment=Augment(), **TINY
    )  # type: ignore[arg-type]
    network, report = train.train(recipe, data_root, progress=lambda epoch: None)
    assert (network.input.T, network.input.max_count) == (4, 3) and report["accuracy"] > 0.2


def test_recordings_cannot_be_augmented() -> None:
    recipe = dataclasses.replace(DIGITS_LIF, dataset="nmnist", preprocess="frames:4:3", augment=Augment(shift=1))
    assert message(DataError, lambda: train.train(recipe)) == (
        "digits-lif: augment changes images; it must be Augment() for the event recordings of nmnist"
    )


def test_reference_files_are_those_of_the_recipes() -> None:
    for name, recipe in RECIPES.items():
        network = Network.load(MODELS / f"{name}.safetensors")
        # through JSON and back: tuples are lists in the file
        assert network.provenance["config"] == train.config(recipe), f"{name}: train it again, its recipe has changed"
        assert [layer.T for layer in network.layers] == [spec.T for spec in recipe.layers]
        assert {spec.weight_bits for spec in recipe.layers} == {layer.weight_bits for layer in network.layers} == {4}
