"""sw.plan.conv: every event reaches exactly the output positions, and meets exactly the weights,
that the definition names.

A convolution's definition is a sum over output positions; hardware asks the other way round, from
an input position. The references here walk the definition and look nothing up.
"""

from itertools import product

import numpy as np
import pytest
from networks import random_network
from plans import layer_plan

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.conv import Axis, ConvSynapses, Reach, axis, parallel_banks
from polyrhythm.sw.plan.layout import Layout
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.neurons import CountingNeuron, TickingNeuron

# K, stride
KERNELS = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3), (4, 3), (5, 1), (5, 2), (5, 4)]


def defined(size: int, pool: int, kernel: int, stride: int, padding: int) -> list[dict[int, int]]:
    """For each coordinate: output position -> which of the kernel's weights lies between them."""
    pooled = size // pool
    found: list[dict[int, int]] = [{} for _ in range(size)]
    for out in range((pooled + 2 * padding - kernel) // stride + 1):
        for tap in range(kernel):
            at = out * stride + tap - padding
            for place in range(at * pool, (at + 1) * pool) if 0 <= at < pooled else ():
                found[place][out] = tap
    return found


def reached(side: Axis, reach: Reach) -> dict[int, int | None]:
    """What an event at this coordinate is made to reach, visit by visit and bank by bank."""
    found: dict[int, int | None] = {}
    for visit in range(reach.visits):
        phase = reach.phase - visit * side.stride
        for bank, (word, on) in enumerate(zip(reach.words, reach.enabled, strict=True)):
            position = (word + visit) * side.banks + bank
            if on:
                assert phase >= 0 and position not in found, "each position once"
                found[position] = side.taps[phase][bank]
    return found


@pytest.mark.parametrize(("kernel", "stride"), KERNELS)
@pytest.mark.parametrize("parallel", [False, True])
def test_a_coordinate_reaches_what_the_definition_says(
    kernel: int, stride: int, parallel: bool
) -> None:
    banks = -(-kernel // stride) if parallel else 1
    for size, pool, padding in product(range(1, 10), (1, 2, 3), range(kernel)):
        pooled = size // pool
        out = (pooled + 2 * padding - kernel) // stride + 1
        if not pooled or out < 1:
            continue
        side = axis(size, pooled, pool, out, kernel, stride, padding, banks)
        want = defined(size, pool, kernel, stride, padding)
        assert [reached(side, reach) for reach in side.reaches] == want, (size, pool, padding)
        assert side.words * banks >= out > (side.words - 1) * banks and 1 <= side.edge <= banks
        assert max((len(hits) for hits in want), default=0) <= (banks if parallel else kernel)
        if parallel and banks > 1:
            assert [reach.visits for reach in side.reaches] == [int(bool(hits)) for hits in want], (
                "one operation for all of them"
            )
            assert all(len({o % banks for o in hits}) == len(hits) for hits in want), (
                "no two positions of a window share a bank"
            )


# --- whole layers ---


def drawn(seed: int, schedule: str = "two_phase") -> Network:
    return random_network(np.random.default_rng(seed), schedule, ("conv2d",), max_T=4)


def unpacked(word: int, bits: int, fields: int) -> list[int]:
    values = [word >> k * bits & (1 << bits) - 1 for k in range(fields)]
    return [value - (value >> bits - 1 << bits) for value in values]


def matrix(contents: ConvSynapses, layout: Layout, n_out: int) -> np.ndarray:
    """The weight between every input and every output neuron, (N_out, N_in), as operations on the
    memories bring it about."""
    rows, columns, groups = contents.rows, contents.columns, contents.channel_groups
    found = np.zeros((n_out, contents.n_in), np.int64)
    numbers = layout.neurons  # (groups, lanes), lanes (bank row, bank column, channel)
    for n, (channel, y, x) in enumerate(np.ndindex(contents.source.shape)):
        ry, rx = rows.reaches[y], columns.reaches[x]
        for vy, vx, group in product(range(ry.visits), range(rx.visits), range(groups)):
            py, px = ry.phase - vy * rows.stride, rx.phase - vx * columns.stride
            row = ((channel * rows.phases + py) * columns.phases + px) * groups + group
            weights = unpacked(contents.weights.rows[row], contents.weights.bits, contents.lanes)
            for lane, weight in enumerate(weights):
                by, bx = divmod(lane // contents.channel_lanes, columns.banks)
                if ry.enabled[by] and rx.enabled[bx]:
                    word = (
                        (ry.words[by] + vy) * columns.words + rx.words[bx] + vx
                    ) * groups + group
                    neuron = numbers[word, lane]
                    assert (
                        neuron >= 0
                        or weight == 0
                        or lane % contents.channel_lanes + group * contents.channel_lanes
                        >= contents.target.shape[0]
                    )
                    if neuron >= 0:
                        found[neuron, n] += weight
    return found


def convolution(network: Network) -> np.ndarray:
    """The same by the definition, output neuron by output neuron."""
    layer, (c_in, height, width) = network.layers[0], network.input.shape
    pooled = (height // layer.pool, width // layer.pool)
    shape = network.out_shape(0)
    found = np.zeros((*shape, c_in, height, width), np.int64)
    for c, oy, ox, ci, ky, kx in np.ndindex(*shape, *layer.weight.shape[1:]):
        y, x = oy * layer.stride + ky - layer.padding, ox * layer.stride + kx - layer.padding
        if 0 <= y < pooled[0] and 0 <= x < pooled[1]:
            p = layer.pool
            found[c, oy, ox, ci, y * p : (y + 1) * p, x * p : (x + 1) * p] = layer.weight[
                c, ci, ky, kx
            ]
    return found.reshape(int(np.prod(shape)), -1)


@pytest.mark.parametrize("seed", range(12))
def test_memories_bring_about_the_convolution(seed: int) -> None:
    network = drawn(seed)
    want = convolution(network)
    for banks in {1, parallel_banks(network, 0)}:
        for lanes in {1, -(-len(network.layers[0].weight) // 2), len(network.layers[0].weight)}:
            layer = layer_plan(network, 0, (lanes, banks))
            assert isinstance(layer.input.synapses, ConvSynapses)
            found = matrix(layer.input.synapses, layer.layout, layer.n_out)
            assert (found == want).all(), (banks, lanes)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped"])
def test_constants_of_a_word_are_those_of_its_channels(seed: int, schedule: str) -> None:
    """Rows of the tables by group of channels; every bank of a word has the same ones, channels
    that are none never fire."""
    network = drawn(seed, schedule)
    layer, c_out = network.layers[0], len(network.layers[0].weight)
    assert layer.threshold is not None
    for banks, lanes in product({1, parallel_banks(network, 0)}, {1, max(1, c_out - 1), c_out}):
        planned = layer_plan(network, 0, (lanes, banks))
        groups, neuron, sums = planned.input.synapses.channel_groups, planned.neuron, planned.sums
        spare = groups * lanes - c_out
        starts = np.array([unpacked(row, sums.bits, lanes) for row in sums.start.rows]).reshape(
            -1, groups * lanes
        )
        if isinstance(neuron, CountingNeuron):
            assert neuron.thresholds.rows == tuple(layer.threshold)
            assert (starts[0, :c_out] == layer.v0 + layer.bias - layer.threshold).all()
        else:
            assert isinstance(neuron, TickingNeuron)
            rest = np.array(
                [unpacked(row, neuron.v_bits, banks * lanes) for row in neuron.initial.rows]
            )
            each = rest.reshape(groups, banks, lanes).swapaxes(0, 1).reshape(banks, -1)
            assert (
                each[:, :c_out] == layer.v0
            ).all() and planned.layout.groups == planned.input.synapses.groups
        if not planned.rhythm.held:
            assert (starts[:, c_out:] < 0).all() and starts.shape[1] - c_out == spare


# --- refusals ---


def test_lanes_that_cannot_be_built_are_refused() -> None:
    network = drawn(2)
    layer, c_out, banks = (
        network.layers[0],
        len(network.layers[0].weight),
        parallel_banks(network, 0),
    )
    assert banks == (-(-layer.weight.shape[-1] // layer.stride)) ** 2
    with pytest.raises(
        ValueError, match=rf"^layer 0 \(l0\): channel lanes must be 1\.\.{c_out}, not {c_out + 1}$"
    ):
        layer_plan(network, 0, (c_out + 1, 1))
    with pytest.raises(
        ValueError,
        match=rf"^layer 0 \(l0\): banks must be 1 \(serial\) or {banks} \(parallel\), not 7$",
    ):
        layer_plan(network, 0, (1, 7))
    with pytest.raises(
        ValueError,
        match=r"^layer 1 \(l1\): a readout layer has no banks: lanes must be one number, not \(1, 1\)$",
    ):
        plan(network, [(1, 1), (1, 1)])


def test_a_single_number_means_all_banks() -> None:
    network = drawn(3)
    assert plan(network, [1, 1]).layers[0].input.synapses.banks == parallel_banks(network, 0) > 1
