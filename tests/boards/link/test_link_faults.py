"""boards.link: whatever happens to the bytes of a frame, no wrong answer comes, and the frame behind
it is answered."""

import random
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from linked import BROKEN, SILENCE, Board, answers, chunks
from networks import random_inputs, random_network

from polyrhythm.boards.link.framing import Deframer, frame
from polyrhythm.boards.link.map import LINK_FAULTS, link_map
from polyrhythm.boards.link.packets import Kind, Reason, decode, encode
from polyrhythm.sim import verilator
from polyrhythm.sw import golden

GAP = SILENCE + 1500  # bits in which every answer can leave
Symbols = list[int]


def flip(line: Symbols, rng: random.Random) -> Symbols:
    """One bit of a byte, or several."""
    at = rng.randrange(len(line))
    return [
        *line[:at],
        line[at] ^ rng.choice((1 << rng.randrange(8), rng.randrange(1, 256))),
        *line[at + 1 :],
    ]


def lose(line: Symbols, rng: random.Random) -> Symbols:
    at = rng.randrange(len(line))
    return line[:at] + line[at + rng.choice((1, 1, 2, 9)) :]


def double(line: Symbols, rng: random.Random) -> Symbols:
    at = rng.randrange(len(line))
    return line[: at + 1] + line[at:]


def insert(line: Symbols, rng: random.Random) -> Symbols:
    at = rng.randrange(len(line))
    return line[:at] + [rng.randrange(256) for _ in range(rng.choice((1, 2, 300)))] + line[at:]


def cut(line: Symbols, rng: random.Random) -> Symbols:
    return line[: rng.randrange(len(line))]


def unstop(line: Symbols, rng: random.Random) -> Symbols:
    at = rng.randrange(len(line))
    return [*line[:at], line[at] + BROKEN, *line[at + 1 :]]


def silence(line: Symbols, rng: random.Random) -> Symbols:
    """Nothing is lost; it only takes its time."""
    at = rng.randrange(len(line))
    return [*line[:at], SILENCE + rng.randrange(1, 3000), *line[at:]]


BYTES = (flip, lose, double, insert, cut, unstop, silence)


def swap(packets: list[bytes], rng: random.Random) -> list[bytes]:
    return rng.sample(packets, len(packets))


def repeat(packets: list[bytes], rng: random.Random) -> list[bytes]:
    at = rng.randrange(len(packets))
    return packets[: at + 1] + packets[at:]


def drop(packets: list[bytes], rng: random.Random) -> list[bytes]:
    at = rng.randrange(len(packets))
    return packets[:at] + packets[at + 1 :]


def unknown(packets: list[bytes], rng: random.Random) -> list[bytes]:
    body = rng.choice(
        (b"\x77abc", b"\x01", b"\x02\0\0\x21", b"\x02\x01\0\x01", b"\x03\0\0\x01", b"\x04\0")
    )
    at = rng.randrange(len(packets) + 1)
    return [*packets[:at], body, *packets[at:]]


def hello(packets: list[bytes], rng: random.Random) -> list[bytes]:
    at = rng.randrange(len(packets) + 1)
    return [*packets[:at], encode(Kind.HELLO, nonce=1), *packets[at:]]


def shorten(packets: list[bytes], rng: random.Random) -> list[bytes]:
    """Whole packets of a frame that is none."""
    return [*packets[:-1], packets[-1][: rng.randrange(6, max(7, len(packets[-1])))]]


PACKETS = (swap, repeat, drop, unknown, hello, shorten)


class Story:
    """Frames that something happens to, each before one that nothing happens to."""

    def __init__(self, board: Board, seed: int):
        self.board, self.rng = board, random.Random(seed)
        network = board.network
        inputs = random_inputs(np.random.default_rng(seed), network, 40)
        self.inputs = inputs.reshape(-1, network.input.T, *network.input.shape)
        self.expected = golden.run(network, self.inputs)
        self.line: Symbols = []
        self.sent: dict[int, int] = {}  # number -> which of the inputs
        self.probes: list[int] = []

    def packets(self) -> list[bytes]:
        """A frame's bodies, under a number of its own."""
        number, which = len(self.sent), self.rng.randrange(len(self.inputs))
        self.sent[number] = which
        kind = self.rng.choice((Kind.WORDS, Kind.PIXELS))
        make = self.board.words if kind == Kind.WORDS else self.board.pixels
        size = self.rng.choice((1, 2, 5, 100)) * self.board.layout["word_bytes"]
        return chunks(kind, make(self.inputs[which]), number, number % 256, size)

    def bytes(self, packets: list[bytes]) -> Symbols:
        return [symbol for body in packets for symbol in frame(body)]

    def happens(self, what: Callable[..., list]) -> None:  # type: ignore[type-arg]
        """A frame with a fault, and one without."""
        packets = self.packets()
        if what in PACKETS:
            self.line += [*self.bytes(what(packets, self.rng)), GAP]
        else:
            self.line += [*what(self.bytes(packets), self.rng), GAP]
        # A zero begins anew: without it, what was cut would take the next packet with it.
        self.probes.append(len(self.sent))
        self.line += [0, *self.bytes(self.packets()), GAP]


@pytest.mark.parametrize("schedule", ["time_stepped", "two_phase", "event_driven"])
def test_no_wrong_answer_and_an_answer_to_the_next_frame(schedule: str, shared_build: None) -> None:
    seed = {"time_stepped": 3, "two_phase": 1, "event_driven": 4}[schedule]
    fields = {"t_in": 3, "max_count": 3} if schedule == "time_stepped" else {}
    fields |= {"max_count": 1} if schedule == "event_driven" else {}
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    network = random_network(rng, schedule, ("dense",), sizes=(5, 7, 8), **fields)
    board = Board(network, verilator.build_root() / "link", coding="count")
    story = Story(board, seed)
    for _ in range(8):
        for what in (*BYTES, *PACKETS):
            story.happens(what)
    story.line += frame(encode(Kind.READ, address=0x40, count=32))
    told, error = board.run(story.line)
    deframer = Deframer()
    messages = [decode(body) for body in deframer.feed(told)]
    assert not deframer.faults and error
    found = answers(messages, board)
    for number, chosen, logits in found:
        which = story.sent[number]
        assert logits == story.expected.logits[which].tolist(), f"frame {number}"
        assert chosen == story.expected.answer[which]
    assert not set(story.probes) - {number for number, _, _ in found}
    values = np.frombuffer(messages[-1].rest, "<u4")
    shown = {
        row.name: int(values[row.address // 4 - 16])
        for row in link_map(board.plan, 4e6)
        if 0x40 <= row.address < 0xC0
    }
    refused = Counter(Reason(m["reason"]) for m in messages if m.kind == Kind.REFUSED)
    print(f"{len(story.sent)} frames, {len(found)} answers; {dict(refused)}; {shown}")
    assert shown["in_flight"] == 0
    # Each kind of fault was seen, and each reason to refuse.
    assert all(shown[f"link_{name}"] for name in LINK_FAULTS if name != "overrun")
    assert set(Reason) - set(refused) <= ({Reason.HELLO} if board.plan.ticks == 1 else set())
