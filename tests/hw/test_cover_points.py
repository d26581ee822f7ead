"""What must happen in the suite does happen: a set of fixed cases, watched from inside, in which
every named point is reached."""

from collections import Counter
from typing import Any

import numpy as np
from cover_points import golden_points, observed
from gateware import run_accelerator
from networks import random_inputs, random_network
from random_cases import lanes_of

from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network

CONV, MAP = ("conv2d",), (1, 5, 6)
# schedule, layers, shape of the input, seed, stalls
CASES: list[tuple[str, tuple[str, ...], tuple[int, ...], int, float, float]] = [
    ("two_phase", ("dense", "dense"), (7,), 1, 0.0, 0.9),
    ("two_phase", ("dense",), MAP, 2, 0.3, 0.3),
    ("two_phase", (*CONV, "dense"), MAP, 3, 0.0, 0.8),
    ("two_phase", (*CONV, *CONV), MAP, 4, 0.0, 0.0),
    ("two_phase", (*CONV, *CONV), (2, 6, 4), 5, 0.2, 0.5),
    ("time_stepped", ("dense", "dense"), (6,), 6, 0.0, 0.9),
    ("time_stepped", ("dense", "dense"), (6,), 7, 0.5, 0.0),
    ("time_stepped", (*CONV, "dense"), MAP, 8, 0.0, 0.9),
    ("time_stepped", (*CONV, *CONV), (1, 4, 5), 9, 0.0, 0.0),
    ("event_driven", ("dense", "dense"), (6,), 10, 0.0, 0.9),
    ("event_driven", CONV, MAP, 11, 0.0, 0.5),
    ("event_driven", (*CONV, "dense"), (1, 4, 4), 12, 0.3, 0.0),
]


def drawn(case: tuple[Any, ...]) -> tuple[Network, np.ndarray, list[Any]]:
    schedule, kinds, shape, seed = case[:4]
    rng = np.random.default_rng(seed)
    network = random_network(
        rng, schedule, kinds, shape=shape, sizes=(3, 5, 13), max_T=4, t_in=int(rng.integers(1, 5))
    )
    return network, random_inputs(rng, network, 5), lanes_of(rng, network)


def crowded(schedule: str) -> tuple[Network, np.ndarray, list[Any]]:
    """Everybody fires at once, and the next layer takes its time: all places for what is on its way
    fill up."""
    weights = [np.ones(shape, np.int8) for shape in ((24, 6), (5, 24), (2, 5))]
    kinds = [
        ("first", "dense", np.full(24, 1)),
        ("next", "dense", np.full(5, 30)),
        ("out", "readout", None),
    ]
    layers = [
        Layer(
            name,
            kind,
            weight,
            np.zeros(len(weight), np.int32),
            threshold,
            2,
            3,
            v_init="zero",
            neuron="unsigned",
        )
        for (name, kind, threshold), weight in zip(kinds, weights, strict=True)
    ]
    inputs = np.ones((3, 1, 6), np.int32)
    return (
        Network("crowded", schedule, Input((6,)), tuple(layers)),
        inputs,
        [2 if schedule == "event_driven" else 24, 1, 2],
    )


def test_every_point_is_reached() -> None:
    reached: Counter[str] = Counter()
    runs: list[tuple[Any, ...]] = [(*drawn(case), *case[3:], "count") for case in CASES]
    runs += [
        (*crowded(schedule), 1, 0.0, 0.0, "count") for schedule in ("two_phase", "event_driven")
    ]
    runs.append((*crowded("two_phase"), 1, 0.0, 0.5, "unary"))
    for network, inputs, lanes, seed, i_stall, o_stall, coding in runs:
        trace = golden.run(
            network, inputs, spikes=network.schedule == "time_stepped", potentials=True
        )
        with observed() as counts:
            run = run_accelerator(network, inputs, lanes, i_stall, o_stall, seed, coding=coding)
        difference = trace.first_difference(run.trace)
        assert difference is None, f"{network.schedule}, seed {seed}: {difference}"
        reached.update(counts)
        reached.update(golden_points(network, inputs, trace))
    never = sorted(name for name, times in reached.items() if not times)
    assert not never, f"never happened: {never}; all: {dict(sorted(reached.items()))}"
    assert len(reached) == 42, sorted(reached)
