"""Folding changes nothing that a network computes, whatever schedule, kind, stage, gain and bias; a
boundary that does is heard."""

import dataclasses
import math

import pytest
import torch

from polyrhythm.sw.network import Input
from polyrhythm.sw.training import train
from polyrhythm.sw.training.arithmetic import quantize
from polyrhythm.sw.training.layers import normalization
from polyrhythm.sw.training.layers.layer import TrainableLayer
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.layers.seen import Seen
from polyrhythm.sw.training.recipe import Conversion, LayerSpec, Mixture, SkipSpec
from polyrhythm.sw.training.recipes import DIGITS_LIF, DIGITS_MTT
from polyrhythm.sw.training.run.crossing import Crossing

LIVE = Conversion(channels=True, live_norm=True)
STAGES = [("two_phase", "float"), ("two_phase", "quantized"), ("time_stepped", "float")]
CASES = [
    (*each, kind)
    for each in STAGES
    for kind in ("dense", "conv2d", "residual")
    if each[0] == "two_phase" or kind != "residual"
]


def specs(schedule: str, kind: str) -> tuple[LayerSpec, ...]:
    """Three layers of other T each; the second takes what the kind names."""
    leak = 3 if schedule == "time_stepped" else None
    first = LayerSpec("c1", 6, "conv2d", T=4, padding=1, leak_shift=leak)
    second = {
        "dense": LayerSpec("fc2", 9, T=5, pool=2, leak_shift=leak),
        "conv2d": LayerSpec(
            "c2", 5, "conv2d", T=2, stride=2, padding=1, reset="zero" if leak else "subtract"
        ),
        "residual": LayerSpec("c2", 6, "conv2d", T=3, padding=1, skip=SkipSpec("c1")),
    }[kind]
    return first, second, LayerSpec("out", 4, "readout", T=3)


def trained(
    schedule: str, kind: str, stage: str, seed: int
) -> tuple[TrainableNetwork, torch.Tensor]:
    """A network in double precision, its normalizations and biases far from where they begin; and
    inputs for it."""
    generator = torch.Generator().manual_seed(seed)
    conversion = LIVE if stage == "quantized" else None
    net = TrainableNetwork(
        specs(schedule, kind),
        schedule,
        Input((2, 6, 6), 1, 15),
        generator,
        conversion=conversion,
        norm=True,
    ).double()

    def frames() -> torch.Tensor:
        n = torch.randint(0, 16, (20, 2, 6, 6), generator=generator).double()
        return n if schedule == "two_phase" else n[None]

    with torch.no_grad():
        for layer in net.stack():
            layer.bias.uniform_(-2, 2, generator=generator)
            if layer.norm is not None:
                size = torch.exp(
                    torch.empty_like(layer.norm.weight).uniform_(
                        math.log(0.1), math.log(65), generator=generator
                    )
                )
                layer.norm.weight.copy_(
                    size * (torch.rand(size.shape, generator=generator) - 0.3).sign()
                )
                layer.norm.bias.uniform_(-1, 3, generator=generator)
    net.train()
    for _ in range(5):
        net(frames())
    net.eval()
    if stage == "quantized":
        net.calibrate(frames())
        # Each channel has the lowest weight that it can have behind the fold
        for layer in net.stack()[:-1]:
            assert layer.norm is not None
            layer.weight.data.flatten(1)[:, 0] = -99.0 * layer.norm.weight.sign()
    return net, frames()


@torch.no_grad()
def inside(net: TrainableNetwork, n: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    seen = Seen()
    logits = net(n, seen)
    return seen.received[1:], logits


@pytest.mark.parametrize(("schedule", "stage", "kind"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_folding_changes_no_output(schedule: str, stage: str, kind: str, seed: int) -> None:
    net, n = trained(schedule, kind, stage, seed)
    before, logits = inside(net, n)
    spoke = [float((counts > 0).double().mean()) for counts in before]
    assert all(share > 0.01 for share in spoke), spoke  # it has something to say
    for layer in net.stack():
        normalization.fold(layer)
        assert layer.norm is None
    after, again = inside(net, n)
    for counts, same in zip(before, after, strict=True):
        if stage == "float" and schedule == "two_phase":  # activations, no counts yet
            assert torch.allclose(same, counts, rtol=1e-9, atol=1e-9)
        else:
            assert torch.equal(same, counts)
    assert torch.allclose(again, logits, rtol=1e-9, atol=1e-9)


def test_folding_turns_the_signs_of_channels_whose_gain_is_below_0() -> None:
    net, _ = trained("two_phase", "conv2d", "quantized", 0)
    layer = net.stack()[0]
    assert layer.norm is not None
    turned = layer.norm.weight < 0
    assert turned.any() and not turned.all()
    before = layer.integer_weight()
    normalization.fold(layer)
    low, high = quantize.weight_range(layer.spec.weight_bits)
    # The range is that behind the fold
    assert before[turned].max() == -low and before[~turned].min() == low
    assert (
        torch.equal(layer.integer_weight()[turned], -before[turned])
        and layer.integer_weight().max() <= high
    )
    assert torch.equal(layer.integer_weight()[~turned], before[~turned])


@pytest.mark.parametrize(("schedule", "stage"), STAGES)
def test_a_channel_without_gain_says_the_same_whatever_it_receives(
    schedule: str, stage: str
) -> None:
    net, n = trained(schedule, "conv2d", stage, 1)
    layer = net.stack()[0]
    assert layer.norm is not None
    layer.norm.weight.data[3] = 0.0
    before, logits = inside(net, n)
    for each in net.stack():
        normalization.fold(each)
    after, again = inside(net, n)
    assert torch.allclose(after[0], before[0]) and torch.allclose(again, logits)
    assert not layer.integer_weight()[3].any()


def test_a_network_with_a_channel_without_gain_is_exported() -> None:
    net, _ = trained("two_phase", "conv2d", "quantized", 2)
    norm = net.stack()[0].norm
    assert norm is not None
    norm.weight.data[3] = 0.0
    net.snap()
    threshold = net.stack()[0].threshold
    assert torch.isfinite(threshold).all() and threshold[3] < 10 * threshold.median()
    net.export("silent")  # whose check bounds every number


@pytest.mark.parametrize("mode", ["once", "spread"])
def test_normalization_of_ticks_needs_a_bias_in_every_tick(mode: str) -> None:
    layers = (LayerSpec("fc", 8, T=4, bias_mode=mode), LayerSpec("out", 4, "readout", T=4))
    text = f"fc: normalization shifts the currents of every tick, so bias_mode must be per_tick, not {mode}; choose it, or norm=False"
    with pytest.raises(ValueError) as error:
        TrainableNetwork(layers, "time_stepped", Input((9,), 1, 15), torch.Generator(), norm=True)
    assert str(error.value) == text


# What a boundary costs


@pytest.mark.parametrize(
    ("before", "after", "loses"),
    [(0.82, 0.78, False), (0.82, 0.778, True), (0.0, 0.0, False), (0.5, 0.6, False)],
)
def test_a_boundary_loses_where_more_than_a_twentieth_is_gone(
    before: float, after: float, loses: bool
) -> None:
    assert Crossing("fold", before, after).loses is loses


SHORT = dataclasses.replace(
    DIGITS_MTT, name="short", float_epochs=4, quantized_epochs=1, snapped_epochs=1,
    mixture=Mixture((("mixed", (8, 2)),), max_T=8),
)  # fmt: skip


def test_boundaries_are_told_one_by_one_and_the_fold_costs_nothing() -> None:
    network, report = train.train(SHORT, progress=lambda _: None)
    found = {row["what"]: row for row in report["boundaries"]}
    assert list(found) == [
        "float, normalization folded", "float to quantized, before it learns on", "quantized to snapped, before it learns on",
        "from floats to integers", "from floats to integers, profile mixed",
    ]  # fmt: skip
    assert (
        found["float, normalization folded"]["before"]
        == found["float, normalization folded"]["after"]
        > 0.8
    )
    assert found["from floats to integers"]["before"] == report["float_accuracy"]
    assert (
        found["from floats to integers, profile mixed"]["before"]
        == report["float_profiles"]["mixed"]
    )
    assert network.provenance["float_profiles"] == report["float_profiles"]


def test_a_boundary_that_ruins_a_network_is_said_and_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = normalization.fold

    def wrong(layer: TrainableLayer) -> None:
        fold(layer)
        layer.bias.data.add_(9.0)

    monkeypatch.setattr(normalization, "fold", wrong)
    _, report = train.train(
        dataclasses.replace(SHORT, quantized_epochs=0, snapped_epochs=0), progress=lambda _: None
    )
    row = report["boundaries"][0]
    told = f"{100 * row['before']:.2f} % before, {100 * row['after']:.2f} % after (more than 5 % of it)"
    said = f"ACCURACY LOST, float, normalization folded: {told}"
    assert (
        row["after"] < 0.5 * row["before"]
        and report["warnings"][0] == said
        and said in capsys.readouterr().err
    )


def test_networks_without_normalization_cross_the_fold_for_nothing() -> None:
    _, report = train.train(
        dataclasses.replace(DIGITS_LIF, float_epochs=2, quantized_epochs=1, snapped_epochs=1),
        progress=lambda _: None,
    )
    assert report["boundaries"][0]["before"] == report["boundaries"][0]["after"]
    assert "float_profiles" not in report
