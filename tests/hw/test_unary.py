"""Unary coding: a count of n leaves as n events; answers, counts and the cycle model hold as with
counts on the wire."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gateware import Word, run_accelerator, run_stream
from networks import random_inputs, random_network
from test_event_driven import lanes_of

from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.unary import Unary
from polyrhythm.sw import golden
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.timing import cycles

CASES = (
    ("two_phase", ("dense",)), ("two_phase", ("dense", "dense")), ("two_phase", ("conv2d", "conv2d")), ("two_phase", ("conv2d", "dense")),
    ("event_driven", ("dense", "dense")), ("event_driven", ("conv2d", "dense")),
)  # fmt: skip


def words_of(rng: random.Random, most: int, number: int) -> list[Word]:
    """Spikes of any count, and closing words of which nobody knows what their count is."""
    spikes: list[Word] = [
        {"address": rng.randrange(9), "count": rng.randint(1, most)} for _ in range(number)
    ]
    return [
        {rng.choice(("tick", "end")): 1, "address": 0, "count": rng.randint(0, most)}
        if rng.random() < 0.2
        else word
        for word in spikes
    ]


def once(word: Word) -> Word:
    """A word without its count; what a closing word carries besides means nothing."""
    closes = {name: 1 for name in ("tick", "end") if word.get(name)}
    return closes or {"address": word["address"]}


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("most", [2, 3, 8])
def test_a_count_leaves_as_so_many_spikes(most: int, stall: float) -> None:
    words = words_of(random.Random(most), most, 60)
    outputs, taken = run_stream(Unary(Event(9, most)), words, stall, stall)
    wanted = [
        once(word)
        for word in words
        for _ in range(1 if "tick" in word or "end" in word else word["count"])
    ]
    assert [once(word) for word in outputs] == wanted
    if not stall:
        assert taken == list(range(len(wanted))), (
            "a spike per cycle, the first in the cycle of its word"
        )


@pytest.mark.parametrize("stall", [0.0, 0.3])
@pytest.mark.parametrize(("schedule", "kinds"), CASES)
@pytest.mark.parametrize("seed", range(2))
def test_answers_counts_and_law_hold(
    seed: int, schedule: str, kinds: tuple[str, ...], stall: float
) -> None:
    rng = np.random.default_rng([700, seed])
    network = random_network(
        rng, schedule, kinds=kinds, sizes=(2, 5, 8), max_T=5, neuron="unsigned"
    )
    hidden = (replace(layer, T=max(layer.T, 3)) for layer in network.hidden)
    network = replace(network, layers=(*hidden, network.readout))
    inputs, lanes = random_inputs(rng, network, 3), lanes_of(rng, network)
    expected, run = (
        golden.run(network, inputs),
        run_accelerator(network, inputs, lanes, stall, stall, seed, coding="unary"),
    )
    assert expected.first_difference(run.trace) is None
    assert run.trace.events is not None
    assert run.trace.events.tolist() == [
        [int(expected.counts[layer.name][b].sum()) for layer in network.hidden] for b in range(3)
    ]
    if not stall:
        law = cycles.timing(plan(network, lanes, "unary"), expected, inputs, back_to_back=True)
        assert (law.cycles.tolist(), law.interval.tolist()) == (run.cycles, run.interval)


def test_the_work_of_a_layer_is_a_visit_for_each_spike() -> None:
    network = random_network(
        np.random.default_rng(4), "two_phase", kinds=("dense",), sizes=(5, 8), T=[5, 1]
    )
    inputs = random_inputs(np.random.default_rng(4), network, 4)
    trace, lanes = golden.run(network, inputs), [network.n_out(0), 1]
    counts, classes = trace.counts[network.hidden[0].name], network.n_out(1)
    assert counts.max() > 1
    by_count, by_spike = (
        cycles.work(plan(network, lanes, coding), trace, inputs)[:, 1]
        for coding in ("count", "unary")
    )
    assert by_spike.tolist() == ((counts.sum(axis=1) + 1) * classes).tolist()
    assert by_count.tolist() == (((counts > 0).sum(axis=1) + 1) * classes).tolist()


def test_every_neuron_s_every_spike_waits_for_the_further_groups() -> None:
    """A readout of one lane replays a step's events, here all that there can be, for each class."""
    network = random_network(
        np.random.default_rng(4), "two_phase", kinds=("dense",), sizes=(8,), T=[5, 1]
    )
    first = replace(
        network.layers[0],
        weight=np.abs(network.layers[0].weight) + 1,
        threshold=np.ones(8, np.int64),
        weight_bits=8,
    )
    network = replace(
        network, layers=(replace(first, bias=first.bias * 0 + 50, v_init="zero"), network.readout)
    )
    inputs = random_inputs(np.random.default_rng(4), network, 3)
    expected = golden.run(network, inputs)
    assert (expected.counts[first.name] == 5).all()
    assert (
        expected.first_difference(run_accelerator(network, inputs, [8, 1], coding="unary").trace)
        is None
    )


@pytest.mark.parametrize(
    ("schedule", "neuron"),
    [("two_phase", "unsigned"), ("time_stepped", "unsigned"), ("event_driven", "signed")],
)
def test_hidden_words_carry_no_count_and_the_input_s_do(schedule: str, neuron: str) -> None:
    network = random_network(
        np.random.default_rng(1),
        schedule,
        kinds=("dense", "dense"),
        sizes=(5,),
        T=[3, 2, 2],
        neuron=neuron,
    )
    counted, unary = (
        plan(network, [network.n_out(i) for i in range(3)], coding) for coding in ("count", "unary")
    )
    assert all(layer.input.word.max_count == 1 for layer in unary.layers[1:])
    assert (counted.layers[1].input.word.max_count > 1) == (schedule == "two_phase")
    assert unary.input.max_count == counted.input.max_count == network.input.max_count


def test_another_coding_is_refused() -> None:
    network: Any = random_network(
        np.random.default_rng(1), "two_phase", kinds=("dense",), sizes=(5,)
    )
    coding: Any = "binary"
    with pytest.raises(ValueError, match="coding must be one of count, unary, not 'binary'"):
        plan(network, [network.n_out(0), network.n_out(1)], coding)
