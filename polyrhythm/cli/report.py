"""What a verb answers with, and how it is shown: aligned text for people, one JSON object for
programs."""

import math
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.console import tell
from polyrhythm.sw.lib.check import near

if TYPE_CHECKING:
    import numpy as np

OK, FAILED, USAGE, MISSING, INTERRUPTED = 0, 1, 2, 3, 130
WIPE = "\r\x1b[K"  # clears the line of a terminal


@dataclass(frozen=True)
class Answer:
    """The outcome of a verb: the object that --json prints, the text that people read, the exit
    code.

    error: what went wrong after the answer was known, such as a file that could not be written;
    told behind the answer
    """

    data: dict[str, Any]
    text: str
    code: int = OK
    error: str | None = None


_held: str | None = None  # the line of a terminal that is written over again and again


def say(text: object) -> None:
    """Progress and notes: stderr, at once."""
    tell(text if _held is None else f"{WIPE}{text}")


def held(line: str | None) -> None:
    """Show `line` as a terminal's last one, to be written over by the next; None takes it away."""
    global _held
    if line is None and _held is None:
        return
    _held = line
    width = shutil.get_terminal_size().columns - 1
    tell(WIPE + (line or "")[:width], end="")


def paced(show: Callable[[object], None], period_s: float = 1.0) -> Callable[[object], None]:
    """A progress callback that passes on at most one message each period: quick steps do not flood
    the screen."""
    last = -math.inf

    def step(message: object) -> None:
        nonlocal last
        if time.monotonic() - last >= period_s:
            last = time.monotonic()
            show(message)

    return step


def table(rows: Iterable[Sequence[object]], header: Sequence[str]) -> str:
    """Rows of text in columns: the first column to the left, the others to the right."""
    cells = [list(header), *([cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for row in cells:
        left, *right = (
            text.ljust(width) if k == 0 else text.rjust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([left, *right]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def cell(value: object) -> str:
    """One value as text: None is a dash, whole numbers get thousands separators."""
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def percent(share: float | None, total: int | None = None) -> str | None:
    """An accuracy: 98.31 %, with the number of right answers where the total is known."""
    if share is None:
        return None
    right = "" if total is None else f" ({round(share * total):,} of {total:,})"
    return f"{100 * share:.2f} %{right}"


def nearest(word: str, known: Iterable[str]) -> str:
    """ "; did you mean NAME?" where something known is spelled alike (`sw.lib.check.near`), else
    nothing."""
    close = near(word, known)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def one_of(what: str, word: str, known: Iterable[str]) -> str:
    """`word` itself if it is known; ValueError names all that are, and the nearest."""
    names = list(known)
    if word not in names:
        raise ValueError(
            f"{what} must be one of {', '.join(names)}, not {word!r}{nearest(word, names)}"
        )
    return word


def spread(values: "np.ndarray") -> dict[str, float | int]:
    """Mean, 95th percentile (the smallest value that 95 % do not pass) and largest."""
    import numpy as np

    return {
        "mean": round(float(values.mean()), 2),
        "p95": int(np.percentile(values, 95, method="inverted_cdf")),
        "max": int(values.max()),
    }


def average(value: float | None) -> str | None:
    """A mean with one decimal."""
    return None if value is None else f"{value:,.1f}"
