"""A network on a board: its bitstream, and build.json that tells what is in it."""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.boards.bitstream.cost import direct_of, earlier, seconds_of
from polyrhythm.boards.catalog.row import Board
from polyrhythm.boards.catalog.rows import board_named
from polyrhythm.boards.design.registers import write_registers
from polyrhythm.boards.flow import mapping
from polyrhythm.boards.flow.netlist import Make, TooBig, fits_at, tools_of
from polyrhythm.boards.flow.pack import pack
from polyrhythm.boards.flow.search import Built, build_design
from polyrhythm.boards.flow.stage import Tell
from polyrhythm.boards.flow.target import Target
from polyrhythm.boards.flow.timing import path_in_words
from polyrhythm.boards.flow.use import used
from polyrhythm.sw.lib import fix
from polyrhythm.sw.lib.atomic import write_whole
from polyrhythm.sw.lib.folders import build_root

if TYPE_CHECKING:
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.plan.lanes import Lanes
    from polyrhythm.sw.plan.network import NetworkPlan
    from polyrhythm.sw.plan.parameters import Coding
    from polyrhythm.sw.plan.shape import Shape

FORMAT = 1  # of build.json
TRIES = 4  # syntheses with fewer lanes, where the lanes asked for do not fit
ROOM = 0.9  # share of a part up to which lanes are proposed


def build(
    network: "Network",
    board: str,
    lanes: "Sequence[Lanes] | None" = None,
    coding: "Coding" = "count",
    freq: float | None = None,
    baud: int | None = None,
    seeds: Sequence[int] = (1,),
    router: str | None = None,
    out: Path | None = None,
    progress: Tell | None = None,
    shape: "Shape | None" = None,
) -> dict[str, Any]:
    """Build the bitstream of `network` for `board` into the folder `out`; the answer is build.json
    with the folder.

    lanes: as of `sw.plan.network.plan`; where its default does not fit, fewer that do. shape: of
    all networks that can be put into the finished design, see `boards.swap`.

    out: by default build/NETWORK-BOARD, of swappable builds with -swappable behind it. The rest as
    of `build_design`, which says what is raised too; TooBig names lanes that fit where others were
    asked for and there are any.
    """
    from polyrhythm.sw.plan.network import plan

    begin, row = time.monotonic(), board_named(board)
    planned = plan(network, lanes, coding, shape=shape)
    plain = build_root() / f"{network.name}-{board}"
    folder = out or (plain if shape is None else plain.with_name(f"{plain.name}-swappable"))
    try:
        built = build_design(row, maker(planned), freq, baud, seeds, router, progress)
    except TooBig as error:
        fewer, fits = fewer_lanes(network, row, planned, error, freq, baud, progress)
        if not fits:
            rest = f"with --lanes {spelled(fewer)} it still does not fit: take a larger board"
            raise TooBig(f"{error}; {rest}", error.needs) from None
        if lanes is not None:
            raise TooBig(f"{error}; --lanes {spelled(fewer)} fits", error.needs) from None
        if progress is not None:
            progress(f"no lanes were asked for, so it is built with --lanes {spelled(fewer)}")
        planned = plan(network, fewer, coding, shape=shape)
        built = build_design(row, maker(planned), freq, baud, seeds, router, progress)
    if shape is None:
        bitstream = pack(built, folder, network.name, progress)
    else:
        from polyrhythm.boards.swap.design import pack_swappable

        bitstream = pack_swappable(built, planned, folder, progress)
    registers = write_registers(planned, built.target.mhz * 1e6, folder)
    told = record(built, planned, bitstream, registers)
    if shape is not None:
        told["direct"] = direct_of(told, earlier(plain))
    told["seconds"] = seconds_of(told, earlier(folder), time.monotonic() - begin)
    write_whole(folder / "build.json", (json.dumps(told, indent=1) + "\n").encode())
    return told | {"folder": str(folder), "work": str(built.work)}


def maker(plan: "NetworkPlan") -> Make:
    """Makes the endpoint of the link with the network's accelerator in it."""
    from polyrhythm.boards.design.rom import BoardRom
    from polyrhythm.boards.link.endpoint import Endpoint
    from polyrhythm.boards.swap.contents import TemplateRom

    rom = BoardRom if plan.swappable is None else TemplateRom
    return lambda clock_hz, baud: Endpoint(plan, clock_hz, baud, rom)


def fewer_lanes(
    network: "Network",
    board: Board,
    asked: "NetworkPlan",
    error: TooBig,
    freq: float | None,
    baud: int | None,
    progress: Tell | None,
) -> "tuple[list[Lanes], bool]":
    """Fewer lanes, and whether they fit, which is found by synthesizing."""
    from polyrhythm.sw.plan.network import plan

    lanes, needs, has = list(asked.lanes), error.needs, board.part.has
    for _ in range(TRIES):
        share = min(ROOM * has[word] / needs[word] for word in needs if needs[word])
        fewer = [scaled(lane, min(share, 0.75)) for lane in lanes]
        if asked.schedule == "event_driven":
            fewer[-1] = lanes[-1]
        if fewer == lanes:
            break
        lanes = fewer
        if progress is not None:
            progress(f"too big; trying --lanes {spelled(lanes)}")
        make = maker(plan(network, lanes, asked.coding, shape=asked.swappable))
        needs = fits_at(board, make, freq, baud, progress)
        if all(needs[word] <= has[word] for word in needs):
            return lanes, True
    return lanes, False


def scaled(lanes: "Lanes", share: float) -> "Lanes":
    """So much of a layer's lanes, at least one; a convolution gives channels first, then banks."""
    if isinstance(lanes, int):
        return max(1, int(lanes * share))
    channels, banks = lanes
    if channels > 1:
        return max(1, int(channels * share)), banks
    return 1, max(1, int(banks * share))


def spelled(lanes: "Sequence[Lanes]") -> str:
    """Lanes as --lanes takes them."""
    return ",".join(
        "x".join(map(str, lane)) if isinstance(lane, tuple) else str(lane) for lane in lanes
    )


def about(board: Board, plan: "NetworkPlan", target: Target) -> dict[str, Any]:
    """What build.json holds of any build: the board, the network, the clock, the link."""
    from polyrhythm.boards.link.layout import layout

    return {
        "format": FORMAT,
        "polyrhythm": fix.version(),
        "board": board.name,
        "title": board.title,
        "part": board.part.title,
        "network": plan.name,
        "digest": plan.digest,
        "lanes": [list(lane) if isinstance(lane, tuple) else lane for lane in plan.lanes],
        "coding": plan.coding,
        "clock_hz": round(target.mhz * 1e6),
        "pll": target.pll.dividers,
        "baud": target.baud,
        "tools": tools_of(board),
        "link": layout(plan),
    }


def record(
    built: Built, plan: "NetworkPlan", bitstream: Path, registers: Sequence[Path]
) -> dict[str, Any]:
    """What build.json holds of a bitstream."""
    board, best = built.board, built.best
    report = best.read()
    taken = used(report, board.part)
    halves = mapping.halves(built.work, board.part.family)
    return about(board, plan, built.target) | {
        "seed": best.seed,
        "fmax_mhz": {clock.name: round(clock.achieved, 2) for clock in best.clocks},
        "constraint_mhz": {clock.name: round(clock.constraint, 2) for clock in best.clocks},
        "fmax_mhz_by_seed": {str(run.seed): round(run.mhz, 2) for run in built.runs},
        "fmax_mhz_median": round(built.median_mhz, 2),
        "critical_path": path_in_words(report),
        "use": halves | taken,
        "available": {word: board.part.has[word] for word in taken},
        "files": {
            path.name: digest_of(path) for path in (*files_beside(bitstream, built), *registers)
        },
        "bitstream": bitstream.name,
        **({} if plan.swappable is None else {"swappable": plan.swappable.ranges()}),
    }


def files_beside(bitstream: Path, built: Built) -> list[Path]:
    """The bitstream, and what the placer wrote."""
    flow = built.board.part.family.flow
    assert flow is not None
    return [bitstream, bitstream.with_name(bitstream.stem + flow.routed)]


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
