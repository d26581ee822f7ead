"""hw.lib.rotating, hw.dense.replay and hw.stream.event.Queue: the memories that words go round in, come
back from, and wait in."""

import random
from collections.abc import Sequence

import pytest
from amaranth.lib import data
from gateware import Word, drive, run_stream

from polyrhythm.hw.dense.replay import Replay
from polyrhythm.hw.lib.rotating import RotatingMemory
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.queue import Queue

SIZES = [1, 2, 3, 4, 7, 8]


# --- ring ---


@pytest.mark.parametrize("words", SIZES)
@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_a_word_comes_round_after_as_many_moves_as_there_are_words(
    words: int, pause: float
) -> None:
    rng = random.Random(words)
    steps = [
        {"move": int(rng.random() >= pause), "i": rng.getrandbits(9)}
        for _ in range(60 + 10 * words)
    ]
    gone: list[int] = []  # what went in, in order
    compared = 0
    for step, seen in zip(steps, drive(RotatingMemory(9, words), steps, ["o"]), strict=True):
        if len(gone) >= words:
            assert seen["o"] == gone[-words]
            compared += 1
        if step["move"]:
            gone.append(step["i"])
    assert compared > 3 * words and (not pause or len(gone) < len(steps)), (
        "it went round three times, and paused"
    )


# --- replay ---

SHAPE = data.StructLayout({"address": 7, "count": 2})


def fill(words: Sequence[int], rng: random.Random, pause: float) -> list[dict[str, int]]:
    """Cycles in which words arrive, then one more."""
    cycles = []
    for word in words:
        cycles += [{"push": 0, "i": rng.getrandbits(9)} for _ in range(20) if rng.random() < pause]
        cycles.append({"push": 1, "i": word})
    return [{"take": 0, "rewind": 1, "clear": 0, **cycle} for cycle in [*cycles, {"push": 0}]]


def read(size: int, rng: random.Random, pause: float) -> list[dict[str, int]]:
    """Cycles that take all words, and a last one, after which the first word is at hand again."""
    takes = [int(rng.random() >= pause) for _ in range(20 * size)] if pause else [1] * size
    while sum(takes) > size:
        takes.pop()
    last = {"take": 0, "push": 0, "rewind": 1, "clear": 0}
    return [{"take": take, "push": 0, "rewind": 0, "clear": 0} for take in takes] + [last]


@pytest.mark.parametrize("capacity", SIZES)
@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_words_come_back_in_their_order_as_often_as_wanted(capacity: int, pause: float) -> None:
    rng = random.Random(capacity)
    steps: list[dict[str, int]] = []
    expected: list[tuple[int, int | None]] = []  # cycle, word at hand (None: done)
    for size in (capacity, 0, 1, capacity):  # full, empty, one word, full again
        words = [rng.getrandbits(9) for _ in range(size)]
        steps += fill(words, rng, pause)
        for _ in range(3):
            place = 0
            for step in read(size, rng, pause):
                expected.append((len(steps), words[place] if place < size else None))
                steps.append(step)
                place += step["take"]
        steps[-1] = {**steps[-1], "clear": 1}
    seen = drive(Replay(SHAPE, capacity), steps, ["o", "done"])
    for cycle, word in expected:
        assert seen[cycle]["done"] == (word is None), f"cycle {cycle}"
        assert word is None or seen[cycle]["o"] == word, f"cycle {cycle}"


# --- queue ---


def events(shape: Event, number: int, rng: random.Random) -> list[Word]:
    return [
        {"address": rng.randrange(shape.neurons), "tick": rng.randrange(2)} for _ in range(number)
    ]


@pytest.mark.parametrize("depth", [2, 5, 16])
def test_a_queue_keeps_the_order_under_stalls(depth: int) -> None:
    shape = Event(13, 1)
    inputs = events(shape, 80, random.Random(depth))
    outputs, _ = run_stream(Queue(shape, depth), inputs, seed=depth)
    assert outputs == [{**word, "end": 0} for word in inputs]


def test_a_queue_takes_a_cycle_and_a_word_per_cycle() -> None:
    shape = Event(13, 1)
    _, cycles = run_stream(
        Queue(shape, 16), events(shape, 30, random.Random(1)), i_stall=0, o_stall=0
    )
    assert cycles == list(range(1, 31))


@pytest.mark.parametrize("depth", [2, 5, 16])
def test_a_queue_holds_as_many_words_as_it_is_deep(depth: int) -> None:
    steps = [{"i.valid": 1, "o.ready": 0}] * (depth + 3)
    assert (
        sum(seen["i.ready"] for seen in drive(Queue(Event(13, 1), depth), steps, ["i.ready"]))
        == depth
    )
