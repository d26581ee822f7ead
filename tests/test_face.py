"""The Python face: what `import polyrhythm` has, what it costs, and that it gives what the rooms give."""

import subprocess
import sys
from pathlib import Path

import networks
import numpy as np
import pytest
from commands import REPO

import polyrhythm
from polyrhythm.sim import verilator
from polyrhythm.sw import golden
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
    return networks.random_network(np.random.default_rng(3), "time_stepped", ("dense",), shape=(5,), sizes=(4,), T=(2, 3), t_in=2)


@pytest.fixture(scope="module")
def counts(network: Network) -> np.ndarray:
    return networks.random_inputs(np.random.default_rng(4), network, 20)


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", LAZY], cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


def test_every_name_is_there_and_no_other() -> None:
    assert all(getattr(polyrhythm, name) is not None for name in polyrhythm.__all__)
    assert set(polyrhythm.__all__) <= set(dir(polyrhythm)) and polyrhythm.Network is Network
    with pytest.raises(AttributeError) as caught:
        polyrhythm.simulate  # noqa: B018
    assert str(caught.value).startswith("polyrhythm has no 'simulate'; it has Network, Trace, __version__, compare, ")


def test_a_file_is_loaded_at_a_working_point(network: Network, tmp_path: Path) -> None:
    network.save(tmp_path / "n.safetensors")
    assert polyrhythm.load(tmp_path / "n.safetensors").digest == network.digest
    whole = polyrhythm.load(REPO / "models" / "digits-mtt.safetensors")
    name, point = next(iter(whole.profiles.items()))
    chosen = polyrhythm.load(REPO / "models" / "digits-mtt.safetensors", name)
    assert [layer.T for layer in chosen.layers] == list(point.T) != [layer.T for layer in whole.layers]


@pytest.mark.parametrize("executor", ["golden", "rtl", "cocotb"])
def test_executors_give_the_same(executor: str, network: Network, counts: np.ndarray) -> None:
    seen = polyrhythm.run(network, counts, executor, spikes=True)  # type: ignore[arg-type]
    assert seen.spikes is not None and golden.run(network, counts, spikes=True).first_difference(seen) is None


def test_an_unknown_executor_is_told(network: Network, counts: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"^executor must be golden, rtl or cocotb, not 'verilog'$"):
        polyrhythm.run(network, counts, "verilog")  # type: ignore[arg-type]


def test_a_comparison_says_nothing_and_finds_nothing(network: Network, counts: np.ndarray, capfd: pytest.CaptureFixture[str]) -> None:
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
    with pytest.raises(ValueError, match=r"^labels must have shape \(20,\), one class for each frame, not \(3,\)$"):
        polyrhythm.compare(network, counts, wrong[:3])


def test_a_difference_is_counted_and_placed(network: Network, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    run = golden.run

    def other(*words: object, **options: object) -> polyrhythm.Trace:
        trace = run(*words, **options)  # type: ignore[arg-type]
        trace.logits = trace.logits + (np.arange(len(trace.logits)) == 7)[:, None]
        return trace

    monkeypatch.setattr(golden, "run", other)
    found = polyrhythm.compare(network, counts, alone=2)  # so the eighth frame of golden's second part is told
    assert found.differences >= network.n_out(1) and found.first_difference is not None and "frame 9" in found.first_difference


def test_verilog_is_written(network: Network, tmp_path: Path) -> None:
    folder = polyrhythm.write_verilog(network, tmp_path / "out", lanes=[2, 1], name="mine")
    assert folder == tmp_path / "out" and {"mine.v", "interface.json"} <= {path.name for path in folder.iterdir()}


def test_the_part_is_placed(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    from polyrhythm.boards import synth

    monkeypatch.setattr(synth, "synth", lambda *words, **options: {"words": words, **options})
    told = polyrhythm.synthesize(network, "up5k", lanes=[1, 1], seeds=(1, 2))
    assert told == {"words": (network, "up5k", [1, 1], (1, 2)), "coding": "count", "progress": None}


def own_data(rng: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Two classes: the left or the right half is bright."""
    def split(size: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.arange(size) % 2
        x = rng.random((size, 1, 4, 4)) * 0.2
        x[y == 0, :, :, :2] += 0.7
        x[y == 1, :, :, 2:] += 0.7
        return x.astype(np.float32), y

    return {"train": split(128), "test": split(40)}


def test_a_recipe_and_a_model_become_networks(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import torch
    from torch import nn

    from polyrhythm.sw.training.recipe import LayerSpec, Recipe

    data = own_data(np.random.default_rng(5))
    layers = (LayerSpec("fc1", 8, T=3), LayerSpec("out", 2, "readout"))
    recipe = Recipe("halves", "own", "levels:15", "two_phase", layers, 8, 4, 2, 2e-2, 2e-3, 1e-3, batch=8)
    trained = polyrhythm.train(recipe, data, out=tmp_path / "halves.safetensors")
    assert trained.provenance["accuracy"] > 0.9 and polyrhythm.load(tmp_path / "halves.safetensors").digest == trained.digest

    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    x, y = torch.tensor(data["train"][0]), torch.tensor(data["train"][1])
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    capfd.readouterr()
    converted = polyrhythm.convert(model, data, preprocess="levels:15", name="halves-too", epochs=(2, 1))
    assert converted.name == "halves-too" and converted.provenance["accuracy"] > 0.9
    assert capfd.readouterr().out == ""
    assert polyrhythm.compare(converted, np.zeros((3, 1, 4, 4), int)).differences == 0


def test_a_wrong_recipe_is_told() -> None:
    with pytest.raises(ValueError, match=r"^recipe must be one of .*, or a Recipe, not 'no such'$"):
        polyrhythm.train("no such")


def test_the_hardware_is_there() -> None:
    """Everything above would hang on it."""
    assert verilator.find().is_file()
