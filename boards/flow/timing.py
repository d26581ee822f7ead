"""What nextpnr's report says of clocks and of the longest path, in words."""

import re
from dataclasses import dataclass
from typing import Any

ROUNDING = 0.001  # nextpnr keeps periods in whole picoseconds
# What tools hang onto a cell's name behind the signal that it drives
TAIL = re.compile(
    r"(_(TRELLIS_FF|SB_DFF|DFF|FD|LUT4|LUT1|LUT2|LUT3|SB_LUT4|CCU2C|SB_CARRY|ALU|PFUMX|L6MUX21)"
    r"[A-Z0-9]*(_.*)?|\$.*|_LC|_DFFLC)$"
)
MEMORY = re.compile(r"\.\d+\.\d+(\.|$|_)")  # Yosys names a memory's blocks by row and column


@dataclass(frozen=True)
class Clock:
    """One clock of the report [MHz]: what it reaches, and what nextpnr was told that it must."""

    name: str
    achieved: float
    constraint: float

    @property
    def met(self) -> bool:
        """Whether it reaches that."""
        return self.achieved >= self.constraint


def clocks(report: dict[str, Any]) -> list[Clock]:
    """All clocks of a report that drive anything."""
    return [
        Clock(name, clock["achieved"], clock["constraint"])
        for name, clock in report["fmax"].items()
    ]


def checked(report: dict[str, Any], asked_mhz: float) -> list[Clock]:
    """The clocks, after a look whether each was judged at the frequency that it will have.

    Raises ValueError where one was not: a clock whose constraint got lost is met at 12 MHz.
    """
    found = clocks(report)
    if not found:
        raise ValueError("the placer's report must name the design's clock, but it names none")
    for clock in found:
        if abs(clock.constraint - asked_mhz) > ROUNDING * asked_mhz:
            raise ValueError(
                f"clock {clock.name} must be judged at {asked_mhz:g} MHz, but the placer's report "
                f"says {clock.constraint:g} MHz"
            )
    return found


def longest(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The hops of the slowest path between two registers of one clock; none without any."""
    paths = [path["path"] for path in report["critical_paths"] if path["from"] == path["to"]]
    return max(paths, key=lambda path: sum(hop["delay"] for hop in path), default=[])


def path_in_words(report: dict[str, Any]) -> str:
    """From where to where the longest path goes, and where its time is spent."""
    path = longest(report)
    if not path:
        return "there is no path from register to register"
    spent = dict.fromkeys(("clk-to-q", "logic", "routing", "setup"), 0.0)
    for hop in path:
        spent[hop["type"]] = spent.get(hop["type"], 0.0) + hop["delay"]
    stages = sum(hop["type"] == "logic" and hop["delay"] >= 0.1 for hop in path)
    begin, end = path[0]["from"]["cell"], path[-1]["to"]["cell"]
    logic = f"{stages} stages of logic {spent['logic']:.1f} ns, " if stages else ""
    return (
        f"{sum(spent.values()):.1f} ns from {cell_in_words(begin)} to {cell_in_words(end)}: "
        f"leaving it {spent['clk-to-q']:.1f} ns, {logic}wires {spent['routing']:.1f} ns, "
        f"setup {spent['setup']:.1f} ns"
    )


def cell_in_words(cell: str) -> str:
    """A cell as people know it: a memory or a register, by its name, of a layer or of the link."""
    kind = "memory" if MEMORY.search(cell) else "register"
    name = TAIL.sub("", MEMORY.split(cell)[0])
    found = re.search(r"\blayer(\d+)_(\w+)\.?(.*)$", name)
    if found:
        return f"{kind} {found[3] or found[2]} of layer {found[2]}"
    if "accelerator." in name:
        return f"{kind} {name.rpartition('accelerator.')[2]} between the layers"
    inside = name.removeprefix("endpoint.")
    return f"{kind} {inside} of the {'link' if inside != name else 'board'}"
