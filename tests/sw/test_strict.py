"""Neurons that fire on v > Th as layers that fire on v >= Th: decision 0011, with ties in every
case."""

import numpy as np
import pytest

from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network

T, N_IN, N = 12, 6, 5


def strict(
    weight: np.ndarray,
    bias: np.ndarray,
    threshold: np.ndarray,
    counts: np.ndarray,
    reset: str,
    leak_shift: int | None,
) -> tuple[np.ndarray, int]:
    """Spikes (B, T, N) of neurons that start at 0, fire above their threshold, and get their bias
    with the first tick; and how often v = Th."""
    v, spikes, ties = np.zeros((len(counts), N), np.int64), [], 0
    for t in range(T):
        v = v - (v >> leak_shift) if leak_shift is not None else v
        v = v + counts[:, t] @ weight.T + (bias if t == 0 else 0)
        s = v > threshold
        ties += int((v == threshold).sum())
        v = np.where(s, v - threshold if reset == "subtract" else 0, v)
        spikes.append(s)
    return np.stack(spikes, 1).astype(int), ties


def ours(
    weight: np.ndarray,
    bias: np.ndarray,
    threshold: np.ndarray,
    counts: np.ndarray,
    reset: str,
    leak_shift: int | None,
) -> np.ndarray:
    hidden = Layer(
        "fc",
        "dense",
        weight,
        bias,
        threshold,
        4,
        T=T,
        leak_shift=leak_shift,
        reset=reset,
        v_init="zero",
        bias_mode="once",
    )
    readout = Layer(
        "out", "readout", np.ones((2, N), int), np.zeros(2, int), None, 4, T=T, bias_mode="once"
    )
    network = Network("strict", "time_stepped", Input((N_IN,), T, 1), (hidden, readout))
    spikes = golden.run(network, counts, spikes=True).spikes
    assert spikes is not None
    return spikes["fc"].astype(int)


def case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(-3, 5, (N, N_IN)),
        rng.integers(-2, 3, N),
        rng.integers(2, 7, N),
        rng.integers(0, 2, (40, T, N_IN)),
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("leak_shift", [None, 2])
def test_with_reset_to_zero_the_threshold_is_one_higher(seed: int, leak_shift: int | None) -> None:
    weight, bias, threshold, counts = case(seed)
    wanted, ties = strict(weight, bias, threshold, counts, "zero", leak_shift)
    assert ties > 20
    assert (ours(weight, bias, threshold + 1, counts, "zero", leak_shift) == wanted).all()


@pytest.mark.parametrize("seed", range(5))
def test_with_reset_by_subtraction_the_start_is_one_lower(seed: int) -> None:
    """Without a leak. Here the bias, which comes once, carries it."""
    weight, bias, threshold, counts = case(seed)
    wanted, ties = strict(weight, bias, threshold, counts, "subtract", None)
    assert ties > 20
    assert (ours(weight, bias - 1, threshold, counts, "subtract", None) == wanted).all()
    # It would subtract one too many
    assert (ours(weight, bias, threshold + 1, counts, "subtract", None) != wanted).any()
    assert (ours(weight, bias, threshold, counts, "subtract", None) != wanted).any()


def test_with_a_leak_and_reset_by_subtraction_neither_is_exact() -> None:
    found = []
    for seed in range(5):
        weight, bias, threshold, counts = case(seed)
        wanted, _ = strict(weight, bias, threshold, counts, "subtract", 2)
        found.append((ours(weight, bias - 1, threshold, counts, "subtract", 2) != wanted).any())
    assert all(found)
