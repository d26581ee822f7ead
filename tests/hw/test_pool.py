"""hw.stream.pool: the blocks' addresses take the place of their places'; what fills no block is
dropped at once."""

import random
from typing import Any

import pytest
from gateware import Word, run_stream

from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.pool import Pool
from polyrhythm.sw.plan.addresses import AddressMap

CASES = [
    ((1, 4, 4), 2),
    ((3, 5, 7), 2),
    ((2, 9, 8), 3),
    ((5, 1, 1), 1),
    ((1, 8, 9), 4),
    ((2, 11, 6), 5),
    ((4, 2, 3), 2),
    ((1, 7, 7), 7),
]


def places(source: AddressMap) -> list[tuple[int, int, int]]:
    channels, rows, columns = source.shape
    return [(c, y, x) for c in range(channels) for y in range(rows) for x in range(columns)]


def reference(words: list[tuple[Any, ...]], source: AddressMap, pool: int) -> list[Word]:
    """words: (channel, row, column, count), or ("tick" or "end",)."""
    blocks, found = (
        AddressMap((source.shape[0], source.shape[1] // pool, source.shape[2] // pool)),
        [],
    )
    for word in words:
        if len(word) == 1:
            found.append({word[0]: 1})
        elif word[1] // pool < blocks.shape[1] and word[2] // pool < blocks.shape[2]:
            found.append(
                {
                    "address": blocks.address(word[0], word[1] // pool, word[2] // pool),
                    "count": word[3],
                }
            )
    return found


def run(
    words: list[tuple[Any, ...]], source: AddressMap, pool: int, most: int, stall: float
) -> tuple[list[Word], list[int]]:
    inputs: list[Word] = [
        {word[0]: 1} if len(word) == 1
        else {"address": source.address(*word[:3])} | ({"count": word[3]} if most > 1 else {})
        for word in words
    ]  # fmt: skip
    outputs, cycles = run_stream(Pool(Event(source, most), pool), inputs, stall, stall)
    return [{n: v for n, v in word.items() if v or n == "address"} for word in outputs], cycles


@pytest.mark.parametrize(("shape", "pool"), CASES)
@pytest.mark.parametrize("most", [1, 9])
def test_events_carry_their_blocks_address_under_stalls(
    shape: tuple[int, int, int], pool: int, most: int
) -> None:
    rng, source = random.Random(pool), AddressMap(shape)
    words: list[tuple[Any, ...]] = [
        (*place, rng.randint(1, most)) for place in rng.sample(places(source), source.neurons)
    ]
    for _ in range(9):
        words.insert(rng.randrange(len(words) + 1), (rng.choice(("tick", "end")),))
    wanted = reference(words, source, pool)
    got, _ = run(words, source, pool, most, 0.4)
    for word, want in zip(got, wanted, strict=True):
        closes = "tick" in want or "end" in want
        assert {n: v for n, v in word.items() if n in ("tick", "end")} == {
            n: v for n, v in want.items() if n in ("tick", "end")
        }
        assert closes or (word["address"], word.get("count", 1)) == (want["address"], want["count"])


def test_an_event_passes_in_its_cycle_and_a_dropped_one_costs_its_own() -> None:
    source = AddressMap((1, 3, 3))
    words: list[tuple[Any, ...]] = [*((*place, 1) for place in places(source)), ("end",)]
    outputs, cycles = run(words, source, 2, 1, 0)
    assert cycles == [0, 1, 3, 4, 9] and [word.get("address") for word in outputs[:4]] == [
        0,
        0,
        0,
        0,
    ]


def test_what_is_dropped_waits_for_nobody() -> None:
    """Even where the other side takes nothing, a place outside every block goes."""
    source = AddressMap((1, 3, 3))
    words: list[tuple[Any, ...]] = [(0, 2, 2, 1)] * 30
    assert run(words, source, 2, 1, 0) == ([], [])
