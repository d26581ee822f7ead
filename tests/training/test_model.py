"""The integer network in torch: equal to golden on every count, evaluated and while it trains."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import random_inputs, random_network

from polyrhythm.sw import data, golden
from polyrhythm.sw.network import Input, Layer, Network, SafeExit
from polyrhythm.sw.training import train
from polyrhythm.sw.training.arithmetic import neurons
from polyrhythm.sw.training.arithmetic.exact import EXACT, TorchNetwork, accuracy
from polyrhythm.sw.training.data import samples
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.recipe import LayerSpec, Recipe
from polyrhythm.sw.training.recipes import DIGITS, DIGITS_LIF

MODELS = Path(__file__).resolve().parents[2] / "models"
# what each reference file must reach on its whole test split
SLICE = 1000  # frames whose counts are in memory at a time
FLOORS = {
    "digits": 0.95,
    "digits-lif": 0.953,
    "mnist-mlp": 0.98,
    "mnist-lif": 0.97,
    "mnist-mt": 0.992,
    "fashion-mt": 0.91,
    "cifar10-mt": 0.88,
}


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
        assert len(differ) == 0, (
            f"{layer.name}: {len(differ)} counts differ, first at (frame, neuron) {differ[0]}"
        )
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


# Images; of convolutions a part, since every `compare` of docs/results.md goes through torch too.
SETS = {
    "mnist-mlp": 10_000,
    "mnist-lif": 10_000,
    "mnist-mt": 1000,
    "fashion-mt": 1000,
    "cifar10-mt": 200,
}


@pytest.mark.parametrize("name", SETS)
def test_torch_equals_golden_on_the_test_split(name: str, data_root: Path) -> None:
    network = Network.load(MODELS / f"{name}.safetensors")
    inputs, labels = (
        part[: SETS[name]]
        for part in data.inputs_for(network, network.provenance["dataset"], "test", data_root)
    )
    assert len(labels) == SETS[name]
    answers = [
        assert_equal_to_golden(network, inputs[first : first + SLICE])
        for first in range(0, len(inputs), SLICE)
    ]
    reached = accuracy(np.concatenate(answers), labels)
    if len(labels) == 10_000:
        assert reached == network.provenance["accuracy"]
    assert reached >= FLOORS[name] - (0 if len(labels) == 10_000 else 0.05)


def plain(**fields: object) -> Network:
    readout = Layer("out", "readout", np.ones((2, 3), np.int8), np.zeros(2, np.int32))
    return Network(
        **(
            {"name": "n", "schedule": "time_stepped", "input": Input((3,)), "layers": (readout,)}
            | fields
        )
    )  # type: ignore[arg-type]


def test_what_torch_does_not_run() -> None:
    assert message(
        ValueError, lambda: TorchNetwork.from_network(plain(schedule="event_driven"))
    ) == ("n: torch runs two_phase and time_stepped networks, not event_driven; use golden")
    assert message(ValueError, lambda: TorchNetwork.from_network(plain(exit=SafeExit()))) == (
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


def snapped(recipe: Recipe) -> tuple[TrainableNetwork, samples.Samples]:
    """A snapped network with random weights, and the test split."""
    test = samples.samples(data.find("digits"), recipe, "test", None)
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
    counts = samples.integer_counts(test)
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
        threshold = max(
            1, math.floor(math.exp(float(layer.log_range.detach())) / (layer.spec.T * unit) + 0.5)
        )
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
            assert not moving or (
                parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
            ), name


def test_export_needs_the_snap() -> None:
    net = TrainableNetwork(DIGITS.layers, "two_phase", Input((1, 8, 8), 1, 15), torch.Generator())
    assert (
        message(ValueError, lambda: net.export("n"))
        == "fc1: must be snapped before it is exported, not float"
    )


@pytest.mark.parametrize("bias_mode", ["per_tick", "spread", "once"])
@pytest.mark.parametrize(("t_in", "T"), [(4, 4), (1, 5), (3, 5), (7, 3), (6, 1)])
@pytest.mark.parametrize("leak_shift", [None, 2])
@pytest.mark.parametrize("whole", [True, False])
def test_a_frames_readout_is_the_last_of_its_ticks(
    t_in: int, T: int, bias_mode: str, leak_shift: int | None, whole: bool
) -> None:
    layer = LayerSpec("out", 3, "readout", T=T, bias_mode=bias_mode, leak_shift=leak_shift)
    generator = torch.Generator().manual_seed(t_in * T)
    counts, weight, bias = (
        torch.randint(low, 9, shape, generator=generator).double().requires_grad_()
        for low, shape in ((0, (t_in, 2, 5)), (-9, (3, 5)), (-9, (3,)))
    )
    frame = neurons.read_out_frame(layer, counts, weight, bias, whole=whole)
    ticks = neurons.read_out(
        layer, neurons.project_ticks(layer, counts, weight), bias, whole=whole
    )[-1]
    leaves = (counts, weight, bias)
    of_frame, of_ticks = (
        torch.autograd.grad(made.square().sum(), leaves) for made in (frame, ticks)
    )
    assert torch.equal(frame, ticks) if whole else torch.allclose(frame, ticks)
    assert all(torch.allclose(a, b) for a, b in zip(of_frame, of_ticks, strict=True))
