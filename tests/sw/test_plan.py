"""sw.plan: what the memories hold, read back field by field, is the network again; and no width is
too narrow."""

import itertools

import numpy as np
import pytest
from networks import random_inputs, random_network
from plans import layer_plan

from polyrhythm.sw.network import Input, Layer, Network
from polyrhythm.sw.network.align import bias_at, source_ticks
from polyrhythm.sw.plan.dense import DenseSynapses
from polyrhythm.sw.plan.layer import LayerPlan
from polyrhythm.sw.plan.neurons import CountingNeuron, TickingNeuron
from polyrhythm.sw.plan.table import hex_lines, pack

SEEDS = range(30)


def unpack(rows: tuple[int, ...], bits: int, lanes: int) -> np.ndarray:
    """Words as signed integers (rows, lanes)."""
    fields = [[row >> k * bits & (1 << bits) - 1 for k in range(lanes)] for row in rows]
    return np.array([[value - (value >> bits - 1 << bits) for value in word] for word in fields])


def unsigned(rows: tuple[int, ...], bits: int, lanes: int) -> np.ndarray:
    return np.array([[row >> k * bits & (1 << bits) - 1 for k in range(lanes)] for row in rows])


def drawn(seed: int) -> tuple[Network, int, int, LayerPlan]:
    """A random network, one of its layers, and its memories for a random number of lanes."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, ("two_phase", "time_stepped")[seed % 2], extreme=seed % 3 == 0)
    i = int(rng.integers(len(network.layers)))
    lanes = int(rng.integers(1, network.n_out(i) + 1))
    return network, i, lanes, layer_plan(network, i, lanes)


def neurons(table: np.ndarray, groups: int, n_out: int) -> tuple[np.ndarray, np.ndarray]:
    """(phases * groups, lanes) -> (phases, N_out), and what lanes without a neuron hold."""
    flat = table.reshape(-1, groups * table.shape[1])
    return flat[:, :n_out], flat[:, n_out:]


# --- layout ---


def test_pack_puts_lane_0_lowest_in_twos_complement() -> None:
    assert pack(np.array([[1, -1, -4], [3, 0, 2]]), 3) == (0b100_111_001, 0b010_000_011)


def test_hex_lines_are_of_one_length() -> None:
    assert hex_lines([0, 31, 1], 5) == "00\n1f\n01\n"
    assert hex_lines([9], 4) == "9\n"


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_stand_at_group_times_n_in_plus_input(seed: int) -> None:
    network, i, lanes, contents = drawn(seed)
    synapses = contents.input.synapses
    table = unpack(synapses.weights.rows, synapses.weights.bits, lanes)
    assert len(table) == synapses.groups * synapses.n_in
    for n, j in itertools.product(range(synapses.groups * lanes), range(synapses.n_in)):
        want = network.layers[i].weight[n, j] if n < contents.n_out else 0
        assert table[n // lanes * synapses.n_in + j, n % lanes] == want, f"weight[{n}, {j}]"


@pytest.mark.parametrize("seed", SEEDS)
def test_starts_and_tables_give_the_equations_back(seed: int) -> None:
    network, i, lanes, contents = drawn(seed)
    layer, (groups, n_out) = network.layers[i], (contents.layout.groups, contents.n_out)
    starts, idle = neurons(
        unpack(contents.sums.start.rows, contents.sums.bits, lanes), groups, n_out
    )
    neuron, threshold = (
        contents.neuron,
        np.zeros(n_out, int) if layer.threshold is None else layer.threshold.astype(int),
    )
    if not isinstance(neuron, TickingNeuron):
        assert (starts == layer.v0 + layer.bias - threshold).all()
        assert layer.threshold is None or (idle < 0).all(), "lanes without a neuron never fire"
        assert isinstance(neuron, CountingNeuron) == (layer.threshold is not None)
        assert not isinstance(neuron, CountingNeuron) or neuron.thresholds.rows == tuple(threshold)
        return
    share = bias_at(layer.bias, layer.T, layer.bias_mode)
    held = neuron.held.offset if neuron.held else contents.sums.start
    assert contents.rhythm.held == (neuron.held is not None) and (
        neuron.held is None or not starts.any()
    )
    reach, idle_reach = neurons(unpack(held.rows, held.bits, lanes), groups, n_out)
    for t, phase in enumerate(contents.rhythm.phases):
        assert (reach[phase] == share[t] - threshold).all(), f"tick {t}"
    kept, idle_threshold = neurons(
        unsigned(neuron.thresholds.rows, neuron.thresholds.bits, lanes), groups, n_out
    )
    assert (kept == threshold).all()
    rest, idle_rest = neurons(unpack(neuron.initial.rows, neuron.v_bits, lanes), groups, n_out)
    assert (rest == layer.v0).all() and not idle_rest.any()
    assert layer.threshold is None or (
        (idle_reach < 0).all() and (idle_reach + idle_threshold == 0).all()
    ), "lanes without a neuron never fire and stay at 0"


def test_equal_biases_share_their_rows() -> None:
    layer = Layer(
        "out", "readout", np.zeros((2, 1), np.int8), np.array([5, 0]), T=4, bias_mode="spread"
    )
    network = Network("n", "time_stepped", Input((1,), 4), (layer,))
    assert layer_plan(network, 0, 1).rhythm.phases == (0, 0, 0, 1)  # 5 * t // 4: 1, 1, 1, 2
    once = Network(
        "n",
        "time_stepped",
        Input((1,), 4),
        (Layer("out", "readout", layer.weight, layer.bias, T=4, bias_mode="once"),),
    )
    assert layer_plan(once, 0, 1).rhythm.phases == (0, 1, 1, 1)


# --- ticks ---


@pytest.mark.parametrize("t_in", range(1, 17))
def test_steps_equal_the_closed_form(t_in: int) -> None:
    """Walking through kept ticks and repeats gives each destination tick the source ticks of
    `sw.network.align`."""
    for t_out in range(1, 17):
        layer = Layer("out", "readout", np.zeros((1, 1), np.int8), np.zeros(1, np.int32), T=t_out)
        planned = layer_plan(Network("n", "time_stepped", Input((1,), t_in), (layer,)), 0, 1)
        contents, synapses = planned.rhythm, planned.input.synapses
        assert isinstance(synapses, DenseSynapses)
        assert len(contents.kept_ticks) == t_in and contents.kept_ticks[-1]
        ends = [t for t, keep in enumerate(contents.kept_ticks) if keep]
        steps = [range(before + 1, end + 1) for before, end in zip([-1, *ends], ends, strict=False)]
        seen = [
            step for step, held in zip(steps, contents.repeats, strict=True) for _ in range(held)
        ]
        assert seen == source_ticks(t_in, t_out), f"{t_in} to {t_out} ticks"
        assert synapses.capacity == max(len(step) for step in steps)


# --- widths ---


def layer_sums(network: Network, i: int, inputs: np.ndarray) -> np.ndarray:
    """Sums w * n of each tick of layer i, (B, T, N), for counts (B, T_in, N_in)."""
    steps = (
        source_ticks(network.t_in(i), network.layers[i].T)
        if network.schedule == "time_stepped"
        else [range(1)]
    )
    return (
        np.stack([inputs[:, s].sum(axis=1) for s in steps], axis=1)
        @ network.layers[i].weight.astype(np.int64).T
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_every_sum_fits_its_width_and_one_bit_less_would_not_do(seed: int) -> None:
    """Inputs that turn on all positive, or all negative, weights of a neuron; they reach the
    bounds."""
    network, i, lanes, contents = drawn(seed)
    layer, ticks = network.layers[i], network.t_in(i) if network.schedule == "time_stepped" else 1
    weight, most = layer.weight.astype(int), network.in_count(i)
    frames = np.concatenate([weight > 0, weight < 0]) * most  # (2 * N_out, N_in)
    held = contents.sums
    starts, idle = neurons(
        unpack(held.start.rows, held.bits, lanes), contents.layout.groups, contents.n_out
    )
    sums = layer_sums(network, i, np.repeat(frames[:, None], ticks, axis=1))  # (2 * N_out, T, N)
    reached = np.concatenate([(sums[:, :, None] + starts).ravel(), starts.ravel()])
    assert held.bounds == (reached.min(), reached.max())
    ends = [reached.min(), reached.max(), *idle.ravel()]
    half = 1 << held.bits - 1
    assert -half <= min(ends) and max(ends) < half
    assert held.bits == 1 or min(ends) < -half // 2 or max(ends) >= half // 2


@pytest.mark.parametrize("seed", [seed for seed in SEEDS if seed % 2])
def test_potentials_fit_their_widths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(
        rng, "time_stepped", ("dense",) * (seed % 4 > 1), extreme=seed % 3 == 0
    )
    layer, neuron = network.layers[0], layer_plan(network, 0, 1).neuron
    assert isinstance(neuron, TickingNeuron)
    share, v = bias_at(layer.bias, layer.T, layer.bias_mode), layer.v0
    threshold = np.zeros(len(v), int) if layer.threshold is None else layer.threshold.astype(int)
    counts = random_inputs(rng, network, 40).reshape(40, network.input.T, -1)
    for t, current in enumerate(layer_sums(network, 0, counts).swapaxes(0, 1)):
        y = current + share[t] - threshold
        above = v - (v >> layer.leak_shift if layer.leak_shift is not None else 0) + y
        silent = above + threshold
        reset = above if layer.reset == "subtract" else 0
        v = silent if layer.threshold is None else np.where(above >= 0, reset, silent)
        y_bits = neuron.held.y_bits if neuron.held else 64  # else y is the sum
        for what, values, bits in (
            ("y", y, y_bits),
            ("above", above, neuron.above_bits),
            ("v", v, neuron.v_bits),
        ):
            assert -(1 << bits - 1) <= values.min() and values.max() < 1 << bits - 1, (
                f"{what} in tick {t}"
            )


# --- refused ---


@pytest.mark.parametrize("lanes", [0, -1, 4])
def test_lanes_must_be_from_one_to_the_neurons(lanes: int) -> None:
    layer = Layer("out", "readout", np.zeros((3, 1), np.int8), np.zeros(3, np.int32))
    with pytest.raises(ValueError) as error:
        layer_plan(Network("n", "two_phase", Input((1,)), (layer,)), 0, lanes)
    assert str(error.value) == f"layer 0 (out): lanes must be 1..3, not {lanes}"
