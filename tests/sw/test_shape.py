"""sw.plan.shape, sw.plan.worst: two networks of one shape give one circuit, and no network of the
shape leaves its widths."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from networks import random_network
from random_cases import draw, lanes_of
from shapes import sibling

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.network import NetworkPlan, plan
from polyrhythm.sw.plan.shape import Shape
from polyrhythm.sw.plan.table import Table
from polyrhythm.sw.plan.widths import bounds

SCHEDULES = ("two_phase", "time_stepped", "event_driven")
OF_THE_NETWORK = ("name", "digest")  # what two plans of one shape may differ in, beside values


def pair(seed: int) -> tuple[Shape, Network, Network, list[Any]]:
    """A random network, its shape, another network of that, and lanes."""
    network, rng = draw(seed).network, np.random.default_rng([17, seed])
    shape = Shape.of(network)
    return shape, network, sibling(rng, shape, network, "other"), lanes_of(rng, network)


def skeleton(part: Any) -> Any:
    """Everything that a plan says but contents and the network's names."""
    if isinstance(part, Table):
        told = [part.name, part.values.shape, part.bits, part.layout, part.copies]
        return [*told, part.swappable, None if part.swappable else part.values.tolist()]
    if dataclasses.is_dataclass(part):
        left = OF_THE_NETWORK if "index" in dir(part) or isinstance(part, NetworkPlan) else ()
        return {
            field.name: skeleton(getattr(part, field.name))
            for field in dataclasses.fields(part)
            if field.name not in left
        }
    if isinstance(part, tuple):
        return [skeleton(each) for each in part]
    return part.tolist() if isinstance(part, np.ndarray) else part


@pytest.mark.parametrize("seed", range(30))
def test_two_networks_of_one_shape_have_one_circuit(seed: int) -> None:
    shape, network, other, lanes = pair(seed)
    first, second = (plan(each, lanes, shape=shape) for each in (network, other))
    assert skeleton(first) == skeleton(second)
    assert first.digest != second.digest


@pytest.mark.parametrize("seed", range(30))
def test_all_tables_that_hang_on_contents_are_memories(seed: int) -> None:
    shape, network, _, lanes = pair(seed)
    for layer in plan(network, lanes, shape=shape).layers:
        constants = [t for t in (layer.sums.start, *layer.neuron.tables) if not t.swappable]
        assert all(not table.values.any() for table in constants), "0 in every network"
        names = {table.name for table in layer.memories}
        assert layer.input.synapses.weights.name in names and layer.sums.start.name in names


@pytest.mark.parametrize("seed", range(60))
def test_no_network_of_the_shape_leaves_the_bounds(seed: int) -> None:
    shape, network, other, lanes = pair(seed)
    planned = plan(network, lanes, shape=shape)
    for each in (network, other):
        own = plan(each, lanes)
        for i, (layer, mine) in enumerate(zip(planned.layers, own.layers, strict=True)):
            assert layer.sums.bounds[0] <= mine.sums.bounds[0]
            assert layer.sums.bounds[1] >= mine.sums.bounds[1]
            v = bounds(each, i).v
            assert layer.v_bounds[0] <= v[0] and layer.v_bounds[1] >= v[1]
            assert layer.sums.bits >= mine.sums.bits
            assert layer.potential_bits >= mine.potential_bits
            for table in plan(each, lanes, shape=shape).layers[i].memories:
                unsigned = table.name.endswith("threshold")
                low, high = (0, 1 << table.bits) if unsigned else (-1 << (table.bits - 1), 0)
                assert table.values.min() >= low and table.values.max() < (high or -low)


def small() -> Network:
    return random_network(
        np.random.default_rng(5), "two_phase", ("dense",), shape=(4,), sizes=(5,), T=(3, 1)
    )


def changed(network: Network, i: int, **fields: Any) -> Network:
    layers = list(network.layers)
    layers[i] = replace(layers[i], **fields)
    return replace(network, layers=tuple(layers))


def test_a_network_is_of_its_own_shape_and_the_shape_is_json() -> None:
    for seed in range(12):
        network = draw(seed).network
        shape = Shape.of(network)
        assert shape.differences(network) == []
        assert Shape.from_json(json.loads(json.dumps(shape.to_json()))) == shape


def test_another_threshold_than_the_ranges_hold_is_refused() -> None:
    network = small()
    top = 1 << Shape.of(network).layers[0].threshold_bits  # type: ignore[operator]
    threshold = network.layers[0].threshold.copy()  # type: ignore[union-attr]
    threshold[2] = top
    with pytest.raises(ValueError) as refused:
        plan(changed(network, 0, threshold=threshold), shape=Shape.of(network))
    assert str(refused.value) == (
        f"random is not of the circuit's shape: layer 0 (l0): thresholds must be 1..{top - 1} "
        f"as in the circuit, not {top} at [2]"
    )


def test_every_reason_is_told() -> None:
    network = small()
    first = network.layers[0]
    bits = 8 if first.weight_bits != 8 else 7
    weight = np.clip(first.weight, -64, 63)
    other = changed(network, 0, T=5, weight_bits=bits, weight=weight)
    other = replace(other, input=replace(other.input, max_count=7))
    found = Shape.of(network).differences(other)
    most = network.input.max_count
    assert found == [
        f"the input's max_count must be {most} as in the circuit, not 7",
        f"layer 0 (l0): weight_bits must be {first.weight_bits} as in the circuit, not {bits}",
        "layer 0 (l0): T must be 3 as in the circuit, not 5",
    ]


def test_another_number_of_layers_and_other_weights_are_refused() -> None:
    network, rng = small(), np.random.default_rng(6)
    longer = random_network(
        rng, "two_phase", ("dense", "dense"), shape=(4,), sizes=(5,), T=(3, 3, 1)
    )
    found = Shape.of(network).differences(longer)
    assert found[-1] == "the circuit has 2 layers, the network 3"
    wider = random_network(rng, "two_phase", ("dense",), shape=(4,), sizes=(7,), T=(3, 1))
    found = Shape.of(network).differences(wider)
    want = "layer 0 (l0): the shape of the weights must be (5, 4) as in the circuit, not (7, 4)"
    assert want in found


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_a_shape_nothing_is_swappable(schedule: str) -> None:
    network = random_network(np.random.default_rng(7), schedule, ("dense",))
    for layer in plan(network).layers:
        tables = (layer.input.synapses.weights, layer.sums.start, *layer.neuron.tables)
        assert not any(table.swappable for table in tables)
