"""Commands that install what is missing: they work from where the program was installed, and never
name ourselves."""

import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyrhythm.sw.lib import fix

REPO = Path(__file__).parents[2]
METADATA = [
    "numpy>=2.0", "amaranth[builtin-yosys]<0.6,>=0.5.8", 'torch==2.13.0; extra == "train"', 'scikit-learn>=1.5; extra == "train"',
    "cocotb<3,>=2.0; extra == 'sim'", 'polyrhythm[sim,train]; extra == "all"',
]  # fmt: skip
PIP = f"{shlex.quote(sys.executable)} -m pip install"


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """What is read of this installation is read again in each test, and after it."""
    read = (fix.source_tree, fix.requirements)  # a test may put others in their place
    for kept in read:
        kept.cache_clear()
    yield
    for kept in read:
        kept.cache_clear()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As from a wheel or an sdist: no source tree around us, metadata alone."""
    monkeypatch.setattr(fix, "ROOT", tmp_path)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: METADATA)


def test_an_installed_package_names_the_requirements_of_its_metadata(installed: None) -> None:
    assert fix.extra("train") == f"{PIP} torch==2.13.0 'scikit-learn>=1.5'"
    assert fix.extra("sim") == f"{PIP} 'cocotb<3,>=2.0'"
    assert (
        fix.install("amaranth", "numpy")
        == f"{PIP} 'amaranth[builtin-yosys]<0.6,>=0.5.8' 'numpy>=2.0'"
    )


def test_a_source_tree_names_those_of_its_pyproject() -> None:
    assert fix.extra("train").startswith(f"{PIP} torch==2.13.0 'scikit-learn>=1.5'")
    assert fix.source_tree()["name"] == "polyrhythm"


def test_another_projects_pyproject_is_not_ours(installed: None, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\nversion = "3"\n')
    assert fix.source_tree() == {}
    assert fix.extra("sim") == f"{PIP} 'cocotb<3,>=2.0'"


def test_a_module_is_brought_with_all_that_belongs_to_it(installed: None) -> None:
    assert (
        fix.of_import("sklearn")
        == fix.of_import("torch")
        == f"{PIP} torch==2.13.0 'scikit-learn>=1.5'"
    )
    assert fix.of_import("find_libpython") == f"{PIP} 'cocotb<3,>=2.0'"
    assert fix.of_import("a_users_own_module") is None


def test_without_pip_the_installer_that_is_there_is_named(
    installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pip" else real(name)
    )
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name == "uv" else None)
    python = shlex.quote(sys.executable)
    assert fix.extra("sim") == f"uv pip install --python {python} 'cocotb<3,>=2.0'"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert fix.extra("sim") == f"{python} -m ensurepip && {PIP} 'cocotb<3,>=2.0'"


def test_a_systems_own_python_is_left_alone_in_a_source_tree(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert fix.extra("sim") == f"make -C {REPO} venv, and then start {REPO}/.venv/bin/polyrhythm"
    monkeypatch.setattr(fix, "source_tree", dict)
    monkeypatch.setattr(fix, "requirements", lambda: {"sim": ("cocotb",)})
    assert fix.extra("sim") == f"{PIP} --break-system-packages cocotb"


@pytest.mark.parametrize(("user", "lists", "command"), [
    (0, True, "apt-get install g++ make"),
    (0, False, "apt-get update && apt-get install g++ make"),
    (1000, True, "sudo apt-get install g++ make"),
    (1000, False, "sudo apt-get update && sudo apt-get install g++ make"),
])  # fmt: skip
def test_debian_packages(
    user: int, lists: bool, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lists:
        (tmp_path / "mirror_dists_stable_main_binary-amd64_Packages.lz4").touch()
    monkeypatch.setattr(fix, "LISTS", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert fix.debian("g++", "make") == command


def test_a_system_without_apt_is_told_what_to_look_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert fix.debian("g++") == "your system's package manager (Debian calls it g++)"


def test_libpython_of_the_systems_python_and_of_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = "a Python that was built with --enable-shared, or the library's path in LIBPYTHON_LOC"
    monkeypatch.setattr(sys, "base_prefix", "/opt/python")
    assert fix.libpython() == other
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(sys, "prefix", "/x/.venv")
    monkeypatch.setattr(sys, "executable", "/x/.venv/bin/python")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert fix.libpython() == f"/x/.venv/bin/python {REPO}/tools/bootstrap.py libpython /x/.venv"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert fix.libpython() == fix.debian(fix.LIBPYTHON)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(fix, "ROOT", tmp_path)  # installed: the tool is not there
    fix.source_tree.cache_clear()
    assert fix.libpython() == fix.debian(fix.LIBPYTHON)


def test_the_command_really_installs(
    installed: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In its dry run, with what is installed already, so that nothing is fetched."""
    monkeypatch.setattr(
        importlib.metadata,
        "requires",
        lambda name: ["numpy>=2.0", 'packaging>=2,<99; extra == "sim"'],
    )
    for command in (fix.extra(""), fix.extra("sim")):
        done = subprocess.run(
            [*shlex.split(command), "--dry-run", "--no-index"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and "Requirement already satisfied" in done.stdout, done.stderr


def files_of_the_house() -> list[Path]:
    """Ours, in their rooms; rglob follows no links, so it is asked of each."""
    package = REPO / "polyrhythm"
    return [
        *package.glob("*.py"),
        *(file for room in package.iterdir() if room.is_dir() for file in room.rglob("*.py")),
    ]


def test_nothing_in_the_house_names_our_package_to_an_index() -> None:
    """Neither ourselves nor a command that is not one of `sw.lib.fix`'s."""
    for path in files_of_the_house():
        if path.parts[-2:] == ("lib", "fix.py"):
            continue
        odd = re.search(r"pip install|apt-get|bootstrap\.py|polyrhythm\[", path.read_text())
        assert odd is None, f"{path}: {odd and odd[0]}"
