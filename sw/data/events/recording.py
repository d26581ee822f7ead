"""What every reader of event files gives: one structured array, the sensor's size where the file
says it, and what was left out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.data.download import DataError

# Microseconds, columns, rows as the file counts them, and 1 where it became brighter.
EVENT = np.dtype([("t", np.int64), ("x", np.uint16), ("y", np.uint16), ("p", np.uint8)])
Events = npt.NDArray[Any]  # of EVENT, (events,)


@dataclass(frozen=True)
class Recording:
    """One recording as it stands in its file, in the order of the file."""

    events: Events  # (events,) EVENT
    sensor: tuple[int, int] | None = None  # height, width; None where the file does not say
    notes: tuple[str, ...] = ()  # what a reader left out, and why


def ordered(name: str, recording: Recording, sort: bool) -> Recording:
    """The recording with times that ascend: DataError with the place where they run back, unless
    `sort` puts them in order.

    Events of the same time stay in the order of the file.
    """
    t = recording.events["t"]
    back = np.flatnonzero(t[1:] < t[:-1])
    if not len(back):
        return recording
    if sort:
        return replace(recording, events=recording.events[np.argsort(t, kind="stable")])
    k = int(back[0]) + 1
    raise DataError(
        f"{name}: times must not run back, but event {k} is at {t[k]} us and the one before it at "
        f"{t[k - 1]} us "
        f"({len(back)} such places); say --sort-events to put them in order"
    )


@dataclass(frozen=True)
class Recordings(Sequence[Events]):
    """Recordings that are read one at a time, as they are asked for: a data set of them may be
    larger than the memory."""

    names: tuple[str, ...]  # for error messages
    readers: tuple[Callable[[], Events], ...]
    title: str = "recordings"  # of all of them

    def __len__(self) -> int:
        return len(self.readers)

    def __getitem__(self, chosen: Any) -> Any:
        """The events of one recording, or, for an array of numbers or a slice, those Recordings."""
        if isinstance(chosen, int | np.integer):
            return self.readers[chosen]()
        rows = np.arange(len(self))[chosen].tolist()
        return Recordings(
            tuple(self.names[k] for k in rows), tuple(self.readers[k] for k in rows), self.title
        )

    def __iter__(self) -> Iterator[Events]:
        return (read() for read in self.readers)


def named(recordings: Any) -> Iterator[tuple[str, Events]]:
    """(name, events) of each of some Recordings, or of an object array of events."""
    if isinstance(recordings, Recordings):
        return zip(recordings.names, recordings, strict=True)
    return ((f"recording {k}", events) for k, events in enumerate(recordings))
