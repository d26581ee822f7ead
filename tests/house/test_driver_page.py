"""docs/driver.md: its files and its commands, as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

REPO = Path(__file__).resolve().parents[2]
PAGE = (REPO / "docs" / "driver.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
(BLOCK,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run(folder: Path, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(REPO), "POLYRHYTHM_BUILD": str(REPO / "build")}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_and_command_of_the_page_runs(tmp_path: Path) -> None:
    shutil.copy(REPO / "models" / "digits.safetensors", tmp_path)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 16, (3, 1, 8, 8)))
    assert set(FILES) == {"classify.py", "camera.py"}
    told = {}
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
        told[name] = run(tmp_path, name)
    answers = re.findall(r"^(\d+) \d$", told["camera.py"], re.MULTILINE)
    assert len(answers) == 100 and "late=0" in told["camera.py"]
    commands = BLOCK.splitlines()
    assert len(commands) == 2
    for command in commands:
        told[command] = run(tmp_path, "-m", *command.split())
    assert "no difference: every class and every logit is the same" in told[commands[1]]
