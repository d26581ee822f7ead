"""The picture of a run: every stage and every quantity that the log has."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from polyrhythm.sw.training.run.curves import draw


def row(epoch: int, stage: str, **changes: Any) -> dict[str, Any]:
    base = {"recipe": "tiny", "stage": stage, "epoch": epoch, "epochs": 3, "loss": 1 / epoch, "accuracy": 0.5, "lr": 0.1,
            "mean_T": 2.0, "spike_rate": None, "cycles": None, "seconds": 1.0, "eta": 0.0}  # fmt: skip
    return base | changes


def test_what_the_log_has_is_drawn(tmp_path: Path) -> None:
    rows = [
        row(1, "float"),
        row(2, "quantized", spike_rate=0.25, cycles=1234.0),
        row(3, "snapped", spike_rate=0.125, cycles=999.0),
    ]
    draw(rows, tmp_path / "curves.svg")
    drawn = (tmp_path / "curves.svg").read_text()
    # text is drawn as outlines, with the words in comments
    for word in (
        "tiny",
        "float",
        "quantized",
        "snapped",
        "at the end 0.3333",
        "at the end 0.125",
        "at the end 999",
        "cycles of a frame",
    ):
        assert f"<!-- {word} -->" in drawn, word
    draw(rows[:1], tmp_path / "float.svg")
    assert "cycles" not in (tmp_path / "float.svg").read_text()


def test_the_same_log_gives_the_same_picture(tmp_path: Path) -> None:
    for name in "ab":
        draw([row(1, "float")], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
