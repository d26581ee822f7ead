"""Layers that are zero, tiny or huge, never fire or always do: ordinary in pruned networks, and
every number fits int32."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Network
from polyrhythm.sw.training.ann.take import read_model
from polyrhythm.sw.training.arithmetic import quantize
from polyrhythm.sw.training.arithmetic.exact import TorchNetwork
from polyrhythm.sw.training.layers import stages
from polyrhythm.sw.training.layers.layer import TrainableLayer
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.recipe import Conversion, LayerSpec, SkipSpec

SOURCE = Input((2, 4, 4), 1, 15)
KINDS = {"one step": Conversion(), "fixed": Conversion(fixed=True), "a step for each channel": Conversion(channels=True),
         "normalization lives on": Conversion(channels=True, live_norm=True)}  # fmt: skip


def block(conversion: Conversion, seed: int) -> TrainableNetwork:
    """Two convolutions, one with a residual addition through weights of its own, a dense layer, the
    readout."""
    specs = (LayerSpec("stem", 4, "conv2d", T=4, padding=1), LayerSpec("conv", 4, "conv2d", T=3, padding=1),
             LayerSpec("deep", 4, "conv2d", T=4, padding=1, skip=SkipSpec("stem")), LayerSpec("fc", 7, T=4, pool=2), LayerSpec("out", 3, "readout"))  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    net = TrainableNetwork(
        specs, "two_phase", SOURCE, generator, conversion=conversion, norm=conversion.live_norm
    )
    with torch.no_grad():
        for layer in net.stack():
            layer.bias.uniform_(-0.1, 0.1, generator=generator)
            if layer.skip_weight is not None:
                layer.skip_weight.uniform_(-1, 1, generator=generator)
    return net.eval()


CHANGES: dict[str, Callable[[TrainableLayer, int], object]] = {
    "zero row": lambda layer, row: layer.weight[row].zero_(),
    "zero row and bias": lambda layer, row: (layer.weight[row].zero_(), layer.bias[row].zero_()),
    "zero layer": lambda layer, _: layer.weight.zero_(), "zero layer and bias": lambda layer, _: (layer.weight.zero_(), layer.bias.zero_()),
    "half": lambda layer, _: layer.weight.mul_((layer.weight.abs() > layer.weight.abs().median()).float()),
    "tiny row": lambda layer, row: layer.weight[row].mul_(1e-30), "tiny layer": lambda layer, _: layer.weight.mul_(1e-30),
    "tiny layer and bias": lambda layer, _: (layer.weight.mul_(1e-30), layer.bias.mul_(1e-30)), "faint row": lambda layer, row: layer.weight[row].mul_(1e-6),
    "huge row": lambda layer, row: layer.weight[row].mul_(1e12), "added by nothing": lambda layer, row: layer.skip_weight is not None and layer.skip_weight[row].zero_(),
    "adds nothing": lambda layer, _: layer.skip_weight is not None and layer.skip_weight.zero_(), "added to nothing": lambda layer, _: layer.skip_weight is not None and (layer.weight.zero_(), layer.bias.zero_()),
    "never fires": lambda layer, _: layer.bias.fill_(-1e6), "one never fires": lambda layer, row: layer.bias[row].fill_(-1e12),
    "always fires": lambda layer, _: layer.bias.fill_(1e6), "one always fires": lambda layer, row: layer.bias[row].fill_(1e9),
}  # fmt: skip


def whole(net: TrainableNetwork) -> Network:
    """The quantized and snapped network, without any training in between."""
    counts = frames(1)
    with torch.no_grad():
        net.begin_norms(counts)
        net.calibrate(counts)
        net.snap()
    return net.export("faint")


def frames(seed: int) -> Tensor:
    counts = torch.randint(
        0, 16, (12, *SOURCE.shape), generator=torch.Generator().manual_seed(seed)
    ).float()
    counts[0], counts[1] = 0, 15
    return counts


def agree(network: Network) -> np.ndarray:
    """Golden equals torch for every count and logit; gives the counts of each layer, side by
    side."""
    counts = frames(2).numpy().astype(np.int32)
    ours, theirs = TorchNetwork.from_network(network).run(counts), golden.run(network, counts)
    assert np.array_equal(ours.logits, theirs.logits)
    assert all(np.array_equal(ours.counts[name], theirs.counts[name]) for name in ours.counts)
    return theirs.logits


@pytest.mark.parametrize("name", CHANGES)
def test_every_such_layer_fits_and_agrees_with_golden(name: str) -> None:
    for k, layer in enumerate((0, 2)):  # the others, and all of them together, below
        kind = list(KINDS)[(list(CHANGES).index(name) + k) % len(KINDS)]
        net = block(KINDS[kind], k)
        with torch.no_grad():
            CHANGES[name](net.stack()[layer], k)
        agree(whole(net))  # a network that does not fit raises


def mixtures(kind: str, seeds: range) -> None:
    """Every layer of a network is changed in some way."""
    for seed in seeds:
        rng, net = np.random.default_rng(seed), block(KINDS[kind], seed)
        with torch.no_grad():
            for layer in net.stack():
                CHANGES[str(rng.choice(list(CHANGES)))](layer, int(rng.integers(3)))
        agree(whole(net))


@pytest.mark.parametrize("kind", KINDS)
def test_random_mixtures_fit_and_agree_with_golden(kind: str) -> None:
    mixtures(kind, range(3))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_many_random_mixtures_fit_and_agree_with_golden(kind: str) -> None:
    mixtures(kind, range(3, 60))


def dense(change: Callable[[TrainableLayer], object], conversion: Conversion) -> Network:
    """A dense network of 32 inputs, its first layer changed."""
    specs = (LayerSpec("fc", 6, T=4), LayerSpec("out", 3, "readout"))
    net = TrainableNetwork(
        specs,
        "two_phase",
        SOURCE,
        torch.Generator().manual_seed(0),
        conversion=conversion,
        norm=conversion.live_norm,
    )
    with torch.no_grad():
        change(net.stack()[0])
    return whole(net.eval())


@pytest.mark.parametrize("kind", KINDS)
def test_a_neuron_without_weights_fires_by_its_bias_alone(kind: str) -> None:
    """Its counts are those of the float neuron's activation, on the scale that the layer shares."""

    def change(layer: TrainableLayer) -> None:
        layer.weight[2:4].zero_()
        layer.bias[2], layer.bias[3] = 0.5, -0.5

    network = dense(change, KINDS[kind])
    layer, counts = network.layers[0], frames(3).numpy().astype(np.int32)
    assert not layer.weight[2:4].any()
    sent = golden.run(network, counts).counts[layer.name]
    expected = np.clip(
        (int(layer.threshold[2]) // 2 + int(layer.bias[2])) // int(layer.threshold[2]), 0, layer.T
    )  # type: ignore[index]
    assert (
        (sent[:, 2] == expected).all()
        and expected > 0
        and (sent[:, 3] == 0).all()
        and sent[:, 0].std() > 0
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_neuron_that_never_fires_stays_silent_and_its_neighbours_stay(kind: str) -> None:
    network, plain = (
        dense(change, KINDS[kind])
        for change in (lambda layer: layer.bias[2].fill_(-1e12), lambda _: None)
    )
    counts = frames(3).numpy().astype(np.int32)
    ours, before = (
        golden.run(which, counts).counts[which.layers[0].name] for which in (network, plain)
    )
    assert (ours[:, 2] == 0).all() and np.abs(
        ours[:, [0, 1, 3, 4, 5]] - before[:, [0, 1, 3, 4, 5]]
    ).max() <= 1


def test_a_residual_addition_survives_a_layer_without_weights() -> None:
    """What is added shares the step of the sums, which nothing else needs."""
    for conversion in KINDS.values():
        net = block(conversion, 0)
        deep = net.stack()[2]
        with torch.no_grad():
            deep.weight.zero_()
            deep.bias.zero_()
            deep.skip_weight.copy_(torch.eye(4) * 0.7)  # type: ignore[union-attr]
        network = whole(net)
        trace = golden.run(network, frames(2).numpy().astype(np.int32))
        a, b = (trace.counts[name].astype(float) for name in ("stem", "deep"))
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.95 and b.max() == network.layers[2].T


def test_biases_beyond_int32_do_the_same_for_every_input() -> None:
    """The most and the least that a neuron can receive leave it where the bias puts it."""
    network = dense(
        lambda layer: (layer.bias[1].fill_(-1e15), layer.bias[2].fill_(-3e9)),
        Conversion(channels=True),
    )
    layer = network.layers[0]
    most = (np.maximum(layer.weight, 0).astype(int).sum(1) * 15)[1:3]
    assert (layer.bias[1:3] > -(2**31)).all() and (
        layer.bias[1:3] + most + (layer.threshold[1:3] >> 1) < 0
    ).all()  # type: ignore[index]


def test_ordinary_weights_have_the_step_that_they_had() -> None:
    generator = torch.Generator().manual_seed(0)
    for bits in (2, 4, 8):
        weight = torch.randn(30, 20, generator=generator) * 0.1
        full = weight.abs().max() / (2 ** (bits - 1) - 1)
        steps = full * torch.linspace(0.02, 2, 100)
        errors = torch.stack(
            [
                (quantize.quantize_weight(weight, step, bits) * step - weight).square().sum()
                for step in steps
            ]
        )
        assert torch.equal(quantize.best_step(weight, bits), steps[errors.argmin()])
        huge = quantize.best_step(weight * 2.0**70, bits)
        assert torch.equal(huge, quantize.best_step(weight, bits) * 2.0**70)


def test_a_channel_without_weights_has_the_step_of_the_others() -> None:
    weight = torch.randn(3, 20, generator=torch.Generator().manual_seed(0))
    weight[1] = 0
    steps = quantize.best_steps(weight, 4, torch.zeros(3))
    assert steps[1] == steps[[0, 2]].max()
    assert float(quantize.best_step(torch.zeros(5), 4)) == pytest.approx(1 / 7)


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped"])
def test_recipes_layers_of_every_schedule_fit(schedule: str) -> None:
    """Networks that were pruned on the way, in a training of their own: a row, a layer, the
    readout."""
    specs = (
        LayerSpec("fc1", 8, T=3),
        LayerSpec("fc2", 6, T=2),
        LayerSpec("out", 3, "readout", T=2, weight_bits=8),
    )
    shape = (20,)
    for k, (layer, change) in enumerate([(0, lambda w, b: w[2].zero_()), (1, lambda w, b: w.zero_()), (2, lambda w, b: w.zero_()), (1, lambda w, b: b.fill_(-1e6)),
                                         (0, lambda w, b: b.fill_(1e6)), (2, lambda w, b: (w.zero_(), b.copy_(torch.tensor([1e9, 0, -1e9]))))]):  # fmt: skip
        net = TrainableNetwork(
            specs, schedule, Input(shape, 1, 3), torch.Generator().manual_seed(k)
        )
        with torch.no_grad():
            for part in net.stack():
                part.bias.fill_(0.05)
            change(net.stack()[layer].weight, net.stack()[layer].bias)
            counts = torch.randint(
                0, 4, (40, *shape), generator=torch.Generator().manual_seed(k)
            ).float()
            net.eval().calibrate(counts[None] if schedule == "time_stepped" else counts)
            net.snap()
        network = net.export("pruned")
        whole_counts = counts.numpy().astype(np.int32)
        ours, theirs = (
            TorchNetwork.from_network(network).run(whole_counts),
            golden.run(network, whole_counts),
        )
        assert np.array_equal(ours.logits, theirs.logits)


@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_a_model_of_extreme_weights_counts_as_one_of_ordinary_ones(size: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 6), nn.ReLU(), nn.Linear(6, 3))
    plain = read_model(model, SOURCE).network(4, 4, Conversion(), False)
    with torch.no_grad():
        model[1].weight.mul_(size)
        model[1].bias.mul_(size)
    networks = [
        whole(net.eval())
        for net in (plain, read_model(model, SOURCE).network(4, 4, Conversion(), False))
    ]
    counts = frames(2).numpy().astype(np.int32)
    ours, theirs = (golden.run(network, counts).counts["fc1"].astype(int) for network in networks)
    assert np.abs(ours - theirs).max() <= 1 and ours.std() > 0


def test_a_silent_layer_gets_a_range_of_its_weights() -> None:
    net = TrainableNetwork(
        (LayerSpec("fc1", 4, T=3), LayerSpec("out", 3, "readout")),
        "two_phase",
        Input((5,), 1, 3),
        torch.Generator().manual_seed(0),
    )
    layer = net.stack()[0]
    with torch.no_grad():
        layer.bias.fill_(-100)
        layer(torch.ones(7, 5), torch.tensor(1 / 3))
        stages.calibrate(layer)
    assert float(layer.log_range.detach().exp()) == pytest.approx(
        3 * float(layer.weight.detach().abs().max())
    )
