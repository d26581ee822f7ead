"""hw.conv.locate: every event finds what it reaches, one cycle later; what reaches nothing is
dropped."""

import random
from typing import Any

import pytest
from convolutions import SHAPES, Shape, Word, located
from gateware import run_stream

from polyrhythm.hw.conv.locate import Locate
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.conv import ConvSynapses


def reference(synapses: ConvSynapses, most: int, words: list[tuple[Any, ...]]) -> list[Word]:
    """words: (channel, row, column, count) of a spike, or ("tick" or "end",)."""
    found = []
    for word in words:
        if len(word) == 1:
            found.append({"closes": 1, "end": int(word[0] == "end")})
        elif synapses.rows.reaches[word[1]].visits and synapses.columns.reaches[word[2]].visits:
            found.append(located(synapses, *word[:3], most, word[3]))
    return found


def spikes(shape: Shape, rng: random.Random, number: int) -> list[tuple[Any, ...]]:
    """Every place once or more, in any order, and closing words between."""
    places = [
        (c, y, x)
        for c in range(shape.map[0])
        for y in range(shape.map[1])
        for x in range(shape.map[2])
    ]
    rng.shuffle(places := places + rng.choices(places, k=max(0, number - len(places))))
    words: list[tuple[Any, ...]] = [(*place, rng.randint(1, shape.max_count)) for place in places]
    for _ in range(number // 5):
        words.insert(rng.randrange(len(words) + 1), (rng.choice(("tick", "end")),))
    return words


def run(
    shape: Shape, synapses: ConvSynapses, words: list[tuple[Any, ...]], stall: float
) -> tuple[list[Word], list[int]]:
    event = Event(synapses.source, shape.max_count)
    inputs: list[Word] = [
        {word[0]: 1, "address": 0} if len(word) == 1
        else {"address": synapses.source.address(*word[:3])} | ({"count": word[3]} if shape.max_count > 1 else {})
        for word in words
    ]  # fmt: skip
    return run_stream(Locate(event, synapses), inputs, stall, stall, seed=len(words))


def seen(word: Word) -> Word:
    """What a closing word carries besides means nothing."""
    return {"closes": 1, "end": word["end"]} if word["closes"] else word


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("parallel", [False, True])
def test_events_find_what_they_reach_under_stalls(shape: Shape, parallel: bool) -> None:
    synapses = shape.synapses(2 if shape.channels > 2 else 1, parallel)
    words = spikes(shape, random.Random(5), 60)
    outputs, _ = run(shape, synapses, words, 0.4)
    assert [seen(word) for word in outputs] == reference(synapses, shape.max_count, words)


def test_pooling_and_kernels_leave_places_out_in_these_shapes() -> None:
    """Else the test above would drop nothing."""
    left_out = [
        (not reach.visits, side.size // shape.pool * shape.pool <= place)
        for shape in SHAPES
        for side in (shape.synapses().rows, shape.synapses().columns)
        for place, reach in enumerate(side.reaches)
    ]
    assert (True, True) in left_out and (True, False) in left_out


def test_a_word_takes_a_cycle_and_words_follow_each_other_without_a_gap() -> None:
    shape = SHAPES[0]
    words = spikes(shape, random.Random(1), 40)
    _, cycles = run(shape, shape.synapses(), words, 0)
    assert cycles == list(range(1, len(words) + 1))
