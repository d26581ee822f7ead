"""docs/own-data.md: its files and its commands, as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from polyrhythm.sw.network import Network

REPO = Path(__file__).resolve().parents[2]
PAGE = (REPO / "docs" / "own-data.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.long
def test_every_command_of_the_page_runs(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    environment = os.environ | {"PYTHONPATH": str(REPO), "POLYRHYTHM_BUILD": str(REPO / "build")}
    told = {}
    for command in COMMANDS:
        program, *words = command.split()
        start = ["-m", "polyrhythm"] if program == "polyrhythm" else []
        done = subprocess.run(
            [sys.executable, *start, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        told[words[0]] = done.stdout
    assert (
        Network.load(tmp_path / "mine.safetensors").digest
        == Network.load(tmp_path / "same.safetensors").digest
    )
    made = Network.load(tmp_path / "mine.safetensors").provenance
    assert made["accuracy"] > 0.8 and f"accuracy {100 * made['accuracy']:.2f} %" in told["run"]
    assert "no difference: every count and every logit is the same" in told["compare"]


def test_the_page_has_its_files_and_commands() -> None:
    assert set(FILES) == {"mine.py", "recipes.py"} and len(COMMANDS) == 5
