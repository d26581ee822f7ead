"""The fastest clock that a design reaches on a board.

A design hangs on its clock: the link's rate is divided from it. So each clock is a netlist of its
own, and a search costs a synthesis and a placement a round. One seed searches; the others are
placed at the clock that it has found.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from polyrhythm.boards.catalog.row import Board
from polyrhythm.boards.design.prepare import TOP
from polyrhythm.boards.flow.netlist import Make, fitting, netlist
from polyrhythm.boards.flow.place import NoPlacement, Placement, placements
from polyrhythm.boards.flow.stage import Tell
from polyrhythm.boards.flow.target import Target, choices, chosen, first_target

ROUNDS = 5  # clocks that the first seed tries
GAIN = 1.04  # a clock is worth another round if it is so much faster than one that was reached


class ClockMissed(RuntimeError):
    """No placement reaches the clock that was asked for."""


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

    freq: the clock [MHz], rounded down to one that the board's PLL makes; by default it is searched
    for. baud: of the link (default: the highest that the clock and the board's USB bridge allow).
    Raises ValueError for a clock or a rate that cannot be, TooBig before anything is placed,
    ClockMissed when no placement reaches the clock, what `run_tool` raises.
    """
    search = Search(board, make, baud, tuple(seeds), router, progress)
    target = first_target(board, freq, baud) if freq is not None else search.target()
    built = search.attempt(target, seeds)
    if not built.best.met:
        raise ClockMissed(
            f"the clock must be {target.mhz:.2f} MHz, but of {len(built.runs)} placements the "
            f"best reaches {built.best.mhz:.2f} MHz, so there is no bitstream; try --freq "
            f"{int(built.best.mhz)}, more --seeds, or other lanes; logs: {built.work}"
        )
    return built if freq is not None else search.raised(built)


@dataclass(frozen=True)
class Search:
    """The search for a clock; the arguments as of `build_design`."""

    board: Board
    make: Make
    baud: int | None
    seeds: tuple[int, ...]
    router: str | None
    progress: Tell | None
    # The netlists by their clock [MHz], and what they take: each is told once
    made: dict[float, tuple[Path, dict[str, int]]] = field(default_factory=dict)

    def target(self) -> Target:
        """The fastest clock that the first seed reaches; where it reaches none in ROUNDS, the next
        one below what it has reached last.

        A clock that is missed falls to what was reached, one that is met rises to that.
        """
        target, one = first_target(self.board, None, self.baud), self
        met: Target | None = None
        settings, most = choices(self.board, self.baud), self.board.part.family.target_mhz
        for _ in range(ROUNDS):
            built = one.leading(target)
            one = replace(one, seeds=(built.best.seed,))
            if built.best.met:
                met = target
            else:
                settings = [setting for setting in settings if setting.output < target.pll.output]
                if not settings:
                    break
            following = chosen(self.board, settings, min(built.best.mhz, most), self.baud)
            if met is not None and following.mhz < met.mhz * GAIN:
                return met
            target = following
        return met or target

    def raised(self, built: Built) -> Built:
        """The same at a faster clock, where the best of several seeds reaches one there too."""
        settings, most = choices(self.board, self.baud), self.board.part.family.target_mhz
        faster = chosen(self.board, settings, min(built.best.mhz, most), self.baud)
        if len(built.runs) == 1 or faster.mhz < built.target.mhz * GAIN:
            return built
        met = self.attempt(faster, [built.best.seed]).best.met
        return self.attempt(faster, self.seeds) if met else built

    def leading(self, target: Target) -> Built:
        """The placement of the first seed that comes to an end."""
        for seed in self.seeds[:-1]:
            try:
                return self.attempt(target, [seed])
            except NoPlacement:
                continue
        return self.attempt(target, self.seeds[-1:])

    def attempt(self, target: Target, seeds: Sequence[int]) -> Built:
        """The placements at one clock; what the best one misses is told."""
        if target.mhz not in self.made:
            work = netlist(self.board, self.make, target, self.progress)
            self.made[target.mhz] = work, fitting(self.board, work, self.progress)
        work, needs = self.made[target.mhz]
        runs = placements(self.board.part, work, TOP, target.mhz, seeds, self.router, self.progress)
        built = Built(self.board, target, work, needs, tuple(runs))
        if self.progress is not None and not built.best.met:
            self.progress(
                f"{target.mhz:.2f} MHz asked, {built.best.mhz:.2f} MHz reached (seed "
                f"{built.best.seed}, the best of {len(runs)})"
            )
        return built
