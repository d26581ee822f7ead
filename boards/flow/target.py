"""The clock that a design is made for: one that the board's PLL makes, and that the link's rate is
divided from."""

from collections.abc import Sequence
from dataclasses import dataclass

from polyrhythm.boards.catalog.row import Board
from polyrhythm.boards.parts.clock import Pll, baud_of, best_below, divides, outputs


@dataclass(frozen=True)
class Target:
    """The clock that a netlist is made for, and the link's rate at it."""

    pll: Pll
    baud: int

    @property
    def mhz(self) -> float:
        """The clock."""
        return self.pll.mhz


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


def first_target(board: Board, freq: float | None, baud: int | None) -> Target:
    """The clock that was asked for [MHz], else the one where the search begins."""
    mhz = board.part.family.usual_mhz if freq is None else freq
    return chosen(board, choices(board, baud), mhz, baud, exact=freq is not None)
