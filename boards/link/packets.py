"""The packets of the link as data: what both ends, and the page of the docs, are made of.

A body is its kind (one byte), the fields of its row, little-endian, and what follows them.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

PROTOCOL = 1  # what the board says of itself in HELLO's answer
BODY_BYTES = 253  # longest body, its kind and its CRC included
CRC_BYTES = 2
FIRST, LAST = 1, 2  # bits of `flags`: the chunk is the first, the last of its frame


class Kind(IntEnum):
    """What a packet is; those of the board have the highest bit set."""

    HELLO = 0x01
    READ = 0x02
    WRITE = 0x03
    WORDS = 0x04
    PIXELS = 0x05
    IDENTITY = 0x81
    VALUES = 0x82
    WRITTEN = 0x83
    RESULT = 0x84
    DONE = 0x85
    REFUSED = 0x86


class Reason(IntEnum):
    """Why the board sends REFUSED."""

    UNKNOWN = 1
    DROPPED = 2
    NO_FIRST = 3
    MISSING = 4
    REPLACED = 5
    HELLO = 6
    MALFORMED = 7
    BROKEN = 8


REASON_DOC = {
    Reason.UNKNOWN: "a packet of no known kind, or of a length that its kind does not have",
    Reason.DROPPED: "a packet was dropped by the receiver, while no frame was open",
    Reason.BROKEN: "a packet was dropped by the receiver, while the frame was open",
    Reason.NO_FIRST: "a chunk of a frame that is not open: its first chunk did not come, or the "
    "frame was abandoned",
    Reason.MISSING: "another chunk was expected in the open frame",
    Reason.REPLACED: "the first chunk of another frame came before the open one's last",
    Reason.HELLO: "HELLO came before the open frame's last chunk",
    Reason.MALFORMED: "the chunks were there, but are no frame: too few or too many words or "
    "pixels, a part of one, or ticks and end in other places",
}


@dataclass(frozen=True)
class Field:
    """One integer of a packet, unsigned, little-endian."""

    name: str
    bytes: int
    doc: str


@dataclass(frozen=True)
class Packet:
    """A kind of packet: its fields, and what follows them (nothing where `rest` is empty)."""

    kind: Kind
    doc: str
    fields: tuple[Field, ...]
    rest: str = ""

    @property
    def head(self) -> int:
        """Bytes of all fields."""
        return sum(field.bytes for field in self.fields)


_CHUNK = (
    Field("seq", 1, "number of the packet, which DONE gives back"),
    Field("frame", 2, "number of the frame"),
    Field("chunk", 1, "number of the chunk in its frame, from 0"),
    Field("flags", 1, "bit 0: first chunk of its frame; bit 1: last chunk"),
)
PACKETS = {
    packet.kind: packet
    for packet in (
        Packet(
            Kind.HELLO,
            "asks who is there; abandons an open frame",
            (Field("nonce", 1, "any number, which the answer gives back"),),
        ),
        Packet(
            Kind.READ,
            "reads registers that follow each other",
            (
                Field("address", 2, "of the first register, a multiple of 4"),
                Field("count", 1, "registers, 1..32"),
            ),
        ),
        Packet(
            Kind.WRITE,
            "writes registers that follow each other",
            (Field("address", 2, "of the first register, a multiple of 4"),),
            "1..32 values of 4 bytes",
        ),
        Packet(
            Kind.WORDS, "a part of a frame, as words of the accelerator's input", _CHUNK, "words"
        ),
        Packet(
            Kind.PIXELS, "a part of a frame, as counts of all its inputs", _CHUNK, "packed counts"
        ),
        Packet(
            Kind.IDENTITY,
            "answers HELLO",
            (
                Field("nonce", 1, "of the HELLO"),
                Field("protocol", 1, f"{PROTOCOL}"),
            ),
            "the identification, as its registers hold it",
        ),
        Packet(
            Kind.VALUES,
            "answers READ",
            (Field("address", 2, "of the READ"),),
            "values of 4 bytes; 0 where there is no register",
        ),
        Packet(
            Kind.WRITTEN,
            "answers WRITE",
            (
                Field("address", 2, "of the WRITE"),
                Field("count", 1, "its values"),
                Field("status", 1, "0: all written; 1: at least one was refused"),
            ),
        ),
        Packet(
            Kind.RESULT,
            "a frame's answer, or a part of it",
            (
                Field("frame", 2, "number of the frame"),
                Field("class", 2, "of the largest logit, the lowest one on a tie"),
                Field("cycles", 4, "what the frame took, see the register `cycles`"),
                Field("first", 2, "class of the first logit that follows"),
            ),
            "logits, signed",
        ),
        Packet(
            Kind.DONE,
            "a data packet, and all before it, were dealt with",
            (Field("seq", 1, "of the packet"),),
        ),
        Packet(
            Kind.REFUSED,
            "a frame was abandoned, or a packet not understood",
            (
                Field("reason", 1, "why"),
                Field("frame", 2, "number of the frame; 0 where there is none"),
            ),
        ),
    )
}


@dataclass(frozen=True)
class Message:
    """A packet as the host sees it: its kind, its fields by name, and what follows them."""

    kind: Kind
    fields: dict[str, int]
    rest: bytes = b""

    def __getitem__(self, name: str) -> int:
        return self.fields[name]


def encode(kind: Kind, rest: bytes = b"", **fields: int) -> bytes:
    """The body of a packet, without its CRC. Raises ValueError for a body that is too long, and
    KeyError or OverflowError for fields that its row does not have or that do not fit."""
    row = PACKETS[kind]
    if fields.keys() - {field.name for field in row.fields}:
        raise KeyError(f"{kind.name} has no such field: {sorted(fields)}")
    head = b"".join(fields[field.name].to_bytes(field.bytes, "little") for field in row.fields)
    body = bytes([kind]) + head + rest
    if len(body) + CRC_BYTES > BODY_BYTES:
        raise ValueError(
            f"{kind.name}: a body must have at most {BODY_BYTES - CRC_BYTES} bytes before its CRC, "
            f"not {len(body)}"
        )
    return body


def decode(body: bytes) -> Message:
    """A body without its CRC as a message. Raises ValueError where it is no packet of the link."""
    if not body or body[0] not in set(Kind):
        raise ValueError(f"no packet of the link begins with {body[:1].hex() or 'nothing'}")
    kind = Kind(body[0])
    row, at = PACKETS[kind], 1
    fields: dict[str, Any] = {}
    if len(body) < 1 + row.head or (len(body) > 1 + row.head and not row.rest):
        raise ValueError(f"{kind.name} must have {row.head} bytes, not {len(body) - 1}")
    for field in row.fields:
        fields[field.name] = int.from_bytes(body[at : at + field.bytes], "little")
        at += field.bytes
    return Message(kind, fields, body[at:])
