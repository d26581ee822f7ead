"""Recordings as counts: the source tick that each event belongs to, and what of a recording is not
in the counts.

t0 is the time of the recording's first event, t1 that of its last. An event at t lies in tick

    frames:T:N     floor((t - t0) * T / (t1 - t0 + 1)): T equal parts of the recording, the last
                   event in the last part
    window:US:T:N  floor((t - t0) / US): tick k is [t0 + k * US, t0 + (k + 1) * US); what comes
                   after T ticks is left out
    tonic:T:N      floor((t - t0) / w), w = floor((t1 - t0) / T): as tonic's ToFrame(n_time_bins=T)
                   cuts; the last event, and what else lies at t0 + T * w or later, is left out

A place (polarity, y, x) counts at most N events in a tick.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events.recording import Events, named

Told = Callable[[str], object]


@dataclass
class Tally:
    """What became of the events of some recordings."""

    events: int = 0
    behind: int = 0  # left out: after the last tick
    recordings: int = 0  # that have such
    longest: int = 0  # us from the first event to the last
    above: int = 0  # left out: more than N at one place in one tick
    empty: int = 0  # recordings without an event
    all: int = 0  # recordings

    def lines(self, chosen: Any) -> list[str]:
        """What was left out, and what would hold it."""
        found = []
        if self.empty:
            found.append(f"{self.empty:,} of {self.all:,} recordings hold no event")
        if self.behind:
            where = (
                f"{self.behind:,} of {self.events:,} events in {self.recordings:,} recordings "
                f"come after tick {chosen.T}"
            )
            need = self.longest // chosen.window + 1 if chosen.window else 0
            hint = (
                f"; window:{chosen.window}:{need}:{chosen.max_count} holds all of the longest "
                "recording"
                if need
                else ""
            )
            found.append(f"{where} of {chosen.text} and are left out{hint}")
        if self.above:
            found.append(
                f"{self.above:,} of {self.events:,} events are more than {chosen.max_count} at one "
                "place in one tick and left out"
            )
        return found


def ticks(t: npt.NDArray[np.int64], chosen: Any) -> npt.NDArray[np.int64]:
    """The tick of each event of one recording, T or more for those that are left out; `chosen`: a
    Preprocess."""
    since = t - t.min()
    span = int(since.max())
    if chosen.kind == "frames":
        if span >= 1 << 48:
            raise DataError(
                f"a recording must last less than 2^48 us, not {span}; its times are not what they "
                "should be"
            )
        return since * chosen.T // (span + 1)
    width = chosen.window if chosen.kind == "window" else span // chosen.T
    return np.minimum(since // width, chosen.T) if width else np.full(len(t), chosen.T)


def counts_of(
    recordings: Any,
    chosen: Any,
    shape: tuple[int, ...],
    dtype: npt.DTypeLike = np.int32,
    told: Told | None = None,
) -> npt.NDArray[Any]:
    """Counts (B, T, *shape) of Recordings, or of an object array of them; shape: (2, height,
    width).

    `told` hears what was left out. DataError for a coordinate that lies outside, and where none of
    them holds an event.
    """
    counts = np.zeros((len(recordings), chosen.T, *shape), dtype)
    tally = Tally(all=len(recordings))
    for frame, (name, events) in zip(counts, named(recordings), strict=True):
        check_places(name, events, shape)
        if len(events):
            _count(frame, events, chosen, shape, tally)
        tally.empty += not len(events)
    title = getattr(recordings, "title", "recordings")
    if tally.empty and tally.empty == tally.all:
        raise DataError(
            f"{title}: {tally.empty:,} of {tally.all:,} recordings hold no event: there is nothing "
            "to count"
        )
    for line in tally.lines(chosen) if told else ():
        told(f"{title}: {line}")  # type: ignore[misc]
    return counts


def _count(
    frame: npt.NDArray[Any], events: Events, chosen: Any, shape: tuple[int, ...], tally: Tally
) -> None:
    t = events["t"].astype(np.int64)
    tick = ticks(t, chosen)
    kept = tick < chosen.T
    tally.events += len(events)
    tally.longest = max(tally.longest, int(t.max() - t.min()))
    behind = len(events) - int(np.count_nonzero(kept))
    tally.behind, tally.recordings = tally.behind + behind, tally.recordings + (behind > 0)
    place = ((tick * shape[0] + events["p"]) * shape[1] + events["y"]) * shape[2] + events["x"]
    found = np.bincount(place[kept], minlength=chosen.T * math.prod(shape))
    tally.above += int(np.maximum(found - chosen.max_count, 0).sum())
    frame[...] = np.minimum(found, chosen.max_count).reshape(frame.shape)


def check_places(name: str, events: Events, shape: tuple[int, ...]) -> None:
    """DataError where an event lies outside of (2, height, width)."""
    for key, extent in (("x", shape[2]), ("y", shape[1]), ("p", shape[0])):
        if len(events) and int(events[key].max()) >= extent:
            k = int(np.flatnonzero(events[key] >= extent)[0])
            size = f"the sensor is {shape[2]} x {shape[1]}"
            raise DataError(
                f"{name}: {size}, so {key} must be 0..{extent - 1}, not {events[key][k]} in event "
                f"{k}"
            )
