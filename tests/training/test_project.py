"""sw.training.arithmetic.project: adding up the weights of what fired gives the matrix product, its
gradients too."""

import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from polyrhythm.sw.training.arithmetic import compiled, project

SHAPES = [
    (1, 1, 1),
    (7, 64, 8),
    (33, 65, 10),
    (64, 130, 100),
    (5, 784, 128),
    (40, 63, 71),
    (0, 70, 9),
]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    assert compiled.library() is not None, "these tests need g++"


def drawn(
    shape: tuple[int, int, int], density: float, kind: str = "spikes"
) -> tuple[Tensor, Tensor, Tensor]:
    """Counts (R, I), weights (O, I), and the gradient of what they give (R, O)."""
    R, inputs, outputs = shape
    generator = torch.Generator().manual_seed(R + inputs)
    counts = (torch.rand(R, inputs, generator=generator) < density).float()
    if kind == "counts":
        counts *= torch.randint(1, 9, counts.shape, generator=generator)
    elif kind == "fractions":
        counts *= torch.randn(counts.shape, generator=generator)
    return (
        counts,
        torch.randn(outputs, inputs, generator=generator),
        torch.randn(R, outputs, generator=generator),
    )


def results(product: object, counts: Tensor, weight: Tensor, grad: Tensor) -> tuple[Tensor, ...]:
    """The product and both gradients."""
    leaves = counts.detach().requires_grad_(), weight.detach().requires_grad_()
    made = product(*leaves)  # type: ignore[operator]
    made.backward(grad)
    return made.detach(), *(leaf.grad for leaf in leaves)  # type: ignore[misc]


@pytest.mark.parametrize("kind", ["spikes", "counts", "fractions"])
@pytest.mark.parametrize("density", [0, 0.02, 0.2, 0.7, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_equal_to_the_matrix_product(
    shape: tuple[int, int, int], density: float, kind: str
) -> None:
    counts, weight, grad = drawn(shape, density, kind)
    exact = results(F.linear, counts.double(), weight.double(), grad.double())
    for ours, theirs in zip(results(project.marked, counts, weight, grad), exact, strict=True):
        assert torch.allclose(ours.double(), theirs, rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("kind", ["spikes", "counts"])
def test_whole_weights_give_whole_sums_exactly(kind: str) -> None:
    counts, weight, grad = drawn((64, 300, 40), 0.3, kind)
    weight, grad = (weight * 40).round(), (grad * 40).round()
    for ours, theirs in zip(
        results(project.marked, counts, weight, grad),
        results(F.linear, counts, weight, grad),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_ticks_without_a_spike_give_zeros() -> None:
    counts, weight, grad = drawn((64, 300, 40), 0.3)
    counts[10:20] = 0
    counts[:, 64:128] = 0
    made, _, of_weight = results(project.marked, counts, weight, grad)
    assert not made[10:20].any() and made[20:].any()
    assert not of_weight[:, 64:128].any() and of_weight[:, 128:].any()


def test_weights_and_gradients_of_any_layout() -> None:
    counts, weight, grad = drawn((40, 100, 24), 0.2)
    turned = weight.t().contiguous().t(), grad.t().contiguous().t()
    for ours, theirs in zip(
        results(project.marked, counts, *turned),
        results(project.marked, counts, weight, grad),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_counts_that_are_not_contiguous_are_multiplied_densely() -> None:
    counts, weight, _ = drawn((2000, 100, 64), 0.1)
    assert project.sparse(counts, weight) and not project.sparse(
        counts.t().contiguous().t(), weight
    )


def test_used_twice_the_gradients_add_up() -> None:
    counts, weight, grad = drawn((40, 100, 24), 0.2)
    weight.requires_grad_()
    once = torch.autograd.grad(project.marked(counts, weight), weight, grad)[0]
    twice = torch.autograd.grad(
        project.marked(counts, weight) + project.marked(counts, weight), weight, grad
    )[0]
    assert torch.equal(twice, 2 * once)


def test_no_gradient_into_counts_that_want_none() -> None:
    counts, weight, grad = drawn((40, 100, 24), 0.2)
    project.marked(counts, weight.requires_grad_()).backward(grad)
    assert counts.grad is None and weight.grad is not None


def test_the_same_bytes_again() -> None:
    drawn_once = drawn((500, 300, 64), 0.2)
    first, second = (results(project.marked, *drawn_once) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_bias_is_added() -> None:
    counts, weight, _ = drawn((2000, 100, 64), 0.1)
    bias = torch.arange(64.0)
    assert torch.allclose(
        project.linear(counts, weight, bias), F.linear(counts, weight, bias), atol=1e-4
    )


@pytest.mark.parametrize(
    ("shape", "density", "marked"),
    [
        ((1024, 784, 128), 0.2, True),
        ((1024, 784, 128), 0.3, False),
        ((1024, 784, 128), 0.0, True),
        ((1024, 784, 10), 0.2, False),
        ((32, 64, 128), 0.2, False),
    ],
)
def test_chosen_by_density_and_size(
    shape: tuple[int, int, int], density: float, marked: bool
) -> None:
    counts, weight, _ = drawn(shape, density)
    assert project.sparse(counts, weight) is marked


def test_other_precisions_and_more_threads_stay_dense() -> None:
    counts, weight, _ = drawn((1024, 784, 128), 0.1)
    assert project.sparse(counts, weight)
    assert not project.sparse(counts.double(), weight.double())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not project.sparse(counts, weight)
        assert project.linear(counts, weight).dtype == torch.bfloat16
    torch.set_num_threads(compiled.THREADS + 1)
    assert not project.sparse(counts, weight)


def test_density_is_that_of_rows_all_over() -> None:
    counts = torch.zeros(320, 50)
    counts[160:] = 1
    assert compiled.density(counts) == 0.5


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and a PATH without a compiler; whatever was loaded is loaded anew, and again
    behind the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(compiled, "library", compiled.cache(compiled.library.__wrapped__))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def test_without_a_compiler_torch_computes(fresh: Path) -> None:
    counts, weight, _ = drawn((1024, 784, 128), 0.1)
    assert not project.sparse(counts, weight)
    assert torch.equal(project.linear(counts, weight), F.linear(counts, weight))


def test_a_compiler_that_refuses_is_told_of(fresh: Path) -> None:
    compiler = fresh / "bin" / "g++"
    compiler.write_text(
        "#!/bin/sh\nif [ $# = 2 ]; then echo 1; exit 0; fi\necho 'error: no such flag' >&2\nexit 1\n"
    )
    compiler.chmod(0o755)
    expected = (
        f"training is slower: {compiler} must build kernels.cpp, but says: error: no such flag"
    )
    with pytest.warns(UserWarning) as told:
        assert compiled.library() is None
    assert [str(one.message) for one in told] == [expected]
    assert not list((fresh / "cache" / "polyrhythm" / "kernels").iterdir())


def test_a_cache_that_cannot_be_written_builds_for_the_process_alone(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    (fresh / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(fresh / "file"))
    monkeypatch.setattr(compiled, "library", compiled.cache(compiled.library.__wrapped__))
    counts, weight, grad = drawn((40, 100, 24), 0.2)
    assert torch.allclose(
        results(project.marked, counts, weight, grad)[0], F.linear(counts, weight), atol=1e-4
    )


def test_built_once_and_kept(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(fresh / "cache"))
    monkeypatch.setattr(compiled, "library", compiled.cache(compiled.library.__wrapped__))
    assert compiled.library() is not None
    (built,) = (fresh / "cache" / "polyrhythm" / "kernels").iterdir()
    when = built.stat().st_mtime_ns
    compiled.library.cache_clear()
    runs, run = list[object](), subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda command, **rest: (runs.append(command), run(command, **rest))[1]
    )
    assert compiled.library() is not None and len(runs) == 1  # its version alone
    assert built.stat().st_mtime_ns == when
