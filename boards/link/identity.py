"""What a board says of itself: the answer to HELLO, which its registers hold too."""

from dataclasses import dataclass
from importlib.metadata import version

from polyrhythm.boards.link import layout
from polyrhythm.boards.link.packets import BODY_BYTES, PROTOCOL
from polyrhythm.sw.plan.network import NetworkPlan

WORDS, PIXELS = 1, 2  # bits of the capabilities: kinds of packets that it takes
_SIZES = {  # bytes of each number, in their order
    "slots": 1,
    "word_bytes": 1,
    "pixel_bits": 1,
    "logit_bytes": 1,
    "buffer": 2,
    "classes": 2,
    "capabilities": 2,
    "clock_hz": 4,
}


@dataclass(frozen=True)
class Identity:
    """Who answers.

    digest        of the network, 64 hex digits
    slots         data packets of any size that the host may have on their way
    buffer        or as many bytes: their bodies, and one more for each packet
    word_bytes, pixel_bits, logit_bytes, classes   see `layout`
    capabilities  WORDS | PIXELS, those that it takes
    clock_hz      of the accelerator
    version       of the tool that made the design
    """

    digest: str
    slots: int
    buffer: int
    word_bytes: int
    pixel_bits: int
    logit_bytes: int
    classes: int
    capabilities: int
    clock_hz: int
    version: str

    @classmethod
    def of(cls, plan: NetworkPlan, clock_hz: float, buffer: int) -> "Identity":
        """The identity of a design whose receiver has room for `buffer` bytes of data packets."""
        return cls(
            digest=plan.digest,
            slots=buffer // (BODY_BYTES + 1),
            buffer=buffer,
            word_bytes=layout.word_bytes(plan),
            pixel_bits=layout.pixel_bits(plan),
            logit_bytes=layout.logit_bytes(plan),
            classes=layout.classes(plan),
            capabilities=WORDS | PIXELS,
            clock_hz=round(clock_hz),
            version=version("polyrhythm"),
        )

    def encode(self) -> bytes:
        """The protocol, the numbers, the digest, and the version behind its length; zeros up to a
        multiple of 4."""
        numbers = b"".join(
            getattr(self, name).to_bytes(size, "little") for name, size in _SIZES.items()
        )
        text = self.version.encode("ascii")
        content = bytes([PROTOCOL]) + numbers + bytes.fromhex(self.digest) + bytes([len(text)])
        content += text
        return content + bytes(-len(content) % 4)

    @classmethod
    def decode(cls, content: bytes) -> "Identity":
        """The identity in what follows IDENTITY's fields, of which the protocol is the last one.
        Raises ValueError where it is cut off."""
        at, numbers = 0, dict[str, int]()
        for name, size in _SIZES.items():
            numbers[name] = int.from_bytes(content[at : at + size], "little")
            at += size
        digest, text = content[at : at + 32], content[at + 32 :]
        if not text or len(text) <= text[0]:
            raise ValueError(
                f"an identification must have at least {at + 34} bytes, not {len(content)}"
            )
        told = text[1 : 1 + text[0]].decode("ascii", "replace")
        return cls(digest=digest.hex(), version=told, **numbers)
