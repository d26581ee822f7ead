"""Writers of event files, from the descriptions of the formats; one word at a time, so that nothing
is shared with the readers."""

import struct
from collections.abc import Iterable

import numpy as np

from polyrhythm.sw.data.events.recording import EVENT

Event = tuple[int, int, int, int]  # t, x, y, p


def events(rows: Iterable[Event]) -> np.ndarray:
    return np.array(list(rows), EVENT)


def random_events(
    seed: int, size: int, span: int, width: int = 320, height: int = 240, start: int = 0
) -> np.ndarray:
    """Events in ascending time; about every third shares its time with the one before it."""
    rng = np.random.default_rng(seed)
    made = np.zeros(size, EVENT)
    made["t"] = start + np.sort(rng.choice(rng.integers(0, span, max(1, size * 2 // 3)), size))
    made["x"], made["y"], made["p"] = (
        rng.integers(0, width, size),
        rng.integers(0, height, size),
        rng.integers(0, 2, size),
    )
    return made


def header(*lines: str) -> bytes:
    return "".join(f"% {line}\n" for line in (*lines, "end")).encode()


def evt2(made: np.ndarray, lines: tuple[str, ...] = ("format EVT2;height=240;width=320",)) -> bytes:
    """32-bit words: kind 8 with bits 33..6 of the time where they change, kind 0 or 1 with 6 bits
    of time, 11 of x, 11 of y."""
    out, high = [header(*lines)], -1
    for t, x, y, p in made.tolist():
        # A camera says the time as it passes, at least once in each turn of the counter
        while high < t >> 6:
            high = min(t >> 6, high + (1 << 27)) if high >= 0 else t >> 6
            out.append(struct.pack("<I", 8 << 28 | high & 0xFFFFFFF))
        out.append(struct.pack("<I", p << 28 | (t & 63) << 22 | x << 11 | y))
    return b"".join(out)


def evt3(
    made: np.ndarray,
    lines: tuple[str, ...] = ("format EVT3;height=240;width=320",),
    vectors: bool = True,
    step: int = 1,
) -> bytes:
    """16-bit words: 8 high and 6 low 12 bits of the time, 0 y, 2 x of one event, 3 x of a row of
    them, which 4 and 5 give as bits."""
    out, high, low, y_now = [header(*lines)], -1, -1, -1
    rows = made.tolist()

    def word(kind: int, value: int) -> None:
        out.append(struct.pack("<H", kind << 12 | value))

    k = 0
    while k < len(rows):
        t, x, y, p = rows[k]
        while high < t >> 12:
            high = min(t >> 12, high + step) if high >= 0 else t >> 12
            word(8, high & 0xFFF)
            low = -1
        if low != t & 0xFFF:
            low = t & 0xFFF
            word(6, low)
        if y_now != y:
            y_now = y
            word(0, y)
        row = [x]  # those that follow, on the same line to the right
        while (
            vectors
            and k + len(row) < len(rows)
            and rows[k + len(row)] == (t, rows[k + len(row)][1], y, p)
            and rows[k + len(row)][1] > row[-1]
        ):
            row.append(rows[k + len(row)][1])
        if len(row) == 1:
            word(2, p << 11 | x)
        else:
            word(3, p << 11 | x)
            base = x
            while base <= row[-1]:
                size = 12 if row[-1] - base >= 8 else 8
                word(
                    4 if size == 12 else 5,
                    sum(1 << one - base for one in row if base <= one < base + size),
                )
                base += size
        k += len(row)
    return b"".join(out)


def dat(
    made: np.ndarray,
    lines: tuple[str, ...] = ("Data file containing CD events.", "Version 2"),
    kind: int = 12,
) -> bytes:
    """Two 32-bit words an event: microseconds; x in bits 13..0, y in 27..14, polarity from 28
    on."""
    head = "".join(f"% {line}\n" for line in lines).encode() + bytes([kind, 8])
    return head + b"".join(
        struct.pack("<II", t, x | y << 14 | p << 28) for t, x, y, p in made.tolist()
    )


def nmnist(made: np.ndarray) -> bytes:
    """5 bytes an event; y = 240 marks every 8192 us from 2^23 us on."""
    out, behind = [], 0
    for t, x, y, p in made.tolist():
        while t - behind >= 1 << 23:
            behind += 8192
            out.append(bytes([0, 240, 0, 0, 0]))
        time = t - behind
        out.append(bytes([x, y, p << 7 | time >> 16, time >> 8 & 255, time & 255]))
    return b"".join(out)
