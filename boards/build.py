"""From a network and a board to a bitstream.

The work of one netlist lies in build/boards, in a folder named by a digest of the board's RTLIL,
its pins, the part and the tools: what is there is not made again. The answer is a folder with the
bitstream, what the placer wrote, and build.json.
"""

import hashlib
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from polyrhythm.boards import mapping
from polyrhythm.boards.catalog.row import Board
from polyrhythm.boards.clock import Pll, baud_of, best_below, divides, outputs
from polyrhythm.boards.place import Placement, flow_of, packed, placements, promised
from polyrhythm.boards.prepare import TOP, prepared
from polyrhythm.boards.stage import Tell, ToolMissing, run_tool
from polyrhythm.boards.use import missing, told
from polyrhythm.sw.lib.atomic import write_whole
from polyrhythm.sw.lib.folders import build_root

RECIPE = 1  # part of every cache key: raise it when what is done with the RTLIL changes
ROUNDS = 5  # clocks that are tried: ever lower ones until one is reached, then faster ones
GAIN = 1.02  # a clock is worth another round if it is so much faster than one that was reached

# Makes the design inside a board of its clock [Hz] and its baud rate
Make = Callable[[float, float], Any]


class ClockMissed(RuntimeError):
    """No placement reaches the clock that was asked for."""


class TooBig(ValueError):
    """The part has too little of something; `needs` is what the netlist takes."""

    def __init__(self, text: str, needs: dict[str, int]) -> None:
        super().__init__(text)
        self.needs = needs


@dataclass(frozen=True)
class Target:
    """The clock that a netlist is made for, and the link's rate at it."""

    pll: Pll
    baud: int

    @property
    def mhz(self) -> float:
        """The clock."""
        return self.pll.mhz


@dataclass(frozen=True)
class Built:
    """A bitstream's makings: what was placed, at which clock, and which placement is the best."""

    board: Board
    target: Target
    work: Path
    needs: dict[str, int]
    runs: tuple[Placement, ...]

    @property
    def best(self) -> Placement:
        """The fastest placement, of equals the one with the lowest seed."""
        return max(self.runs, key=lambda run: (run.mhz, -run.seed))

    @property
    def median_mhz(self) -> float:
        """What the placement in the middle reaches."""
        return statistics.median_low(run.mhz for run in self.runs)


def build_design(
    board: Board,
    make: Make,
    freq: float | None = None,
    baud: int | None = None,
    seeds: Sequence[int] = (1,),
    router: str | None = None,
    progress: Tell | None = None,
) -> Built:
    """Place a design on a board.

    freq: the clock [MHz], rounded down to one that the board's PLL makes; by default the clock is
    lowered until a placement reaches it, and raised again while placements reach more. baud: of the
    link (default: the highest that the clock and the board's USB bridge allow). Raises ValueError
    for a clock or a rate that cannot be, TooBig before anything is placed, ClockMissed when no
    placement reaches the clock, what `run_tool` raises.
    """
    settings = choices(board, baud)
    highest = board.part.family.target_mhz if freq is None else freq
    target = chosen(board, settings, highest, baud, exact=freq is not None)
    tell = progress or (lambda line: None)
    met: Built | None = None
    for fallen in range(ROUNDS):
        built = attempt(board, make, target, seeds, router, progress)
        best = built.best
        if best.met:
            faster = chosen(board, settings, best.mhz, baud)
            if freq is not None or not fallen or faster.mhz < target.mhz * GAIN:
                return built
            met, target = built, faster
            continue
        tell(
            f"{target.mhz:.2f} MHz asked, {best.mhz:.2f} MHz reached (seed {best.seed}, the best of"
            f" {len(built.runs)})"
        )
        if freq is not None or met is not None:
            break
        slower = [setting for setting in settings if setting.output < target.pll.output]
        target = chosen(board, slower, best.mhz, baud)
    if met is not None:
        return met
    raise ClockMissed(
        f"the clock must be {built.target.mhz:.2f} MHz, but of {len(built.runs)} placements the "
        f"best reaches {best.mhz:.2f} MHz, so there is no bitstream; try --freq {int(best.mhz)}, "
        f"more --seeds, or other lanes; logs: {built.work}"
    )


def choices(board: Board, baud: int | None) -> Sequence[Pll]:
    """The clocks that the board can make, and of which the rate can be made."""
    settings = outputs(board.part.family.pll, board.clock_mhz)
    if baud is None:
        return settings
    if baud > board.baud_max:
        raise ValueError(
            f"baud must be at most {board.baud_max:,} on {board.name} ({board.link}), not {baud:,}"
        )
    found = [setting for setting in settings if divides(setting.mhz * 1e6, baud)]
    if not found:
        raise ValueError(f"{board.name} makes no clock that {baud:,} baud can be divided from")
    return found


def chosen(
    board: Board, settings: Sequence[Pll], mhz: float, baud: int | None, exact: bool = False
) -> Target:
    """The target of a design that reaches `mhz`; exact: as near to it as there is."""
    pll = best_below(settings, mhz, board.baud_max, 0.0 if exact else 0.03)
    rate = baud or baud_of(pll.mhz * 1e6, board.baud_max)
    if rate is None:
        raise ValueError(f"{board.name}: a clock of {pll.mhz:g} MHz is too slow for its link")
    return Target(pll, rate)


def attempt(
    board: Board,
    make: Make,
    target: Target,
    seeds: Sequence[int],
    router: str | None,
    progress: Tell | None,
) -> Built:
    """The placements at one clock."""
    work = netlist(board, make, target, progress)
    needs = fitting(board, work, progress)
    runs = placements(board.part, work, TOP, target.mhz, seeds, router, progress)
    return Built(board, target, work, needs, tuple(runs))


def fits_at(
    board: Board, make: Make, freq: float | None, baud: int | None, progress: Tell | None
) -> dict[str, int]:
    """What the design takes of the board's part; it is mapped, but not placed."""
    highest = board.part.family.target_mhz if freq is None else freq
    target = chosen(board, choices(board, baud), highest, baud, exact=freq is not None)
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


def pack(built: Built, folder: Path, name: str, progress: Tell | None = None) -> Path:
    """The bitstream of the best placement, `folder`/`name` with the family's suffix, and beside it
    what the placer wrote; both appear whole or not at all."""
    flow, work, routed = flow_of(built.board.part), built.work, built.best.routed
    part = work / f"part-{routed.name.removesuffix(flow.routed)}{flow.bitstream}"
    part.unlink(missing_ok=True)
    stage, log = f"bitstream of seed {built.best.seed}", "pack.log"
    command = [word.format(routed=routed.name, bitstream=part.name) for word in flow.packer]
    run_tool(
        [*command, *built.board.packing], stage, work, log, progress=progress, extra=flow.extra
    )
    promised(stage, work / log, part)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}{flow.routed}", routed.read_bytes())
    write_whole(folder / f"{name}{flow.bitstream}", part.read_bytes())
    return folder / f"{name}{flow.bitstream}"
