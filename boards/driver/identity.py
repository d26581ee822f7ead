"""Who a board is, as its answer to HELLO says."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polyrhythm.boards.driver.errors import DeviceError, WrongBitstream
from polyrhythm.boards.link.packets import PROTOCOL, Message

HEAD = struct.Struct("<32sIBBBBHHB")  # and the version's text


@dataclass(frozen=True)
class Identity:
    """What a board says of itself.

    digest        of the network that it holds, 64 hexadecimal digits
    version       of the program that built its bitstream
    clock_hz      of its circuit
    slots         packets that it has room for
    classes       of an answer
    capabilities  bits, see docs/link.md
    """

    digest: str
    version: str
    clock_hz: int
    slots: int
    classes: int
    capabilities: int

    @classmethod
    def of(cls, port: str, message: Message) -> "Identity":
        """Read the answer. DeviceError for another protocol than this driver's."""
        if message["protocol"] != PROTOCOL or len(message.rest) < HEAD.size:
            raise DeviceError(
                f"{port}: the board must speak protocol {PROTOCOL} of the link, not "
                f"{message['protocol']}; build its bitstream again with this version"
            )
        digest, clock_hz, slots, *_, classes, capabilities, size = HEAD.unpack_from(message.rest)
        text = message.rest[HEAD.size : HEAD.size + size].decode("ascii", "replace")
        return cls(digest.hex(), text, clock_hz, slots, classes, capabilities)


def check_same(port: str, board: Identity, layout: Mapping[str, Any]) -> None:
    """WrongBitstream where the board holds another network than `layout` is of."""
    if board.digest != layout["digest"]:
        raise WrongBitstream(
            f"{port}: the board must hold network {layout['network']} "
            f"({layout['digest'][:16]}), but its bitstream is of network {board.digest[:16]}; load "
            "the bitstream of that network's build with `polyrhythm program`, or name the network "
            "that is there"
        )
