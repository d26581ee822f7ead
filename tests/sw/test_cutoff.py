"""Early exit: the three rules, their tables, and that `safe` is."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
from networks import random_inputs, random_network

from polyrhythm.sw import golden
from polyrhythm.sw.golden.cutoff import NEVER, safe_margins, softmax_table
from polyrhythm.sw.network import Exit, Input, Layer, MarginExit, Network, SafeExit, SoftmaxExit


def readout(weight: Any, bias: Any, T: int, exit: Exit | None, **fields: Any) -> Network:
    layer = Layer("out", "readout", np.array(weight), np.array(bias), T=T, **fields)
    return Network("n", "time_stepped", Input((layer.weight.shape[1],), T, 3), (layer,), exit=exit)


@pytest.mark.parametrize(
    "thresholds, ticks", [([3, 9, 9], 1), ([4, 6, 9], 2), ([4, 7, 0], 3), ([4, 7, 99], 3)]
)
def test_margin_leaves_at_the_first_tick_that_reaches_its_threshold(
    thresholds: list[int], ticks: int
) -> None:
    network = readout([[2], [1]], [0, 0], 3, MarginExit(tuple(thresholds)))
    trace = golden.run(network, np.full((1, 3, 1), 3))
    assert trace.ticks is not None and trace.logits_t is not None
    assert trace.ticks.tolist() == [ticks]
    assert trace.logits.tolist() == [[6 * ticks, 3 * ticks]]
    assert trace.logits_t.tolist() == [[[6, 3], [12, 6], [18, 9]]]


def test_margin_is_against_the_second_best_and_a_tie_has_none() -> None:
    network = readout([[2], [0], [2]], [0, 0, 0], 2, MarginExit((1, 1)))
    trace = golden.run(network, np.array([[[1], [1]]]))
    assert trace.ticks is not None and (trace.ticks.item(), trace.answer.item()) == (2, 0)


@pytest.mark.parametrize(
    "rule",
    [MarginExit((99, 99)), SoftmaxExit(0.1, 1.0), SafeExit()],
)
def test_a_single_class_leaves_at_once(rule: Exit) -> None:
    trace = golden.run(readout([[1]], [0], 2, rule), np.zeros((1, 2, 1), int))
    assert trace.ticks is not None and trace.ticks.tolist() == [1]


@pytest.mark.parametrize("scale", [1e-12, 0.001, 0.0435, 0.1, 1.0, 7.5, 1e6])
@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 0.5, 0.99])
def test_softmax_table_never_leaves_where_the_exact_softmax_stays(
    epsilon: float, scale: float
) -> None:
    table = softmax_table(epsilon, scale)
    assert len(table.entries) <= 256 and table.entries[0] == 1 << 16 and table.entries[-1] == 1
    assert sorted(table.entries, reverse=True) == list(table.entries)
    left = 0
    for step in range(4 * len(table.entries)):
        for d in {step << table.shift, (step << table.shift) + (1 << table.shift) - 1}:
            entry = table.entries[min(d >> table.shift, len(table.entries) - 1)]
            exact = math.exp(-scale * d)
            assert entry >= exact * (1 << 16) * (1 - 1e-12)
            if entry < table.limit:
                left += 1
                assert 1 / (1 + exact) > (1 - epsilon) * (1 - 1e-12)
    assert left > 0


def test_softmax_table_by_hand() -> None:
    """exp(-j ln 4) halves twice a step; shift stays 0, for 8 steps are enough."""
    table = softmax_table(0.2, math.log(4))
    # Log(4) rounds down, so each is a hair more
    assert table.entries[:4] == (65536, 16384 + 1, 4096 + 1, 1024 + 1)
    assert table.shift == 0 and table.limit == 16385  # 0.2's double is a hair above 1/5


@pytest.mark.parametrize("seed", range(20))
def test_softmax_exit_follows_the_rule_and_misses_little(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(
        rng, "time_stepped", ("dense",), sizes=(5, 8), T=(4, 8), bias_mode="spread"
    )
    inputs = random_inputs(rng, network, 64)
    sums = golden.run(network, inputs).logits_t
    assert sums is not None
    scale = 3 / max(1.0, float(np.abs(sums).mean()))
    trace = golden.run(dataclasses.replace(network, exit=SoftmaxExit(0.1, scale)), inputs)
    shifted = np.exp(scale * (sums - sums.max(axis=2, keepdims=True)))
    top = (shifted / shifted.sum(axis=2, keepdims=True)).max(axis=2)
    leaves = top > 0.9
    leaves[:, -1] = True
    exact = np.argmax(leaves, axis=1) + 1
    assert trace.ticks is not None
    assert np.all(trace.ticks >= exact) and np.mean(trace.ticks == exact) >= 0.9
    np.testing.assert_array_equal(trace.logits, sums[np.arange(64), trace.ticks - 1])
    np.testing.assert_array_equal(trace.answer, trace.logits.argmax(axis=1))


@pytest.mark.parametrize("seed", range(40))
def test_safe_gives_the_full_answer_on_every_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(rng, "time_stepped", ("dense",) * (seed % 2), sizes=(2, 5, 8), max_T=8)
    inputs = random_inputs(rng, network, 100)
    full = golden.run(network, inputs)
    cut = golden.run(dataclasses.replace(network, exit=SafeExit()), inputs)
    np.testing.assert_array_equal(full.answer, cut.answer)


@pytest.mark.parametrize(
    "leak_shift, bias", [(None, (0, 0)), (None, (2, -1)), (1, (0, 0)), (3, (-1, 2)), (0, (1, 1))]
)
def test_safe_leaves_exactly_when_no_continuation_changes_the_class(
    leak_shift: int | None, bias: tuple[int, int]
) -> None:
    """Every input of three ticks: with a leak the rule may stay longer, never leave earlier."""
    network = readout(
        [[2, -1], [1, 1]], bias, 3, SafeExit(), leak_shift=leak_shift, bias_mode="per_tick"
    )
    frames = np.array(list(itertools.product(range(4), repeat=6))).reshape(-1, 3, 2)
    trace = golden.run(network, frames)
    sums = trace.logits_t
    assert sums is not None and trace.ticks is not None
    last = sums[:, -1].argmax(axis=1)
    left_early = 0
    for t in (1, 2):
        for _, group in itertools.groupby(
            range(len(frames)), key=lambda k, t=t: frames[k, :t].tobytes()
        ):
            same = list(group)
            changes = len(set(last[same])) > 1 or last[same[0]] != sums[same[0], t - 1].argmax()
            leaves = trace.ticks[same[0]] <= t
            left_early += leaves
            assert not (leaves and changes)
            assert leaves or changes or leak_shift is not None
    assert left_early > 0 or leak_shift == 0


def test_margins_of_a_leak_that_forgets_everything() -> None:
    network = readout([[1], [0]], [0, 0], 2, SafeExit(), leak_shift=0)
    assert safe_margins(network)[0].tolist() == [[-NEVER, -NEVER], [NEVER, -NEVER]]


@pytest.mark.parametrize("shift", [1, 2, 3, 7])
def test_unleak_is_the_least_difference_that_suffices(shift: int) -> None:
    from polyrhythm.sw.golden.cutoff import _before_leak

    differences = np.arange(-600, 600)
    kept = differences - -(-differences >> shift)  # D - ceil(D / 2**shift)
    for wanted in range(-200, 200):
        assert (
            _before_leak(np.array([wanted]), shift).item() == differences[np.argmax(kept >= wanted)]
        )
    a, b = (axis.reshape(-1) for axis in np.meshgrid(np.arange(-99, 99), np.arange(-99, 99)))
    assert np.all((a - (a >> shift)) - (b - (b >> shift)) >= (a - b) - -(-(a - b) >> shift))


def test_long_frames_with_a_leak_do_not_overflow() -> None:
    network = readout([[127], [-128]], [1 << 30, -(1 << 30)], 200, SafeExit(), leak_shift=1)
    need = safe_margins(network)
    assert need.max() <= NEVER and need.min() >= -NEVER
    assert golden.run(network, np.zeros((1, 200, 1), int)).answer.item() == 0
