"""The export's bytes hang on the network and on the versions of two tools: on no environment, no
other Yosys, and no Python."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import amaranth.tracer
import digests
import numpy as np
import pytest
from elaborators import lint, source
from networks import random_network

from polyrhythm.hw.export import texts
from polyrhythm.hw.top import Top
from polyrhythm.sw.plan.network import plan

KEPT: dict[str, Any] = json.loads(digests.KEPT.read_text())
QUICK = ("digits", "digits-lif", "digits-mtt")
NAMES = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.long)
    for name in KEPT["exports"]
]
# All that a circuit is made of
OTHERS = (
    "digits",
    "digits-lif",
    "mnist-lif",
    "mnist-conv",
    "mnist-conv-lif",
    "mnist-conv-events",
    "nmnist-mtt",
)
MEND = "the export of {} is another one than before; if that is meant: python tests/support/digests.py --write"


@pytest.fixture
def other_yosys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Yosys on PATH and in the environment, that leaves a note when it is called."""
    program, note = tmp_path / "bin" / "yosys", tmp_path / "called"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch '{note}'\necho 'Yosys 0.99'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("YOSYS", str(program))
    monkeypatch.setenv("AMARANTH_USE_YOSYS", "system")
    return note


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_has_the_same_bytes_beside_another_yosys_and_lint_is_silent(
    name: str, other_yosys: Path, tmp_path: Path
) -> None:
    environment = dict(os.environ)
    folder = digests.exported(name, tmp_path)
    assert digests.digest_in(folder) == KEPT["exports"][name], MEND.format(name)
    assert dict(os.environ) == environment and not other_yosys.exists()
    assert lint(folder) == "" and "[-1:0]" not in (folder / source(folder)).read_text()


def test_every_reference_with_an_accelerator_has_its_digest() -> None:
    assert digests.buildable() == sorted(KEPT["exports"])


def test_the_digests_are_of_the_tools_that_are_pinned() -> None:
    lines = (digests.REPO / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    assert KEPT["tools"] == {tool: pinned[tool] for tool in digests.TOOLS}


# --- Python ---


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped", "event_driven"])
@pytest.mark.parametrize("kind", ["dense", "conv2d"])
def test_no_name_comes_from_the_code_that_asks_for_it(
    schedule: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amaranth reads names that are not given from the interpreter's instructions, which each
    version of Python has its own of.

    Here it reads a new one at every call, so that whatever hangs on one differs.
    """
    network = random_network(
        np.random.default_rng(5), schedule, (kind, "dense"), shape=(1, 5, 6), sizes=(7,), max_T=3
    )
    coding: Any = "unary" if schedule == "two_phase" else "count"
    before, calls = texts(Top(plan(network, [1, 2, 7], coding))), []

    def read(depth: int = 2, default: Any = None) -> str:
        calls.append(depth)
        return f"read_{len(calls)}"

    monkeypatch.setattr(amaranth.tracer, "get_var_name", read)
    assert texts(Top(plan(network, [1, 2, 7], coding))) == before
    assert amaranth.tracer.get_var_name() == f"read_{len(calls)}"


@functools.cache
def pythons() -> dict[str, str]:
    """Other versions of Python on this machine that are ours to support: version -> program."""
    named = [shutil.which(f"python3.{minor}") for minor in range(11, 20)]
    kept = sorted(
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.*/bin/python")
    )
    found: dict[str, str] = {}
    for program in [*(name for name in named if name), *map(str, kept)]:
        call = [program, "-c", "import sys, venv, ensurepip; print(*sys.version_info[:2], sep='.')"]
        said = subprocess.run(call, capture_output=True, text=True)
        version = said.stdout.strip()
        if (
            said.returncode == 0
            and (3, 11) <= tuple(map(int, version.split("."))) != sys.version_info[:2]
        ):
            found.setdefault(version, program)
    return found


@pytest.mark.long
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_python_writes_the_same_bytes(version: str) -> None:
    if version not in pythons():
        pytest.skip(f"needs another Python, {version}, with venv and pip")
    constraints = (digests.REPO / "constraints.txt").read_bytes()
    place = (
        digests.REPO / "build" / f"python-{version}-{hashlib.sha256(constraints).hexdigest()[:8]}"
    )
    program = place / "bin" / "python"
    if not (place / "ready").exists():
        subprocess.run([pythons()[version], "-m", "venv", "--clear", place], check=True)
        packages = [*digests.TOOLS, "numpy", "safetensors"]
        install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-c",
            digests.REPO / "constraints.txt",
            *packages,
        ]
        subprocess.run([program, *install], check=True)
        (place / "ready").touch()
    done = subprocess.run(
        [program, digests.REPO / "tests" / "support" / "digests.py", *OTHERS],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    wanted = {name: KEPT["exports"][name] for name in OTHERS}
    assert found == wanted, MEND.format(
        ", ".join(name for name in OTHERS if found.get(name) != wanted[name])
    )
