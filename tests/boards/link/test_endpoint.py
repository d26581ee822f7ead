"""boards.link: random networks of every schedule behind a line answer through real bytes as the
golden model does."""

from typing import Any

import numpy as np
import pytest
from linked import Answers, Board, chunks
from networks import random_inputs, random_network

from polyrhythm.boards.link.identity import Identity
from polyrhythm.boards.link.map import link_map
from polyrhythm.boards.link.packets import Kind, encode
from polyrhythm.sim import verilator
from polyrhythm.sw import golden

CASES: dict[str, tuple[Any, ...]] = {
    "two_phase": ("two_phase", ("dense",), {}, "count", 1),
    "unary": ("two_phase", ("conv2d",), {"shape": (2, 5, 5)}, "unary", 2),
    "time_stepped": ("time_stepped", ("dense",), {"t_in": 3, "max_count": 3}, "count", 3),
    "event_driven": ("event_driven", ("dense",), {"max_count": 1}, "count", 4),
}


@pytest.fixture(params=CASES)
def board(request: pytest.FixtureRequest, shared_build: None) -> Board:
    schedule, kinds, fields, coding, seed = CASES[request.param]
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    network = random_network(rng, schedule, kinds, sizes=(5, 7, 8), **fields)
    return Board(network, verilator.build_root() / "link", coding=coding)


def test_answers_as_golden(board: Board) -> None:
    rng = np.random.default_rng(7)
    inputs = random_inputs(rng, board.network, 8)
    inputs = inputs.reshape(-1, board.network.input.T, *board.network.input.shape)
    packets: list[bytes] = [encode(Kind.HELLO, nonce=9)]
    for k, frame in enumerate(inputs):
        kind = Kind.PIXELS if k % 2 else Kind.WORDS
        data = board.pixels(frame) if k % 2 else board.words(frame)
        size = (240, 2 * board.layout["word_bytes"], board.layout["word_bytes"] * 5)[k % 3]
        packets += chunks(kind, data, 65_533 + k & 0xFFFF, len(packets), size)
    packets.append(encode(Kind.READ, address=0x40, count=32))
    messages = board.talk(packets, gap=300)
    told = messages[0]
    assert (told.kind, told["nonce"], told["protocol"]) == (Kind.IDENTITY, 9, 1)
    assert Identity.decode(told.rest).digest == board.network.digest
    answers = Answers(board.layout["classes"], board.layout["logit_bytes"])
    answers.take(messages)
    expected = golden.run(board.network, inputs)
    numbers = [65_533 + k & 0xFFFF for k in range(len(inputs))]
    assert [answers.classes[n] for n in numbers] == expected.answer.tolist()
    assert [answers.logits[n] for n in numbers] == expected.logits.tolist()
    done = [message["seq"] for message in messages if message.kind == Kind.DONE]
    assert done == list(range(1, len(packets) - 1))
    assert not [message for message in messages if message.kind == Kind.REFUSED]
    values = np.frombuffer(messages[-1].rest, "<u4")
    shown = {
        row.name: int(values[row.address // 4 - 16])
        for row in link_map(board.plan, 4e6)
        if row.address >= 0x40
    }
    assert shown["answered"] == len(inputs) and shown["in_flight"] == 0
    assert shown["events"] == np.count_nonzero(inputs)
    assert not [name for name, n in shown.items() if name.startswith(("link_", "input_")) and n]
