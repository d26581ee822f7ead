"""hw.output.values: the values of waiting words stay where they were put, and the oldest one's
blocks can be read."""

import random

import pytest
from gateware import drive

from polyrhythm.hw.output.values import WaitingValues

BLOCKS = [[range(0, 3)], [range(0, 8), range(8, 13)], [range(0, 2), range(2, 4), range(4, 6)]]


@pytest.mark.parametrize("blocks", BLOCKS, ids=str)
@pytest.mark.parametrize(
    ("words", "registered"), [(2, False), (3, False), (16, False), (3, True), (16, True)]
)
def test_the_oldest_word_shows_the_chosen_block(
    blocks: list[range], words: int, registered: bool
) -> None:
    """A list is the reference; a word may be read from the second cycle after its put (registered:
    the third, and the third after a take), and be taken at any time."""
    rng, width, lanes = random.Random(words), 5, blocks[-1].stop
    queue: list[tuple[int, list[int]]] = []  # cycle of the put, values
    steps, wanted, fullest, taken, late = [], [], 0, -9, int(registered)
    for cycle in range(400):
        hold = cycle // 50 % 2  # every other fifty cycles words pile up
        put = len(queue) < words and rng.random() < 0.7
        values = [rng.getrandbits(width) for _ in range(lanes)]
        block = rng.randrange(len(blocks))
        readable = bool(queue) and cycle >= queue[0][0] + 2 + late and cycle > taken + 2 * late
        take = (readable or (bool(queue) and rng.random() < 0.2)) and rng.random() < (
            0.1 if hold else 0.9
        )
        want = [queue[0][1][lane] for lane in blocks[block]] if readable else None
        wanted.append(
            None if want is None else sum(value << k * width for k, value in enumerate(want))
        )
        packed = sum(value << k * width for k, value in enumerate(values))
        steps.append({"put": int(put), "i": packed, "take": int(take), "chosen": 1 << block})
        taken = cycle if take else taken
        queue = queue[take:] + ([(cycle, values)] if put else [])
        fullest = max(fullest, len(queue))
    seen = drive(
        WaitingValues(blocks, max(map(len, blocks)), width, words, registered), steps, ["o"]
    )
    for cycle, (word, want) in enumerate(zip(seen, wanted, strict=True)):
        assert want is None or word["o"] == want, f"cycle {cycle}"
    assert fullest == words and sum(want is not None for want in wanted) > 100


def test_no_block_chosen_is_zero() -> None:
    steps = [{"put": 1, "i": 0x7FFF, "take": 0, "chosen": 0}] + [
        {"put": 0, "i": 0, "take": 0, "chosen": 0}
    ] * 3
    assert [word["o"] for word in drive(WaitingValues([range(0, 3)], 3, 5, 4), steps, ["o"])] == [
        0
    ] * 4
