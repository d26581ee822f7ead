"""Temporal alignment against the contract's words, for every pair of T."""

import numpy as np
import pytest

from polyrhythm.sw.network.align import bias_at, boundaries, source_ticks

PAIRS = [(t_in, t_out) for t_in in range(1, 14) for t_out in range(1, 14)]


@pytest.mark.parametrize("t_in, t_out", PAIRS)
def test_boundaries_cut_the_longer_side_into_groups_that_leave_nothing_out(
    t_in: int, t_out: int
) -> None:
    edges = boundaries(t_in, t_out)
    assert (edges[0], edges[-1], len(edges)) == (0, max(t_in, t_out), min(t_in, t_out) + 1)
    sizes = np.diff(edges)
    assert sizes.min() >= 1 and sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("t_in, t_out", PAIRS)
def test_source_ticks_follow_the_pages_of_the_contract(t_in: int, t_out: int) -> None:
    edges = boundaries(t_in, t_out)
    seen = source_ticks(t_in, t_out)
    assert len(seen) == t_out
    for tick, group in enumerate(seen):
        if t_in >= t_out:
            assert list(group) == list(range(edges[tick], edges[tick + 1]))
        else:
            (held,) = group
            assert edges[held] <= tick < edges[held + 1]


def test_boundaries_round_half_down() -> None:
    # 3 * 1 / 2 = 1.5 lies between ticks: floor((2*1*3 + 2 - 1) / 4) = 1, not 2.
    assert boundaries(2, 3) == [0, 1, 3]
    assert boundaries(5, 7) == [0, 1, 3, 4, 6, 7]
    assert source_ticks(1, 3) == [range(0, 1)] * 3


@pytest.mark.parametrize("T", [1, 2, 3, 7, 8])
def test_bias_modes(T: int) -> None:
    bias = np.array([-7, -1, 0, 1, 7, 100], dtype=np.int32)
    assert bias_at(bias, T, "per_tick").tolist() == [bias.tolist()] * T
    assert bias_at(bias, T, "once").tolist() == [bias.tolist()] + [[0] * 6] * (T - 1)
    spread = [[(t + 1) * b // T - t * b // T for b in bias.tolist()] for t in range(T)]
    assert bias_at(bias, T, "spread").tolist() == spread
    assert bias_at(bias, T, "spread").sum(axis=0).tolist() == bias.tolist()


def test_spread_does_not_overflow_int32() -> None:
    assert bias_at(np.array([2**31 - 1], dtype=np.int32), 1000, "spread").sum() == 2**31 - 1


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: boundaries(0, 1), "t_in must be at least 1, not 0"),
        (lambda: source_ticks(1, -2), "t_out must be at least 1, not -2"),
        (lambda: bias_at([1], 0, "once"), "T must be at least 1, not 0"),
        (
            lambda: bias_at([1], 2, "each"),
            "bias_mode must be one of per_tick, spread, once, not 'each'",
        ),
    ],
)
def test_refuses_what_has_no_meaning(call, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == message
