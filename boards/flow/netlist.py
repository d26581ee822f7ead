"""The netlist of a board's design: synthesized once, counted before anything is placed.

The work of one netlist lies in build/boards, in a folder named by a digest of the board's RTLIL,
its pins, the part and the tools: what is there is not made again.
"""

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from polyrhythm.boards.catalog.row import Board
from polyrhythm.boards.design.prepare import TOP, prepared
from polyrhythm.boards.flow import mapping
from polyrhythm.boards.flow.place import packed
from polyrhythm.boards.flow.stage import Tell, ToolMissing
from polyrhythm.boards.flow.target import Target, first_target
from polyrhythm.boards.flow.use import missing, told
from polyrhythm.sw.lib.folders import build_root

RECIPE = 1  # part of every cache key: raise it when what is done with the RTLIL changes

# Makes the design inside a board of its clock [Hz] and its baud rate
Make = Callable[[float, float], Any]


class TooBig(ValueError):
    """The part has too little of something; `needs` is what the netlist takes."""

    def __init__(self, text: str, needs: dict[str, int]) -> None:
        super().__init__(text)
        self.needs = needs


def fits_at(
    board: Board, make: Make, freq: float | None, baud: int | None, progress: Tell | None
) -> dict[str, int]:
    """What the design takes of the board's part; it is mapped, but not placed."""
    target = first_target(board, freq, baud)
    return needs_of(board, netlist(board, make, target, progress), progress)


def netlist(board: Board, make: Make, target: Target, progress: Tell | None) -> Path:
    """The folder with the netlist at that clock; `progress` is told where it is before anything
    runs."""
    clock_hz = target.mhz * 1e6
    files = prepared(board, target.pll, lambda: make(clock_hz, float(target.baud)))
    work = build_root() / "boards" / f"{board.name}-{digest(board, files)}"
    work.mkdir(parents=True, exist_ok=True)
    if progress is not None:
        progress(
            f"{board.name} at {target.mhz:.2f} MHz, link {target.baud:,} baud; logs and netlist: "
            f"{work}"
        )
    if not (work / "netlist.json").is_file():
        for name, text in files.items():
            (work / name).write_text(text)
        read = [f"read_rtlil {TOP}.il"]
        mapping.mapped(board.part, read, TOP, work, progress, where=board.name)
    return work


def digest(board: Board, files: dict[str, str]) -> str:
    """Twelve hex digits over all that decides the netlist and its placements."""
    family = board.part.family
    told = [RECIPE, family.synthesis, family.flags, board.part.flags, tools_of(board)]
    total = hashlib.sha256(json.dumps(told).encode())
    for name, text in sorted(files.items()):
        total.update(f"{name}\0{len(text)}\0{text}".encode())
    return total.hexdigest()[:12]


def tools_of(board: Board) -> dict[str, str]:
    """The tools of a board and their versions."""
    family = board.part.family
    names = [mapping.YOSYS, *([family.placer] if family.placer else [])]
    if family.pll == "gowin":
        names.append("apycula")
    extra = family.flow.extra if family.flow else "synth"
    try:
        return {name: version(name) for name in names}
    except PackageNotFoundError as error:
        raise ToolMissing(str(error.name), extra) from error


def needs_of(board: Board, work: Path, progress: Tell | None) -> dict[str, int]:
    """What the netlist takes of the board's part, told."""
    needs = packed(board.part, work, TOP, progress)
    if progress is not None:
        progress(told(needs, board.part))
    return needs


def fitting(board: Board, work: Path, progress: Tell | None) -> dict[str, int]:
    """What the netlist takes, told; TooBig where the part has less."""
    needs = needs_of(board, work, progress)
    lacking = missing(needs, board.part)
    if lacking:
        raise TooBig(f"{board.name} has too little for this: {lacking}", needs)
    return needs
