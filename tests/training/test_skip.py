"""Residual additions: torch, golden model, bounds and file agree on them; what cannot have one says
so."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyrhythm.hw.export import export
from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network, NetworkError, Skip
from polyrhythm.sw.plan import widths
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.timing import cycles
from polyrhythm.sw.training import train
from polyrhythm.sw.training.recipe import Conversion, LayerSpec, Recipe, SkipSpec
from polyrhythm.sw.training.recipes import DIGITS


def network(seed: int, stride: int = 2, **fields: Any) -> Network:
    rng = np.random.default_rng(seed)

    def layer(name: str, kind: str, shape: tuple[int, ...], **more: Any) -> Layer:
        threshold = None if kind == "readout" else rng.integers(1, 40, shape[0])
        return Layer(
            name,
            kind,
            rng.integers(-8, 8, shape),
            rng.integers(-20, 20, shape[0]),
            threshold,
            weight_bits=4,
            T=int(rng.integers(1, 6)),
            **more,
        )

    skip = Skip("a", rng.integers(-128, 128, (5, 3)), 8, stride)
    layers = (
        layer("a", "conv2d", (3, 2, 3, 3), padding=1), layer("b", "conv2d", (4, 3, 3, 3), padding=1, stride=stride),
        layer("c", "conv2d", (5, 4, 3, 3), padding=1, skip=skip), layer("out", "readout", (3, 5 * -(-7 // stride) * -(-6 // stride))),
    )  # fmt: skip
    return Network("residual", "two_phase", Input((2, 7, 6), 1, 9), layers, **fields)


def frames(seed: int, size: int = 12) -> np.ndarray:
    return np.random.default_rng(90 + seed).integers(0, 10, (size, 2, 7, 6))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_golden_is_the_definition_written_out(seed: int, stride: int) -> None:
    made, inputs = network(seed, stride), frames(seed)
    trace = golden.run(made, inputs)
    ours = train.evaluate(made, inputs)
    for name, count in trace.counts.items():
        assert np.array_equal(count, ours.counts[name]), name
    assert np.array_equal(trace.logits, ours.logits)
    # layer c by hand: its chain without the addition, then the addition, place by place
    layer, skip = made.layers[2], made.layers[2].skip
    assert skip is not None and layer.threshold is not None
    rows, columns = made.out_shape(2)[1:]
    a, b = (
        trace.counts[name].reshape(len(inputs), *made.out_shape(i)).astype(int)
        for i, name in enumerate("ab")
    )
    padded = np.pad(b, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for y, x in np.ndindex(rows, columns):
        v = (
            (layer.threshold >> 1)
            + layer.bias
            + np.einsum(
                "bcij,ocij->bo", padded[:, :, y : y + 3, x : x + 3], layer.weight.astype(int)
            )
        )
        v = v + a[:, :, y * stride, x * stride] @ skip.weight.astype(int).T
        n = np.clip(v // layer.threshold, 0, layer.T)
        assert np.array_equal(
            n, trace.counts["c"].reshape(len(inputs), *made.out_shape(2))[:, :, y, x]
        )


def test_bounds_hold_and_are_reached() -> None:
    made = network(1)
    low, high = widths.drive(made, 2)
    plain = dataclasses.replace(
        made,
        layers=(*made.layers[:2], dataclasses.replace(made.layers[2], skip=None), made.layers[3]),
    )
    skip = made.layers[2].skip
    assert skip is not None
    T = made.layers[0].T
    wanted = T * np.maximum(skip.weight.astype(int), 0).sum(1)
    assert np.array_equal(
        (high - widths.drive(plain, 2)[1]).reshape(5, -1), np.repeat(wanted[:, None], 12, 1)
    )
    assert bool((low < widths.drive(plain, 2)[0]).any())


def test_the_file_holds_it_and_files_without_are_as_before(tmp_path: Path) -> None:
    made = network(2)
    made.save(tmp_path / "n.safetensors")
    loaded = Network.load(tmp_path / "n.safetensors")
    skip, again = made.layers[2].skip, loaded.layers[2].skip
    assert skip is not None and again is not None and loaded.digest == made.digest
    assert (again.source, again.stride, again.weight_bits) == ("a", 2, 8) and np.array_equal(
        again.weight, skip.weight
    )
    changed = dataclasses.replace(skip, weight=skip.weight + (skip.weight < 0))
    other = dataclasses.replace(
        made,
        layers=(
            *made.layers[:2],
            dataclasses.replace(made.layers[2], skip=changed),
            made.layers[3],
        ),
    )
    assert other.digest != made.digest


def changed(**fields: Any) -> Network:
    made = network(3)
    skip = made.layers[2].skip
    assert skip is not None
    given = {"source": skip.source, "weight": skip.weight, "weight_bits": 8, "stride": 2} | fields
    return dataclasses.replace(
        made,
        layers=(
            *made.layers[:2],
            dataclasses.replace(made.layers[2], skip=Skip(**given)),
            made.layers[3],
        ),
    )


BAD: dict[str, dict[str, Any]] = {
    "layer 2 (c): skip source must be one of a, b, not 'd'": {"source": "d"},
    "layer 2 (c): skip must see a map of (4, 3), but a gives (7, 6) at stride 1": {"stride": 1},
    "layer 2 (c): skip weight must have shape (5, 3), not (5, 4)": {
        "weight": np.zeros((5, 4), int)
    },
    "layer 2 (c): skip weights must fit 2 bits (-2..1), not 9 at [0, 0]": {
        "weight": np.full((5, 3), 9),
        "weight_bits": 2,
    },
}


@pytest.mark.parametrize("text", BAD)
def test_additions_that_do_not_fit(text: str) -> None:
    with pytest.raises(NetworkError) as caught:
        changed(**BAD[text])
    assert str(caught.value).startswith(text)


def test_only_two_phase_convolutions_have_them(tmp_path: Path) -> None:
    made = network(4)
    with pytest.raises(
        NetworkError,
        match=r"^layer 2 \(c\): skip belongs to conv2d layers of two_phase networks, not to conv2d in time_stepped$",
    ):
        dataclasses.replace(made, schedule="time_stepped")
    text = r"^layer 2 \(c\): no accelerator adds the counts of an earlier layer \(a\); such networks run in torch and in the golden model$"
    with pytest.raises(ValueError, match=text):
        export(made, tmp_path / "v")
    with pytest.raises(ValueError, match=text):
        cycles.work(plan(made, [3, 4, 5, 3]), golden.run(made, frames(4)), frames(4))


RESIDUAL = (
    LayerSpec("stem", 6, "conv2d", T=4, padding=1), LayerSpec("one", 6, "conv2d", T=3, padding=1),
    LayerSpec("two", 6, "conv2d", T=4, padding=1, skip=SkipSpec("stem")), LayerSpec("out", 10, "readout", pool=2),
)  # fmt: skip
LEARNED: Recipe = dataclasses.replace(
    DIGITS, name="residual", layers=RESIDUAL, float_epochs=6, quantized_epochs=6, snapped_epochs=3, conversion=Conversion("mean_T", target=3.0)
)  # fmt: skip


def test_a_residual_network_learns_its_time_steps_and_is_exact(tmp_path: Path) -> None:
    made, report = train.train(LEARNED, out=tmp_path / "n.safetensors", progress=lambda _: None)
    # Torch == golden is checked on the way
    assert report["accuracy"] > 0.93 and report["mean_T"] <= 3 and report["cycles"] is None
    skip = made.layers[2].skip
    assert (
        skip is not None
        and np.count_nonzero(skip.weight) >= 6
        and Network.load(tmp_path / "n.safetensors").digest == made.digest
    )


def test_cycles_of_what_cannot_be_built_have_no_price() -> None:
    priced = dataclasses.replace(LEARNED, conversion=Conversion("cycles", trade=0.1))
    with pytest.raises(
        ValueError,
        match="^recipe residual: conversion: no accelerator has residual additions, so cost must be mean_T or events, not cycles$",
    ):
        train.train(priced, progress=lambda _: None)


NARROW = """
import torch
from polyrhythm.sw.training.arithmetic.neurons import skipped

torch.manual_seed(1)
torch.set_num_threads(1)
form = torch.channels_last
for _ in range(50):
    counts = torch.randn(64, 4, 8, 8).to(memory_format=form).requires_grad_()
    weight = torch.randn(6, 4).requires_grad_()
    skipped(counts, weight, 2).square().sum().backward()
wanted = counts.detach()[:, :, ::2, ::2].permute(0, 2, 3, 1) @ weight.detach().T
found = skipped(counts, weight, 2).detach().permute(0, 2, 3, 1)
assert torch.allclose(found, wanted, atol=1e-5), "sums of a residual addition"
print("fine")
"""


def test_an_addition_of_few_channels_has_a_gradient() -> None:
    """In a process of its own: where it fails, it fails by ending the interpreter."""
    done = subprocess.run([sys.executable, "-c", NARROW], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr[-500:]
