"""Unsigned event-driven neurons that learn: their closed form is the golden model's order of
events."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import random_inputs, random_network

from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network, NetworkError
from polyrhythm.sw.training import train
from polyrhythm.sw.training.arithmetic import event_neuron
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.layers.seen import Seen
from polyrhythm.sw.training.methods import event_driven
from polyrhythm.sw.training.methods.event_driven import to_events
from polyrhythm.sw.training.recipe import LayerSpec, Mixture, Recipe, ToEvents
from polyrhythm.sw.training.recipes import DIGITS, DIGITS_LIF

IF = (LayerSpec("fc1", 24, T=6), LayerSpec("out", 10, "readout", T=6))
STEPPED: Recipe = dataclasses.replace(
    DIGITS_LIF, name="stepped", preprocess="levels:15", layers=IF, float_epochs=8, quantized_epochs=6, snapped_epochs=4,
    mixture=Mixture((), max_T=8),
)  # fmt: skip
TUNED: Recipe = dataclasses.replace(
    DIGITS, name="tuned", preprocess="levels:15", schedule="event_driven", snapped_epochs=12, snapped_lr=0.05, clockless=ToEvents(T=15, bins=16)
)  # fmt: skip


@pytest.mark.parametrize("number", [1, 3, 12, 20])
def test_bins_cut_a_frame_in_the_order_of_its_addresses(number: int) -> None:
    n = torch.arange(1, 25).reshape(2, 3, 2, 2).float()
    parts = event_neuron.bins(n, number)
    assert parts.shape == (number, 2, 3, 2, 2) and torch.equal(parts.sum(0), n)
    place = (parts[:, 0].flatten(1) > 0).float().argmax(0)
    assert bool((place.diff() >= 0).all()) and len(set(place.tolist())) == min(number, 12)


@pytest.mark.parametrize("kind", ["dense", "conv2d"])
def test_a_bin_for_each_input_is_the_golden_model(kind: str) -> None:
    """One layer: inputs come address by address, and a count is so many events in a row."""
    order, most = 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        network = random_network(rng, "event_driven", (kind,), neuron="unsigned", max_count=4)
        inputs = random_inputs(rng, network, 5)
        net = to_events(
            network, network.input, ToEvents(T=network.layers[0].T, bins=network.input.size)
        )
        net.stack()[0].bias.data = torch.from_numpy(network.layers[0].bias.astype(np.float32))
        seen = Seen()
        net.double()(torch.from_numpy(inputs.reshape(-1, *network.input.shape)).double(), seen)
        expected = golden.run(network, inputs).counts[network.layers[0].name]
        found = seen.received[1].sum(0).flatten(1).detach().numpy()
        assert np.array_equal(found, expected)
        coarse = counts_in_one_bin(net, inputs.reshape(-1, *network.input.shape))
        order += int((coarse != expected).sum())
        most += int(expected.max(initial=0))
    assert order > 0 and most > 0  # in one bin, order is lost, and it matters


def counts_in_one_bin(net: TrainableNetwork, inputs: np.ndarray) -> np.ndarray:
    net.bins = 1
    seen = Seen()
    net(torch.from_numpy(inputs).double(), seen)
    return seen.received[1].sum(0).flatten(1).detach().numpy()


def test_gradient_is_that_of_the_largest_potential() -> None:
    """v is 1, 4, 2, 5.5 of a threshold of 2: two spikes in the second bin, none in the third, none
    more in the last but half of one."""
    currents = (
        torch.tensor([0.0, 3.0, -2.0, 3.5], dtype=torch.float64).reshape(4, 1, 1).requires_grad_()
    )
    spec = LayerSpec("n", 1, T=3)
    two = torch.tensor([2.0], dtype=torch.float64)
    counts = event_neuron.counts_in_bins(spec, currents, torch.zeros(1, dtype=torch.float64), two)
    assert counts.flatten().tolist() == [0, 2, 0, 0]
    counts.sum().backward()
    # V was largest behind the last bin
    assert currents.grad is not None and currents.grad.flatten().tolist() == [0.5] * 4
    currents.grad = None
    event_neuron.counts_in_bins(spec, currents, torch.zeros(1, dtype=torch.float64), two)[
        :3
    ].sum().backward()
    assert currents.grad.flatten().tolist() == [0.5, 0.5, 0, 0]  # before it, behind the second


def test_a_frame_charges_as_much_as_all_ticks_did() -> None:
    layers = (
        Layer("fc", "dense", np.ones((2, 3), np.int8), np.array([2, -4]), np.array([9, 100]), T=4),
        Layer("out", "readout", np.ones((2, 2), np.int8), np.array([1, 0]), T=2),
    )
    net = to_events(
        Network("n", "time_stepped", Input((3,), 1, 5), layers), Input((3,), 1, 5), ToEvents()
    )
    made = net.export("m")
    assert made.schedule == "event_driven" and [layer.neuron for layer in made.hidden] == [
        "unsigned"
    ]
    assert made.layers[0].threshold is not None
    # Each input is held for 4 ticks: 9 / 4 and 100 / 4
    assert made.layers[0].threshold.tolist() == [2, 25]
    assert (
        made.layers[0].bias.tolist() == [2, -4]
        and made.layers[1].bias.tolist() == [2, 0]
        and made.layers[0].T == 15
    )


def test_leaking_layers_need_a_clock() -> None:
    network = Network.load(Path(__file__).parents[2] / "models" / "digits-lif.safetensors")
    with pytest.raises(
        NetworkError,
        match=r"^layer 0 \(fc1\): without time steps nothing leaks and resets subtract; leak_shift must be null",
    ):
        event_driven.specs(network, 15)


def test_tuning_mends_what_losing_the_clock_costs(tmp_path: Path) -> None:
    stepped, _ = train.train(STEPPED, progress=lambda _: None)
    rows: list[train.Epoch] = []
    tuned, report = train.tune(
        stepped, TUNED, out=tmp_path / "tuned.safetensors", progress=rows.append
    )
    assert report["accuracy"] >= report["start_accuracy"] and report["accuracy"] > 0.93
    assert (
        tuned.provenance["start_accuracy"] == report["start_accuracy"]
        and "float_accuracy" not in report
    )
    assert Network.load(tmp_path / "tuned.safetensors").digest == tuned.digest == report["digest"]
    assert (
        [row.stage for row in rows] == ["snapped"] * 12
        and rows[-1].cycles is None
        and (rows[-1].spike_rate or 0) > 0
    )


def test_recipes_that_do_not_fit() -> None:
    with pytest.raises(
        ValueError,
        match="^digits: a network is tuned by an event_driven recipe with clockless, not two_phase$",
    ):
        train.tune(
            Network.load(Path(__file__).parents[2] / "models" / "digits.safetensors"), DIGITS
        )
