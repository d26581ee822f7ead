"""hw.accelerator and hw.top: every count, spike, sum and class is the golden model's, whatever
waits for what."""

import math
from collections import Counter

import numpy as np
import pytest
from gateware import Run, drive, run_accelerator
from networks import random_inputs, random_network

from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.top import Top
from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.trace import Trace

SCHEDULES = ("two_phase", "time_stepped")
SEEDS = range(20)


def golden_trace(network: Network, inputs: np.ndarray) -> Trace:
    stepped = network.schedule == "time_stepped"
    return golden.run(network, inputs, spikes=stepped, potentials=True)


def drawn(seed: int) -> tuple[Network, np.ndarray, list[int]]:
    """A network, frames (silent, saturating, random), and lanes: one, all, or a random number."""
    rng = np.random.default_rng(900 + seed)
    network = random_network(rng, SCHEDULES[seed % 2], extreme=seed % 5 == 0, max_T=6)
    sizes = [network.n_out(i) for i in range(len(network.layers))]
    lanes = {0: [1] * len(sizes), 1: sizes}.get(
        seed // 2 % 4, [int(rng.integers(1, n + 1)) for n in sizes]
    )
    return network, random_inputs(rng, network, 3), lanes


def check(network: Network, inputs: np.ndarray, run: Run) -> None:
    """The first difference from the golden model, if any, in words."""
    difference = golden_trace(network, inputs).first_difference(run.trace)
    assert difference is None, str(difference)


# --- random networks ---


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_equals_golden_under_stalls(seed: int) -> None:
    network, inputs, lanes = drawn(seed)
    i_stall, o_stall = ((0.0, 0.9), (0.5, 0.0), (0.6, 0.8))[seed % 3]
    run = run_accelerator(network, inputs, lanes, i_stall, o_stall, seed)
    check(network, inputs, run)
    assert run.o_waited or not o_stall, "an answer waited"


def test_the_random_networks_hold_the_interesting_cases() -> None:
    """Ties, potentials that reach the threshold exactly, saturated counts, negative sums, T of 1,
    more and fewer ticks."""
    cases: Counter[str] = Counter()
    for seed in SEEDS:
        network, inputs, lanes = drawn(seed)
        trace = golden_trace(network, inputs)
        top = trace.logits.max(axis=1, keepdims=True)
        cases["tie"] += int(((trace.logits == top).sum(axis=1) > 1).sum())
        cases["negative sum"] += int((trace.logits < 0).sum())
        cases["partial group"] += sum(network.n_out(i) % n > 0 for i, n in enumerate(lanes))
        cases["one lane of many"] += sum(n == 1 < network.n_out(i) for i, n in enumerate(lanes))
        for i, layer in enumerate(network.hidden):
            count, v = trace.counts[layer.name], (trace.v or {})[layer.name]
            spiked = trace.spikes[layer.name] if trace.spikes else count
            cases["v == Th"] += (
                int(((v == 0) & (spiked > 0)).sum()) if layer.reset == "subtract" else 0
            )
            cases["saturated count"] += int((count == layer.T).sum()) if layer.T > 1 else 0
            cases["silent neuron"] += int((count == 0).sum())
            t_in = network.t_in(i)
            cases["T = 1"] += layer.T == 1
            cases["fewer ticks"] += network.schedule == "time_stepped" and t_in > layer.T
            cases["more ticks"] += network.schedule == "time_stepped" and t_in < layer.T
            cases["coprime ticks"] += network.schedule == "time_stepped" and min(
                t_in, layer.T
            ) > 1 == math.gcd(t_in, layer.T)
    assert len(cases) == 11 and min(cases.values()) >= 2, cases


@pytest.mark.parametrize("T", [(1, 1, 1), (7, 3, 5), (2, 5, 3), (1, 4, 1), (4, 1, 6), (8, 4, 2)])
@pytest.mark.parametrize("t_in", [1, 3, 8])
def test_ticks_of_every_kind_of_ratio(T: tuple[int, ...], t_in: int) -> None:
    rng = np.random.default_rng(t_in)
    network = random_network(
        rng,
        "time_stepped",
        ("dense", "dense"),
        shape=(5,),
        sizes=(3, 5),
        T=T,
        t_in=t_in,
        max_count=1,
    )
    inputs = random_inputs(rng, network, 3)
    check(network, inputs, run_accelerator(network, inputs, [2, 3, 1]))


@pytest.mark.parametrize("bias_mode", ["per_tick", "spread", "once"])
@pytest.mark.parametrize("t_in", [1, 4])
def test_every_way_of_the_bias(bias_mode: str, t_in: int) -> None:
    rng = np.random.default_rng(5)
    network = random_network(
        rng,
        "time_stepped",
        ("dense",),
        shape=(5,),
        sizes=(7,),
        T=(4, 5),
        t_in=t_in,
        bias_mode=bias_mode,
    )
    inputs = random_inputs(rng, network, 3)
    check(network, inputs, run_accelerator(network, inputs, [3, 2]))


# --- ends of the ranges ---


def loud(schedule: str, bits: int, value: int, T: int = 3) -> Network:
    """All weights at one end, thresholds at both ends, inputs up to 255."""
    weight = np.full((5, 6), value, np.int8)
    threshold = np.array([1, 2, (1 << 31) - 1, 255, 1 << 30])
    bias = np.array([(1 << 31) - 1, -(1 << 31), 0, 1, -1])
    fc = Layer("fc", "dense", weight, bias, threshold, bits, T, bias_mode="once")
    out = Layer(
        "out",
        "readout",
        np.full((3, 5), value, np.int8),
        bias[:3],
        weight_bits=bits,
        T=2,
        bias_mode="once",
    )
    return Network(
        "loud", schedule, Input((6,), 2 if schedule == "time_stepped" else 1, 255), (fc, out)
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("bits", "value"), [(2, -2), (2, 1), (8, -128), (8, 127)])
def test_weights_thresholds_and_biases_at_their_ends(schedule: str, bits: int, value: int) -> None:
    network = loud(schedule, bits, value)
    inputs = np.full((3, network.input.T, 6), 255)
    inputs[1] = 0
    inputs[2] = np.arange(6) * 51
    check(network, inputs, run_accelerator(network, inputs, [2, 2]))


# --- waiting ---


def test_a_full_input_queue_stalls_the_source_and_loses_nothing() -> None:
    rng = np.random.default_rng(2)
    network = random_network(
        rng, "time_stepped", ("dense",), shape=(16,), sizes=(13,), T=(3, 3), t_in=3, max_count=1
    )
    inputs = rng.integers(0, 2, (3, 3, 16))
    run = run_accelerator(network, inputs, [1, 13])
    check(network, inputs, run)
    assert run.i_waited > 200, "one lane needs 13 cycles for each event, so words wait"


def test_answers_that_nobody_takes_stop_the_frames_behind_and_lose_nothing() -> None:
    rng = np.random.default_rng(3)
    network = random_network(rng, "two_phase", ("dense",), shape=(5,), sizes=(7,), T=(3, 1))
    inputs = random_inputs(rng, network, 40)
    run = run_accelerator(network, inputs, [7, 7], o_stall=0.95)
    check(network, inputs, run)
    assert run.o_waited > 200 and run.i_waited > 50


# --- reset ---


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("cut", [1, 9, 31, 45, 60, 150])
def test_a_reset_inside_a_frame_forgets_it(schedule: str, cut: int) -> None:
    """While its words come in, while layers work on it, and when its answer waits."""
    rng = np.random.default_rng(4)
    network = random_network(
        rng, schedule, ("dense", "dense"), shape=(8,), sizes=(5, 7), T=(3, 2, 3), t_in=3
    )
    inputs = random_inputs(rng, network, 3)[::-1].copy()
    inputs[0] = network.input.max_count
    run = run_accelerator(network, inputs, [2, 5, 3], cut=cut)
    check(network, inputs, run)


# --- ports ---


def tiny() -> Network:
    fc = Layer(
        "fc",
        "dense",
        np.eye(3, dtype=np.int8),
        np.zeros(3, np.int32),
        np.full(3, 1),
        T=2,
        v_init="zero",
    )
    return Network(
        "tiny",
        "two_phase",
        Input((3,), 1, 2),
        (fc, Layer("out", "readout", np.eye(3, dtype=np.int8), np.zeros(3, np.int32))),
    )


def test_a_forbidden_word_raises_error_and_the_frame_goes_on_without_it() -> None:
    words = [
        {"i_address": 3, "i_count": 1},
        {"i_address": 1, "i_count": 2},
        {"i_address": 0, "i_count": 3},
        {"i_end": 1},
    ]
    steps = [{"i_valid": 1, "o_ready": 0, "i_tick": 0, "i_end": 0, **word} for word in words] + [
        {"i_valid": 0}
    ] * 30
    top = Top(plan(tiny(), [3, 3]), Rom)
    width = len(top.o_logits) // 3
    seen = drive(top, steps, ["error", "o_valid", "o_class", "o_logits", "i_ready"])
    assert all(word["i_ready"] for word in seen[: len(words)])
    assert [word["error"] for word in seen] == [0] + [1] * 33
    assert (seen[-1]["o_valid"], seen[-1]["o_class"], seen[-1]["o_logits"]) == (1, 1, 2 << width)
