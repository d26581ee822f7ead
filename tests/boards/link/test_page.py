"""docs/link.md says what the data say, and its example is what happens."""

import re
from pathlib import Path

import numpy as np
import pytest
from linked import SILENCE, Board, answers

from polyrhythm.boards.link.framing import Deframer
from polyrhythm.boards.link.identity import Identity
from polyrhythm.boards.link.layout import layout
from polyrhythm.boards.link.map import CONTROL_BYTES, RING_BYTES
from polyrhythm.boards.link.packets import Kind, decode
from polyrhythm.boards.link.page import filled
from polyrhythm.sim import verilator
from polyrhythm.sw import data, golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.network import plan

REPO = Path(__file__).parents[3]
PAGE = REPO / "docs" / "link.md"


def example(side: str) -> list[bytes]:
    """The packets of a side in the page's example."""
    lines = re.findall(rf"^{side} +([0-9a-f ]+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [bytes.fromhex(line) for line in lines]


@pytest.fixture
def digits() -> tuple[Network, np.ndarray]:
    """The network of the example, and its image."""
    network = Network.load(REPO / "models" / "digits.safetensors")
    return network, data.inputs_for(network, "digits")[0][:1]


def test_tables_are_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    told = "docs/link.md must be written anew: python -m polyrhythm.boards.link.page docs/link.md"
    assert filled(text) == text, told
    assert "0x0040 | `answered`" in text and "| 0x84 | RESULT |" in text and "MALFORMED" in text


def test_example_has_golden_s_answer(digits: tuple[Network, np.ndarray]) -> None:
    network, inputs = digits
    messages = [decode(body) for body in Deframer().feed(b"".join(example("board")))]
    kinds = [message.kind for message in messages]
    assert kinds == [Kind.IDENTITY, Kind.DONE, Kind.RESULT, Kind.VALUES]
    told = Identity.decode(messages[0].rest)
    # The example's clock and version are those of the day on which it was written.
    now = Identity.of(plan(network), told.clock_hz, RING_BYTES - CONTROL_BYTES)
    assert told.__dict__ | {"version": now.version} == now.__dict__
    trace = golden.run(network, inputs)
    assert messages[2]["class"] == trace.answer[0]
    assert np.frombuffer(messages[2].rest, np.int8).tolist() == trace.logits[0].tolist()
    assert np.frombuffer(messages[3].rest, "<u4").tolist() == [1, np.count_nonzero(inputs)]


def test_example_sends_the_image(digits: tuple[Network, np.ndarray]) -> None:
    network, inputs = digits
    sent = [decode(body) for body in Deframer().feed(b"".join(example("host")))]
    assert [message.kind for message in sent] == [Kind.HELLO, Kind.PIXELS, Kind.READ]
    bits = layout(plan(network))["pixel_bits"]
    whole = int.from_bytes(sent[1].rest, "little")
    counts = [whole >> bits * k & (1 << bits) - 1 for k in range(inputs[0].size)]
    assert counts == inputs.reshape(-1).tolist()


@pytest.mark.long
def test_example_is_what_the_board_says(
    digits: tuple[Network, np.ndarray], shared_build: None
) -> None:
    board = Board(digits[0], verilator.build_root() / "link")
    line = [symbol for packet in example("host") for symbol in [*packet, SILENCE + 1000]]
    told, error = board.run(line)
    found = [decode(body) for body in Deframer().feed(told)]
    expected = [decode(body) for body in Deframer().feed(b"".join(example("board")))]
    assert found[1:] == expected[1:] and not error
    assert answers(found, board)[0][1] == 0
