"""boards.link.framing, packets: what the host puts on the line and finds on it, whatever else stands
there."""

import random

import pytest

from polyrhythm.boards.link.framing import Deframer, frame
from polyrhythm.boards.link.packets import BODY_BYTES, CRC_BYTES, PACKETS, Kind, decode, encode


def bodies(rng: random.Random, number: int) -> list[bytes]:
    """Of every length, with many zeros, none, and any bytes."""
    made = []
    for k in range(number):
        size = (1, BODY_BYTES - CRC_BYTES, rng.randrange(1, BODY_BYTES - CRC_BYTES + 1))[k % 3]
        values = rng.choice(([0], [0, 1], range(1, 256), range(256)))
        made.append(bytes(rng.choice(values) for _ in range(size)))
    return made


def test_bodies_come_back_in_any_pieces() -> None:
    rng = random.Random(1)
    sent = bodies(rng, 60)
    line, deframer, found = b"".join(map(frame, sent)), Deframer(), []
    while line:
        size = rng.randrange(1, 40)
        found += deframer.feed(line[:size])
        line = line[size:]
    assert found == sent and not deframer.faults


def test_a_packet_on_the_line_as_the_page_shows_it() -> None:
    assert frame(encode(Kind.HELLO, nonce=0)).hex(" ") == "02 01 03 2e 3e 00"


@pytest.mark.parametrize("seed", range(3))
def test_finds_every_whole_packet_behind_garbage(seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    sent, line = bodies(rng, 100), b""
    for body in sent:
        garbage = bytes(rng.randrange(1, 256) for _ in range(rng.choice((0, 1, 5, 300))))
        line += garbage + b"\0" * bool(garbage) + frame(body)
    deframer = Deframer()
    # A 16-bit check lets one of 65,536 pieces of garbage pass; none of these seeds has one.
    assert deframer.feed(line) == sent
    assert {"cobs", "length"} <= set(deframer.faults)


@pytest.mark.parametrize("fault", ["crc", "cobs", "length"])
def test_counts_what_it_drops(fault: str) -> None:
    whole = frame(b"\x01abc")
    broken = {
        "crc": whole[:2] + bytes([whole[2] ^ 1]) + whole[3:],
        "cobs": whole[:3] + b"\0",
        "length": b"\x02\x07\0",
    }
    deframer = Deframer()
    assert deframer.feed(broken[fault] + whole) == [b"\x01abc"]
    assert deframer.faults == {fault: 1}


def test_every_kind_comes_back_from_its_bytes() -> None:
    rng = random.Random(3)
    for kind, row in PACKETS.items():
        fields = {field.name: rng.randrange(1 << 8 * field.bytes) for field in row.fields}
        rest = rng.randbytes(9) if row.rest else b""
        message = decode(encode(kind, rest, **fields))
        assert (message.kind, message.fields, message.rest) == (kind, fields, rest)


def test_refuses_a_body_that_is_too_long() -> None:
    with pytest.raises(ValueError) as error:
        encode(Kind.WORDS, bytes(246), seq=0, frame=0, chunk=0, flags=0)
    told = "WORDS: a body must have at most 251 bytes before its CRC, not 252"
    assert str(error.value) == told
    assert len(encode(Kind.WORDS, bytes(245), seq=0, frame=0, chunk=0, flags=0)) == 251


@pytest.mark.parametrize("body", [b"", b"\x77\x01", b"\x01", b"\x01\x01\x01", b"\x84\0\0"])
def test_refuses_what_is_no_packet(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"begins with|must have"):
        decode(body)
