"""A line between driver and board that damages what passes, one fault at a time, at a place that is
drawn."""

import binascii
from collections import Counter

import numpy as np
from cobs import cobs

from polyrhythm.boards.driver.port import Transport

FAULTS = ("flipped", "lost", "doubled", "inserted", "cut", "silence", "wrong crc")
TO, FROM = "to the board", "from the board"


class Faulty:
    """A transport that does one fault to its bytes in one direction when it is told to.

    fired: how many of each were done, by (kind, direction)
    """

    def __init__(self, inner: Transport, rng: np.random.Generator) -> None:
        self.inner, self.rng = inner, rng
        self.fired: Counter[tuple[str, str]] = Counter()
        self._armed: tuple[str, str] | None = None
        self._after = 0  # bytes that pass before it
        self._swallow = 0  # bytes that are still to be lost
        self._whole = bytearray()  # from the board: the packet that has begun

    def arm(self, kind: str, direction: str, after: int) -> None:
        """One fault of this kind, `after` bytes later."""
        self._armed, self._after = (kind, direction), after

    def disarm(self) -> bool:
        """No fault from here on; whether one was waiting still."""
        waiting, self._armed, self._swallow = self._armed is not None, None, 0
        return waiting

    def write(self, data: bytes) -> None:
        self.inner.write(self._passed(data, TO))

    def read(self, seconds: float) -> bytes:
        return self._passed(self.inner.read(seconds), FROM)

    def close(self) -> None:
        self.inner.close()

    def _passed(self, data: bytes, direction: str) -> bytes:
        if self._swallow and self._lost_in == direction:
            gone = min(self._swallow, len(data))
            self._swallow -= gone
            return data[gone:]
        if self._armed is None or self._armed[1] != direction or not data:
            return data
        if self._after >= len(data):
            self._after -= len(data)
            return data
        kind, at = self._armed[0], self._after
        damaged = self._damaged(kind, data, at, direction)
        if damaged is None:  # no whole packet to spoil here: at the next one
            return data
        self.fired[kind, direction] += 1
        self._armed = None
        return damaged

    def _damaged(self, kind: str, data: bytes, at: int, direction: str) -> bytes | None:
        rng, before, behind = self.rng, data[:at], data[at:]
        few = int(rng.integers(1, 5))
        if kind == "flipped":
            flips = rng.integers(1, 256, few, np.uint8)
            spoilt = bytes(a ^ int(b) for a, b in zip(behind, flips, strict=False))
            return before + spoilt + behind[len(spoilt) :]
        if kind == "lost":
            return before + behind[few:]
        if kind == "doubled":
            return before + behind[:few] + behind
        if kind == "inserted":
            return before + rng.bytes(int(rng.integers(1, 300))) + behind
        if kind == "wrong crc":
            return self._wrong_crc(data, at)
        # The rest of what is being sent, or that and more
        self._lost_in, self._swallow = direction, 0 if kind == "cut" else int(rng.integers(1, 200))
        return before

    def _wrong_crc(self, data: bytes, at: int) -> bytes | None:
        """A packet that is well formed but for its CRC."""
        low = data.rfind(b"\0", 0, at) + 1
        high = data.find(b"\0", at)
        if high <= low:
            return None
        try:
            body = bytearray(cobs.decode(data[low:high]))
        except cobs.DecodeError:
            return None
        if len(body) < 2:  # a piece of a packet, which has no CRC
            return None
        body[-1 - int(self.rng.integers(2))] ^= int(self.rng.integers(1, 256))
        assert binascii.crc_hqx(bytes(body), 0xFFFF) != 0
        return data[:low] + cobs.encode(bytes(body)) + data[high:]
