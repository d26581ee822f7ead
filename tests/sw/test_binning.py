"""Recordings as counts: which tick an event belongs to, and that what is in no count is told."""

import numpy as np
import pytest

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events.recording import EVENT, Recordings
from polyrhythm.sw.data.preprocess import encode

SENSOR = (2, 3, 4)


def recording(*times: int, x: int = 0, y: int = 0, p: int = 0) -> np.ndarray:
    return np.array([(t, x, y, p) for t in times], EVENT)


def several(*events: np.ndarray) -> np.ndarray:
    found = np.empty(len(events), object)
    for k, one in enumerate(events):
        found[k] = one
    return found


def ticks(preprocess: str, *times: int) -> list[int]:
    """Events of one place in each tick."""
    told: list[str] = []
    counts = encode(several(recording(*times)), preprocess, shape=SENSOR, told=told.append)
    assert counts.sum() == counts[0, :, 0, 0, 0].sum()
    lost = sum(int(line.split(": ")[1].split(" of ")[0].replace(",", "")) for line in told)
    assert counts.sum() + lost == len(times)  # every event is counted, or told
    return counts[0, :, 0, 0, 0].tolist()


def test_frames_are_equal_parts_of_the_recording() -> None:
    assert ticks("frames:5:99", *range(10)) == [2, 2, 2, 2, 2]
    assert ticks("frames:3:99", 100, 101, 102, 103) == [2, 1, 1]
    assert ticks("frames:4:99", 7) == [1, 0, 0, 0]
    assert ticks("frames:2:99", 5, 5, 5) == [3, 0]


def test_windows_begin_at_the_first_event_and_hold_their_first_microsecond() -> None:
    assert ticks("window:10:3:99", 1000, 1009, 1010, 1019, 1020, 1029) == [2, 2, 2]
    # The last one comes after three windows
    assert ticks("window:10:3:99", 1000, 1029, 1030) == [1, 0, 1]


def test_tonic_loses_the_last_event() -> None:
    """As ToFrame(n_time_bins=5) of tonic 1.7.0 does: 10 events at 0..9 keep 5."""
    assert ticks("tonic:5:99", *range(10)) == [1, 1, 1, 1, 1]
    assert ticks("tonic:2:99", 0, 4, 5, 9, 10) == [2, 2]
    assert ticks("tonic:5:99", 3, 4) == [0, 0, 0, 0, 0]


def test_a_place_counts_at_most_n() -> None:
    assert ticks("frames:1:3", 1, 2, 3, 4, 5) == [3]


def test_what_is_left_out_is_told_with_what_holds_it() -> None:
    told: list[str] = []
    parts = several(recording(0, 5, 47), recording(100, 101, 101), recording())
    encode(parts, "window:10:2:1", shape=SENSOR, told=told.append)
    assert told == [
        "recordings: 1 of 3 recordings hold no event",
        "recordings: 1 of 6 events in 1 recordings come after tick 2 of window:10:2:1 and are left out; "
        "window:10:5:1 holds all of the longest recording",
        "recordings: 3 of 6 events are more than 1 at one place in one tick and left out",
    ]
    told.clear()
    encode(parts[:2], "window:10:5:9", shape=SENSOR, told=told.append)
    assert told == []


def test_recordings_without_any_event_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        encode(several(recording(), recording()), "frames:2:2", shape=SENSOR)
    assert (
        str(caught.value)
        == "recordings: 2 of 2 recordings hold no event: there is nothing to count"
    )


def test_counts_stand_at_polarity_y_and_x() -> None:
    counts = encode(several(recording(4, 8, x=3, y=2, p=1)), "window:4:2:9", shape=SENSOR)
    assert (
        counts.shape == (1, 2, 2, 3, 4)
        and counts[0, 0, 1, 2, 3] == counts[0, 1, 1, 2, 3] == 1
        and counts.sum() == 2
    )


def test_times_since_1970_are_exact() -> None:
    now = 1_605_537_493_718_345
    assert ticks("window:1:3:9", now, now + 1, now + 2) == [1, 1, 1]


def test_an_event_beyond_the_sensor() -> None:
    parts = Recordings(("a.raw",), (lambda: recording(1, 2, x=4),))
    with pytest.raises(DataError) as caught:
        encode(parts, "frames:2:2", shape=SENSOR)
    assert str(caught.value) == "a.raw: the sensor is 4 x 3, so x must be 0..3, not 4 in event 0"


def test_a_recording_that_lasts_too_long() -> None:
    with pytest.raises(
        DataError,
        match=r"^a recording must last less than 2\^48 us, not 1152921504606846976; its times are not what they should be$",
    ):
        encode(several(recording(0, 1 << 60)), "frames:2:2", shape=SENSOR)


def test_recordings_are_read_one_at_a_time() -> None:
    open_now, most = [0], [0]

    def read() -> np.ndarray:
        open_now[0] += 1
        most[0] = max(most[0], open_now[0])
        return recording(1, 2)

    parts = Recordings(tuple("abc"), (read, read, read))
    assert (
        most[0] == 0
        and len(parts[1:]) == 2
        and parts[np.array([2, 0])].names == ("c", "a")
        and most[0] == 0
    )
    assert encode(parts, "frames:1:9", shape=SENSOR)[:, 0, 0, 0, 0].tolist() == [2, 2, 2]
