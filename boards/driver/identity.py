"""Who a board is, and whether it is the one that is asked for."""

from collections.abc import Mapping
from typing import Any

from polyrhythm.boards.driver.errors import DeviceError, WrongBitstream
from polyrhythm.boards.link.identity import Identity
from polyrhythm.boards.link.packets import PROTOCOL, Message


def identity_of(port: str, message: Message) -> Identity:
    """The answer to HELLO. DeviceError for another protocol than this driver's."""
    if message["protocol"] != PROTOCOL:
        raise DeviceError(
            f"{port}: the board must speak protocol {PROTOCOL} of the link, not "
            f"{message['protocol']}; build its bitstream again with this version"
        )
    try:
        return Identity.decode(message.rest)
    except ValueError as error:
        raise DeviceError(f"{port}: {error}; build the board's bitstream again") from None


def check_same(port: str, board: Identity, layout: Mapping[str, Any]) -> None:
    """WrongBitstream where the board holds another network than `layout` is of."""
    if board.digest != layout["digest"]:
        raise WrongBitstream(
            f"{port}: the board must hold network {layout['network']} "
            f"({layout['digest'][:16]}), but its bitstream is of network {board.digest[:16]}; load "
            "the bitstream of that network's build with `polyrhythm program`, or name the network "
            "that is there"
        )
    for name in ("word_bytes", "pixel_bits", "logit_bytes", "classes"):
        if getattr(board, name) != layout[name]:
            raise WrongBitstream(
                f"{port}: the board has {name} {getattr(board, name)}, but this version lays "
                f"network {layout['network']} out with {layout[name]}; build its bitstream again "
                "with this version"
            )
