"""No deadlock at any depth: with the shallowest queues that can be built every answer is the same,
and the cycle model still holds."""

import numpy as np
import pytest
from gateware import run_planned
from networks import random_inputs, random_network
from random_cases import lanes_of

from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.top import Top
from polyrhythm.sw import golden
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.parameters import Parameters
from polyrhythm.sw.timing import cycles

SHALLOWEST = 2  # of a queue: a word in flip-flops and one behind it
KINDS = (("dense", "dense"), ("conv2d", "dense"), ("conv2d", "conv2d"))


@pytest.mark.parametrize("depth", [SHALLOWEST, 3])
@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped", "event_driven"])
@pytest.mark.parametrize("kinds", KINDS, ids="-".join)
def test_shallow_queues_wait_but_never_for_ever(
    depth: int, schedule: str, kinds: tuple[str, ...]
) -> None:
    """A simulation in which no word moves for long fails (`gateware.PATIENCE`)."""
    rng = np.random.default_rng([800, len(kinds), depth])
    network = random_network(rng, schedule, kinds, shape=(2, 4, 5), sizes=(3, 8, 13), max_T=4)
    inputs, lanes = random_inputs(rng, network, 3), lanes_of(rng, network)
    expected = golden.run(network, inputs, spikes=schedule == "time_stepped")
    few = Parameters(
        queue_depth=depth, mask_slots=depth, value_slots=depth, map_slots=depth, event_slots=depth
    )
    shallow = plan(network, lanes, parameters=few)
    assert all(layer.slots == depth for layer in shallow.hidden)
    run, stalled = (
        run_planned(network, Top(shallow, Rom), inputs, stall, stall) for stall in (0.0, 0.5)
    )
    assert (
        expected.first_difference(run.trace) is None
        and expected.first_difference(stalled.trace) is None
    )
    law = cycles.timing(shallow, expected, inputs, back_to_back=True)
    assert (law.cycles.tolist(), law.interval.tolist()) == (run.cycles, run.interval)
