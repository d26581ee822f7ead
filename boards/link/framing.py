"""The host's framing: a body, its CRC, COBS, and a zero; and back, out of any bytes."""

import binascii
from collections import Counter

from cobs import cobs

from polyrhythm.boards.link.packets import BODY_BYTES, CRC_BYTES

CRC_START = 0xFFFF
DELIMITER = b"\0"


def frame(body: bytes) -> bytes:
    """The bytes on the line for a body without its CRC."""
    crc = binascii.crc_hqx(body, CRC_START).to_bytes(CRC_BYTES, "big")
    return bytes(cobs.encode(body + crc)) + DELIMITER


class Deframer:
    """Bytes as they come in, bodies out; whatever is no packet is dropped and counted.

    A zero always begins anew, so a packet that is whole is found whatever stood before it.
    faults: how many were dropped, by kind ("cobs", "length", "crc").
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._too_long = False
        self.faults: Counter[str] = Counter()

    def feed(self, received: bytes) -> list[bytes]:
        """The bodies, without their CRC, that these bytes complete."""
        *ended, rest = received.split(DELIMITER)
        found = []
        for piece in ended:
            self._hold(piece)
            if (body := self._taken()) is not None:
                found.append(body)
        self._hold(rest)
        return found

    def _hold(self, piece: bytes) -> None:
        # COBS adds one byte to a body of at most 253.
        self._held += piece[: BODY_BYTES + 2 - len(self._held)]
        self._too_long = len(self._held) > BODY_BYTES + 1

    def _taken(self) -> bytes | None:
        """The body of what is held, which is let go; None where it is none."""
        held, too_long = bytes(self._held), self._too_long
        self._held.clear()
        if not held:
            return None
        fault, body = _unpacked(held, too_long)
        if fault:
            self.faults[fault] += 1
            return None
        return body


def _unpacked(held: bytes, too_long: bool) -> tuple[str, bytes]:
    """What is wrong with the bytes of a packet, "" if nothing is, and the body without its CRC."""
    if too_long:
        return "length", b""
    try:
        body = bytes(cobs.decode(held))
    except cobs.DecodeError:
        return "cobs", b""
    if len(body) <= CRC_BYTES:
        return "length", b""
    if binascii.crc_hqx(body, CRC_START):
        return "crc", b""
    return "", body[:-CRC_BYTES]
