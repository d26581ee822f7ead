"""Anytime inference: the loss in every tick, rules calibrated in integers, what leaving early costs
and saves."""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from polyrhythm.cli import main as program
from polyrhythm.sw import data, golden
from polyrhythm.sw.lib.check import MAX_SUM
from polyrhythm.sw.network import Input, Layer, MarginExit, Network, Profile, exit_rule
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.timing import cycles
from polyrhythm.sw.training import train
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.layers.seen import Seen
from polyrhythm.sw.training.methods import anytime, exit_rules
from polyrhythm.sw.training.recipe import Anytime, LayerSpec, Recipe
from polyrhythm.sw.training.recipes import DIGITS_LIF

T = 8
LAYERS = (LayerSpec("fc1", 20, T=T, leak_shift=4), LayerSpec("out", 10, "readout", T=T))
SHORT: Recipe = dataclasses.replace(
    DIGITS_LIF, name="short", preprocess=f"rate:{T}", layers=LAYERS, float_epochs=8, quantized_epochs=6, snapped_epochs=4, anytime=Anytime()
)  # fmt: skip


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("anytime") / "short.safetensors"
    train.train(SHORT, out=path, progress=lambda _: None)
    return path


# --- the loss ---


def test_loss_is_that_of_every_tick() -> None:
    net = TrainableNetwork(
        LAYERS, "time_stepped", Input((64,), T, 1), torch.Generator().manual_seed(1)
    )
    seen, labels = Seen(), torch.randint(0, 10, (20,))
    logits = net(torch.randint(0, 2, (T, 20, 64)).float(), seen)
    assert torch.allclose(seen.sums[-1] / T, logits, atol=1e-6)
    plain = loss_of(0.0, 0.0, net)(seen, labels, 0.0)
    each = [F.cross_entropy(sums / t, labels) for t, sums in enumerate(seen.sums, 1)]
    assert torch.allclose(plain, torch.stack(each).mean())
    squared = torch.stack(
        [(sums / t - 1).square().mean() for t, sums in enumerate(seen.sums, 1)]
    ).mean()
    assert torch.allclose(loss_of(0.25, 0.0, net)(seen, labels, 0.0), 0.75 * plain + 0.25 * squared)
    whole = loss_of(0.0, 2.0, net)(seen, labels, 0.0)
    assert (
        torch.allclose(whole, plain + 2 * anytime.irregularity(seen))
        and anytime.irregularity(seen) > 0
    )
    whole.backward()
    weight = net.stack()[0].weight
    assert (
        weight.grad is not None
        and bool(weight.grad.isfinite().all())
        and weight.grad.abs().max() > 0
    )


def loss_of(share: float, regular: float, net: TrainableNetwork) -> anytime.AnytimeLoss:
    return anytime.AnytimeLoss(Anytime(mean_square=share, regular=regular), net)


def test_regularizer_in_numbers_and_its_gradient() -> None:
    """Two ticks, two neurons: the ratios are 1 / (1 + 3) and 2 / (2 + 2); negative potentials do
    not count."""
    spikes = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]], dtype=torch.float64)
    left = torch.tensor([[[3.0, -5.0]], [[0.5, 1.5]]], dtype=torch.float64, requires_grad=True)
    found = anytime.irregularity(Seen(received=[spikes, spikes], left=[left]))
    assert found.item() == pytest.approx(((0.25 - 0.375) ** 2 + (0.5 - 0.375) ** 2) / 2, rel=1e-5)
    found.backward()
    # the mean stands still: d/dv of mean_t (r_t - m)^2 = (r_t - m) * dr_t/dv, dr/dv = -s / (s +
    # v)^2 where v > 0
    expected = [[[(0.25 - 0.375) * -1 / 16, 0.0]], [[(0.5 - 0.375) * -2 / 16] * 2]]
    assert torch.allclose(left.grad, torch.tensor(expected, dtype=torch.float64), rtol=1e-4)  # type: ignore[arg-type]


def test_silent_layers_are_even() -> None:
    nothing = torch.zeros(3, 2, 4)
    assert anytime.irregularity(Seen(received=[nothing, nothing], left=[nothing - 1])).item() == 0
    assert anytime.irregularity(Seen(received=[nothing])).item() == 0


def test_two_phase_networks_have_no_ticks_to_leave_after() -> None:
    net = TrainableNetwork(
        (LayerSpec("out", 10, "readout"),), "two_phase", Input((64,), 1, 15), torch.Generator()
    )
    with pytest.raises(
        ValueError,
        match="^anytime: answers in every tick are those of time_stepped networks, not of two_phase ones$",
    ):
        anytime.AnytimeLoss(Anytime(), net)


# --- calibration ---


def test_margins_by_hand() -> None:
    """One tick, leads 9, 7, 7, 5, 3 of which the second and the last are wrong: a half may be, then
    a fifth, then none."""
    leads, right = [9, 7, 7, 5, 3], [True, False, True, True, False]
    sums = np.array(
        [[[lead, 0] if ok else [0, lead]] for lead, ok in zip(leads, right, strict=True)]
    )
    labels = np.zeros(5, np.int64)
    wanted = {0.5: 3, 0.4: 3, 0.39: 5, 0.25: 5, 0.24: 9, 0.01: 9}
    for epsilon, threshold in wanted.items():
        assert exit_rules.margins(sums, labels, epsilon) == MarginExit((threshold,))
    assert exit_rules.margins(sums[1:2], labels[:1], 0.1).thresholds == (MAX_SUM,)


def test_margins_want_answers_that_last() -> None:
    """Right after the first tick, wrong after the second: that is no reason to leave after the
    first."""
    sums = np.array([[[5, 0], [0, 1], [8, 0]]])
    assert exit_rules.margins(sums, np.array([0]), 0.1).thresholds == (MAX_SUM, MAX_SUM, 8)


@pytest.mark.parametrize("scale", [0.003, 0.4])
def test_softmax_finds_the_scale_that_labels_were_drawn_with(scale: float) -> None:
    rng = np.random.default_rng(3)
    sums = rng.integers(-4 / scale, 4 / scale + 1, (20_000, 2, 5))
    sums[:, 1] = sums[:, 0]
    odds = np.exp(scale * (sums[:, 0] - sums[:, 0].max(axis=1, keepdims=True)))
    labels = np.array([rng.choice(5, p=row / row.sum()) for row in odds])
    rule = exit_rules.softmax(sums, labels, 0.05)
    assert rule.epsilon == 0.05 and rule.scale == pytest.approx(scale, rel=0.12)


@pytest.mark.parametrize("epsilon", [0.0, 1.0, -0.1, float("nan")])
def test_epsilon_is_a_share(epsilon: float) -> None:
    with pytest.raises(
        ValueError,
        match="^epsilon must be a share of the frames between 0 and 1, such as 0.01, not",
    ):
        exit_rules.margins(np.zeros((1, 1, 2), np.int64), np.zeros(1, np.int64), epsilon)


# --- what it gives ---


def test_rules_on_digits(learned: Path) -> None:
    network = Network.load(learned)
    counts, labels = exit_rules.training_frames(network, 700)
    assert counts.shape == (700, T, 1, 8, 8) and len(labels) == 700
    sums = golden.run(network, counts).logits_t
    inputs, truth = data.inputs_for(network, "digits", "test")
    full = golden.run(network, inputs, spikes=True)
    assert sums is not None and full.logits_t is not None
    lanes: list[Any] = [20, 10]
    law = cycles.timing(plan(network, lanes), full, inputs[:40], back_to_back=False)
    accuracies = exit_rules.by_tick(full.logits_t, truth)
    assert (
        accuracies[-1] == network.provenance["accuracy"]
        and len(accuracies) == T
        and accuracies[-1] > 0.9
    )
    none, margin, softmax, safe = (
        exit_rules.outcome(network, rule, full.logits_t, truth, law.ticks)
        for rule in exit_rules.rules(sums, labels, 0.02)
    )
    assert none.mean_ticks == T and none.changed == 0 and none.cycles == law.cycles.mean()
    assert safe.changed == 0 and safe.accuracy == none.accuracy and safe.mean_ticks <= T
    for found in (margin, softmax):
        assert (
            found.mean_ticks < 0.75 * T
            and found.accuracy > none.accuracy - 0.04
            and found.cycles < 0.85 * none.cycles
        )
        assert 0 < found.changed < 40 or found.accuracy == none.accuracy


@pytest.mark.parametrize("seed", range(4))
def test_what_is_known_after_a_tick_is_known_when_a_shorter_frame_would_end(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def network(steps: int) -> Network:
        kept = np.random.default_rng(90 + seed)
        layers = [
            Layer(f"l{i}", kind, kept.integers(-3, 4, shape), kept.integers(-2, 3, shape[0]),
                  kept.integers(1, 6, shape[0]) if kind == "dense" else None, weight_bits=3, T=steps)
            for i, (kind, shape) in enumerate([("dense", (9, 12)), ("dense", (7, 9)), ("readout", (4, 7))])
        ]  # fmt: skip
        return Network("n", "time_stepped", Input((12,), steps, 1), tuple(layers))

    frames, lanes = rng.integers(0, 2, (5, 6, 12)), [4, 7, 3]

    def law(steps: int) -> cycles.Timing:
        short = network(steps)
        trace = golden.run(short, frames[:, :steps], spikes=True)
        return cycles.timing(plan(short, lanes), trace, frames[:, :steps], back_to_back=False)

    ticks = law(6).ticks
    assert ticks.shape == (5, 6) and bool((np.diff(ticks) > 0).all())
    for steps in range(1, 7):
        assert law(steps).cycles.tolist() == ticks[:, steps - 1].tolist()


# --- the verb ---


def test_cutoff_says_it_and_writes_the_rule(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "exits.safetensors"
    arguments = [
        "cutoff",
        str(learned),
        "--dataset",
        "digits",
        "--epsilon",
        "0.02",
        "--frames",
        "500",
    ]
    assert program.main([*arguments, "--rule", "margin", "--out", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["rule"] for row in report["rules"]] == ["none", "margin", "softmax", "safe"]
    written = Network.load(out)
    assert (
        exit_rule.entry(written.exit) == report["rules"][1]["exit"]
        and written.digest != Network.load(learned).digest
    )
    inputs, labels = data.inputs_for(written, "digits", "test")
    trace = golden.run(written, inputs)
    assert trace.ticks is not None and trace.ticks.mean() == report["rules"][1]["mean_ticks"]
    assert (trace.answer == labels).mean() == report["rules"][1]["accuracy"]
    assert program.main(arguments) == 0
    text = capsys.readouterr().out
    assert "answers changed" in text and "Exits are the golden model's" in text


def test_a_profile_that_was_calibrated_has_the_rule(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, out = Network.load(learned), tmp_path / "exits.safetensors"
    file = tmp_path / "profiles.safetensors"
    profiles = {"two": Profile((2, 2)), "own": Profile((3, 1))}
    replace(whole, profiles=profiles).save(file)
    words = ["cutoff", str(file), "--dataset", "digits", "--frames", "200", "--profile", "two"]
    assert program.main([*words, "--rule", "margin", "--out", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    written = Network.load(out)
    assert written.exit is None and written.profiles["own"].exit == "same"
    assert exit_rule.entry(written.profile("two").exit) == report["rules"][1]["exit"]
    assert len(report["rules"][1]["exit"]["thresholds"]) == 2


BAD = {
    "short: dataset must be digits, which it was trained on, not mnist": ["--dataset", "mnist"],
    "--out and --rule belong together: the file that is written has that rule": [
        "--dataset",
        "digits",
        "--rule",
        "safe",
    ],
    "frames must be at least 1, not 0": ["--dataset", "digits", "--frames", "0"],
    "rule must be one of margin, softmax, safe, not 'save'; did you mean safe?": [
        "--dataset",
        "digits",
        "--rule",
        "save",
        "--out",
        "x",
    ],
}


@pytest.mark.parametrize("text", BAD)
def test_cutoff_refuses(text: str, learned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["cutoff", str(learned), *BAD[text]]) == 2
    assert text in capsys.readouterr().err


def test_two_phase_networks_have_no_cutoff(capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(__file__).parents[2] / "models" / "digits.safetensors"
    assert program.main(["cutoff", str(file), "--dataset", "digits"]) == 2
    assert (
        "digits: only a time_stepped network answers in ticks, not a two_phase one"
        in capsys.readouterr().err
    )
