"""A network stays as it was made: every way in is tried, refused, and the digest is unchanged."""

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from polyrhythm.sw.network import Input, Layer, MarginExit, Network, Profile, SafeExit, Skip, file
from polyrhythm.sw.network.frozen import FrozenDict, FrozenList

ONES = np.ones((2, 2), int)


def made(**changes: Any) -> Network:
    hidden = Layer("fc", "dense", ONES, np.zeros(2, int), np.full(2, 3), T=2)
    readout = Layer("out", "readout", ONES, np.zeros(2, int), T=2)
    profile = Profile((1, 2), {0: np.full(2, 4)}, {0: np.zeros(2, int)})
    given = {
        "exit": MarginExit((3, 4)),
        "profiles": {"fast": profile},
        "labels": ["a", "b"],
        "provenance": {"list": [1, {"deep": [2]}], "dict": {"a": 1}},
    }
    layers = (hidden, readout)
    return Network("n", "time_stepped", Input((2,), 2, 3), layers, **(given | changes))


def arrays(net: Network) -> list[Any]:
    layer, profile = net.layers[0], net.profiles["fast"]
    return [layer.weight, layer.bias, layer.threshold, profile.threshold[0], profile.bias[0]]


def put(target: Callable[[Network], Any], key: Any) -> Callable[[Network], None]:
    def change(net: Network) -> None:
        target(net)[key] = 7

    return change


WAYS_IN: list[Callable[[Network], Any]] = [
    lambda net: setattr(net, "exit", None),
    lambda net: setattr(net, "digest", "x"),
    lambda net: setattr(net.exit, "thresholds", ()),
    lambda net: setattr(net.input, "T", 3),
    lambda net: setattr(net.layers[0], "T", 3),
    lambda net: setattr(net.profiles["fast"], "T", ()),
    lambda net: delattr(net, "labels"),
    put(lambda net: net.layers, 0),
    put(lambda net: net.input.shape, 0),
    put(lambda net: net.labels, 0),
    put(lambda net: net.exit.thresholds, 0),  # type: ignore[union-attr]
    put(lambda net: net._shapes, 0),
    put(lambda net: net.profiles, "fast"),
    put(lambda net: net.profiles["fast"].T, 0),
    put(lambda net: net.profiles["fast"].bias, 0),
    put(lambda net: net.profiles["fast"].threshold, 0),
    put(lambda net: net.provenance, "list"),
    put(lambda net: net.provenance["list"], 0),
    put(lambda net: net.provenance["list"][1], "deep"),
    put(lambda net: net.provenance["list"][1]["deep"], 0),
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS_IN)
def test_nothing_inside_can_be_changed(way: Callable[[Network], Any]) -> None:
    net = made()
    before = net.digest
    with pytest.raises((TypeError, AttributeError)):
        way(net)
    assert file.digest(net) == before == made().digest
    assert net.provenance == made().provenance


def copies(net: Network) -> list[Network]:
    again = pickle.loads(pickle.dumps(net))
    return [net, again, copy.copy(net), copy.deepcopy(net), dataclasses.replace(net)]


def test_arrays_cannot_be_made_writeable_in_copies_either() -> None:
    for net in copies(made()):
        for array in arrays(net):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
            with pytest.raises(ValueError, match="cannot set WRITEABLE flag"):
                array.flags.writeable = True


def test_copies_are_equal_and_frozen_too() -> None:
    net = made()
    for again in copies(net):
        assert again.digest == net.digest and again.provenance == net.provenance
        assert type(again.profiles) is FrozenDict
        assert type(again.provenance["list"][1]["deep"]) is FrozenList
    plain = {"list": [1, {"deep": [2]}], "dict": {"a": 1}}
    assert net.provenance == plain and json.dumps(net.provenance) == json.dumps(plain)


def test_what_the_caller_changes_afterwards_does_not_come_in() -> None:
    weight, thresholds, profiles = np.ones((2, 2), np.int8), [3, 4], {"p": Profile((2,))}
    provenance = {"list": [1]}
    skip = Skip("c", weight)
    layer = Layer("out", "readout", weight, np.zeros(2, int), T=2)
    rule = MarginExit(thresholds)  # type: ignore[arg-type]
    source = Input((2,), 2)
    net = Network("n", "time_stepped", source, (layer,), rule, profiles, (), provenance)
    before = net.digest
    weight[0], thresholds[0] = 5, 9
    profiles.clear()
    provenance["list"].append(2)
    assert file.digest(net) == before and skip.weight.tolist() == [[1, 1], [1, 1]]
    assert net.provenance == {"list": [1]} and set(net.profiles) == {"p"}


@pytest.mark.parametrize("name", [
    "clear", "pop", "popitem", "setdefault", "update", "__ior__", "__setitem__", "__delitem__",
])  # fmt: skip
def test_a_frozen_dict_refuses(name: str) -> None:
    with pytest.raises(TypeError, match="a FrozenDict cannot be changed"):
        getattr(FrozenDict(a=1), name)("a")


@pytest.mark.parametrize("name", [
    "append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse",
    "__iadd__", "__imul__", "__setitem__", "__delitem__",
])  # fmt: skip
def test_a_frozen_list_refuses(name: str) -> None:
    with pytest.raises(TypeError, match="a FrozenList cannot be changed"):
        getattr(FrozenList([1]), name)(0)


def test_a_rule_of_a_file_becomes_the_value() -> None:
    assert made(exit={"kind": "margin", "thresholds": [3, 4]}).exit == MarginExit((3, 4))
    assert made(exit={"kind": "safe"}).exit == SafeExit()
