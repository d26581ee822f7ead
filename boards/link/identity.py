"""What a board says of itself: the answer to HELLO, which its registers hold too."""

from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from polyrhythm.boards.link import layout
from polyrhythm.hw.bus.registers import words_of
from polyrhythm.sw.plan.network import NetworkPlan
from polyrhythm.sw.plan.table import Table

ADDRESS = 0x40  # of the first register
WORDS, PIXELS = 1, 2  # bits of the capabilities: kinds of packets that it takes
_SIZES = {  # bytes of each number, in their order
    "clock_hz": 4,
    "slots": 1,
    "word_bytes": 1,
    "pixel_bits": 1,
    "logit_bytes": 1,
    "classes": 2,
    "capabilities": 2,
}


def identity_table(content: bytes) -> Table:
    """The identification as a memory of its registers, for circuits whose contents may be
    swapped."""
    words = np.array(words_of(content), np.int64)[:, None]
    return Table("identity", words, 32, "row = register of the identification", swappable=True)


@dataclass(frozen=True)
class Identity:
    """Who answers.

    digest        of the network, 64 hex digits
    clock_hz      of the accelerator
    slots         data packets that the host may have on their way
    word_bytes, pixel_bits, logit_bytes, classes   see `layout`
    capabilities  WORDS | PIXELS, those that it takes
    version       of the tool that made the design
    """

    digest: str
    clock_hz: int
    slots: int
    word_bytes: int
    pixel_bits: int
    logit_bytes: int
    classes: int
    capabilities: int
    version: str

    @classmethod
    def of(cls, plan: NetworkPlan, clock_hz: float, slots: int) -> "Identity":
        """The identity of a design."""
        return cls(
            plan.digest,
            round(clock_hz),
            slots,
            layout.word_bytes(plan),
            layout.pixel_bits(plan),
            layout.logit_bytes(plan),
            layout.classes(plan),
            WORDS | PIXELS,
            version("polyrhythm"),
        )

    def encode(self) -> bytes:
        """Digest, numbers, the version behind its length; zeros up to a multiple of 4."""
        numbers = b"".join(
            getattr(self, name).to_bytes(size, "little") for name, size in _SIZES.items()
        )
        text = self.version.encode("ascii")
        content = bytes.fromhex(self.digest) + numbers + bytes([len(text)]) + text
        return content + bytes(-len(content) % 4)

    @classmethod
    def decode(cls, content: bytes) -> "Identity":
        """The identity in what follows IDENTITY's fields. Raises ValueError where it is cut off."""
        at, numbers = 32, dict[str, int]()
        for name, size in _SIZES.items():
            numbers[name] = int.from_bytes(content[at : at + size], "little")
            at += size
        if len(content) <= at or len(content) <= at + content[at]:
            raise ValueError(
                f"an identification must have at least {at + 2} bytes, not {len(content)}"
            )
        text = content[at + 1 : at + 1 + content[at]].decode("ascii", "replace")
        return cls(digest=content[:32].hex(), version=text, **numbers)
