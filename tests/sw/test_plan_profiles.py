"""sw.plan: tables made for several profiles hold each one's rows, and widths that fit all of them."""

from dataclasses import replace

import numpy as np
import pytest
from networks import random_network
from plans import layer_plan

from polyrhythm.sw.network import Network, Profile
from polyrhythm.sw.plan.layer import LayerPlan
from polyrhythm.sw.plan.network import plan, plan_layer
from polyrhythm.sw.plan.neurons import TickingNeuron
from polyrhythm.sw.plan.table import Table

SCHEDULES = ("two_phase", "time_stepped", "event_driven")


def other(network: Network) -> Network:
    """Another working point: T, thresholds and biases differ, weights do not."""
    layers = [
        replace(
            layer,
            T=layer.T + 1 + i,
            bias=layer.bias // 2,
            threshold=None if layer.threshold is None else layer.threshold // 2 + 1,
        )
        for i, layer in enumerate(network.layers)
    ]
    return replace(network, layers=tuple(layers))


def ticked(layer: LayerPlan) -> Table:
    """The constants that differ from tick to tick."""
    held = layer.neuron.held if isinstance(layer.neuron, TickingNeuron) else None
    return held.offset if held else layer.sums.start


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_each_profile_finds_its_own_rows(schedule: str, seed: int) -> None:
    rng = np.random.default_rng([16, seed])
    kinds = (("dense",), ("conv2d",))[seed % 2]
    network = random_network(rng, schedule, kinds, shape=(2, 4, 5), sizes=(5,), max_T=4)
    profiles, i = (network, other(network)), 0
    lanes = (1, 1) if kinds == ("conv2d",) else 2
    alone = [layer_plan(profile, i, lanes) for profile in profiles]
    word = alone[0].input.word
    both = plan_layer(profiles, i, alone[0].stem, word, lanes)
    rows = both.input.synapses.channel_groups
    for p, (single, profile) in enumerate(zip(alone, profiles, strict=True)):
        assert both.steps[p] == replace(single.rhythm, phases=both.steps[p].phases)
        begins = np.zeros(profile.n_out(i), np.int64)
        if both.neuron.__class__ is TickingNeuron:
            assert both.neuron.initial is None and both.neuron.held is not None
            layer = profile.layers[i]
            begins = layer.v0 - (0 if layer.leak_shift is None else layer.v0 >> layer.leak_shift)
        for t, (mine, own) in enumerate(
            zip(both.steps[p].phases, single.rhythm.phases, strict=True)
        ):
            found = ticked(both).values[mine * rows : (mine + 1) * rows].reshape(-1)[: len(begins)]
            wanted = ticked(single).values[own * rows : (own + 1) * rows].reshape(-1)[: len(begins)]
            assert (found == wanted + (t == 0) * begins[: len(found)]).all()
        assert both.sums.bits >= single.sums.bits and both.potential_bits >= single.potential_bits
        assert both.v_bounds[0] <= single.v_bounds[0] and both.v_bounds[1] >= single.v_bounds[1]
        own_table = getattr(single.neuron, "thresholds", None)
        if own_table is not None:
            table, size = both.neuron.thresholds, len(own_table.values)
            assert len(table.values) == len(profiles) * size
            assert (table.values[p * size : (p + 1) * size] == own_table.values).all()
    assert (both.input.synapses.weights.values == alone[0].input.synapses.weights.values).all()


def test_profiles_with_more_ticks_than_come_in_hold_their_currents() -> None:
    """Where one profile holds currents, all of them add their biases in each tick."""
    rng = np.random.default_rng(3)
    network = random_network(rng, "time_stepped", ("dense",), sizes=(5,), T=(2, 1), t_in=2)
    first, second = network.layers
    longer = replace(network, layers=(replace(first, T=5), second))
    both = plan_layer((network, longer), 0, "fc", layer_plan(network, 0, 2).input.word, 2)
    assert isinstance(both.neuron, TickingNeuron) and both.neuron.held is not None
    assert [steps.held for steps in both.steps] == [False, True]
    assert not both.sums.start.values.any()


def test_a_profile_with_an_exit_is_refused_as_a_network_with_one_is() -> None:
    network = random_network(np.random.default_rng(4), "time_stepped", ("dense",), T=(2, 2))
    profiles = {"plain": Profile((3, 1)), "leaves": Profile((1, 2), exit={"kind": "safe"})}  # type: ignore[arg-type]
    network = replace(network, profiles=profiles)
    assert len(plan(network, profiles=(None, "plain")).layers[0].steps) == 2
    for chosen in ((None, "leaves"), ("leaves",)):
        with pytest.raises(ValueError, match="the gateware has no early exit, but exit is 'safe'"):
            plan(network, profiles=chosen)
