"""What a Network refuses, in whole sentences, and what it derives."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from networks import random_network

from polyrhythm.sw.network import Input, Layer, MarginExit, Network, NetworkError, Profile, SafeExit


def hidden(**fields: Any) -> Layer:
    given: dict[str, Any] = {
        "weight": np.ones((4, 6)),
        "bias": np.zeros(4),
        "threshold": np.full(4, 3),
    } | fields
    for name in ("weight", "bias", "threshold"):
        given[name] = given[name].astype(int) if name not in fields else given[name]
    return Layer(**{"name": "fc1", "kind": "dense", "weight_bits": 4, "T": 3} | given)


def out(n_in: int = 4, **fields: Any) -> Layer:
    given: dict[str, Any] = {"weight": np.ones((2, n_in), int), "bias": np.zeros(2, int)} | fields
    return Layer(**{"name": "out", "kind": "readout", "weight_bits": 4} | given)


def conv(**fields: Any) -> Layer:
    given: dict[str, Any] = {
        "weight": np.ones((2, 1, 3, 3), int),
        "bias": np.zeros(2, int),
        "threshold": np.ones(2, int),
    }
    return Layer(**{"name": "c1", "kind": "conv2d", "weight_bits": 2, "T": 3} | given | fields)


def network(*layers: Any, **fields: Any) -> Network:
    given: dict[str, Any] = {
        "name": "n",
        "schedule": "two_phase",
        "input": Input((6,), 1, 3),
    } | fields
    return Network(layers=layers or (hidden(), out()), **given)


def stepped(*layers: Any, **fields: Any) -> Network:
    return network(*layers, **{"schedule": "time_stepped"} | fields)


def image(*layers: Any, shape: tuple[int, ...] = (1, 5, 4)) -> Network:
    return network(*layers, input=Input(shape))


HIGH, LOW = np.ones((4, 6), int), np.ones((4, 6), int)
HIGH[3, 1], LOW[3, 1] = 8, -9
WHERE = "layer 0 (fc1)"

REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: network(name=""), NetworkError, "name must be 1 to 100 printable characters, no slash or backslash, no dot first, not ''"),
    (lambda: network(name="../x"), NetworkError, "name must be 1 to 100 printable characters, no slash or backslash, no dot first, not '../x'"),
    (lambda: network(name=3), TypeError, "name must be a string, not 3"),
    (lambda: network(schedule="two-phase"), NetworkError, "schedule must be one of two_phase, time_stepped, event_driven, not 'two-phase'"),
    (lambda: network(input=Input((6, 0))), NetworkError, "input: every dimension of shape must lie in 1..16777216, not 0"),
    (lambda: network(input=Input(())), NetworkError, "input: shape must have 1 to 3 dimensions, not 0: ()"),
    (lambda: network(input=Input((1 << 13, 1 << 13))), NetworkError, "input: shape must have at most 16777216 places, not 67108864"),
    (lambda: network(input=Input((6,), 0)), NetworkError, "input: T must lie in 1..65536, not 0"),
    (lambda: network(input=Input((6,), 1, 0)), NetworkError, "input: max_count must lie in 1..16777216, not 0"),
    (lambda: network(input=Input((6,), 1, 1.5)), TypeError, "input: max_count must be an integer, not 1.5"),  # type: ignore[arg-type]
    (lambda: Input("784"), TypeError, "input: shape must be a sequence, not str"),  # type: ignore[arg-type]
    (lambda: network(input=Input((6,), 4)), NetworkError, "input: T must be 1 in a two_phase network (its frames have no ticks), not 4; add the ticks up and raise max_count"),
    (lambda: Network("n", "two_phase", Input((6,)), None), TypeError, "layers must be a sequence, not NoneType"),
    (lambda: Network("n", "two_phase", Input((6,)), ()), NetworkError, "layers must hold at least the readout, not nothing"),
    (lambda: network(hidden()), NetworkError, f"{WHERE}: the last layer, and no other, must be the readout, not kind 'dense'"),
    (lambda: network(out(6), out(2, name="o")), NetworkError, "layer 0 (out): the last layer, and no other, must be the readout, not kind 'readout'"),
    (lambda: network(hidden(kind="linear"), out()), NetworkError, f"{WHERE}: kind must be one of dense, conv2d, readout, not 'linear'"),
    (lambda: network(hidden(name="a/b"), out()), NetworkError, "layer 0: name must be 1 to 100 printable characters, no slash or backslash, no dot first, not 'a/b'"),
    (lambda: network(hidden(name="out"), out()), NetworkError, "layer 1 (out): name must differ from the name of layer 0"),
    (lambda: network(hidden(weight_bits=9), out()), NetworkError, f"{WHERE}: weight_bits must lie in 2..8, not 9"),
    (lambda: network(hidden(weight_bits=True), out()), TypeError, f"{WHERE}: weight_bits must be an integer, not True"),
    (lambda: network(hidden(T=0), out()), NetworkError, f"{WHERE}: T must lie in 1..65536, not 0"),
    (lambda: network(hidden(weight=HIGH), out()), NetworkError, f"{WHERE}: weights must fit 4 bits (-8..7), not 8 at [3, 1]"),
    (lambda: network(hidden(weight=LOW), out()), NetworkError, f"{WHERE}: weights must fit 4 bits (-8..7), not -9 at [3, 1]"),
    (lambda: network(hidden(weight=HIGH * 1000), out()), NetworkError, f"{WHERE}: weights must fit 4 bits (-8..7), not 1000 at [0, 0]"),
    (lambda: network(hidden(weight=np.ones((4, 6))), out()), TypeError, f"{WHERE}: weights must be integers, not float64"),
    (lambda: network(hidden(weight=np.ones((4, 5), int)), out()), NetworkError, f"{WHERE}: weight must have shape (N_out, 6), not (4, 5)"),
    (lambda: network(hidden(weight=np.ones((0, 6), int)), out()), NetworkError, f"{WHERE}: weight must have shape (N_out, 6), not (0, 6)"),
    (lambda: network(hidden(bias=np.zeros(3, int)), out()), NetworkError, f"{WHERE}: bias must have shape (4,), one value per output channel, not (3,)"),
    (lambda: network(hidden(bias=np.array([0, 1, 1 << 31, 0])), out()), NetworkError, f"{WHERE}: bias must fit int32, not 2147483648 at [2]"),
    (lambda: network(hidden(threshold=np.array([3, 3, 0, 3])), out()), NetworkError, f"{WHERE}: threshold must lie in 1..2147483647, not 0 at [2]"),
    (lambda: network(hidden(threshold=np.full(4, 0.5)), out()), TypeError, f"{WHERE}: threshold must be integers, not float64"),
    (lambda: network(hidden(threshold=np.full((4, 1), 1)), out()), NetworkError, f"{WHERE}: threshold must have shape (4,), one value per output channel, not (4, 1)"),
    (lambda: network(dataclasses.replace(hidden(), threshold=None), out()), NetworkError, f"{WHERE}: threshold must be given; only the readout has none"),
    (lambda: network(hidden(), out(threshold=np.ones(2, int))), NetworkError, "layer 1 (out): the readout must have no threshold"),
    (lambda: network(hidden(leak_shift=1), out()), NetworkError, f"{WHERE}: leak_shift must be null in a two_phase network, not 1"),
    (lambda: network(hidden(reset="zero"), out()), NetworkError, f"{WHERE}: reset must be 'subtract' in a two_phase network, not 'zero'"),
    (lambda: stepped(hidden(leak_shift=-1), out()), NetworkError, f"{WHERE}: leak_shift must lie in 0..62, not -1"),
    (lambda: stepped(hidden(reset="soft"), out()), NetworkError, f"{WHERE}: reset must be one of subtract, zero, not 'soft'"),
    (lambda: stepped(hidden(v_init="half"), out()), NetworkError, f"{WHERE}: v_init must be one of half_threshold, zero, not 'half'"),
    (lambda: stepped(hidden(bias_mode=1), out()), TypeError, f"{WHERE}: bias_mode must be a string, not 1"),
    (lambda: network(hidden(neuron="both"), out()), NetworkError, f"{WHERE}: neuron must be one of signed, unsigned, not 'both'"),
    (lambda: network(hidden(stride=2), out()), NetworkError, f"{WHERE}: stride and padding belong to conv2d; a dense layer must have 1 and 0, not 2 and 0"),
    (lambda: network(hidden(pool=2), out()), NetworkError, f"{WHERE}: pool 2 must have an input map of shape (C, H, W), not (6,)"),
    (lambda: network(conv(), out()), NetworkError, "layer 0 (c1): conv2d must have an input map of shape (C, H, W), not (6,)"),
    (lambda: image(conv(pool=5), out()), NetworkError, "layer 0 (c1): pool must fit its input map of shape (1, 5, 4), not 5"),
    (lambda: image(conv(pool=2), out()), NetworkError, "layer 0 (c1): the 3 x 3 kernel must fit its padded input map of shape (1, 2, 2)"),
    (lambda: image(conv(weight=np.ones((2, 2, 3, 3), int)), out()), NetworkError, "layer 0 (c1): weight must have shape (C_out, 1, K, K), not (2, 2, 3, 3)"),
    (lambda: image(conv(weight=np.ones((2, 1, 3, 2), int)), out()), NetworkError, "layer 0 (c1): weight must have shape (C_out, 1, K, K), not (2, 1, 3, 2)"),
    (lambda: image(conv(padding=1 << 20), out()), NetworkError, "layer 0 (c1): the output map must have at most 16777216 neurons, not 8796113993740"),
    (lambda: image(conv(padding=-1), out()), NetworkError, "layer 0 (c1): padding must lie in 0..16777216, not -1"),
    (lambda: stepped(hidden(T=1 << 16), out(T=1 << 16), input=Input((6,), 1 << 16, 1 << 24), exit={}), TypeError, "exit: kind must be a string, not None"),
    (lambda: network(exit=SafeExit()), NetworkError, "exit must be null in a two_phase network: only time_stepped readouts have ticks"),
    (lambda: stepped(exit="safe"), TypeError, "exit must be a dict or null, not str"),
    (lambda: stepped(exit={"kind": "save"}), NetworkError, "exit: kind must be one of margin, softmax, safe, not 'save'"),
    (lambda: stepped(exit={"kind": "margin", "threshold": [1]}), NetworkError, "exit: unknown key 'threshold'; did you mean 'thresholds'?"),
    (lambda: stepped(exit={"kind": "softmax", "epsilon": 0.1}), NetworkError, "exit: kind 'softmax' must have 'scale'"),
    (lambda: stepped(exit={"kind": "margin", "thresholds": [1, 2]}), NetworkError, "exit: thresholds must be 1, one per readout tick, not 2"),
    (lambda: stepped(exit={"kind": "margin", "thresholds": [0.5]}), TypeError, "exit: thresholds[0] must be an integer, not 0.5"),
    (lambda: stepped(exit={"kind": "margin", "thresholds": 4}), TypeError, "exit: thresholds must be a list of integers, not 4"),
    (lambda: stepped(exit={"kind": "softmax", "epsilon": 1, "scale": 1}), NetworkError, "exit: epsilon must be above 0 and below 1, not 1"),
    (lambda: stepped(exit={"kind": "softmax", "epsilon": 0.1, "scale": float("inf")}), NetworkError, "exit: scale must be a finite number above 0, not inf"),
    (lambda: stepped(exit={"kind": "softmax", "epsilon": 0.1, "scale": float("nan")}), NetworkError, "exit: scale must be a finite number above 0, not nan"),
    (lambda: network(labels=("a",)), NetworkError, "labels must be none or 2, one per class, not 1"),
    (lambda: network(labels=(0, 1)), TypeError, "labels must be strings, not 0"),
    (lambda: network(provenance=[]), TypeError, "provenance must be a dict, not list"),
    (lambda: network(provenance={"a": {1}}), NetworkError, "provenance must be what JSON can hold: Object of type set is not JSON serializable"),
    (lambda: network(provenance={"a": float("nan")}), NetworkError, "provenance must be what JSON can hold: Out of range float values are not JSON compliant"),
    (lambda: network(profiles={"p": Profile((1,))}), NetworkError, "profile 'p': T must list 2 values, one per layer, not 1"),
    (lambda: network(profiles={"p": Profile((0, 1))}), NetworkError, f"profile 'p': {WHERE}: T must lie in 1..65536, not 0"),
    (lambda: network(profiles={"p": Profile((1, 1), {0: np.zeros(4, int)})}), NetworkError, f"profile 'p': {WHERE}: threshold must lie in 1..2147483647, not 0 at [0]"),
    (lambda: network(profiles={"p": Profile((1, 1), {}, {2: np.zeros(4, int)})}), NetworkError, "profile 'p': layer index of bias must lie in 0..1, not 2"),
    (lambda: stepped(profiles={"p": Profile((1, 2))}, exit={"kind": "margin", "thresholds": [1]}), NetworkError, "profile 'p': exit: thresholds must be 2, one per readout tick, not 1"),
    (lambda: network().profile("p"), NetworkError, "profile must be one of this network's, not 'p'; it has none"),
]  # fmt: skip


@pytest.mark.parametrize(
    "make, kind, message", REFUSED, ids=[message[:60] for _, _, message in REFUSED]
)
def test_refuses(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert (type(caught.value), str(caught.value)) == (kind, message)


def test_refuses_sums_that_could_leave_int64() -> None:
    count, ticks, size = 1 << 24, 1 << 16, 1 << 14
    wide = hidden(T=ticks, weight=np.ones((4, size), int), weight_bits=8)
    with pytest.raises(NetworkError) as caught:
        stepped(wide, out(), input=Input((size,), 1, count))
    reach = (size * 128 * count + (1 << 31)) * ticks + (1 << 31)
    assert str(caught.value) == (
        f"{WHERE}: no sum may pass 2**60; 16384 inputs, pool 1, T 1 to 65536 and counts up to 16777216 could reach {reach}"
    )


def test_arrays_are_copies_and_read_only() -> None:
    weight = np.ones((4, 6), int)
    net = network(hidden(weight=weight), out())
    weight[0, 0] = 7
    assert net.layers[0].weight[0, 0] == 1
    for layer in net.layers:
        for array in (layer.weight, layer.bias, layer.threshold):
            if array is not None:
                with pytest.raises(ValueError, match="read-only"):
                    array[0] = 1
    assert {str(layer.weight.dtype) for layer in net.layers} == {"int8"}
    assert net.layers[0].bias.dtype == np.int32 and net.layers[0].threshold is not None
    assert net.layers[0].threshold.dtype == np.int32


def test_fields_cannot_be_set_and_dicts_are_copied() -> None:
    rule = {"kind": "margin", "thresholds": [np.int64(3)]}
    provenance = {"versions": {"numpy": "2"}}
    net = stepped(exit=rule, provenance=provenance)
    with pytest.raises(dataclasses.FrozenInstanceError):
        net.name = "m"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        net.layers[0].T = 4  # type: ignore[misc]
    rule["thresholds"] = []
    provenance["versions"]["numpy"] = "3"
    assert net.exit == MarginExit((3,)) and net.provenance == {"versions": {"numpy": "2"}}


def test_shapes_through_convolution_pool_and_dense() -> None:
    first = conv(
        padding=1,
        stride=2,
        weight=np.ones((3, 2, 3, 3), int),
        bias=np.zeros(3, int),
        threshold=np.ones(3, int),
    )
    net = image(first, hidden(pool=2, weight=np.ones((4, 3 * 2 * 1), int)), out(), shape=(2, 7, 6))
    assert [net.in_shape(i) for i in range(3)] == [(2, 7, 6), (3, 4, 3), (4,)]
    assert [net.out_shape(i) for i in range(3)] == [(3, 4, 3), (4,), (2,)]
    assert [(net.n_in(i), net.n_out(i)) for i in range(3)] == [(84, 36), (6, 4), (4, 2)]
    assert net.per_neuron(0, np.array([1, 2, 3])).tolist() == [1] * 12 + [2] * 12 + [3] * 12
    assert net.input.size == 84


def test_source_ticks_and_largest_counts() -> None:
    for schedule, counts in (
        ("two_phase", [3, 5]),
        ("time_stepped", [3, 1]),
        ("event_driven", [3, 5]),
    ):
        ticks = 4 if schedule == "time_stepped" else 1
        net = network(hidden(T=5), out(T=2), schedule=schedule, input=Input((6,), ticks, 3))
        assert [net.t_in(i) for i in range(2)] == [ticks, 5]
        assert [net.in_count(i) for i in range(2)] == counts


def test_start_potential() -> None:
    assert hidden(threshold=np.array([1, 2, 7, 8])).v0.tolist() == [0, 1, 3, 4]
    assert hidden(threshold=np.array([1, 2, 7, 8]), v_init="zero").v0.tolist() == [0] * 4
    assert out().v0.tolist() == [0, 0]


def test_profile_keeps_what_it_does_not_name() -> None:
    short = Profile((1, 2), {0: np.array([9, 9, 9, 9])})
    net = stepped(profiles={"short": short}, labels=("a", "b"), provenance={"seed": 1})
    made = net.profile("short")
    assert [layer.T for layer in made.layers] == [1, 2] and made.layers[0].threshold is not None
    assert made.layers[0].threshold.tolist() == [9] * 4 and made.layers[1].bias.tolist() == [0, 0]
    assert (made.labels, made.provenance, made.profiles) == (("a", "b"), {"seed": 1}, {})
    assert net.profile(None) is net


def test_other_time_steps_keep_all_but_what_hangs_on_them() -> None:
    net = stepped(profiles={"short": Profile((1, 1))}, exit={"kind": "margin", "thresholds": [5]})
    made = net.at((7, 1))
    assert [layer.T for layer in made.layers] == [7, 1] and made.profiles == {}
    assert made.exit == net.exit
    assert (made.layers[0].threshold == net.layers[0].threshold).all()
    assert net.at((7, 3)).exit is None  # its threshold is that of one tick
    assert stepped(exit={"kind": "safe"}).at((7, 3)).exit is not None
    for T, told in (
        ((1,), "T must list 2 values, one per layer, not 1"),
        ((0, 1), f"{WHERE}: T must lie in 1..65536, not 0"),
    ):
        with pytest.raises(NetworkError) as caught:
            net.at(T)
        assert str(caught.value) == told


def test_survives_pickling_for_worker_processes() -> None:
    net = random_network(np.random.default_rng(0), "time_stepped", ("conv2d", "dense"))
    assert pickle.loads(pickle.dumps(net)).digest == net.digest


def changed(net: Network, layer: int, **fields: Any) -> Network:
    layers = [
        dataclasses.replace(old, **fields) if i == layer else old
        for i, old in enumerate(net.layers)
    ]
    return dataclasses.replace(net, layers=tuple(layers))


def test_digest_hangs_on_everything_that_fixes_the_arithmetic() -> None:
    net = stepped(hidden(), out(T=2), input=Input((6,), 2, 3))
    others = [
        dataclasses.replace(net, name="m"),
        network(hidden(), out(T=2)),
        dataclasses.replace(net, input=Input((6,), 3, 3)),
        dataclasses.replace(net, input=Input((6,), 2, 4)),
        dataclasses.replace(net, input=Input((2, 3), 2, 3)),
        dataclasses.replace(net, exit=SafeExit()),
        dataclasses.replace(net, exit=MarginExit((1, 2))),
        dataclasses.replace(net, profiles={"p": Profile((3, 2))}),
        dataclasses.replace(net, profiles={"p": Profile((3, 2), {0: np.full(4, 3)})}),
        dataclasses.replace(net, profiles={"p": Profile((3, 2), {}, {0: np.full(4, 3)})}),
        changed(net, 0, weight=np.ones((4, 6), int) * 2),
        changed(net, 0, bias=np.ones(4, int)),
        changed(net, 0, threshold=np.full(4, 4)),
        changed(net, 0, weight_bits=5),
        changed(net, 0, T=4),
        changed(net, 1, T=3),
        changed(net, 0, leak_shift=1),
        changed(net, 1, leak_shift=1),
        changed(net, 0, reset="zero"),
        changed(net, 0, v_init="zero"),
        changed(net, 0, bias_mode="once"),
        changed(net, 0, name="fc2"),
    ]
    digests = [each.digest for each in (net, *others)]
    assert len(set(digests)) == len(digests) and all(len(digest) == 64 for digest in digests)


def test_digest_does_not_hang_on_labels_provenance_and_what_the_schedule_ignores() -> None:
    net = network()
    same = [
        dataclasses.replace(net, labels=("a", "b"), provenance={"accuracy": 0.5}),
        changed(net, 0, bias_mode="once"),
        changed(net, 0, neuron="unsigned"),
        changed(net, 1, T=7),
        changed(net, 1, reset="subtract", v_init="zero"),
    ]
    assert {each.digest for each in same} == {net.digest}
    clockless = network(schedule="event_driven")
    assert changed(clockless, 0, neuron="unsigned").digest != clockless.digest


def test_digest_is_the_same_in_every_version() -> None:
    """A changed digest renames every build folder: then say so in the changelog."""
    assert network().digest == "f2e75abae64bfe77a86493773d606ffb469fe164bf948f44c1519dbee3ade2ea"
