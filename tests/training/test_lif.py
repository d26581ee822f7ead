"""sw.training.arithmetic.lif: spikes, potentials and every gradient are those of the ticks written
out for autograd."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import Function

from polyrhythm.sw.training.arithmetic import compiled
from polyrhythm.sw.training.arithmetic.lif import _Lif, _Ticks, lif


class Spike(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, width: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.width = width
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return grads[0] * (1 - x.abs() / ctx.width).clamp_min(0) / ctx.width, None


def written_out(
    drive: Tensor,
    start: Tensor,
    threshold: Tensor,
    leak_shift: int | None,
    subtract: bool,
    whole: bool,
    width: float,
) -> tuple[Tensor, Tensor]:
    """The definition, tick by tick."""
    v, spikes, potential = start.expand_as(drive[0]), [], []
    for current in drive:
        if leak_shift is not None:
            lost = v / 2**leak_shift
            v = v - (lost + (lost.floor() - lost).detach() if whole else lost)
        v = v + current
        s = Spike.apply((v - threshold) / threshold, width)
        potential.append(v)
        spikes.append(s)
        v = v - threshold * s.detach() if subtract else v * (1 - s.detach())
    return torch.stack(spikes), torch.stack(potential)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("leak_shift", [None, 0, 3])
@pytest.mark.parametrize("subtract", [True, False])
@pytest.mark.parametrize("shape", [(5, 4, 7), (1, 3, 6), (4, 2, 3, 5, 5)])
def test_equal_to_the_ticks_written_out(
    shape: tuple[int, ...], subtract: bool, leak_shift: int | None, whole: bool
) -> None:
    generator = torch.Generator().manual_seed(len(shape))
    drive = torch.randn(shape, generator=generator, dtype=torch.float64) * 8
    drive = drive.round() if whole else drive
    threshold = torch.randint(
        3, 9, (shape[2], *[1] * (len(shape) - 3)), generator=generator
    ).double()
    start = (threshold / 2).floor() if whole else threshold / 2
    weights = torch.randn((2, *shape), generator=generator, dtype=torch.float64)
    fired = 0.0

    def run(function: Any) -> tuple[Tensor, ...]:
        nonlocal fired
        leaves = [x.clone().requires_grad_() for x in (drive, start, threshold)]
        spikes, potential = function(*leaves)
        (weights[0] * spikes + weights[1] * potential).sum().backward()
        fired = float(spikes.detach().mean())
        return spikes.detach(), potential.detach(), *(leaf.grad for leaf in leaves)  # type: ignore[misc]

    chosen: dict[str, Any] = {
        "leak_shift": leak_shift,
        "subtract": subtract,
        "whole": whole,
        "width": 1.5,
    }
    ours, theirs = run(lambda *x: lif(*x, **chosen)), run(lambda *x: written_out(*x, **chosen))
    assert torch.equal(ours[0], theirs[0])
    assert (
        torch.equal(ours[1], theirs[1])
        if whole
        else torch.allclose(ours[1], theirs[1], rtol=0, atol=1e-12)
    )
    assert 0.1 < fired < 0.9
    for found, expected in zip(ours[2:], theirs[2:], strict=True):
        assert torch.allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_surrogate_is_a_triangle_of_area_one(width: float) -> None:
    x = torch.arange(-24, 25).double() / 8
    drive, threshold = (
        (x * 4 + 4)[None, None].requires_grad_(),
        torch.tensor(4.0, dtype=torch.float64),
    )
    spikes, _ = lif(
        drive,
        torch.zeros((), dtype=torch.float64),
        threshold,
        leak_shift=None,
        subtract=True,
        whole=False,
        width=width,
    )
    assert torch.equal(spikes[0, 0], (x >= 0).double()) and spikes[0, 0, 24] == 1  # a tie fires
    spikes.sum().backward()
    expected = (1 - x.abs() / width).clamp_min(0) / width
    assert torch.allclose(drive.grad[0, 0] * 4, expected)  # type: ignore[index]
    assert float(expected.sum()) / 8 == pytest.approx(1)


def test_spikes_alone_and_potentials_alone_have_gradients() -> None:
    drive = torch.tensor([[[3.0]], [[2.0]]], requires_grad=True)
    half = torch.tensor(2.0)
    spikes, potential = lif(drive, half, 2 * half, leak_shift=None, subtract=True, whole=False)
    potential[1].sum().backward(retain_graph=True)
    assert drive.grad is not None and drive.grad.flatten().tolist() == [1.0, 1.0]
    drive.grad = None
    spikes[0].sum().backward()
    assert drive.grad.flatten().tolist() == [(1 - 0.25) / 4, 0.0]  # v = 5: x = 1/4


def test_half_precision_is_added_up_in_full() -> None:
    spikes, potential = lif(
        torch.full((2, 1, 1), 256.0, dtype=torch.bfloat16),
        torch.tensor(1.0),
        torch.tensor(1e6),
        leak_shift=None,
        subtract=True,
        whole=False,
    )
    assert (
        potential.dtype == torch.float32
        and potential.flatten().tolist() == [257.0, 513.0]
        and not spikes.any()
    )


@pytest.mark.parametrize("what", ["number", "channels", "neurons"])
@pytest.mark.parametrize("leak_shift", [None, 0, 3])
@pytest.mark.parametrize("subtract", [True, False])
@pytest.mark.parametrize(
    "shape", [(5, 4, 7), (1, 3, 6), (3, 2, 1500), (4, 2, 3, 20, 20), (2, 0, 7)]
)
def test_kernels_give_what_the_operations_give(
    shape: tuple[int, ...], subtract: bool, leak_shift: int | None, what: str
) -> None:
    """Channels last too; spikes alone, potentials alone, and both; more neurons than a block
    holds."""
    generator = torch.Generator().manual_seed(len(shape))
    channels = (shape[2], *[1] * (len(shape) - 3))
    threshold = (
        torch.rand(
            {"number": (1,), "channels": channels, "neurons": shape[1:]}[what], generator=generator
        )
        + 0.5
    )
    start, upstream = threshold / 2, torch.randn((2, *shape), generator=generator)
    drive = torch.randn(shape, generator=generator)
    if len(shape) == 5:
        drive = drive.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)

    def run(operation: Any, shares: tuple[float, float]) -> tuple[Tensor, ...]:
        leaves = [x.clone().requires_grad_() for x in (drive, start, threshold)]
        spikes, potential = operation.apply(*leaves, leak_shift, subtract, 1.5, False)
        wanted = [
            share * weight * x
            for share, weight, x in zip(shares, upstream, (spikes, potential), strict=True)
            if share
        ]
        sum(x.sum() for x in wanted).backward()  # type: ignore[union-attr]
        return spikes.detach(), potential.detach(), *(leaf.grad for leaf in leaves)  # type: ignore[misc]

    for shares in ((1.0, 0.0), (0.0, 1.0), (1.0, 2.0)):
        for found, expected in zip(run(_Ticks, shares), run(_Lif, shares), strict=True):
            assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("leak_shift", [None, 0, 3])
@pytest.mark.parametrize("subtract", [True, False])
def test_kernels_are_exact_with_whole_numbers(subtract: bool, leak_shift: int | None) -> None:
    generator = torch.Generator().manual_seed(1)
    drive = torch.randint(-2000, 3000, (9, 5, 700), generator=generator).float()
    threshold = torch.randint(1, 4000, (700,), generator=generator).float()
    chosen = (torch.zeros(1), threshold, leak_shift, subtract, 1.0, True)
    for found, expected in zip(
        _Ticks.apply(drive, *chosen), _Lif.apply(drive, *chosen), strict=True
    ):
        assert torch.equal(found, expected)


def test_kernels_are_taken_where_they_can_be() -> None:
    torch.set_num_threads(1)
    x = torch.zeros(1)
    assert compiled.usable(x) and not compiled.usable(x, x.double())
