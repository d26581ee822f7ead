"""No deadlock at any depth: with the shallowest queues that can be built every answer is the same, and the cycle law still holds."""

from typing import Any

import numpy as np
import pytest
from gateware import run_accelerator
from networks import random_inputs, random_network
from random_cases import lanes_of

from polyrhythm.hw import accelerator, layer
from polyrhythm.hw.event_driven import layer
from polyrhythm.sw import golden
from polyrhythm.sw.timing import cycles

SHALLOWEST = 2  # of a queue: a word in flip-flops and one behind it
KINDS = (("dense", "dense"), ("conv2d", "dense"), ("conv2d", "conv2d"))


@pytest.fixture(params=[SHALLOWEST, 3])
def depth(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Every queue and every store of results under way has this many places, in the gateware and in the law."""

    def few(*_: Any) -> int:
        return int(request.param)

    for room in (accelerator, pace):
        monkeypatch.setattr(room, "QUEUE_DEPTH", request.param)
    for room in (layer, pace):
        monkeypatch.setattr(room, "slots", few)
    for room in (event_layer, pace_events, cycles):
        monkeypatch.setattr(room, "EVENT_SLOTS", request.param)
    return few()


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped", "event_driven"])
@pytest.mark.parametrize("kinds", KINDS, ids="-".join)
def test_shallow_queues_wait_but_never_for_ever(depth: int, schedule: str, kinds: tuple[str, ...]) -> None:
    """A simulation in which no word moves for long fails (`gateware.PATIENCE`)."""
    rng = np.random.default_rng([800, len(kinds), depth])
    network = random_network(rng, schedule, kinds, shape=(2, 4, 5), sizes=(3, 8, 13), max_T=4)
    inputs, lanes = random_inputs(rng, network, 3), lanes_of(rng, network)
    expected = golden.run(network, inputs, spikes=schedule == "time_stepped")
    run, stalled = (run_accelerator(network, inputs, lanes, stall, stall) for stall in (0.0, 0.5))
    assert expected.first_difference(run.trace) is None and expected.first_difference(stalled.trace) is None
    law = cycles.timing(network, expected, inputs, lanes, back_to_back=True)
    assert (law.cycles.tolist(), law.interval.tolist()) == (run.cycles, run.interval)
