"""A board whose circuit is for all networks of a shape says who it is and answers as golden does,
whichever network's contents it holds."""

from __future__ import annotations

import numpy as np
import pytest
from linked import Board, answers, chunks
from networks import random_inputs, random_network
from shapes import sibling

from polyrhythm.boards.link.identity import Identity
from polyrhythm.boards.link.packets import Kind, encode
from polyrhythm.sim import verilator
from polyrhythm.sw import golden
from polyrhythm.sw.plan.shape import Shape


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped"])
def test_the_digest_and_the_answers_are_those_of_the_network_inside(
    schedule: str, shared_build: None
) -> None:
    rng = np.random.default_rng(31)
    first = random_network(rng, schedule, ("dense",), shape=(6,), sizes=(5,), max_T=3)
    network = sibling(rng, Shape.of(first), first, "other")
    board = Board(network, verilator.build_root() / "link", shape=Shape.of(first))
    inputs, packets = random_inputs(rng, network, 4), [encode(Kind.HELLO, nonce=9)]
    for k, frame in enumerate(inputs):
        packets += chunks(Kind.WORDS, board.words(frame), k, len(packets), 240)
    messages = board.talk(packets, gap=300)
    assert Identity.decode(messages[0].rest).digest == network.digest
    expected = golden.run(network, inputs)
    told = answers(messages, board)
    assert [number for number, _, _ in told] == list(range(4))
    assert [chosen for _, chosen, _ in told] == expected.answer.tolist()
    assert [logits for _, _, logits in told] == expected.logits.tolist()
