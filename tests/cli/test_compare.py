"""compare: test sets whose counts do not fit into memory go through a slice at a time, and come to
the same."""

from pathlib import Path

import numpy as np
import pytest

from polyrhythm.cli import comparison
from polyrhythm.cli.compare import answer, collect
from polyrhythm.cli.comparison import Comparison
from polyrhythm.sw import data
from polyrhythm.sw.network import Network
from polyrhythm.sw.trace import Trace

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture
def digits() -> Comparison:
    network = Network.load(MODELS / "digits.safetensors")
    inputs, labels = data.inputs_for(network, "digits", "test", None)
    return Comparison(network, inputs, labels, True)


def test_slices_come_to_what_the_whole_comes_to(
    digits: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits.run()
    whole = collect(digits, "digits")
    monkeypatch.setattr(comparison, "SLICE_VALUES", 1)
    sliced = Comparison(digits.network, digits.inputs, digits.labels, True)
    sliced.run()
    found = collect(sliced, "digits")
    assert [len(part) for part in sliced.tallies["RTL"].cycles] == [256, 104]
    assert [len(part) for part in sliced.tallies["RTL, back to back"].interval] == [255, 103]
    same = ("accuracy", "differences", "first_difference", "cycles", "events_per_frame", "frames")
    assert {key: found[key] for key in same} == {key: whole[key] for key in same}
    assert whole["differences"]["RTL"] == {"predictions": 0, "logits": 0, "counts": 0}


def test_few_frames_go_alone_and_all_back_to_back(
    digits: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "SLICE_VALUES", 1)
    digits.alone = 20
    assert digits.slices(256) == [(0, 20), (20, 276), (276, 360)]
    told = answer(digits, "digits")
    assert [
        digits.tallies[name].frames for name in ("golden", "torch", "RTL", "RTL, back to back")
    ] == [360, 360, 20, 360]
    assert (
        told.data["accuracy"]["RTL"] == told.data["accuracy"]["golden"]
        and told.data["first_difference"] is None
    )
    alone = next(
        line for line in told.text.splitlines() if line.startswith("Verilog, frames alone")
    )
    assert "of 20)" in alone
    assert (
        told.data["events_per_frame"]["RTL, back to back"]
        == told.data["events_per_frame"]["golden"]
    )


def test_slices_are_whole_parts(digits: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    assert digits.slices(256) == [(0, 360)]
    digits.alone = 400
    assert digits.slices(256) == [(0, 360)]
    monkeypatch.setattr(comparison, "SLICE_VALUES", 20 * 256)
    digits.alone = None
    assert digits.slices(128) == [(0, 256), (256, 360)]
    monkeypatch.setattr(comparison, "SLICE_VALUES", 20 * 256 - 1)
    # Three parts would leave a core without one
    assert digits.slices(64) == [(0, 128), (128, 256), (256, 360)]


def test_the_first_difference_is_numbered_in_the_whole_set(digits: Comparison) -> None:
    """An executor that is wrong in one count of frame 300."""
    executors = digits.executors()
    golden = executors["golden"]

    def wrong(inputs: np.ndarray) -> Trace:
        trace = golden(inputs)
        if len(inputs) == 104:
            trace.counts["fc1"][300 - 256, 7] += 1
        return trace

    for start, end in ((0, 256), (256, 360)):
        digits.slice({"golden": golden, "torch": wrong}, start, end)
    assert digits.tallies["torch"].differences == {"predictions": 0, "logits": 0, "counts": 1}
    assert digits.first_difference is not None
    assert digits.first_difference.startswith("torch: frame 300, layer fc1")
