"""Projects for the makers' own tools: sources, pins and a script, ready to build with Vivado or
Quartus. Neither is needed to write them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.boards.bitstream.build import about, digest_of, maker
from polyrhythm.boards.catalog.row import Board
from polyrhythm.boards.design.prepare import TOP, prepared, rtlil_of
from polyrhythm.boards.design.registers import write_registers
from polyrhythm.boards.flow import mapping
from polyrhythm.boards.flow.netlist import digest
from polyrhythm.boards.flow.stage import Tell
from polyrhythm.boards.flow.target import choices, chosen
from polyrhythm.sw.lib.atomic import write_whole
from polyrhythm.sw.lib.folders import build_root

if TYPE_CHECKING:
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.plan.lanes import Lanes
    from polyrhythm.sw.plan.parameters import Coding

TOOLS = {
    "ecp5": "open tools from PyPI",
    "ice40": "open tools from PyPI",
    "gowin": "open tools from PyPI",
    "xilinx7": "a Vivado project",
    "cyclone5": "a Quartus project",
}
DESIGN = f"{TOP}.endpoint"  # what the design is called inside the board's top
COMMANDS = {
    "xilinx7": f"vivado -mode batch -source {TOP}.tcl",
    "cyclone5": f"quartus_sh --flow compile {TOP}",
}


def write_project(
    network: "Network",
    board: Board,
    lanes: "Sequence[Lanes] | None" = None,
    coding: "Coding" = "count",
    freq: float | None = None,
    baud: int | None = None,
    out: Path | None = None,
    progress: Tell | None = None,
) -> dict[str, Any]:
    """Write the project of `network` for `board` into `out`, and count its cells with Yosys.

    freq: the clock [MHz] (default: the board's oscillator); whether it is met, the maker's tools
    say. Raises ValueError for a clock that the board cannot make, what `run_tool` raises.
    """
    from polyrhythm.sw.plan.network import plan

    planned = plan(network, lanes, coding)
    mhz = board.clock_mhz if freq is None else freq
    target = chosen(board, choices(board, baud), mhz, baud, exact=True)
    make, clock_hz = maker(planned), target.mhz * 1e6
    folder = out or build_root() / f"{network.name}-{board.name}"
    folder.mkdir(parents=True, exist_ok=True)
    if progress is not None:
        progress(f"writing the project: {folder}")
    files = prepared(board, target.pll, lambda: make(clock_hz, float(target.baud)))
    for name, text in files.items():
        write_whole(folder / name, text.encode())
    registers = write_registers(planned, clock_hz, folder)
    work = mapped(board, rtlil_of(board, target.pll, lambda: make(clock_hz, target.baud)), progress)
    told = about(board, planned, target) | {
        "mapped": mapping.counted(work, board.part.family),
        "available": board.part.has,
        "files": {
            path.name: digest_of(path) for path in (*(folder / name for name in files), *registers)
        },
        "command": COMMANDS[board.part.family.name],
    }
    write_whole(folder / "build.json", (json.dumps(told, indent=1) + "\n").encode())
    return told | {"folder": str(folder), "work": str(work)}


def mapped(board: Board, rtlil: str, progress: Tell | None) -> Path:
    """The folder in which Yosys has mapped the design to the family's cells.

    The design without pads and PLL: Yosys knows Intel's pads with other ports than Amaranth does.
    """
    files = {f"{TOP}.il": rtlil}
    work = build_root() / "boards" / f"{board.name}-{digest(board, files)}"
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "netlist.json").is_file():
        (work / f"{TOP}.il").write_text(rtlil)
        mapping.mapped(
            board.part, [f"read_rtlil {TOP}.il"], DESIGN, work, progress, where=board.name
        )
    return work
