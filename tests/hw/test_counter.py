"""hw.neuron.counter: 1 + floor((v - Th) / Th), at most T, for every v around every multiple of the
threshold."""

import random

import pytest
from gateware import Word, run_stream
from plans import counting

from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.neuron.counter import Counter
from polyrhythm.sw.plan.addresses import AddressMap


def reference(words: list[Word], thresholds: list[int], T: int) -> list[Word]:
    """The events: ticks pass as they are, with a count of 0."""

    def count(word: Word) -> int:
        v = word["value"] + thresholds[word["address"]]  # value is v - Th
        return 0 if word["tick"] or word["end"] else min(v // thresholds[word["address"]], T)

    return [
        {name: word[name] for name in ("address", "tick", "end")} | {"count": count(word)}
        for word in words
    ]


def around(multiples: int, threshold: int, highest: int) -> list[int]:
    """Values of v - Th next to multiples of the threshold, and the ends."""
    near = {k * threshold + d for k in range(multiples + 2) for d in (-1, 0, 1)}
    return sorted(value for value in near | {0, 1, highest} if 0 <= value <= highest)


def words_for(thresholds: list[int], T: int, value_bits: int) -> list[Word]:
    highest = (1 << value_bits) - 1
    words = [
        {"address": j, "value": value, "tick": 0, "end": 0}
        for j, threshold in enumerate(thresholds)
        for value in around(T, threshold, highest)
    ]
    random.Random(T).shuffle(words)
    for k in range(1 + len(words) // 9):
        words.insert(9 * k, {"address": 0, "value": 0, "tick": k % 2, "end": 1 - k % 2})
    return words


THRESHOLDS = [[1], [7], [5] * 3, [1, 2, 3, 64, 100, 255, 256, 1000]]


@pytest.mark.parametrize("T", [2, 3, 4, 7, 8, 13, 15, 16])
@pytest.mark.parametrize("thresholds", THRESHOLDS, ids=str)
def test_counts_equal_the_quotient(T: int, thresholds: list[int]) -> None:
    value_bits = 14
    words = words_for(thresholds, T, value_bits)
    outputs, _ = run_stream(
        Counter(Rom, counting(thresholds, T), AddressMap((len(thresholds), 1, 1)), value_bits),
        words,
        0.3,
        0.3,
        seed=T,
    )
    assert outputs == reference(words, thresholds, T)
    counts = {word["count"] for word in outputs}
    assert counts == set(range(T + 1)), "every count happened, the saturated one too"


@pytest.mark.parametrize(
    ("T", "value_bits", "threshold"),
    [(255, 12, 9), (3, 1, 1), (2, 3, 1000), (5, 33, (1 << 31) - 1)],
)
def test_counts_where_fields_are_narrow_or_wide(T: int, value_bits: int, threshold: int) -> None:
    words = words_for([threshold], T, value_bits)
    outputs, _ = run_stream(
        Counter(Rom, counting([threshold], T), AddressMap((1, 1, 1)), value_bits), words
    )
    assert outputs == reference(words, [threshold], T)


@pytest.mark.parametrize(("T", "latency"), [(2, 3), (3, 4), (4, 4), (5, 5), (8, 5), (9, 6)])
def test_one_event_per_cycle_after_two_cycles_and_one_per_bit_of_t_minus_1(
    T: int, latency: int
) -> None:
    words = words_for([3, 5], T, 6)
    dut = Counter(Rom, counting([3, 5], T), AddressMap((2, 1, 1)), 6)
    _, cycles = run_stream(dut, words, i_stall=0, o_stall=0)
    assert cycles == list(range(latency, latency + len(words)))
    assert dut.latency == latency


def test_a_map_has_a_threshold_for_each_channel() -> None:
    """Channels above, rows and columns below: all places of a channel share its threshold."""
    target = AddressMap((2, 3, 2))
    words = [{"address": int(a), "value": 9, "tick": 0, "end": 0} for a in target.addresses()]
    outputs, _ = run_stream(Counter(Rom, counting([3, 5], 7), target, 6), words)
    assert [word["count"] for word in outputs] == [4] * 6 + [2] * 6
