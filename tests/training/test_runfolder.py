"""Runs that are killed go on behind their last epoch, and end in the weights of a run that never
stopped."""

import dataclasses
import json
from pathlib import Path

import pytest

from polyrhythm.sw.training import train
from polyrhythm.sw.training.recipe import Recipe
from polyrhythm.sw.training.recipes import DIGITS
from polyrhythm.sw.training.run.runfolder import RunFolder

TINY: Recipe = dataclasses.replace(
    DIGITS, float_epochs=2, quantized_epochs=1, snapped_epochs=1, batch=128
)


class Killed(Exception):
    pass


def train_until(epoch: int, folder: Path) -> str:
    """Train, but be killed behind an epoch; the digest of the network where there is one."""

    def stop(row: train.Epoch) -> None:
        if row.epoch == epoch:
            raise Killed

    return str(train.train(TINY, progress=stop, folder=folder)[0].digest)


def test_a_run_killed_behind_every_epoch_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole = train.train(TINY, progress=lambda _: None)[0]
    for epoch in range(1, 5):
        with pytest.raises(Killed):
            train_until(epoch, tmp_path)
    assert train_until(99, tmp_path) == whole.digest
    rows = RunFolder(tmp_path, train.config(TINY)).rows()
    assert [(row["epoch"], row["stage"]) for row in rows] == [
        (1, "float"),
        (2, "float"),
        (3, "quantized"),
        (4, "snapped"),
    ]


def test_an_epoch_that_was_not_finished_leaves_no_line(tmp_path: Path) -> None:
    """The log may be one line ahead of the checkpoint; whoever goes on drops it."""
    with pytest.raises(Killed):
        train_until(2, tmp_path)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"epoch": 3}\n{"epo')
    folder = RunFolder(tmp_path, train.config(TINY))
    state = folder.load()
    assert (
        state is not None
        and state["epochs"] == 2
        and [row["epoch"] for row in folder.rows()] == [1, 2]
    )


def test_a_folder_belongs_to_one_run(tmp_path: Path) -> None:
    RunFolder(tmp_path, {"lr": 0.1, "batch": 3})
    with pytest.raises(
        ValueError,
        match=r"the run that lies there has lr 0.1, this one 0.2; name another folder, or delete this one",
    ):
        RunFolder(tmp_path, {"lr": 0.2, "batch": 3})
    assert json.loads((tmp_path / "config.json").read_text()) == {"lr": 0.1, "batch": 3}


def test_a_checkpoint_that_is_none_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, {})
    folder.checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(
        ValueError, match=r"checkpoint\.pt: must be a checkpoint of this run, but cannot be read"
    ):
        folder.load()
