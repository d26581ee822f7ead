"""Learned time steps: T follows from range and count, its price is the accelerator's, and the
result is exact."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from polyrhythm.sw.network import Input, Network
from polyrhythm.sw.training import train
from polyrhythm.sw.training.arithmetic import quantize
from polyrhythm.sw.training.cost.work import Work
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.layers.seen import Seen
from polyrhythm.sw.training.methods.conversion import Price
from polyrhythm.sw.training.recipe import Conversion, LayerSpec, Recipe
from polyrhythm.sw.training.recipes import DIGITS

LAYERS = (LayerSpec("fc1", 24, T=4), LayerSpec("fc2", 16, T=4), LayerSpec("out", 10, "readout"))
SHORT: Recipe = dataclasses.replace(
    DIGITS, name="short", layers=LAYERS, float_epochs=10, quantized_epochs=12, snapped_epochs=6
)
LIVE = Conversion("mean_T", target=3.0, channels=True, live_norm=True)


def learn(conversion: Conversion) -> tuple[Network, dict[str, float], list[train.Epoch]]:
    rows: list[train.Epoch] = []
    network, report = train.train(
        dataclasses.replace(SHORT, conversion=conversion), progress=rows.append
    )
    return network, report, rows


# The quantizer


@pytest.mark.parametrize(
    ("clip_range", "count", "T"),
    [(3.0, 1.0, 3), (2.5, 1.0, 3), (2.4999, 1.0, 2), (0.1, 1.0, 1), (99.0, 1.0, 15)],
)
def test_steps_are_the_range_in_counts_with_ties_up(
    clip_range: float, count: float, T: int
) -> None:
    assert quantize.steps(torch.tensor(clip_range), torch.tensor(count), 15).item() == T


def test_gradients_of_range_and_count() -> None:
    """Beyond the range a value is T counts = the range; within it the rounding passes, as in
    LSQ."""
    clip_range, count = torch.tensor(3.1, requires_grad=True), torch.tensor(0.7, requires_grad=True)

    def value(x: float) -> torch.Tensor:
        T = quantize.steps(clip_range, count, 15)
        v = torch.tensor(x) + count / 2
        return count * quantize.quantize_count(v, count, T)

    def gradients(x: float) -> list[float]:
        found = torch.autograd.grad(value(x), [clip_range, count], allow_unused=True)
        return [0.0 if g is None else g.item() for g in found]

    n = 2  # 1.5 / 0.7 rounds to 2
    assert gradients(1.5) == pytest.approx([0.0, n - 1.5 / 0.7], rel=1e-5)
    # 3.1 / 0.7 rounds to 4; straight-through, T counts have the gradient of the range, but for T's
    # own rounding
    T = 4
    assert gradients(9.0) == pytest.approx([1.0, T - 3.1 / 0.7], rel=1e-5)
    assert gradients(-1.0) == [0.0, 0.0]


# The price


def network(conversion: Conversion, stage: str = "quantized") -> TrainableNetwork:
    net = TrainableNetwork(
        LAYERS,
        "two_phase",
        Input((64,), 1, 15),
        torch.Generator().manual_seed(1),
        conversion=conversion,
    ).eval()
    if stage == "quantized":
        net.calibrate(torch.randint(0, 16, (50, 64)).float())
    return net


@pytest.mark.parametrize("cost", ["cycles", "mean_T", "events"])
def test_what_is_priced_pulls_at_ranges_and_counts(cost: str) -> None:
    torch.manual_seed(0)
    net = network(Conversion(cost=cost, trade=0.5))
    price = Price(Conversion(cost=cost, trade=0.5), net, Work(net.shapes()), 100)
    seen = Seen()
    net(torch.randint(0, 16, (50, 64)).float(), seen)
    term = price.term(seen.received)
    assert term.item() == pytest.approx(0.5)  # the first cost is the unit
    term.backward()
    layer = net.stack()[0]
    # A longer count is cheaper
    assert (
        layer.log_count is not None
        and layer.log_count.grad is not None
        and layer.log_count.grad.item() < 0
    )


def test_a_price_of_something_else_is_refused() -> None:
    net = network(Conversion(), "float")
    with pytest.raises(
        ValueError, match="^conversion: cost must be one of cycles, mean_T, events, not 'power'$"
    ):
        Price(Conversion(cost="power"), net, Work(net.shapes()), 100)


# Options


def test_a_price_of_ticks_is_refused() -> None:
    net = TrainableNetwork(LAYERS, "time_stepped", Input((64,), 1, 15), torch.Generator())
    with pytest.raises(
        ValueError,
        match="^conversion: time steps are learned in two_phase networks, not in time_stepped ones; see mixture$",
    ):
        Price(Conversion(), net, None, 100)


@pytest.mark.parametrize("wrong", [{"channels": False}, {"channels": True, "norm": False}])
def test_normalization_lives_on_only_where_it_can_be_folded(wrong: dict[str, bool]) -> None:
    with pytest.raises(
        ValueError,
        match="^conversion: live_norm folds into steps of channels, so norm and channels must be on beside it$",
    ):
        Conversion(live_norm=True, **wrong)


# Whole runs


def test_a_target_is_hit_and_the_file_has_the_learned_steps() -> None:
    """`train` itself compares every count and logit with golden."""
    network, report, rows = learn(Conversion(cost="mean_T", target=2.0, trade=0.1))
    steps = [layer.T for layer in network.layers]
    assert sum(steps[:-1]) / 2 <= 2 and steps[-1] == 1
    assert rows[-1].mean_T == sum(steps[:-1]) / 2
    assert report["accuracy"] == report["quantized_accuracy"] > 0.93
    assert network.provenance["config"]["conversion"]["target"] == 2.0


def test_a_higher_price_makes_fewer_cycles() -> None:
    cheap, _, rows = learn(Conversion(trade=1.0))
    dear, _, others = learn(Conversion(trade=0.0))
    assert rows[-1].cycles is not None and others[-1].cycles is not None
    assert rows[-1].cycles < 0.97 * others[-1].cycles
    assert cheap.digest != dear.digest


def test_recipes_without_a_conversion_say_nothing_of_it() -> None:
    assert "conversion" not in train.config(DIGITS)


# --- a family from one float network ---


def test_time_steps_that_are_fixed_stay_and_float_weights_are_taken_over(tmp_path: Path) -> None:
    _, first = train.train(SHORT, folder=tmp_path / "float", progress=lambda _: None)
    rows: list[train.Epoch] = []
    fixed = dataclasses.replace(SHORT, conversion=Conversion(fixed=True, norm=False))
    made, report = train.train(fixed, floats=tmp_path / "float", progress=rows.append)
    assert report["float_accuracy"] == first["float_accuracy"]
    assert [row.stage for row in rows] == ["quantized"] * 12 + ["snapped"] * 6
    assert (
        [layer.T for layer in made.hidden] == [4, 4]
        and report["mean_T"] == 4
        and report["cycles"] > 0
    )
    learned, _ = train.train(
        dataclasses.replace(SHORT, conversion=Conversion("mean_T", target=2.5, norm=False)),
        floats=tmp_path / "float",
        progress=lambda _: None,
    )
    assert np.mean([layer.T for layer in learned.hidden]) <= 2.5


def test_float_weights_of_other_layers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match="must be there: a run of which the float stage is done, trained with a run folder$",
    ):
        train.train(SHORT, floats=tmp_path)
    brief = dataclasses.replace(SHORT, float_epochs=1, quantized_epochs=0, snapped_epochs=0)
    train.train(brief, folder=tmp_path / "float", progress=lambda _: None)
    other = dataclasses.replace(SHORT, layers=(LayerSpec("fc1", 25, T=4), *LAYERS[1:]))
    with pytest.raises(
        ValueError,
        match="^the float network must have the same layers, but does not have layers.0.weight as this one has it$",
    ):
        train.train(other, floats=tmp_path / "float")


# A step for each channel


def test_channels_have_steps_of_their_own_and_a_count_is_worth_the_same_in_all() -> None:
    """Behind the snap, where thresholds are whole: threshold * unit is one number for the layer."""
    layers = (
        LayerSpec("c1", 6, "conv2d", T=4, padding=1),
        LayerSpec("fc2", 16, T=4),
        LayerSpec("out", 10, "readout"),
    )
    net = TrainableNetwork(
        layers,
        "two_phase",
        Input((1, 8, 8), 1, 15),
        torch.Generator().manual_seed(0),
        conversion=Conversion(channels=True),
    )
    with torch.no_grad():
        for layer in net.stack()[:2]:
            layer.weight.mul_(
                torch.logspace(-1, 1, len(layer.weight)).reshape(-1, *[1] * (layer.weight.ndim - 1))
            )
    frames = torch.randint(0, 16, (50, 1, 8, 8), generator=torch.Generator().manual_seed(1)).float()
    net.calibrate(frames)
    steps = net.stack()[0].log_step.exp()
    assert steps.shape == (6,) and steps.max() > 20 * steps.min()
    assert net.stack()[-1].log_step.shape == ()  # logits of all classes are compared
    before = net(frames)
    net.snap()
    for layer in net.stack()[:2]:
        worth = layer.threshold * layer.unit
        assert len(set(layer.threshold.tolist())) > 1 and torch.equal(
            layer.threshold, layer.threshold.round()
        )
        torch.testing.assert_close(worth, worth.mean().expand_as(worth))
        torch.testing.assert_close(layer.sigma, worth.mean())
    assert (net(frames).argmax(1) == before.argmax(1)).float().mean() > 0.8


def test_channels_of_different_reach_keep_their_weights_apart() -> None:
    """Ten times larger weights in one channel cost the others nothing."""
    weight = (
        torch.randn(4, 30, generator=torch.Generator().manual_seed(2))
        * torch.tensor([1.0, 1.0, 1.0, 10.0])[:, None]
    )
    own = quantize.beside(quantize.best_steps(weight, 4, torch.zeros(4)), weight)
    shared = quantize.beside(quantize.best_steps(weight, 4, torch.zeros(())), weight)

    def error(step: torch.Tensor) -> torch.Tensor:
        return (quantize.quantize_weight(weight, step, 4) * step - weight).square().sum(1)

    assert (error(own)[:3] < 0.2 * error(shared)[:3]).all()


def test_a_run_with_channel_steps_ends_in_integers_that_agree() -> None:
    network, report, _ = learn(Conversion("mean_T", target=3.0, channels=True))
    # Torch == golden is checked by the run itself
    assert report["accuracy"] == report["quantized_accuracy"] > 0.93
    assert all(
        len(set(layer.threshold.tolist())) > 1
        for layer in network.hidden
        if layer.threshold is not None
    )
    assert network.provenance["config"]["conversion"]["channels"] is True


def test_a_run_with_live_normalization_ends_in_integers_and_goes_on_after_a_kill(
    tmp_path: Path,
) -> None:
    """Stopped in the quantized stage, where normalizations are part of the state, and behind the
    snap."""
    recipe = dataclasses.replace(SHORT, conversion=LIVE)
    whole, report = train.train(recipe)
    assert report["accuracy"] == report["quantized_accuracy"] > 0.93

    def stop_at(epoch: int) -> Callable[[train.Epoch], None]:
        def stop(row: train.Epoch) -> None:
            if row.epoch == epoch:
                raise KeyboardInterrupt

        return stop

    for epoch in (14, 24):
        with pytest.raises(KeyboardInterrupt):
            train.train(recipe, folder=tmp_path / "run", progress=stop_at(epoch))
    resumed, _ = train.train(recipe, folder=tmp_path / "run")
    assert resumed.digest == whole.digest


def test_products_in_bfloat16_end_in_a_network_that_is_as_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """train refuses a network in which torch and golden differ; the same seed gives the same one
    twice."""
    # On any CPU, however slow
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    recipe = dataclasses.replace(SHORT, conversion=LIVE, mixed=True)
    (network, report), (again, _) = (
        train.train(recipe, progress=lambda _: None, device="cpu") for _ in range(2)
    )
    plain, _ = train.train(
        dataclasses.replace(recipe, mixed=None), progress=lambda _: None, device="cpu"
    )
    assert report["accuracy"] >= 0.9 and network.digest == again.digest != plain.digest
