"""sw.plan.addresses: addresses name neurons one to one, and a layout puts every neuron at exactly
one place, where its address says."""

from itertools import product

import numpy as np
import pytest
from networks import random_network

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import AddressMap, input_addresses, pooled_addresses
from polyrhythm.sw.plan.layout import Layout, dense_layout, map_layout

SHAPES = [(1, 1, 1), (7, 1, 1), (1, 8, 1), (1, 1, 5), (3, 4, 8), (2, 5, 7), (4, 9, 1), (5, 1, 3)]


# --- addresses ---


@pytest.mark.parametrize("shape", SHAPES)
def test_an_address_is_column_row_and_channel_side_by_side(shape: tuple[int, int, int]) -> None:
    source = AddressMap(shape)
    found = source.addresses().tolist()
    for address, (channel, row, column) in zip(found, product(*map(range, shape)), strict=True):
        digits = f"{channel:b}" + (f"{row:0{source.row_bits}b}" if source.row_bits else "")
        digits += f"{column:0{source.column_bits}b}" if source.column_bits else ""
        assert address == int(digits, 2) == source.address(channel, row, column)
    assert len(set(found)) == source.neurons and max(found) < source.address_count
    assert 1 << source.row_bits < 2 * shape[1] and 1 << source.column_bits < 2 * shape[2], (
        "no bit too many"
    )


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_without_maps_an_address_is_the_number(n: int) -> None:
    assert (
        AddressMap((n, 1, 1)).addresses().tolist() == list(range(n))
        and AddressMap((n, 1, 1)).address_count == n
    )


def drawn(*kinds: str) -> Network:
    return random_network(np.random.default_rng(3), kinds=kinds, shape=(2, 7, 5))


def test_a_wire_is_a_map_beside_a_convolution_or_a_pooling_and_plain_otherwise() -> None:
    network = drawn("conv2d", "dense", "dense")
    assert input_addresses(network, 0) == AddressMap((2, 7, 5))
    assert input_addresses(network, 1) == AddressMap(network.out_shape(0))  # type: ignore[arg-type]
    assert input_addresses(network, 2) == AddressMap((network.n_out(1), 1, 1)) and input_addresses(
        network, 3
    ) == AddressMap((network.n_out(2), 1, 1))


def test_a_map_that_only_dense_layers_read_has_plain_numbers_unless_it_is_pooled() -> None:
    plain = [network for seed in range(20) if (network := dense_on_map(seed)).layers[0].pool == 1]
    pooled = [network for seed in range(20) if (network := dense_on_map(seed)).layers[0].pool == 2]
    assert plain and {input_addresses(network, 0) for network in plain} == {AddressMap((70, 1, 1))}
    assert pooled and {input_addresses(network, 0) for network in pooled} == {AddressMap((2, 7, 5))}
    assert {pooled_addresses(network, 0) for network in pooled} == {AddressMap((2, 3, 2))}


def dense_on_map(seed: int) -> Network:
    return random_network(np.random.default_rng(seed), kinds=("dense",), shape=(2, 7, 5))


# --- layouts ---


def bases(layout: Layout) -> list[int]:
    """Where each group begins: nested counters, the innermost first."""
    found = [0]
    for count, by in layout.steps:
        found = [outer * by + base for outer in range(count) for base in found]
    return found


def check(layout: Layout) -> None:
    """Every neuron stands in one lane of one group, and base + offset is its address."""
    neurons, addresses = layout.neurons, layout.target.addresses()
    assert neurons.shape == (layout.groups, layout.lanes)
    assert sorted(neurons[neurons >= 0].tolist()) == list(range(layout.target.neurons))
    for base, group in zip(bases(layout), neurons.tolist(), strict=True):
        for offset, neuron in zip(layout.offsets, group, strict=True):
            assert neuron < 0 or addresses[neuron] == base + offset
    for size in (1, 3, 8):
        blocks = layout.blocks(size)
        assert [lane for block in blocks for lane in block] == list(range(layout.lanes))
        for block in blocks:
            assert 1 <= len(block) <= size and block[0] // layout.run == block[-1] // layout.run
            first = layout.offsets[block[0]]
            # A sender counts up from the block's base; a bank beyond the map never speaks
            for k, lane in enumerate(block):
                assert (
                    layout.offsets[lane] == first + (k << layout.target.channel_low)
                    or (neurons[:, lane] < 0).all()
                )


@pytest.mark.parametrize("n_out", [1, 2, 7, 8, 13])
def test_every_dense_neuron_stands_once_where_its_address_says(n_out: int) -> None:
    for lanes in range(1, n_out + 1):
        check(dense_layout(n_out, lanes))


@pytest.mark.parametrize("shape", [(3, 4, 8), (2, 5, 7), (4, 9, 1), (5, 1, 3), (1, 1, 1)])
@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_every_neuron_of_a_map_stands_once_where_its_address_says(
    shape: tuple[int, int, int], side: int
) -> None:
    for channel_lanes in range(1, shape[0] + 1):
        check(map_layout(AddressMap(shape), channel_lanes, (side, side)))
