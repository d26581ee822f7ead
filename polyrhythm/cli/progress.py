"""What a long stage is doing and how far it is: on stderr, paced, and nothing at all where it is
over at once."""

import sys
import threading
import time

from polyrhythm.cli.report import held, say

QUIET_S = 2.0  # a stage that is shorter says nothing
LIVE_S = 0.5  # how often a terminal's line is written anew
# Between two lines where they cannot be written over; the first ones come at shorter times
LONGEST_S = 30.0


class Stage:
    """A `with` block that tells of itself: `with Stage("golden", 4000) as stage: ... stage(64)`.

    total: of units; None where nothing tells how far it is, and the time alone is shown
    """

    def __init__(self, what: str, total: int | None = None, unit: str = "frames") -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done, self.told = 0, False
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Stage":
        self.start = time.monotonic()
        self.live = sys.stderr.isatty()
        self.thread.start()
        return self

    def __call__(self, done: int, total: int | None = None) -> None:
        """So much is done; a total where it was not known before."""
        self.done, self.total = done, self.total if total is None else total

    def __exit__(self, kind: object, *_: object) -> None:
        self.over.set()
        self.thread.join()
        held(None)
        if self.told:
            counted = (
                ""
                if self.total is None
                else f"{self.total if kind is None else self.done:,} {self.unit}, "
            )
            say(
                f"{self.what}: {counted}{'done' if kind is None else 'stopped'} after "
                f"{clock(time.monotonic() - self.start)}"
            )

    def line(self) -> str:
        """How far it is, and how long it may take, judged by what is done."""
        passed = time.monotonic() - self.start
        if self.total is None:
            return f"{self.what}: {clock(passed)}"
        text = f"{self.what}: {self.done:,} of {self.total:,} {self.unit}, {clock(passed)}"
        if 0 < self.done < self.total:
            text += f", about {clock(passed * (self.total - self.done) / self.done)} to go"
        return text

    def _watch(self) -> None:
        wait = QUIET_S
        while not self.over.wait(wait):
            self.told = True
            if self.live:
                held(self.line())
                wait = LIVE_S
            else:
                say(self.line())
                wait = min(2 * wait, LONGEST_S)


def clock(seconds: float) -> str:
    """A time for people: 12 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60} s"
        if whole < 3600
        else f"{whole // 3600} h {whole % 3600 // 60} min"
    )
