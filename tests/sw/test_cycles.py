"""sw.timing.cycles: the law is what the circuit does, to the cycle; and what the circuit does is no
more than the work and a little."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from gateware import run_accelerator
from networks import random_inputs, random_network

from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.timing import cycles
from polyrhythm.sw.timing.pipeline import costs


def golden_trace(network: Network, inputs: np.ndarray) -> Any:
    return golden.run(network, inputs, spikes=network.schedule == "time_stepped")


def lanes_of(rng: np.random.Generator, network: Network) -> list[int]:
    """From 1 to N_out; not so few that a test takes long."""
    sizes = [network.n_out(i) for i in range(len(network.layers))]
    return [int(rng.integers(-(-n // 3), n + 1)) for n in sizes]


# --- the law and the circuit ---


@pytest.mark.parametrize("seed", range(14))
def test_timing_equals_the_circuit(seed: int) -> None:
    rng = np.random.default_rng(300 + seed)
    network = random_network(
        rng, ("two_phase", "time_stepped")[seed % 2], sizes=(1, 2, 5, 8, 13, 19), max_T=5
    )
    inputs, lanes = random_inputs(rng, network, 3), lanes_of(rng, network)
    trace = golden_trace(network, inputs)
    alone = run_accelerator(network, inputs[-1:], lanes)
    assert (
        cycles.timing(plan(network, lanes), trace, inputs, back_to_back=False).cycles[-1:].tolist()
        == alone.cycles
    )
    law, row = (
        cycles.timing(plan(network, lanes), trace, inputs, back_to_back=True),
        run_accelerator(network, inputs, lanes),
    )
    assert law.cycles.tolist() == row.cycles
    assert law.interval.tolist() == row.interval


def chain(
    schedule: str, sizes: Sequence[int], T: Sequence[int], t_in: int = 1, threshold: int = 1
) -> Network:
    """Layers in which every neuron spikes where any input does."""
    shapes = list(zip(sizes[1:], sizes, strict=False))
    layers = [
        Layer(
            f"l{i}", "dense" if i < len(T) - 1 else "readout", np.full(shape, 1, np.int8), np.zeros(shape[0], np.int32),
            np.full(shape[0], threshold) if i < len(T) - 1 else None, weight_bits=2, T=T[i], v_init="zero",
        )
        for i, shape in enumerate(shapes)
    ]  # fmt: skip
    return Network("chain", schedule, Input((sizes[0],), t_in), tuple(layers))


@pytest.mark.parametrize(
    ("schedule", "T"),
    [("two_phase", (3, 2, 1)), ("two_phase", (1, 1, 1)), ("time_stepped", (2, 2, 3))],
)
def test_timing_where_queues_are_full_and_layers_wait_for_each_other(
    schedule: str, T: tuple[int, ...]
) -> None:
    """A fast layer before a slow one: its events go out with gaps, because nobody takes them."""
    network = chain(schedule, (19, 40, 4, 2), T, t_in=2 if schedule == "time_stepped" else 1)
    inputs, lanes = np.ones((4, network.input.T, 19), np.int64), [40, 1, 2]
    run = run_accelerator(network, inputs, lanes)
    law = cycles.timing(
        plan(network, lanes), golden_trace(network, inputs), inputs, back_to_back=True
    )
    assert law.cycles.tolist() == run.cycles
    assert law.interval.tolist() == run.interval
    gaps = [
        b - a
        for (a, word), (b, _) in itertools.pairwise(run.taps[0])
        if not word["tick"] and not word["end"]
    ]
    assert max(gaps) > 1, "an event waited for the one before it to be taken"


def test_timing_of_a_large_weight_memory() -> None:
    """Its words take a cycle more to their lanes."""
    weight = np.random.default_rng(1).integers(-128, 128, (7, 600))
    network = Network(
        "large",
        "two_phase",
        Input((600,)),
        (Layer("out", "readout", weight, np.zeros(7, np.int32)),),
    )
    inputs = np.zeros((2, 600), np.int64)
    inputs[:, [3, 599]] = 1
    run, trace = run_accelerator(network, inputs, [7]), golden_trace(network, inputs)
    assert trace.first_difference(run.trace) is None
    assert (
        cycles.timing(plan(network, [7]), trace, inputs, back_to_back=True).cycles.tolist()
        == run.cycles
    )


# --- an event costs ceil(N_out / lanes) cycles, and so does a tick ---


@pytest.mark.parametrize(("neurons", "lanes"), [(1, 1), (5, 5), (5, 2), (7, 1), (16, 8), (8, 3)])
@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped"])
def test_each_further_event_costs_a_cycle_for_each_group(
    schedule: str, neurons: int, lanes: int
) -> None:
    network = chain(schedule, (12, neurons), (1,))
    inputs = np.tril(np.ones((12, 12), np.int32))[:, None]  # 1 to 12 events
    found = run_accelerator(network, inputs, [lanes], back_to_back=False).cycles
    assert np.diff(found).tolist() == [-(-neurons // lanes)] * 11


@pytest.mark.parametrize(("neurons", "lanes"), [(1, 1), (5, 5), (5, 2), (7, 1), (8, 3)])
@pytest.mark.parametrize("t_in", [1, None])
def test_each_further_tick_costs_a_cycle_for_each_group(
    neurons: int, lanes: int, t_in: int | None
) -> None:
    """Silent ticks that come in (t_in None: as many as T), and ticks that a current is held for."""
    found: list[int] = []
    for T in range(2, 8):
        network = chain("time_stepped", (3, neurons), (T,), t_in=t_in or T)
        inputs = np.zeros((1, network.input.T, 3), np.int32)
        inputs[0, 0] = 1
        found += run_accelerator(network, inputs, [lanes]).cycles
    assert np.diff(found).tolist() == [-(-neurons // lanes)] * 5


@pytest.mark.parametrize(("neurons", "lanes"), [(5, 5), (7, 2)])
def test_frames_in_a_row_come_as_fast_as_the_work_allows(neurons: int, lanes: int) -> None:
    network = chain("time_stepped", (12, neurons), (3,), t_in=3)
    inputs = np.random.default_rng(1).integers(0, 2, (6, 3, 12))
    run = run_accelerator(network, inputs, [lanes])
    work = cycles.work(plan(network, [lanes]), golden_trace(network, inputs), inputs)[:, 0]
    assert work.tolist() == [(int(frame.sum()) + 3) * -(-neurons // lanes) for frame in inputs]
    assert run.interval[1:] == work[1:].tolist()


def test_work_counts_events_and_sweeps_of_every_layer() -> None:
    network = chain("time_stepped", (4, 5, 3), (2, 3), t_in=2)
    inputs = np.array([[[1, 1, 0, 0], [0, 0, 0, 0]], [[0, 0, 0, 0], [0, 0, 0, 0]]])
    trace = golden_trace(network, inputs)
    # Two inputs make every neuron spike at the first tick (v = 2) and at the second (v = 1): ten
    # events for the readout.
    assert cycles.work(plan(network, [2, 3]), trace, inputs).tolist() == [
        [(2 + 2) * 3, 10 + 3],
        [2 * 3, 3],
    ]
    still = chain("two_phase", (4, 5, 3), (2, 3))
    counts = inputs[:, 0]
    assert cycles.work(plan(still, [5, 1]), golden_trace(still, counts), counts).tolist() == [
        [3, (5 + 1) * 3],
        [1, 3],
    ]


# --- the size of the demo ---


def digits(rng: np.random.Generator) -> tuple[Network, np.ndarray]:
    """64-20-10, T = 10, and frames of 195 events, 19.5 per tick."""
    fc = Layer(
        "fc1",
        "dense",
        rng.integers(-8, 8, (20, 64)),
        rng.integers(0, 9, 20),
        np.full(20, 10),
        4,
        10,
        leak_shift=3,
    )
    out = Layer(
        "out", "readout", rng.integers(-8, 8, (10, 20)), np.zeros(10, np.int32), weight_bits=4, T=10
    )
    frames = np.zeros((2, 640), np.int32)
    for frame in frames:
        frame[rng.permutation(640)[:195]] = 1
    return Network("digits", "time_stepped", Input((64,), 10), (fc, out)), frames.reshape(2, 10, 64)


def test_a_digit_in_ten_ticks_takes_at_most_230_cycles() -> None:
    network, inputs = digits(np.random.default_rng(5))
    trace = golden_trace(network, inputs)
    assert trace.events.min() > 20, "the hidden layer spikes"
    run = run_accelerator(network, inputs, [20, 10], back_to_back=False)
    assert trace.first_difference(run.trace) is None
    assert max(run.cycles) <= 230
    assert (
        cycles.timing(plan(network, [20, 10]), trace, inputs, back_to_back=False).cycles.tolist()
        == run.cycles
    )


def test_no_frames_take_no_cycles() -> None:
    network = chain("two_phase", (3, 2), (1,))
    inputs = np.zeros((0, 1, 3), np.int64)
    for back_to_back in (False, True):
        law = cycles.timing(plan(network, [1]), golden_trace(network, inputs), inputs, back_to_back)
        assert law.cycles.shape == law.interval.shape == (0,)


def test_spikes_are_needed_where_there_are_ticks() -> None:
    network = chain("time_stepped", (3, 4, 2), (2, 2))
    inputs = np.zeros((1, 1, 3), np.int64)
    with pytest.raises(ValueError) as error:
        cycles.timing(plan(network, [1, 1]), golden.run(network, inputs), inputs, back_to_back=True)
    assert str(error.value) == (
        "the cycles of a time_stepped network follow from its spikes: run the golden model with spikes=True"
    )


@pytest.mark.parametrize(
    ("size", "pool"), [(size, pool) for size in range(1, 8) for pool in range(1, size + 1)]
)
def test_only_places_that_fill_a_block_cost_anything(size: int, pool: int) -> None:
    """Also where the rows that are left over would make the blocks look larger than they are."""
    blocks, wide = size // pool, 10
    weight = np.ones((2, blocks * (wide // pool)), np.int8)
    network = Network(
        "pooled",
        "two_phase",
        Input((1, size, wide)),
        (Layer("out", "readout", weight, np.zeros(2, np.int32), pool=pool),),
    )
    found = costs(plan(network, [2]).layers[0].input.synapses).reshape(size, wide)
    assert found.tolist() == [
        [int(y < blocks * pool and x < wide // pool * pool) for x in range(wide)]
        for y in range(size)
    ]
