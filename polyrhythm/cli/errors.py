"""From an exception to an exit code and one sentence: 1 a check failed, 2 usage or input, 3 a tool
or a board is missing.

A room's own exceptions can only fly when the room has been imported, so they are looked up among
the loaded modules and nothing is imported for it.
"""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from polyrhythm.cli.console import reason
from polyrhythm.cli.report import FAILED, MISSING, USAGE
from polyrhythm.sw.lib import fix

T = TypeVar("T")

TOOL_ERRORS = {
    "polyrhythm.sim.verilator": "ToolMissing",
    "polyrhythm.boards.flow.stage": "ToolMissing",
    "polyrhythm.boards.driver.errors": "DeviceError",
    "polyrhythm.boards.bitstream.program": "NoDevice",
}
CHECK_ERRORS = {
    "polyrhythm.hw.verilog": "YosysFailed",
    "polyrhythm.sim.verilator": "BuildError",
    "polyrhythm.sim.job": "SimulationError",
    "polyrhythm.boards.flow.stage": "ToolFailed",
    "polyrhythm.boards.flow.search": "ClockMissed",
    "polyrhythm.boards.swap.finish": "SwapFailed",
    "polyrhythm.boards.swap.places": "MapError",
    "polyrhythm.boards.bitstream.program": "NotLoaded",
    "polyrhythm.sw.training.train": "DivergedError",
}


def explain(error: Exception) -> tuple[int, str] | None:
    """Exit code and text for an error that the user can act on; None for a defect, which keeps its
    traceback."""
    if isinstance(error, Refused):
        return error.code, str(error)
    if isinstance(error, loaded(TOOL_ERRORS)):
        return MISSING, str(error)
    if isinstance(error, loaded(CHECK_ERRORS)):
        return FAILED, str(error)
    for lost in (error, error.__cause__):
        if isinstance(lost, ModuleNotFoundError) and (
            command := fix.of_import(root := (lost.name or "").split(".")[0])
        ):
            return MISSING, f"{root} is not installed; fix it with: {command}"
    if isinstance(error, OSError) and error.filename is not None:
        return USAGE, f"{error.filename}: {reason(error)}"
    if isinstance(error, ValueError | OSError):
        return USAGE, str(error)
    return None


def loaded(names: dict[str, str]) -> tuple[type[Exception], ...]:
    """The exception classes of those rooms that have been imported."""
    return tuple(
        getattr(sys.modules[module], name)
        for module, name in names.items()
        if module in sys.modules
    )


class Refused(Exception):
    """What is wrong with what was asked: one line, or several under a heading."""

    def __init__(self, found: list[tuple[int, str]]) -> None:
        self.code = min(code for code, _ in found)
        lines = [text for _, text in found]
        super().__init__(
            lines[0]
            if len(lines) == 1
            else "\n  ".join([f"{len(lines)} things are wrong:", *lines])
        )


class Problems:
    """All that is wrong with a command line, collected before any work: `problems.of(load_network,
    path)`, then `settle`."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []

    def of(self, look: Callable[..., T], *args: Any) -> T | None:
        """What `look(*args)` gives, None where it finds fault; a defect of ours flies on."""
        try:
            return look(*args)
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            if known not in self.found:
                self.found.append(known)
            return None

    def add(self, text: str) -> None:
        """One more thing that is wrong with the command line."""
        self.found.append((USAGE, text))

    def settle(self) -> None:
        """Raise if anything was wrong."""
        if self.found:
            raise Refused(self.found)
