"""A frame on its way to a board and back."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from polyrhythm.boards.link.packets import Kind


@dataclass(eq=False)
class Frame:
    """One frame on its way: what it is made of, and what has come of it.

    kind, chunks  the packets' kind, and their data behind the head
    tag           the caller's own
    sent          how often it was begun to be sent
    """

    kind: Kind
    chunks: Sequence[bytes]
    tag: object = None
    sent: int = 0
    answer: int = -1
    cycles: int = 0
    logits: dict[int, int] = field(default_factory=dict)
    last_seq: int = -1  # of the packet that closed it
