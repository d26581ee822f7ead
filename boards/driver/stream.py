"""Event cameras: events go in as they come, answers come out, the host closes ticks and frames.

The rule is that of the word `window:US:T`: with t0 the time of the first event, tick k of frame j
is [t0 + (j T + k) US, t0 + (j T + k + 1) US) microseconds.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.boards.driver.encode import Encoder
from polyrhythm.boards.driver.exchange import Exchange
from polyrhythm.boards.driver.frame import Frame

Ints = npt.NDArray[Any]
AHEAD = 32  # frames that may wait for the board before `send` waits for it


@dataclass(frozen=True)
class Answer:
    """What the board said of one frame.

    start_us  where the frame begins, in the time of the events
    answer    the class
    logits    (C,)
    cycles    of the board's clock
    """

    start_us: int
    answer: int
    logits: Ints
    cycles: int


@dataclass
class Tally:
    """What became of the events of a stream.

    events   that came in
    late     left out: their frame was closed already
    above    left out: more than the network counts at one place in one tick
    frames   sent
    empty    frames without an event, which are not sent
    """

    events: int = 0
    late: int = 0
    above: int = 0
    frames: int = 0
    empty: int = 0


class EventStream:
    """`with device.stream(us=10_000) as stream: stream.send(t, p, y, x); for answer in stream: ...`

    A frame stays open until an event of a later frame comes, until `advance` says that its time is
    over, or until the block ends; while it is open its events may come in any order. Events of
    frames that are closed are left out and counted as `tally.late`. Frames without an event are not
    sent.

    us: length of a tick. t0: where the first frame begins (None: with the first event). slack_us:
    how much longer a frame stays open, for events that come late.
    """

    def __init__(
        self,
        sending: Callable[[Callable[[Frame], None]], AbstractContextManager[Exchange]],
        encoder: Encoder,
        shape: tuple[int, int, int],
        us: int,
        t0: int | None = None,
        slack_us: int = 0,
    ) -> None:
        if us < 1:
            raise ValueError(f"us must be at least 1 microsecond for a tick, not {us}")
        if slack_us < 0:
            raise ValueError(f"slack_us must be at least 0 microseconds, not {slack_us}")
        self.shape, self.us, self.slack_us, self.tally = shape, us, slack_us, Tally()
        self._sending, self._encoder, self._t0 = contextlib.ExitStack(), encoder, t0
        self._begin = sending
        self._frame_us = us * encoder.ticks
        self._open: dict[int, Ints] = {}  # counts (T, N) of frames that are open and have events
        self._first = 0  # the earliest frame that is open
        self._answers: deque[Answer] = deque()

    def send(self, t: Any, channel: Any, row: Any, column: Any) -> None:
        """Take events: times (n,) in microseconds, channel (of a camera its polarity, 0 or 1), row
        and column, (n,) integers or one for all. Waits where the board is behind.

        Raises TypeError or ValueError, before any of them is taken, for what are no such events.
        """
        time, place = self._checked(t, channel, row, column)
        self.tally.events += len(time)
        if not len(time):
            return
        if self._t0 is None:
            self._t0 = int(time.min())
        # A stretch at a time: what closes a frame makes later events of it late
        frame = (time - self._t0) // self._frame_us
        newest = np.maximum.accumulate(time)
        closed = (newest - self.slack_us - self._t0) // self._frame_us  # frames before it are over
        edges = np.flatnonzero(np.diff(closed, prepend=closed[0] - 1))
        for low, high in zip(edges, [*edges[1:], len(time)], strict=True):
            self._close(int(closed[low]))
            self._count(frame[low:high], time[low:high], place[low:high])
        self._exchange.pump()

    def advance(self, t: int) -> None:
        """The time is `t` microseconds, though no event has come: close what is over by then, and
        take what the board has said."""
        if self._t0 is not None:
            self._close((t - self.slack_us - self._t0) // self._frame_us)
        self._exchange.pump()

    def finish(self) -> None:
        """Close the frames that are open, and wait for every answer."""
        if self._open:
            self._close(max(self._open) + 1)
        self._exchange.drain()

    def __iter__(self) -> Iterator[Answer]:
        """The answers that have come and were not taken yet, in the order of frames."""
        while self._answers:
            yield self._answers.popleft()

    def _take(self, frame: Frame) -> None:
        logits = np.array([frame.logits[k] for k in range(len(frame.logits))], np.int64)
        start = frame.tag
        assert isinstance(start, int)
        self._answers.append(Answer(start, frame.answer, logits, frame.cycles))

    def __enter__(self) -> "EventStream":
        self._exchange = self._sending.enter_context(self._begin(self._take))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._sending.__exit__(kind, error, trace)
            return
        with self._sending:
            self.finish()

    def _close(self, frame: int) -> None:
        """Send the frames before `frame`."""
        if frame <= self._first:
            return
        assert self._t0 is not None
        over = sorted(number for number in self._open if number < frame)
        self.tally.empty += frame - self._first - len(over)
        self._first = frame
        for number in over:
            counts = self._open.pop(number)
            most = self._encoder.max_count
            self.tally.above += int(np.maximum(counts - most, 0).sum())
            start = self._t0 + number * self._frame_us
            self._exchange.give(self._encoder.frame(np.minimum(counts, most), start))
            self.tally.frames += 1
            self._exchange.drain(AHEAD)

    def _count(self, frame: Ints, time: Ints, place: Ints) -> None:
        """Add events to the frames that are open."""
        late = frame < self._first
        self.tally.late += int(np.count_nonzero(late))
        ticks, places = self._encoder.ticks, self._encoder.places
        for number in np.unique(frame[~late]):
            mine = frame == number
            tick = (time[mine] - self._t0) % self._frame_us // self.us
            counts = self._open.setdefault(int(number), np.zeros((ticks, places), np.int64))
            np.add.at(counts, (tick, place[mine]), 1)

    def _checked(self, t: Any, *coordinates: Any) -> tuple[Ints, Ints]:
        """Times and flat places (n,)."""
        names = ("t", "channel", "row", "column")
        given = [np.atleast_1d(np.asarray(values)) for values in (t, *coordinates)]
        for name, values in zip(names, given, strict=True):
            if values.size and values.dtype.kind not in "iub":
                raise TypeError(f"{name} must be integers, not {values.dtype}")
            if values.shape not in (given[0].shape, (1,)) or given[0].ndim != 1:
                raise ValueError(
                    f"{name} must have one value for each event, {given[0].shape}, not "
                    f"{values.shape}"
                )
        arrays = np.broadcast_arrays(*given)
        time, *places = (values.astype(np.int64) for values in arrays)
        for name, values, size in zip(names[1:], places, self.shape, strict=True):
            if len(wrong := values[(values < 0) | (values >= size)]):
                raise ValueError(f"{name} must lie in 0..{size - 1}, not {wrong[0]}")
        return time, np.ravel_multi_index(tuple(places), self.shape)
