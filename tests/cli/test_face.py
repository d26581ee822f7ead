"""The Python face: what `import polyrhythm` has, what it costs, and that it gives what the rooms
give."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from commands import REPO

import polyrhythm
from polyrhythm import face_check
from polyrhythm.sw import golden
from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.network import Network

LAZY = """
import sys
import polyrhythm
print(sorted(name for name in ("numpy", "torch", "amaranth", "polyrhythm.face") if name in sys.modules))
polyrhythm.load
print(sorted(name for name in ("torch", "amaranth") if name in sys.modules))
"""


@pytest.fixture(scope="module")
def network() -> Network:
    return networks.random_network(
        np.random.default_rng(3),
        "time_stepped",
        ("dense",),
        shape=(5,),
        sizes=(4,),
        T=(2, 3),
        t_in=2,
    )


@pytest.fixture(scope="module")
def counts(network: Network) -> np.ndarray:
    return networks.random_inputs(np.random.default_rng(4), network, 20)


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LAZY], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


def test_every_name_is_there_and_no_other() -> None:
    assert all(getattr(polyrhythm, name) is not None for name in polyrhythm.__all__)
    assert set(polyrhythm.__all__) <= set(dir(polyrhythm)) and polyrhythm.Network is Network
    with pytest.raises(AttributeError) as caught:
        polyrhythm.simulate  # noqa: B018
    assert str(caught.value).startswith(
        "polyrhythm has no 'simulate'; it has Device, Network, Trace, __version__, build, compare, "
    )


def test_a_file_is_loaded_at_a_working_point(network: Network, tmp_path: Path) -> None:
    network.save(tmp_path / "n.safetensors")
    assert polyrhythm.load(tmp_path / "n.safetensors").digest == network.digest
    whole = polyrhythm.load(REPO / "models" / "digits-mtt.safetensors")
    name, point = next(iter(whole.profiles.items()))
    chosen = polyrhythm.load(REPO / "models" / "digits-mtt.safetensors", name)
    assert (
        [layer.T for layer in chosen.layers] == list(point.T) != [layer.T for layer in whole.layers]
    )


@pytest.mark.parametrize("executor", ["golden", "rtl", "cocotb"])
def test_executors_give_the_same(executor: str, network: Network, counts: np.ndarray) -> None:
    seen = polyrhythm.run(network, counts, executor, spikes=True)  # type: ignore[arg-type]
    assert (
        seen.spikes is not None
        and golden.run(network, counts, spikes=True).first_difference(seen) is None
    )


def test_networks_and_traces_show_themselves_in_a_line(
    network: Network, counts: np.ndarray
) -> None:
    assert (
        repr(network)
        == f"<Network random: time_stepped 5-4-{network.n_out(1)}, digest {network.digest[:16]}>"
    )
    assert (
        repr(golden.run(network, counts))
        == "<Trace of 20 frames: class, logits, events, ticks, logits_t, layers.l0.count>"
    )


def test_an_unknown_executor_is_told(network: Network, counts: np.ndarray) -> None:
    with pytest.raises(
        ValueError, match=r"^executor must be golden, rtl or cocotb, not 'verilog'$"
    ):
        polyrhythm.run(network, counts, "verilog")  # type: ignore[arg-type]


def test_a_comparison_says_nothing_and_finds_nothing(
    network: Network, counts: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    found = polyrhythm.compare(network, counts)
    assert (found.differences, found.first_difference, found.accuracy) == (0, None, {})
    assert found.latency["max"] >= found.interval["mean"] > 0 and found.report["frames"] == 20
    assert "no difference: every count and every logit is the same" in str(found)
    assert capfd.readouterr() == ("", "")


def test_a_comparison_with_labels_has_accuracies(network: Network, counts: np.ndarray) -> None:
    right = golden.run(network, counts).answer
    wrong = np.where(np.arange(20) < 5, (right + 1) % network.n_out(1), right)
    found = polyrhythm.compare(network, counts, wrong)
    assert set(found.accuracy.values()) == {0.75} and {"golden", "RTL"} <= set(found.accuracy)


def test_a_difference_is_counted_and_placed(
    network: Network, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = golden.run

    def other(*words: object, **options: object) -> polyrhythm.Trace:
        trace = run(*words, **options)  # type: ignore[arg-type]
        trace.logits = trace.logits + (np.arange(len(trace.logits)) == 7)[:, None]
        return trace

    monkeypatch.setattr(golden, "run", other)
    # So the eighth frame of golden's second part is told
    found = polyrhythm.compare(network, counts, alone=2)
    assert (
        found.differences >= network.n_out(1)
        and found.first_difference is not None
        and "frame 9" in found.first_difference
    )


def test_verilog_is_written(network: Network, tmp_path: Path) -> None:
    folder = polyrhythm.write_verilog(network, tmp_path / "out", lanes=[2, 1], name="mine")
    assert folder == tmp_path / "out" and {"mine.v", "interface.json"} <= {
        path.name for path in folder.iterdir()
    }


def test_the_part_is_placed(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    from polyrhythm.boards.bare import synth

    monkeypatch.setattr(synth, "synth", lambda *words, **options: {"words": words, **options})
    told = polyrhythm.synthesize(network, "up5k", lanes=[1, 1], seeds=(1, 2))
    assert told == {"words": (network, "up5k", [1, 1], (1, 2)), "coding": "count", "progress": None}


def test_a_board_is_built_for_and_swapped(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polyrhythm.boards.bitstream import build
    from polyrhythm.sw.plan.shape import Shape

    monkeypatch.setattr(build, "build", lambda *words: {"words": words})
    told = polyrhythm.build(network, "icebreaker", lanes=[1, 1], swappable=True, out=tmp_path)
    assert told["words"][:3] == (network, "icebreaker", [1, 1])
    assert told["words"][-3:] == (tmp_path, None, Shape.of(network))
    with pytest.raises(ValueError, match="one that the open tools build for, not arty-a7-35; its"):
        polyrhythm.build(network, "arty-a7-35")
    with pytest.raises(ValueError, match="must be the folder of a swappable build, but it has no"):
        polyrhythm.swap(tmp_path, network, tmp_path / "new")


def own_data(rng: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Two classes: the left or the right half is bright."""

    def split(size: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.arange(size) % 2
        x = rng.random((size, 1, 4, 4)) * 0.2
        x[y == 0, :, :, :2] += 0.7
        x[y == 1, :, :, 2:] += 0.7
        return x.astype(np.float32), y

    return {"train": split(128), "test": split(40)}


def test_a_recipe_and_a_model_become_networks(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import torch
    from torch import nn

    from polyrhythm.sw.training.recipe import LayerSpec, Recipe

    data = own_data(np.random.default_rng(5))
    layers = (LayerSpec("fc1", 8, T=3), LayerSpec("out", 2, "readout"))
    recipe = Recipe(
        "halves", "own", "levels:15", "two_phase", layers, 8, 4, 2, 2e-2, 2e-3, 1e-3, batch=8
    )
    trained = polyrhythm.train(recipe, data, out=tmp_path / "halves.safetensors")
    assert (
        trained.provenance["accuracy"] > 0.9
        and polyrhythm.load(tmp_path / "halves.safetensors").digest == trained.digest
    )

    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    x, y = torch.tensor(data["train"][0]), torch.tensor(data["train"][1])
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    capfd.readouterr()
    converted = polyrhythm.convert(
        model, data, preprocess="levels:15", name="halves-too", epochs=(2, 1)
    )
    assert converted.name == "halves-too" and converted.provenance["accuracy"] > 0.9
    assert capfd.readouterr().out == ""
    assert polyrhythm.compare(converted, np.zeros((3, 1, 4, 4), int)).differences == 0


WRONG: dict[str, Callable[[Network, np.ndarray], object]] = {
    "network must be a Network, not 'n.safetensors'; polyrhythm.load(path) makes one of a file": lambda n, x: (
        polyrhythm.run("n.safetensors", x)
    ),  # type: ignore[arg-type]
    "network must be a Network, not None; polyrhythm.load(path) makes one of a file": lambda n, x: (
        polyrhythm.write_verilog(None, "v")
    ),  # type: ignore[arg-type]
    "path must be a path, not int": lambda n, x: polyrhythm.load(5),  # type: ignore[arg-type]
    "lanes must be a list with one entry for each of the 2 layers, not 20": lambda n, x: (
        polyrhythm.run(n, x, lanes=20)
    ),  # type: ignore[arg-type]
    "lanes must be a list with one entry for each of the 2 layers, not '2,1'": lambda n, x: (
        polyrhythm.write_verilog(n, "v", lanes="2,1")
    ),  # type: ignore[arg-type]
    "folder must be a path, not int": lambda n, x: polyrhythm.write_verilog(n, 4),  # type: ignore[arg-type]
    "name must be a text, not 4": lambda n, x: polyrhythm.write_verilog(n, "v", name=4),  # type: ignore[arg-type]
    "inputs must have at least one frame, not none": lambda n, x: polyrhythm.compare(n, x[:0]),
    "inputs must be integers, not object": lambda n, x: polyrhythm.compare(n, None),  # type: ignore[arg-type]
    "labels must have shape (20,), one class for each frame, not (3,)": lambda n, x: (
        polyrhythm.compare(n, x, np.zeros(3, int))
    ),
    "labels must be integers, the number of each frame's class, not float64": lambda n, x: (
        polyrhythm.compare(n, x, np.zeros(20))
    ),  # type: ignore[arg-type]
    "labels must be classes from 0 on, not -1": lambda n, x: polyrhythm.compare(
        n, x, np.full(20, -1)
    ),
    "alone must be at least 1, not 0": lambda n, x: polyrhythm.compare(n, x, alone=0),
    "alone must be a whole number, not 1.5": lambda n, x: polyrhythm.compare(n, x, alone=1.5),  # type: ignore[arg-type]
    "seeds must be a list of numbers, one for each placement, not 3": lambda n, x: (
        polyrhythm.synthesize(n, "up5k", seeds=3)
    ),  # type: ignore[arg-type]
    "seeds must be a whole number, not 'a'": lambda n, x: polyrhythm.synthesize(
        n, "up5k", seeds=["a"]
    ),  # type: ignore[list-item]
    "model must be a torch.nn.Module, not None": lambda n, x: polyrhythm.convert(
        None, {}, preprocess="levels:15"
    ),  # type: ignore[arg-type]
    "out must be a path, not int": lambda n, x: polyrhythm.train("digits", out=3),  # type: ignore[arg-type]
    "device must be auto, cpu, cuda or cuda:N, not 3": lambda n, x: polyrhythm.train(
        "digits", device=3
    ),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_told_at_the_border(
    text: str, network: Network, counts: np.ndarray
) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        WRONG[text](network, counts)
    assert str(caught.value) == text


@pytest.mark.parametrize("recipe", ["no such", None, 3, {}])
def test_a_wrong_recipe_is_told(recipe: Any) -> None:
    with pytest.raises(ValueError) as caught:
        polyrhythm.train(recipe)
    assert str(caught.value).startswith("recipe must be one of digits, ") and str(
        caught.value
    ).endswith(f", or a Recipe, not {recipe!r}")


@pytest.mark.parametrize(("words", "text"), [
    ({"epochs": 3}, "epochs must be two numbers, quantized and snapped, such as (8, 4), not 3"),
    ({"epochs": (1, 2, 3)}, "epochs must be two numbers, quantized and snapped, such as (8, 4), not (1, 2, 3)"),
    ({"target": "mean_T"}, "target must be one of cycles, mean_T, events with a number, such as ('mean_T', 2.0), not 'mean_T'"),
    ({"T": 0}, "T must be at least 1, not 0"), ({"seed": -1}, "seed must be at least 0, not -1"),
])  # fmt: skip
def test_a_wrong_conversion_is_told(words: dict[str, Any], text: str) -> None:
    from torch import nn

    with pytest.raises((TypeError, ValueError)) as caught:
        polyrhythm.convert(
            nn.Linear(4, 2), own_data(np.random.default_rng(0)), preprocess="levels:15", **words
        )
    assert str(caught.value) == text


def test_what_is_white_is_asked_for() -> None:
    """Pixels 0..16 in eight bits: guessed as 255 with a warning, taken at their word with
    `peak`."""
    x, y = (np.arange(32).reshape(8, 4) % 17).astype(np.uint8), np.arange(8) % 2
    with pytest.warns(
        UserWarning, match=r"255 is taken as white; the largest is 16: say peak=16 if that is"
    ):
        guessed = face_check.data_of({"train": (x, y), "test": (x, y)}, "levels:15", None)
    told = face_check.data_of({"train": (x, y), "test": (x, y)}, "levels:15", 16)
    assert (guessed.peak, told.peak) == (255, 16)
    with pytest.raises(DataError, match=r"say peak=N for what is white"):
        face_check.data_of(
            {"train": (x.astype(np.int64), y), "test": (x.astype(np.int64), y)}, "levels:15", None
        )
