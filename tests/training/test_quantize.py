"""Quantizers: values at ties, gradients against their closed forms, the export rule against brute
force."""

import numpy as np
import pytest
import torch
from torch import Tensor

from polyrhythm.sw.training.arithmetic import quantize


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def grid(low: float, high: float, step: float = 0.125) -> Tensor:
    return torch.arange(low, high, step, dtype=torch.float64, requires_grad=True)


def gradient(y: Tensor, x: Tensor) -> Tensor:
    return torch.autograd.grad(y.sum(), x)[0]


def test_ties_go_up() -> None:
    ties = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    assert quantize.round_half_up(ties).tolist() == [-2, -1, 0, 1, 2, 3]


def test_rounding_passes_the_gradient_straight_through() -> None:
    x = grid(-3, 3)
    assert (gradient(quantize.round_half_up(x) * x.detach(), x) == x.detach()).all()


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_reach_both_ends_of_their_range(bits: int) -> None:
    low, high = quantize.weight_range(bits)
    q = quantize.quantize_weight(grid(-200, 200, 0.5), torch.tensor(1.0), bits)
    assert (q.min(), q.max()) == (low, high) == (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def test_weight_gradients() -> None:
    w, step = grid(-6, 6), torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    q = quantize.quantize_weight(w, step, 4)
    inside = (torch.floor(w / step + 0.5) >= -8) & (torch.floor(w / step + 0.5) <= 7)
    assert inside.any() and not inside.all()
    assert torch.equal(
        gradient(quantize.quantize_weight(w, step, 4), w), torch.where(inside, 2.0, 0.0).double()
    )
    expected = torch.where(inside, q - w / step, q).sum()  # LSQ: the gradient of step * integer
    assert torch.allclose(
        gradient(quantize.quantize_weight(w, step, 4) * step, step), expected.detach()
    )


def test_count_is_the_rounding_quantizer_of_the_activation() -> None:
    sigma, T = 0.75, 5
    x = grid(-3, 6, 0.046875)  # 3/64: hits the ties of sigma exactly
    n = quantize.quantize_count(x + sigma / 2, torch.tensor(sigma, dtype=torch.float64), T)
    expected = [min(max(int(np.floor(value / sigma + 0.5)), 0), T) for value in x.tolist()]
    assert n.tolist() == expected and (x / sigma + 0.5 == torch.floor(x / sigma + 0.5)).any()
    open_ = (x >= -sigma / 2) & (x < sigma * (T + 0.5))
    assert torch.allclose(gradient(n, x), torch.where(open_, 1 / sigma, 0.0).double())


def test_clip_range_gradient_is_that_of_a_learned_step() -> None:
    T, log_range = 3, torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    x = grid(-1, 3, 0.01)
    sigma = log_range.exp() / T
    n = quantize.quantize_count(x + sigma / 2, sigma, T)
    z = (x / sigma + 0.5).detach()
    inside = (z >= 0) & (z < T + 1)
    # y = sigma * n: dy/dsigma = n - x / sigma inside, n outside; dsigma/dlog_range = sigma
    expected = (torch.where(inside, n - x / sigma, n) * sigma).sum()
    assert torch.allclose(gradient(sigma * n, log_range), expected.detach())


@pytest.mark.parametrize("learned", [True, False])
def test_rounded_counts_in_one_piece_are_those_of_their_parts(learned: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    y = (3 * torch.randn(4, 5, 6, 6, dtype=torch.float64, generator=generator)).requires_grad_()
    worth = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    T = torch.tensor(3.0, dtype=torch.float64, requires_grad=learned)
    told = torch.randn(y.shape, dtype=torch.float64, generator=generator)
    whole, parts = (
        quantize.round_counts(y, worth, T),
        quantize.quantize_count(y + worth / 2, worth, T),
    )
    assert torch.equal(whole, parts) and set(whole.unique().tolist()) == {0, 1, 2, 3}
    asked = (y, worth, T) if learned else (y, worth)
    for ours, theirs in zip(
        torch.autograd.grad(whole, asked, told),
        torch.autograd.grad(parts, asked, told),
        strict=True,
    ):
        assert torch.allclose(ours, theirs)


def test_rounded_counts_in_bfloat16_learn_nearly_the_same() -> None:
    generator = torch.Generator().manual_seed(3)
    y, worth, T = (
        3 * torch.randn(64, 500, generator=generator),
        torch.tensor(0.7),
        torch.tensor(5.0),
    )
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        asked = [
            y.to(dtype).requires_grad_(),
            worth.clone().requires_grad_(),
            T.clone().requires_grad_(),
        ]
        counts = quantize.round_counts(*asked)
        found.append((counts.float(), *torch.autograd.grad(counts.float().square().sum(), asked)))
    (exact, _, *scales), (near, _, *near_scales) = found
    # Ties, seen with 8 bits
    assert (exact - near).abs().max() == 1 and (exact != near).float().mean() < 0.01
    for ours, theirs in zip(near_scales, scales, strict=True):
        assert ours.dtype == torch.float32 and float(ours) == pytest.approx(float(theirs), rel=0.02)


def test_float32_counts_are_exact_next_to_every_multiple() -> None:
    generator = np.random.default_rng(0)
    threshold = generator.integers(1, 1 << 15, 20000)
    v = np.minimum(
        generator.integers(0, 1 << 9, 20000) * threshold + generator.integers(-1, 2, 20000),
        (1 << 24) - 1,
    )
    n = quantize.quantize_count(
        torch.from_numpy(v).float(), torch.from_numpy(threshold).float(), 1 << 20
    )
    assert (n.numpy() == np.maximum(v // threshold, 0)).all()


def test_best_step_beats_its_neighbours() -> None:
    weight = torch.randn(2000, generator=torch.Generator().manual_seed(0))

    def error(step: Tensor) -> float:
        return float((quantize.quantize_weight(weight, step, 4) * step - weight).square().sum())

    step = quantize.best_step(weight, 4)
    assert error(step) <= min(error(step * 0.9), error(step * 1.1))
    # Clipping a few is better than clipping none
    assert error(step) < error(weight.abs().max() / 7) / 1.1


def test_best_range_of_values_that_are_on_the_grid() -> None:
    assert float(quantize.best_range(torch.tensor([0.0, 0.5, 1.0, 1.5]), 3)) == 1.5


def test_best_range_of_many_values_is_near_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    growing = torch.linspace(0.1, 2, 100)[:, None, None, None] * torch.arange(1, 9)[:, None, None]
    y = torch.randn(100, 8, 16, 16, generator=torch.Generator().manual_seed(1)).relu() * growing
    every = float(quantize.best_range(y, 3))
    monkeypatch.setattr(quantize, "ENOUGH", 1 << 13)
    assert float(quantize.best_range(y, 3)) == pytest.approx(every, rel=0.1)


def test_export_rule_and_its_floor() -> None:
    unit = torch.tensor(0.25)
    assert float(quantize.export_threshold(torch.tensor(7.5), 3, unit)) == 10
    assert float(quantize.export_threshold(torch.tensor(7.875), 3, unit)) == 11  # 10.5 goes up
    assert float(quantize.export_threshold(torch.tensor(0.01), 3, unit)) == 1
    assert quantize.export_bias(torch.tensor([0.125, -0.125, -0.25]), unit).tolist() == [1, 0, -1]


def test_integers_equal_the_quantized_activation_for_every_neuron() -> None:
    """Design 1.1: clip(floor(((Th >> 1) + B + acc) / Th), 0, T) against sigma * clip(floor(x /
    sigma + 1/2), 0, T)."""
    generator = np.random.default_rng(1)
    threshold = generator.integers(1, 400, 200_000)
    T = generator.integers(1, 16, 200_000)
    acc = generator.integers(-3000, 3000, 200_000)  # with the bias in it
    counts = np.clip(((threshold >> 1) + acc) // threshold, 0, T)
    # Floor(acc / Th + 1/2), no float
    exact = np.clip((2 * acc + threshold) // (2 * threshold), 0, T)
    assert (counts == exact).all() and (2 * acc % (2 * threshold) == threshold).any()
