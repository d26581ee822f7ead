"""One circuit of several profiles: every frame is computed under its own, and takes the cycles that
the model says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from networks import pick, random_inputs, random_network
from random_cases import lanes_of

from polyrhythm.sim import bulk
from polyrhythm.sw import golden
from polyrhythm.sw.network import Network, Profile
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.timing import cycles

KINDS = ((), ("dense",), ("dense", "dense"), ("conv2d",), ("conv2d", "dense"), ("conv2d", "conv2d"))
FRAMES = 14


def drawn(rng: np.random.Generator, kinds: tuple[str, ...]) -> Network:
    """A time_stepped network with up to five working points: T of one, equal and coprime ones,
    thresholds and biases of their own."""
    shape = (pick(rng, (1, 2)), 4, 5) if "conv2d" in kinds else None
    T = [pick(rng, (1, 2, 3, 5)) for _ in (*kinds, "readout")]
    network = random_network(
        rng, "time_stepped", kinds, shape=shape, T=T, t_in=pick(rng, (1, 2, 4))
    )
    profiles = {}
    for name in "abcd"[: int(rng.integers(1, 5))]:
        own: dict[str, Any] = {"threshold": {}, "bias": {}}
        for i, layer in enumerate(network.layers):
            if layer.threshold is not None and rng.random() < 0.4:
                own["threshold"][i] = layer.threshold // 2 + 1
            if rng.random() < 0.4:
                own["bias"][i] = layer.bias // 2 - 1
        profiles[name] = Profile(tuple(pick(rng, (1, 2, 3, 4, 7)) for _ in T), **own)
    return replace(network, profiles=profiles)


def check(seed: int) -> None:
    rng = np.random.default_rng([18, seed])
    network = drawn(rng, KINDS[seed % len(KINDS)])
    names = [None, *network.profiles]
    inputs = random_inputs(rng, network, FRAMES)
    numbers = rng.integers(0, len(names), len(inputs))
    chosen = [names[k] for k in numbers]
    lanes = lanes_of(rng, network)
    wanted = golden.run(network, inputs, chosen, spikes=True)
    planned = plan(network, lanes, profiles=names)
    for joined in (False, True):
        got = bulk.run(
            network, inputs, chosen, lanes=lanes, spikes=True, logits_t=True, back_to_back=joined
        )
        assert wanted.first_difference(got) is None, f"seed {seed}"
        law = cycles.timing(planned, wanted, inputs, joined, numbers)
        seen, told = (got.interval, law.interval) if joined else (got.cycles, law.cycles)
        assert seen is not None and seen.tolist() == told.tolist(), f"seed {seed}"
    stalled = bulk.run(
        network, inputs, chosen, lanes=lanes, spikes=True, i_stall=0.5, o_stall=0.5, seed=seed
    )
    assert wanted.first_difference(stalled) is None, f"seed {seed}"


@pytest.mark.parametrize("seed", range(len(KINDS)))
def test_frames_of_all_profiles_in_any_order(seed: int, shared_build: None) -> None:
    check(seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(len(KINDS), 20))
def test_more_networks(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from polyrhythm.sim import verilator

    monkeypatch.setattr(verilator, "OPTIMISE", "-O0")
    check(seed)
