"""Proven bounds against brute force: reached exactly in two_phase, never passed anywhere."""

import itertools

import numpy as np
import pytest
from networks import random_inputs, random_network

from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network
from polyrhythm.sw.network.synapse import current
from polyrhythm.sw.plan.widths import bounds, signed_width


@pytest.mark.parametrize(
    "lo, hi, width",
    [
        (0, 0, 1),
        (-1, 0, 1),
        (0, 1, 2),
        (-2, 1, 2),
        (-2, 2, 3),
        (-8, 7, 4),
        (-9, 7, 5),
        (0, 127, 8),
        (0, 128, 9),
        (-129, 0, 9),
    ],
)
def test_signed_width(lo: int, hi: int, width: int) -> None:
    assert signed_width(lo, hi) == width
    assert -(1 << width - 1) <= lo and hi < 1 << width - 1


def test_signed_width_refuses_an_empty_interval() -> None:
    with pytest.raises(ValueError) as caught:
        signed_width(1, 0)
    assert str(caught.value) == "lo must not pass hi, not 1 and 0"


@pytest.mark.parametrize("seed", range(30))
def test_two_phase_bound_is_reached_exactly_by_the_adversarial_input(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = [("dense",), ("conv2d",), ("conv2d", "conv2d")][seed % 3]
    network = random_network(rng, "two_phase", kinds, sizes=(1, 2, 5, 7), extreme=seed % 2 == 0)
    for i, layer in enumerate(network.layers):
        base = network.per_neuron(i, layer.v0 + layer.bias)
        # One frame for each input neuron alone, so column j of the response is the weight of input
        # j to every neuron.
        size = int(np.prod(network.in_shape(i)))
        alone = np.eye(size, dtype=np.int64).reshape(size, *network.in_shape(i))
        response = current(layer, alone)  # (N_in, N_out)
        for sign, end in ((-1, 0), (1, 1)):
            worst = (
                np.where(sign * response > 0, response * network.in_count(i), 0).sum(axis=0) + base
            )
            neuron = int(np.argmax(sign * worst))
            counts = np.where(sign * response[:, neuron] > 0, network.in_count(i), 0)
            reached = (
                current(layer, counts.reshape(1, *network.in_shape(i)))[0, neuron] + base[neuron]
            )
            assert reached == bounds(network, i).acc[end]


def reference(network: Network, i: int, counts: np.ndarray) -> list[int]:
    """Every value that the membrane of layer i takes while source ticks (T_in, N_in) come in, in
    plain integers."""
    from polyrhythm.sw.network.align import bias_at, source_ticks

    layer = network.layers[i]
    shares = bias_at(layer.bias, layer.T, layer.bias_mode)
    seen: list[int] = []
    for neuron, row in enumerate(layer.weight.astype(int).tolist()):
        v = int(layer.v0[neuron])
        seen.append(v)
        for t, group in enumerate(source_ticks(network.t_in(i), layer.T)):
            v -= 0 if layer.leak_shift is None else v >> layer.leak_shift
            seen.append(v)
            v += sum(w * int(counts[s, j]) for s in group for j, w in enumerate(row))
            seen.append(v)
            v += int(shares[t, neuron])
            seen.append(v)
            if layer.threshold is not None and v >= layer.threshold[neuron]:
                v = v - int(layer.threshold[neuron]) if layer.reset == "subtract" else 0
            seen.append(v)
    return seen


@pytest.mark.parametrize("seed", range(60))
def test_time_stepped_bound_is_never_passed_by_any_input(seed: int) -> None:
    """Every input of a small layer: 3 neurons, up to 3 source ticks, counts 0 and 1."""
    rng = np.random.default_rng(seed)
    network = random_network(
        rng, "time_stepped", ("dense",), shape=(3,), sizes=(2,), t_in=int(rng.integers(1, 4)), max_count=1, max_T=4,
        extreme=seed % 3 == 0,
    )  # fmt: skip
    proven = bounds(network, 0).v
    lowest, highest = 0, 0
    for bits in itertools.product((0, 1), repeat=3 * network.input.T):
        seen = reference(network, 0, np.array(bits).reshape(network.input.T, 3))
        lowest, highest = min(lowest, *seen), max(highest, *seen)
    assert proven[0] <= lowest and highest <= proven[1]


@pytest.mark.parametrize(
    "mode, leak_shift", [*itertools.product(("per_tick", "spread", "once"), (None, 1, 3))]
)
def test_time_stepped_bound_of_a_readout_is_reached(mode: str, leak_shift: int | None) -> None:
    weight, bias = np.array([[7, -8], [3, 3]], np.int8), np.array([5, -6], np.int32)
    layer = Layer(
        "out", "readout", weight, bias, weight_bits=4, T=3, bias_mode=mode, leak_shift=leak_shift
    )
    network = Network("n", "time_stepped", Input((2,), 3, 2), (layer,))
    inputs = np.array(list(itertools.product((0, 2), repeat=6))).reshape(-1, 3, 2)
    found = golden.run(network, inputs).logits_t
    assert found is not None
    proven = bounds(network, 0)
    assert proven.acc == (-16, 14)
    assert (proven.v[0] <= found.min()) and (found.max() <= proven.v[1])
    if mode == "per_tick" and leak_shift is None:
        # Class 0: three ticks of 14 + 5; and at the bottom three of -16, with the third tick's bias
        # still to come.
        assert proven.v == (3 * -16 + 2 * 5, 3 * 19) and found.max() == 3 * 19


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize(
    "schedule, neuron",
    [
        ("two_phase", "signed"),
        ("time_stepped", "signed"),
        ("event_driven", "signed"),
        ("event_driven", "unsigned"),
    ],
)
def test_golden_stays_inside_the_bounds(seed: int, schedule: str, neuron: str) -> None:
    rng = np.random.default_rng(seed)
    kinds = [("dense", "dense"), ("conv2d", "dense")][seed % 2]
    network = random_network(rng, schedule, kinds, neuron=neuron, extreme=seed % 5 == 0)
    trace = golden.run(network, random_inputs(rng, network, 8), potentials=True)
    assert trace.v is not None
    for i, layer in enumerate(network.hidden):
        low, high = bounds(network, i).v
        assert low <= trace.v[layer.name].min() and trace.v[layer.name].max() <= high
    low, high = bounds(network, len(network.layers) - 1).v
    sums = trace.logits if trace.logits_t is None else trace.logits_t
    assert low <= sums.min() and sums.max() <= high


def test_membrane_falls_below_the_accumulator_where_a_firing_neuron_cannot_be_lower() -> None:
    """v0 + B = 9 and no negative weight: acc never drops below 9, the membrane rests at 9 - 2*4 =
    1."""
    layer = Layer("a", "dense", np.array([[1]]), np.array([7]), np.array([4]), T=9, weight_bits=2)
    out = Layer("out", "readout", np.array([[1]]), np.array([0]), weight_bits=2)
    network = Network("n", "two_phase", Input((1,), 1, 3), (layer, out))
    assert bounds(network, 0).acc == (9, 12)
    assert bounds(network, 0).v == (0, 12)


@pytest.mark.parametrize("reset, low", [("subtract", 1), ("zero", 0)])
def test_time_stepped_membrane_of_a_neuron_that_always_fires(reset: str, low: int) -> None:
    """v starts at 5; bias 6 makes 11..12, threshold 10 leaves 1..2 (or 0), and the next tick stays
    below it."""
    layer = Layer(
        "a",
        "dense",
        np.array([[1]]),
        np.array([6]),
        np.array([10]),
        weight_bits=2,
        T=2,
        reset=reset,
    )
    out = Layer("out", "readout", np.array([[1]]), np.array([0]), weight_bits=2)
    network = Network("n", "time_stepped", Input((1,), 2, 1), (layer, out))
    assert bounds(network, 0).acc == (0, 1)
    assert bounds(network, 0).v == (low, 12)


def test_time_stepped_membrane_may_fall_below_its_start_by_firing_alone() -> None:
    """v starts at 5 of 10 and no weight is negative: what can fire can come down to 0."""
    layer = Layer("a", "dense", np.array([[5]]), np.array([0]), np.array([10]), weight_bits=4)
    out = Layer("out", "readout", np.array([[1]]), np.array([0]), weight_bits=2)
    assert bounds(Network("n", "time_stepped", Input((1,)), (layer, out)), 0).v == (0, 10)


def test_merged_source_ticks_widen_the_accumulator() -> None:
    layer = Layer("out", "readout", np.array([[1, -1]]), np.array([0]), T=2, weight_bits=2)
    # Groups of 2 and 3 source ticks
    network = Network("n", "time_stepped", Input((2,), 5, 3), (layer,))
    assert bounds(network, 0).acc == (-9, 9)
    assert bounds(network, 0).v == (-15, 15)
