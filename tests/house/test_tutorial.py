"""The tutorial: its commands run as they stand, in a copy of its folder, and what it promises comes
out."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "docs" / "tutorial"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
SAME = "no difference: every count and every logit is the same"


def run(command: str, folder: Path) -> str:
    """Run a command of the page; what it prints."""
    program, *words = command.split()
    start = {"python": [sys.executable], "polyrhythm": [sys.executable, "-m", "polyrhythm"]}[
        program
    ]
    done = subprocess.run(
        [*start, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPO), "POLYRHYTHM_BUILD": str(REPO / "build")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def accuracy(printed: str, row: str) -> float:
    (line,) = [line for line in printed.splitlines() if line.startswith(row)]
    return float(re.findall(r"(\d+\.\d+) %", line)[0])


@pytest.mark.long
def test_every_command_of_the_tutorial_runs_and_the_verilog_differs_nowhere(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "mine")
    printed = {command: run(command, tmp_path / "mine") for command in COMMANDS}
    compared = [text for command, text in printed.items() if " compare " in command]
    assert len(compared) == 3 and all(SAME in text for text in compared)
    cells, bars, fast = (accuracy(text, "Verilog, frames alone") for text in compared)
    assert cells > 90 and bars > 80 and fast > 65
    assert (tmp_path / "mine" / "verilog" / "cells.v").is_file()


def test_the_tutorial_shows_what_its_test_runs() -> None:
    verbs = [command.split()[1] for command in COMMANDS if command.startswith("polyrhythm")]
    assert verbs == [
        "check",
        "convert",
        "info",
        "compare",
        "verilog",
        "synth",
        "train",
        "compare",
        "compare",
    ]
