"""Prophesee's files: the header of lines that begin with %, .dat (types 2d and CD), .raw in EVT2
and EVT3.

EVT2 is words of 32 bits, EVT3 of 16, little-endian, the kind in the highest 4 bits. Times are given
in parts: the high part in a word of its own, which every later event shares, and which a camera
says at least as often as it changes. It wraps, after 2^34 us in EVT2 and 2^24 us in EVT3: a high
part that falls by half of its range or more has wrapped; any smaller step back is time that runs
back. Events before the first high part have no time, and are left out with a note.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events.recording import EVENT, Events, Recording

Column = npt.NDArray[np.int64]

EVT2_RANGE, EVT3_RANGE = 1 << 28, 1 << 12  # of the high part, in units of 64 and of 4096 us
LONGEST_HEADER = 1 << 16
PART = 1 << 18  # words that are decoded at a time


def split_header(where: str, data: bytes) -> tuple[dict[str, str], bytes]:
    """Keys and values of the lines that begin with %, and what follows them. The line `% end` is
    the last where there is one."""
    fields: dict[str, str] = {}
    place = 0
    while data[place : place + 1] == b"%":
        end = data.find(b"\n", place, place + LONGEST_HEADER)
        if end < 0 or place > LONGEST_HEADER:
            raise DataError(
                f"{where}: every line of the header must end, but the one at byte {place} does not"
            )
        line = data[place + 1 : end].decode("latin-1").strip()
        place = end + 1
        if line == "end":
            break
        key, _, value = line.partition(" ")
        fields[key.lower()] = value.strip()
    return fields, data[place:]


def sensor_of(fields: dict[str, str]) -> tuple[int, int] | None:
    """(height, width) as a header says it: height and width, geometry WxH, or inside its format."""
    text = fields.get("geometry", "")
    if match := re.fullmatch(r"(\d{1,5})x(\d{1,5})", text):
        return int(match[2]), int(match[1])
    words = dict(re.findall(r"(height|width)=(\d{1,5})", fields.get("format", "")))
    words |= {
        key: fields[key]
        for key in ("height", "width")
        if re.fullmatch(r"\d{1,5}", fields.get(key, ""))
    }
    height, width = (int(words.get(key, 0)) for key in ("height", "width"))
    return (height, width) if height and width else None


def read_dat(where: str, data: bytes) -> Recording:
    """A .dat file: 32 bits of microseconds, 32 bits of x, y and polarity; times do not wrap.

    Version 2 has x in bits 13..0, y in 27..14, polarity from 28 on; before it x in 8..0, y in
    16..9, polarity in 17.
    """
    fields, body = split_header(where, data)
    if fields:
        if len(body) < 2:
            raise DataError(
                f"{where}: after its header a .dat file must say its kind in two bytes, but has "
                f"{len(body)}"
            )
        kind, size, body = body[0], body[1], body[2:]
        if kind not in (0, 12) or size != 8:
            raise DataError(
                f"{where}: events must be of kind 0 (2d) or 12 (CD) in 8 bytes, not of kind {kind} "
                f"in {size}"
            )
    _whole_words(where, body, 8)
    pairs = np.frombuffer(body, "<u4").reshape(-1, 2)
    events = np.empty(len(pairs), EVENT)
    version = fields.get("version", "0")
    x_bits, y_bits = (14, 14) if version.isdigit() and int(version) >= 2 else (9, 8)
    events["t"], word = pairs[:, 0], pairs[:, 1]
    events["x"], events["y"] = word & (1 << x_bits) - 1, word >> x_bits & (1 << y_bits) - 1
    polarity = word >> x_bits + y_bits & (15 if x_bits == 14 else 1)
    if polarity.size and polarity.max() > 1:
        k = int(np.flatnonzero(polarity > 1)[0])
        raise DataError(f"{where}: polarity must be 0 or 1, not {polarity[k]} in event {k}")
    events["p"] = polarity
    return Recording(events, sensor_of(fields))


def read_raw(where: str, data: bytes) -> Recording:
    """A .raw file in EVT2 or EVT3, as its header says. DataError for any other."""
    fields, body = split_header(where, data)
    word = fields.get("format", "").split(";")[0].upper() or {"2.0": "EVT2", "3.0": "EVT3"}.get(
        fields.get("evt", ""), ""
    )
    if word not in FORMATS:
        told = word or (f"evt {fields['evt']}" if "evt" in fields else "nothing")
        raise DataError(
            f"{where}: the header must say format EVT2 or EVT3 (or evt 2.0, evt 3.0), not {told}"
        )
    decode, size = FORMATS[word]
    _whole_words(where, body, size)
    return decode(body, sensor_of(fields))


def _whole_words(where: str, body: bytes, size: int) -> None:
    if len(body) % size:
        raise DataError(
            f"{where}: must hold words of {size} bytes after its header, but {len(body)} bytes are "
            "no multiple: it was cut off"
        )


@dataclass
class State:
    """What holds when a part of a file begins; -1 where nothing was said yet."""

    high: int = -1  # of the time, with what it has wrapped
    low: int = 0
    y: int = -1
    x: int = -1  # of the next vector
    p: int = 0
    lost: int = 0  # events without a time or a place


def _in_parts(
    body: bytes, sensor: tuple[int, int] | None, word: str, part: Callable[[Column, State], Events]
) -> Recording:
    """Decode a slice of the words at a time, so that memory stays near what the events take."""
    words, state = np.frombuffer(body, word), State()
    parts = [part(words[k : k + PART].astype(np.int64), state) for k in range(0, len(words), PART)]
    told = (
        f"{state.lost} events come before the first word that says the high part of the time, "
        "and are left out"
    )
    return Recording(
        np.concatenate([np.zeros(0, EVENT), *parts]), sensor, (told,) if state.lost else ()
    )


def _latest(there: npt.NDArray[np.bool_]) -> Column:
    """For each word the index of the last word up to it where `there` holds, or -1."""
    return np.maximum.accumulate(np.where(there, np.arange(len(there)), -1))


def _highs(before: int, high: Column, span: int) -> Column:
    """The high part before, and those in their order, with what they have wrapped."""
    first = before % span if before >= 0 else int(high[0]) if len(high) else 0
    values = np.concatenate([[first], high])
    wrapped = np.cumsum(values[:-1] - values[1:] >= span // 2)
    return values + (max(before, 0) // span + np.concatenate([[0], wrapped])) * span


def decode_evt2(body: bytes, sensor: tuple[int, int] | None = None) -> Recording:
    """EVT2: CD events 0 (darker) and 1 (brighter) with 6 bits of time, 11 of x and 11 of y; 8 is
    the high part of the time."""
    return _in_parts(body, sensor, "<u4", _evt2)


def _evt2(words: Column, state: State) -> Events:
    kind = words >> 28
    is_high, is_event = kind == 8, kind <= 1
    base = _highs(state.high, words[is_high] & 0xFFFFFFF, EVT2_RANGE)
    number = np.cumsum(is_high)  # of the high part that holds at each word
    known = is_event if state.high >= 0 else is_event & (number > 0)
    word = words[known]
    events = np.empty(len(word), EVENT)
    events["t"] = (base[number[known]] << 6) + (word >> 22 & 63)
    events["x"], events["y"], events["p"] = word >> 11 & 0x7FF, word & 0x7FF, kind[known]
    state.lost += int(np.count_nonzero(is_event & ~known))
    state.high = int(base[-1]) if number[-1] else state.high
    return events


def decode_evt3(body: bytes, sensor: tuple[int, int] | None = None) -> Recording:
    """EVT3: y (0), x of one event (2), the x where vectors begin (3), vectors of 12 (4) or 8 (5)
    events, time low (6), high (8).

    A vector's bit k is an event at x + k, and moves the x of the next vector on by its length.
    Where the high part changes, the low part is 0 until it is said.
    """
    return _in_parts(body, sensor, "<u2", _evt3)


def _evt3(words: Column, state: State) -> Events:
    kind, value = words >> 12, words & 0xFFF
    high, single, length = kind == 8, kind == 2, np.select([kind == 4, kind == 5], [12, 8], 0)
    base, number = _highs(state.high, value[high], EVT3_RANGE), np.cumsum(high)
    y_at, low_at, x_at = _latest(kind == 0), _latest(kind == 6), _latest(kind == 3)
    moved = np.zeros(len(words), bool)  # high parts that say another time
    moved[high] = (np.diff(base) != 0) | ((np.arange(len(base) - 1) == 0) & (state.high < 0))
    moved_at = _latest(moved)
    low = np.where(low_at > moved_at, value[low_at], np.where(moved_at >= 0, 0, state.low))
    y = np.where(y_at >= 0, value[y_at] & 0x7FF, state.y)
    ends = np.cumsum(length)
    gone = ends - length  # events of all vectors before each word
    x = np.where(x_at >= 0, (value[x_at] & 0x7FF) + gone - gone[x_at], state.x + gone)
    x_known, p = (x_at >= 0) | (state.x >= 0), np.where(x_at >= 0, value[x_at] >> 11, state.p)
    timed = (number > 0) | (state.high >= 0)
    known = (single | (length > 0)) & timed & (y >= 0) & (single | x_known)
    state.lost += _events_of(kind, value, (single | (length > 0)) & ~known)
    found = _rows(np.flatnonzero(known), single, value, length, x, p)
    events = np.empty(len(found[0]), EVENT)
    place = found[0]
    events["t"], events["y"] = (base[number[place]] << 12) + low[place], y[place]
    # Vectors without end leave every sensor, and are refused with it
    events["x"] = np.minimum(found[1], 0xFFFF)
    events["p"] = found[2]
    state.high = int(base[-1]) if number[-1] else state.high
    state.low, state.y, state.p = int(low[-1]), int(y[-1]), int(p[-1])
    state.x = int(x[-1] + length[-1]) if x_known[-1] else -1
    return events


def _rows(
    chosen: Column,
    single: npt.NDArray[np.bool_],
    value: Column,
    length: Column,
    x: Column,
    p: Column,
) -> tuple[Column, Column, Column]:
    """The word, x and p of every event, in order: one of a single word, and one for each bit of a
    vector."""
    offsets = np.arange(12)
    bits = np.where(
        single[chosen, None],
        offsets == 0,
        value[chosen, None] >> offsets & (offsets < length[chosen, None]),
    )
    row, offset = np.nonzero(bits)
    place = chosen[row]
    alone = single[place]
    return (
        place,
        np.where(alone, value[place] & 0x7FF, x[place] + offset),
        np.where(alone, value[place] >> 11, p[place]),
    )


def _events_of(kind: Column, value: Column, chosen: npt.NDArray[np.bool_]) -> int:
    """How many events some words of EVT3 stand for."""
    single = np.count_nonzero(chosen & (kind == 2))
    ones = sum(
        int(np.count_nonzero((value[chosen & (kind == word)] & mask)[:, None] >> np.arange(12) & 1))
        for word, mask in ((4, 0xFFF), (5, 0xFF))
    )
    return int(single) + ones


FORMATS: dict[str, tuple[Callable[..., Recording], int]] = {
    "EVT2": (decode_evt2, 4),
    "EVT3": (decode_evt3, 2),
}
