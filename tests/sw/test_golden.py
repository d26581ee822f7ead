"""The golden model against a literal reading of the contract, in plain Python integers."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import pytest
from networks import random_inputs, random_network
from page import aligned, event_driven, time_stepped, two_phase

from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network, NetworkError, Profile

STEPPED_KINDS = [
    (),
    ("dense",),
    ("dense", "dense"),
    ("conv2d",),
    ("conv2d", "dense"),
    ("conv2d", "conv2d"),
]


@pytest.mark.parametrize("seed", range(24))
def test_two_phase_is_the_page(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(
        rng, "two_phase", STEPPED_KINDS[seed % 6], sizes=(1, 2, 5, 7), extreme=seed % 4 == 0
    )
    inputs = random_inputs(rng, network)
    trace = golden.run(network, inputs)
    for frame, counts in enumerate(inputs):
        found, logits = two_phase(network, counts.reshape(-1).tolist())
        assert {name: count[frame].tolist() for name, count in trace.counts.items()} == found
        assert trace.logits[frame].tolist() == logits
        assert trace.answer[frame] == logits.index(max(logits))
        assert trace.events is not None
        assert trace.events[frame].tolist() == [
            sum(n > 0 for n in count) for count in found.values()
        ]


@pytest.mark.parametrize("seed", range(48))
def test_time_stepped_is_the_page(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(
        rng, "time_stepped", STEPPED_KINDS[seed % 6], sizes=(1, 2, 5, 7), extreme=seed % 4 == 0
    )
    inputs = random_inputs(rng, network, 4)
    trace = golden.run(network, inputs, spikes=True, potentials=True)
    assert (
        trace.spikes is not None
        and trace.v is not None
        and trace.logits_t is not None
        and trace.ticks is not None
    )
    for frame, counts in enumerate(inputs):
        fired, left, sums = time_stepped(network, counts.reshape(len(counts), -1).tolist())
        assert {name: spikes[frame].tolist() for name, spikes in trace.spikes.items()} == fired
        assert {name: v[frame].tolist() for name, v in trace.v.items()} == left
        assert trace.logits_t[frame].tolist() == sums
        assert trace.logits[frame].tolist() == sums[-1]
        assert trace.ticks[frame] == network.readout.T
        for name, spikes in fired.items():
            assert trace.counts[name][frame].tolist() == np.sum(spikes, axis=0).tolist()


def test_random_time_stepped_networks_reach_every_corner() -> None:
    """The 48 networks above hold every combination of T_in against T, bias mode, reset and leak."""
    seen = set()
    for seed in range(48):
        rng = np.random.default_rng(seed)
        network = random_network(
            rng, "time_stepped", STEPPED_KINDS[seed % 6], sizes=(1, 2, 5, 7), extreme=seed % 4 == 0
        )
        for i, layer in enumerate(network.layers):
            seen |= {
                layer.bias_mode,
                f"leak {layer.leak_shift is None}",
                f"{layer.kind} {np.sign(network.t_in(i) - layer.T)}",
            }
            seen |= {layer.reset, layer.v_init, f"pool {layer.pool}", f"stride {layer.stride}"}
    wanted = {f"{kind} {sign}" for kind in ("dense", "conv2d", "readout") for sign in (-1, 0, 1)}
    wanted |= {
        "per_tick",
        "spread",
        "once",
        "subtract",
        "zero",
        "half_threshold",
        "leak True",
        "leak False",
    }
    assert wanted | {"pool 1", "pool 2", "stride 1", "stride 2"} <= seen


@pytest.mark.parametrize(
    "t_in, t_out", [(t_in, t_out) for t_in in range(1, 8) for t_out in range(1, 8)]
)
def test_alignment_of_every_pair(t_in: int, t_out: int) -> None:
    """One identity layer that fires on every count shows which source ticks each of its ticks
    saw."""
    layer = Layer(
        "out",
        "readout",
        np.eye(t_in, dtype=int),
        np.zeros(t_in, int),
        T=t_out,
        weight_bits=2,
        bias_mode="once",
    )
    network = Network("n", "time_stepped", Input((t_in,), t_in, 1), (layer,))
    trace = golden.run(network, np.eye(t_in, dtype=np.int32)[None])
    assert trace.logits_t is not None
    assert np.diff(trace.logits_t[0], axis=0, prepend=0).tolist() == aligned(
        np.eye(t_in, dtype=int).tolist(), t_out
    )


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("neuron", ["signed", "unsigned"])
def test_event_driven_is_the_decision_record(seed: int, neuron: str) -> None:
    rng = np.random.default_rng(seed)
    kinds = [("dense",), ("dense", "dense"), ("conv2d",), ("conv2d", "conv2d")][seed % 4]
    network = random_network(
        rng, "event_driven", kinds, sizes=(1, 2, 5, 7), shape=(1, 5, 4) if "conv2d" in kinds else None, max_count=3,
        neuron=neuron, extreme=seed % 5 == 0,
    )  # fmt: skip
    inputs = random_inputs(rng, network, 4)
    trace = golden.run(network, inputs)
    assert trace.events is not None
    for frame, counts in enumerate(inputs):
        found, sent = event_driven(network, counts.reshape(-1).tolist())
        assert [count[frame].tolist() for count in trace.counts.values()] == found
        assert trace.events[frame].tolist() == sent


@pytest.mark.parametrize("seed", range(16))
def test_signed_networks_settle_to_the_two_phase_result(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(
        rng, "event_driven", STEPPED_KINDS[seed % 6], sizes=(1, 5, 16), extreme=seed % 4 == 0
    )
    inputs = random_inputs(rng, network)
    settled = golden.run(network, inputs, potentials=True)
    assert (
        golden.run(
            dataclasses.replace(network, schedule="two_phase"), inputs, potentials=True
        ).first_difference(settled)
        is None
    )


def test_signed_neurons_take_spikes_back_and_unsigned_ones_do_not() -> None:
    """Inputs 0 then 1: +2, then -2, at threshold 2."""
    hidden = Layer(
        "a",
        "dense",
        np.array([[2, -2]]),
        np.array([0]),
        np.array([2]),
        T=3,
        weight_bits=3,
        v_init="zero",
    )
    out = Layer("out", "readout", np.array([[1]]), np.array([0]), weight_bits=2)
    signed = Network("n", "event_driven", Input((2,)), (hidden, out))
    unsigned = dataclasses.replace(
        signed, layers=(dataclasses.replace(hidden, neuron="unsigned"), out)
    )
    frame = np.array([[1, 1]])
    for network, count, events, v in ((signed, 0, 2, 0), (unsigned, 1, 1, -2)):
        trace = golden.run(network, frame, potentials=True)
        assert trace.v is not None and trace.events is not None
        assert (trace.counts["a"].item(), trace.events.item(), trace.v["a"].item()) == (
            count,
            events,
            v,
        )


def test_order_of_events_matters_to_unsigned_neurons() -> None:
    hidden = Layer(
        "a",
        "dense",
        np.array([[2, -2]]),
        np.array([0]),
        np.array([2]),
        T=3,
        weight_bits=3,
        v_init="zero",
        neuron="unsigned",
    )
    out = Layer("out", "readout", np.array([[1]]), np.array([0]), weight_bits=2)
    network = Network("n", "event_driven", Input((2,)), (hidden, out))
    assert event_driven(network, [1, 1])[0] == [[1]]
    assert event_driven(network, [1, 1], newest_first=True)[0] == [[0]]


def test_what_a_layer_emitted_first_arrives_first() -> None:
    """Input 0 wakes neuron 1 and input 1 neuron 0, so -2 comes before +2 although neuron 0 is
    lower."""
    first = Layer(
        "a",
        "dense",
        np.array([[0, 1], [1, 0]]),
        np.zeros(2, int),
        np.ones(2, int),
        weight_bits=2,
        v_init="zero",
    )
    fields: dict[str, Any] = {"weight_bits": 3, "v_init": "zero", "neuron": "unsigned"}
    second = Layer("b", "dense", np.array([[2, -2]]), np.array([0]), np.array([2]), **fields)
    out = Layer("out", "readout", np.array([[1]]), np.array([0]), weight_bits=2)
    network = Network("n", "event_driven", Input((2,)), (first, second, out))
    assert golden.run(network, np.array([[1, 1], [0, 1], [1, 0]])).counts["b"].tolist() == [
        [0],
        [1],
        [0],
    ]


def chain(T: int, threshold: int, weight: int, **fields: Any) -> Network:
    """One input, one neuron, one class."""
    hidden = Layer(
        "a", "dense", np.array([[weight]]), np.array([0]), np.array([threshold]), T=T, **fields
    )
    out = Layer("out", "readout", np.array([[1]]), np.array([0]), T=T, weight_bits=2)
    return Network("n", "time_stepped", Input((1,), T, 1), (hidden, out))


def spikes_of(network: Network, inputs: list[int]) -> list[int]:
    trace = golden.run(network, np.array(inputs).reshape(1, -1, 1), spikes=True)
    assert trace.spikes is not None
    return trace.spikes["a"][0, :, 0].tolist()  # type: ignore[no-any-return]


def test_fires_when_equal_to_threshold() -> None:
    assert spikes_of(chain(3, 4, 2, v_init="zero"), [1, 1, 0]) == [0, 1, 0]


def test_subtracts_once_a_tick_however_far_above() -> None:
    assert spikes_of(chain(4, 2, 7, v_init="zero"), [1, 0, 0, 0]) == [1, 1, 1, 0]


def test_zero_reset_forgets_the_rest() -> None:
    assert spikes_of(chain(4, 2, 7, v_init="zero", reset="zero"), [1, 0, 0, 0]) == [1, 0, 0, 0]


def test_leak_of_a_negative_potential_rounds_towards_minus_infinity() -> None:
    trace = golden.run(
        chain(3, 9, -1, v_init="zero", leak_shift=1), np.array([[[1], [0], [0]]]), potentials=True
    )
    assert trace.v is not None
    assert trace.v["a"][0, :, 0].tolist() == [-1, 0, 0]  # -1 - (-1 >> 1) = 0


def test_ties_go_to_the_lowest_index() -> None:
    out = Layer("out", "readout", np.array([[1], [2], [2]]), np.array([0, 0, 0]), weight_bits=3)
    assert golden.run(
        Network("n", "two_phase", Input((1,)), (out,)), np.array([[0], [1]])
    ).answer.tolist() == [0, 1]


@pytest.mark.parametrize("count", [1 << 20, (1 << 24) - 1])
def test_sums_beyond_float32_stay_exact(count: int) -> None:
    from polyrhythm.sw.network.synapse import _exact_type

    weight = np.array([[127, -127, 1]] * 2 + [[127, 127, 127]], dtype=np.int8)
    inputs = np.array([[count, count - 1, count - 2], [count, count, count]])
    network = Network(
        "n",
        "two_phase",
        Input((3,), 1, count),
        (Layer("out", "readout", weight, np.zeros(3, int)),),
    )
    expected = [
        [sum(int(w) * int(n) for w, n in zip(row, frame, strict=True)) for row in weight]
        for frame in inputs
    ]
    assert golden.run(network, inputs).logits.tolist() == expected
    assert _exact_type(weight, inputs) is np.float64


def test_float_types_are_taken_only_up_to_their_exact_range() -> None:
    from polyrhythm.sw.network.synapse import _exact_type

    one = np.array([[1]], dtype=np.int8)
    for peak, kind in (
        ((1 << 24), np.float32),
        ((1 << 24) + 1, np.float64),
        ((1 << 53), np.float64),
        ((1 << 53) + 1, np.int64),
    ):
        assert _exact_type(one, np.array([[peak]])) is kind


def test_chunks_of_frames_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    for schedule in ("two_phase", "time_stepped", "event_driven"):
        network = random_network(rng, schedule, ("dense", "dense"))
        inputs = random_inputs(rng, network, 11)
        whole = golden.run(network, inputs, spikes=True, potentials=True)
        with monkeypatch.context() as patch:
            patch.setattr(golden, "chunk_frames", lambda network: 4)
            parts = golden.run(network, inputs, spikes=True, potentials=True)
        assert whole.arrays().keys() == parts.arrays().keys()
        assert all(
            np.array_equal(value, parts.arrays()[name]) for name, value in whole.arrays().items()
        )


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped", "event_driven"])
def test_no_frames_give_an_empty_trace(schedule: str) -> None:
    network = random_network(np.random.default_rng(2), schedule, ("dense",))
    trace = golden.run(
        network, np.zeros((0, network.input.T, *network.input.shape), dtype=np.uint8)
    )
    assert (
        len(trace) == 0 and trace.logits.shape == (0, network.n_out(1)) and trace.events is not None
    )
    assert trace.events.shape == (0, 1)


def test_one_source_tick_may_have_its_axis_or_not() -> None:
    network = random_network(np.random.default_rng(3), "two_phase", ("conv2d",))
    inputs = random_inputs(np.random.default_rng(4), network)
    assert golden.run(network, inputs).first_difference(golden.run(network, inputs[:, 0])) is None


def test_profile_puts_its_values_in() -> None:
    hidden = Layer("a", "dense", np.array([[3]]), np.array([0]), np.array([1]), T=9, v_init="zero")
    out = Layer("out", "readout", np.array([[1]]), np.array([0]))
    profiles = {
        "short": Profile((2, 1)),
        "deaf": Profile((9, 1), {0: np.array([100])}),
        "loud": Profile((9, 1), {}, {1: np.array([50])}),
    }
    network = Network("n", "two_phase", Input((1,)), (hidden, out), profiles=profiles)
    results = {
        name: golden.run(network, np.array([[1]]), name).logits.item() for name in (None, *profiles)
    }
    assert results == {None: 3, "short": 2, "deaf": 0, "loud": 53}
    with pytest.raises(NetworkError) as caught:
        golden.run(network, np.array([[1]]), "sort")
    assert (
        str(caught.value)
        == "profile must be one of this network's, not 'sort'; it has 'short', 'deaf', 'loud'"
    )


@pytest.mark.parametrize("schedule", ["time_stepped", "two_phase", "event_driven"])
def test_each_frame_may_have_its_own_profile(schedule: str) -> None:
    rng = np.random.default_rng(18)
    network = random_network(rng, schedule, ("dense", "dense"), T=(2, 3, 2))
    profiles = {"long": Profile((4, 1, 5)), "short": Profile((1, 2, 1))}
    network = dataclasses.replace(network, profiles=profiles)
    inputs = random_inputs(rng, network, 12)
    order = rng.choice(["long", "short", ""], 12).tolist()
    mixed = golden.run(
        network, inputs, [name or None for name in order], spikes=True, potentials=True
    )
    for k, name in enumerate(order):
        alone = golden.run(network, inputs[k : k + 1], name or None, spikes=True, potentials=True)
        for what, value in mixed[np.array([k])].arrays().items():
            mine = alone.arrays()[what]
            if value.ndim == 3:  # as many ticks as the longest profile has
                rest = value[:, mine.shape[1] :]
                stays = 0 if what.endswith(".spikes") else value[:, mine.shape[1] - 1, None]
                assert (rest == stays).all()
                value = value[:, : mine.shape[1]]
            assert (value == mine).all(), (k, name, what)


def test_profiles_of_frames_are_as_many_as_the_frames() -> None:
    network = random_network(np.random.default_rng(1), "time_stepped", ("dense",))
    inputs = random_inputs(np.random.default_rng(2), network, 3)
    assert len(golden.run(network, inputs[:0], [])) == 0
    with pytest.raises(ValueError) as caught:
        golden.run(network, inputs, [None, None])
    assert str(caught.value) == "profile must be one name, or one for each of 3 frames, not 2"


@pytest.mark.parametrize(
    "inputs, kind, message",
    [
        (np.zeros((2, 3)), TypeError, "inputs must be integers, not float64"),
        (
            np.zeros((2, 4), int),
            ValueError,
            "inputs must have shape (B, 1, 3) or (B, 3), not (2, 4)",
        ),
        (np.array([[0, 1, 2], [0, 4, 0]]), ValueError, "inputs must lie in 0..3, not 4 at [1, 1]"),
        (np.array([[0, -1, 2]]), ValueError, "inputs must lie in 0..3, not -1 at [0, 1]"),
    ],
)
def test_refuses_illegal_inputs(inputs: np.ndarray, kind: type[Exception], message: str) -> None:
    out = Layer("out", "readout", np.ones((2, 3), int), np.zeros(2, int))
    with pytest.raises(kind) as caught:
        golden.run(Network("n", "two_phase", Input((3,), 1, 3), (out,)), inputs)
    assert str(caught.value) == message


def test_ten_thousand_digits_take_less_than_two_seconds() -> None:
    rng = np.random.default_rng(0)
    hidden = Layer(
        "fc1",
        "dense",
        rng.integers(-8, 8, (128, 784)),
        np.zeros(128, int),
        np.full(128, 200),
        T=3,
        weight_bits=4,
    )
    out = Layer("out", "readout", rng.integers(-8, 8, (10, 128)), np.zeros(10, int), weight_bits=4)
    network = Network("n", "two_phase", Input((1, 28, 28), 1, 15), (hidden, out))
    images = rng.integers(0, 16, (10_000, 1, 28, 28), dtype=np.uint8)
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        golden.run(network, images)
        best = min(best, time.perf_counter() - begin)
    assert best < 2
