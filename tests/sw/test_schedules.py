"""A two_phase network without ticks or phases: the same weights, the same counts, refused where it
would not be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polyrhythm.cli import main as program
from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network, NetworkError
from polyrhythm.sw.network.schedules import to_event_driven

MODELS = Path(__file__).resolve().parents[2] / "models"


def test_the_weights_stay_and_the_counts_too() -> None:
    before = Network.load(MODELS / "digits.safetensors")
    after = to_event_driven(before)
    assert (after.name, after.schedule, {layer.neuron for layer in after.layers}) == (
        "digits-events",
        "event_driven",
        {"signed"},
    )
    frames = np.random.default_rng(3).integers(
        0, before.input.max_count + 1, (40, *before.input.shape)
    )
    assert golden.run(before, frames).first_difference(golden.run(after, frames)) is None


def test_the_reference_without_a_clock_is_what_the_verb_writes(tmp_path: Path) -> None:
    out = tmp_path / "mnist-conv-events.safetensors"
    assert (
        program.main(["to-events", str(MODELS / "mnist-conv.safetensors"), "--out", str(out)]) == 0
    )
    assert Network.load(out).digest == Network.load(MODELS / "mnist-conv-events.safetensors").digest


def test_the_verb_has_its_old_name_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        program.main(
            [
                "clockless",
                str(MODELS / "digits.safetensors"),
                "--out",
                str(tmp_path / "d.safetensors"),
                "--json",
            ]
        )
        == 0
    )
    said = capsys.readouterr()
    assert (
        said.err == "polyrhythm: clockless is called to-events now\n"
        and '"event_driven"' in said.out
    )


def test_networks_with_ticks_keep_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "no.safetensors"
    assert (
        program.main(["to-events", str(MODELS / "digits-lif.safetensors"), "--out", str(file)]) == 2
    )
    assert capsys.readouterr().err == (
        "polyrhythm: digits-lif: schedule must be two_phase, whose counts no order of events changes, not time_stepped; "
        "train a two_phase recipe of the same layers\n"
    )
    assert not file.exists()


def test_it_has_the_name_that_it_is_given_and_is_not_taken_twice() -> None:
    hidden = Layer("fc", "dense", [[1, -2]], [0], [2], v_init="half_threshold", bias_mode="once")
    out = Layer("out", "readout", [[1]], [0], bias_mode="once")
    network = Network("n", "two_phase", Input((2,), 1, 3), (hidden, out))
    assert to_event_driven(network, "m").name == "m"
    with pytest.raises(NetworkError, match="must be two_phase"):
        to_event_driven(replace(network, schedule="event_driven"))
