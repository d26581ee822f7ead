"""Prophesee's files: the header of lines that begin with %, .dat (types 2d and CD), .raw in EVT2 and EVT3.

EVT2 is words of 32 bits, EVT3 of 16, little-endian, the kind in the highest 4 bits. Times are given in parts: the high part in a
word of its own, which every later event shares, and which a camera says at least as often as it changes. It wraps, after 2^34 us in
EVT2 and 2^24 us in EVT3: a high part that falls by half of its range or more has wrapped; any smaller step back is time that runs
back. Events before the first high part have no time, and are left out with a note.
"""

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sw.download import DataError
from sw.events.recording import EVENT, Recording

Words = npt.NDArray[np.uint32]
Column = npt.NDArray[np.int64]

EVT2_RANGE, EVT3_RANGE = 1 << 28, 1 << 12  # of the high part, in units of 64 and of 4096 us
LONGEST_HEADER = 1 << 16


def split_header(where: str, data: bytes) -> tuple[dict[str, str], bytes]:
    """Keys and values of the lines that begin with %, and what follows them. The line `% end` is the last where there is one."""
    fields: dict[str, str] = {}
    place = 0
    while data[place : place + 1] == b"%":
        end = data.find(b"\n", place, place + LONGEST_HEADER)
        if end < 0 or place > LONGEST_HEADER:
            raise DataError(f"{where}: every line of the header must end, but the one at byte {place} does not")
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
    words |= {key: fields[key] for key in ("height", "width") if re.fullmatch(r"\d{1,5}", fields.get(key, ""))}
    height, width = (int(words.get(key, 0)) for key in ("height", "width"))
    return (height, width) if height and width else None


def read_dat(where: str, data: bytes) -> Recording:
    """A .dat file: 32 bits of microseconds, 32 bits of x, y and polarity; times do not wrap.

    Version 2 has x in bits 13..0, y in 27..14, polarity from 28 on; before it x in 8..0, y in 16..9, polarity in 17.
    """
    fields, body = split_header(where, data)
    if fields:
        if len(body) < 2:
            raise DataError(f"{where}: after its header a .dat file must say its kind in two bytes, but has {len(body)}")
        kind, size, body = body[0], body[1], body[2:]
        if kind not in (0, 12) or size != 8:
            raise DataError(f"{where}: events must be of kind 0 (2d) or 12 (CD) in 8 bytes, not of kind {kind} in {size}")
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
    word = fields.get("format", "").split(";")[0].upper() or {"2.0": "EVT2", "3.0": "EVT3"}.get(fields.get("evt", ""), "")
    if word not in FORMATS:
        told = word or (f"evt {fields['evt']}" if "evt" in fields else "nothing")
        raise DataError(f"{where}: the header must say format EVT2 or EVT3 (or evt 2.0, evt 3.0), not {told}")
    decode, size = FORMATS[word]
    _whole_words(where, body, size)
    return decode(body, sensor_of(fields))


def _whole_words(where: str, body: bytes, size: int) -> None:
    if len(body) % size:
        raise DataError(
            f"{where}: must hold words of {size} bytes after its header, but {len(body)} bytes are no multiple: it was cut off"
        )


def _latest(there: npt.NDArray[np.bool_]) -> Column:
    """For each word the index of the last word up to it where `there` holds, or -1."""
    return np.maximum.accumulate(np.where(there, np.arange(len(there)), -1))


def _base(high: Column, span: int) -> Column:
    """High parts in their order, with what they have wrapped added."""
    wrapped = np.concatenate([[False], high[:-1] - high[1:] >= span // 2]) if len(high) else np.zeros(0, bool)
    return high + np.cumsum(wrapped) * span


def _untimed(lost: int) -> tuple[str, ...]:
    told = f"{lost} events come before the first word that says the high part of the time, and are left out"
    return (told,) if lost else ()


def decode_evt2(body: bytes, sensor: tuple[int, int] | None = None) -> Recording:
    """EVT2: CD events 0 (darker) and 1 (brighter) with 6 bits of time, 11 of x and 11 of y; 8 is the high part of the time."""
    words = np.frombuffer(body, "<u4")
    kind = words >> 28
    is_high = kind == 8
    base = _base((words[is_high] & 0xFFFFFFF).astype(np.int64), EVT2_RANGE)
    number = np.cumsum(is_high) - 1  # of the high part that holds at each word
    chosen = np.flatnonzero((kind <= 1) & (number >= 0))
    lost = int(np.count_nonzero((kind <= 1) & (number < 0)))
    word = words[chosen]
    events = np.empty(len(chosen), EVENT)
    events["t"] = (base[number[chosen]] << 6) + (word >> 22 & 63)
    events["x"], events["y"], events["p"] = word >> 11 & 0x7FF, word & 0x7FF, kind[chosen]
    return Recording(events, sensor, _untimed(lost))


def decode_evt3(body: bytes, sensor: tuple[int, int] | None = None) -> Recording:
    """EVT3: y (0), x of one event (2), the x where vectors begin (3), vectors of 12 (4) or 8 (5) events, time low (6), high (8).

    A vector's bit k is an event at x + k, and moves the x of the next vector on by its length. Where the high part changes, the low
    part is 0 until it is said.
    """
    words = np.frombuffer(body, "<u2").astype(np.int64)
    kind, value = words >> 12, words & 0xFFF
    high = kind == 8
    base = _base(value[high], EVT3_RANGE)
    number = np.cumsum(high) - 1
    y_at, low_at, x_at = _latest(kind == 0), _latest(kind == 6), _latest(kind == 3)
    moved = np.flatnonzero(high)[
        np.diff(base, prepend=-1) != 0
    ]  # high parts that say another time, whose low part is 0 until it is said
    moved_at = _latest(np.isin(np.arange(len(words)), moved))
    length = np.select([kind == 4, kind == 5], [12, 8], 0)
    gone = np.concatenate([[0], np.cumsum(length)[:-1]]) if len(words) else length  # events of all vectors before each word
    sends = (kind == 2) | (length > 0)
    known = sends & (number >= 0) & (y_at >= 0) & ((kind == 2) | (x_at >= 0))
    single, vector = np.flatnonzero(known & (kind == 2)), np.flatnonzero(known & (length > 0))
    bits = value[vector, None] >> np.arange(12) & 1
    row, offset = np.nonzero(bits & (np.arange(12) < length[vector, None]))
    place = np.concatenate([single, vector[row]])
    start = x_at[vector]
    x = np.concatenate([value[single] & 0x7FF, ((value[start] & 0x7FF) + gone[vector] - gone[start])[row] + offset])
    p = np.concatenate([value[single] >> 11, (value[start] >> 11)[row]])
    order = np.argsort(place, kind="stable")
    place = place[order]
    events = np.empty(len(place), EVENT)
    events["t"] = (base[number[place]] << 12) + np.where(low_at[place] > moved_at[place], value[low_at[place]], 0)
    events["x"] = np.minimum(x[order], 0xFFFF)  # vectors without end run out of every sensor, and are refused with it
    events["y"], events["p"] = value[y_at[place]] & 0x7FF, p[order]
    return Recording(events, sensor, _untimed(_events_of(kind, value, sends & ~known)))


def _events_of(kind: Column, value: Column, chosen: npt.NDArray[np.bool_]) -> int:
    """How many events some words of EVT3 stand for."""
    single = np.count_nonzero(chosen & (kind == 2))
    ones = sum(int(np.count_nonzero((value[chosen & (kind == word)] & mask)[:, None] >> np.arange(12) & 1))
               for word, mask in ((4, 0xFFF), (5, 0xFF)))  # fmt: skip
    return int(single) + ones


FORMATS: dict[str, tuple[Callable[..., Recording], int]] = {"EVT2": (decode_evt2, 4), "EVT3": (decode_evt3, 2)}
