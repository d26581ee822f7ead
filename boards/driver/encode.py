"""Counts as the data of packets: event words, or every count of a tick, whichever is shorter.

Axis order: counts (T, N) of one frame, N the flat (C, H, W) places of the network's input.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.boards.driver.frame import Frame
from polyrhythm.boards.link.packets import BODY_BYTES, CRC_BYTES, PACKETS, Kind

Ints = npt.NDArray[Any]
CHUNK = BODY_BYTES - 1 - PACKETS[Kind.WORDS].head - CRC_BYTES  # bytes of data in a packet
MOST_CHUNKS = 256


class Encoder:
    """Makes packets' data of frames, as the `link` object of a design says."""

    def __init__(self, layout: Mapping[str, Any]) -> None:
        self.places = math.prod(layout["shape"])
        self.ticks, self.max_count = int(layout["ticks"]), int(layout["max_count"])
        self._fields: Mapping[str, Any] = layout["word"]
        self._word_bytes, self._pixel_bits = layout["word_bytes"], layout["pixel_bits"]
        self._address = addresses(layout)  # (N,)
        self._by_address = np.argsort(self._address)  # places in the order of addresses

    def frame(self, counts: Ints, tag: object = None) -> Frame:
        """One frame (T, N) of counts 0..max_count. ValueError where it is longer than a frame of
        the link can be."""
        words = int(np.count_nonzero(counts)) + self.ticks
        bits = self._pixel_bits * counts.size
        if words * self._word_bytes * 8 <= bits:
            kind, data, whole = Kind.WORDS, self.words(counts), self._word_bytes
        else:
            kind, data, whole = Kind.PIXELS, self.pixels(counts), max(1, self._pixel_bits // 8)
        step = CHUNK // whole * whole
        chunks = [data[low : low + step] for low in range(0, len(data), step)]
        if len(chunks) > MOST_CHUNKS:
            raise ValueError(
                f"a frame must be sent in at most {MOST_CHUNKS} packets, but this one needs "
                f"{len(chunks)} ({len(data):,} bytes); fewer ticks, or fewer events"
            )
        return Frame(kind, chunks, tag)

    def words(self, counts: Ints) -> bytes:
        """Event words: spikes in the order of addresses, a tick or end word behind each tick."""
        counts, address = counts[:, self._by_address], self._address[self._by_address]
        tick, place = np.nonzero(counts)
        number = len(tick) + self.ticks
        words = np.zeros(number, np.uint64)
        spikes = np.arange(len(tick)) + tick
        words[spikes] = self._field("address", address[place])
        words[spikes] |= self._field("count", counts[tick, place])
        closing = np.setdiff1d(np.arange(number), spikes)
        words[closing] = self._field("tick", np.ones(self.ticks, np.uint64))
        words[closing[-1]] = self._field("end", np.ones(1, np.uint64))[0]
        octets = words[:, None] >> np.uint64(8) * np.arange(self._word_bytes, dtype=np.uint64)
        return (octets & np.uint64(255)).astype(np.uint8).tobytes()

    def _field(self, name: str, values: Ints) -> Ints:
        """Values at the place of a field; nothing where words have no such field."""
        if name not in self._fields:
            return np.zeros(len(values), np.uint64)
        return values.astype(np.uint64) << np.uint64(self._fields[name]["low"])

    def pixels(self, counts: Ints) -> bytes:
        """Every count, `pixel_bits` each, low bits first; a tick begins with a byte of its own."""
        bits = np.arange(self._pixel_bits)
        each = (counts[:, self._by_address, None] >> bits & 1).astype(np.uint8)  # (T, N, bits)
        return np.packbits(each.reshape(len(counts), -1), axis=1, bitorder="little").tobytes()


def addresses(layout: Mapping[str, Any]) -> Ints:
    """The address of each flat (C, H, W) place: (N,)."""
    places = np.indices(layout["shape"], dtype=np.uint64).reshape(3, -1)
    return (places * np.array(layout["strides"], np.uint64)[:, None]).sum(axis=0, dtype=np.uint64)
