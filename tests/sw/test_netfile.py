"""The network file: what it holds byte for byte, and what may be left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from netparts import join, parts, small
from networks import random_network

from polyrhythm.sw.network import Input, Layer, MarginExit, Network, NetworkError, Profile


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "net.safetensors"


def test_json_is_that_of_the_format(file: Path) -> None:
    header, entries, data = parts(small(labels=("a", "b"), provenance={"seed": 0}), file)
    assert header == {
        "format": 1,
        "name": "tiny",
        "schedule": "two_phase",
        "input": {"shape": [2], "T": 1, "max_count": 15},
        "layers": [
            {
                "name": "fc1", "kind": "dense", "pool": 1, "weight_bits": 4, "T": 3,
                "leak_shift": None, "reset": "subtract", "v_init": "half_threshold", "bias_mode": "once",
            },
            {
                "name": "out", "kind": "readout", "pool": 1, "weight_bits": 3, "T": 1, "leak_shift": None,
                "bias_mode": "once",
            },
        ],
        "exit": None,
        "profiles": {},
        "labels": ["a", "b"],
        "provenance": {"seed": 0},
    }  # fmt: skip
    assert {name: (entry["dtype"], entry["shape"]) for name, entry in entries.items()} == {
        "layers.0.weight": ("I8", [3, 2]), "layers.0.bias": ("I32", [3]), "layers.0.threshold": ("I32", [3]),
        "layers.1.weight": ("I8", [2, 3]), "layers.1.bias": ("I32", [2]),
    }  # fmt: skip
    first, last = entries["layers.0.weight"]["data_offsets"]
    assert np.frombuffer(data[first:last], "i1").tolist() == [1, -2, 3, 4, -8, 7]


@pytest.mark.parametrize("seed", range(12))
def test_every_network_comes_back_the_same(seed: int, file: Path) -> None:
    rng = np.random.default_rng(seed)
    schedule = ["two_phase", "time_stepped", "event_driven"][seed % 3]
    network = random_network(
        rng, schedule, [("dense",), ("conv2d", "dense")][seed % 2], extreme=True, neuron="unsigned"
    )
    network.save(file)
    again = Network.load(file)
    assert again.digest == network.digest
    for old, new in zip(network.layers, again.layers, strict=True):
        assert {
            key: value
            for key, value in vars(old).items()
            if not isinstance(value, np.ndarray) and key != "neuron"
        } == {
            key: value
            for key, value in vars(new).items()
            if not isinstance(value, np.ndarray) and key != "neuron"
        }
        for name in ("weight", "bias", "threshold"):
            assert np.array_equal(getattr(old, name), getattr(new, name))


def test_profiles_exit_labels_and_provenance_come_back(file: Path) -> None:
    rng = np.random.default_rng(3)
    base = random_network(rng, "time_stepped", ("dense",), sizes=(5,), T=(3, 2))
    profile = Profile((1, 2), {0: np.array([9, 8, 7, 6, 5])}, {0: np.arange(5), 1: np.arange(5)})
    network = Network(
        "p.q", "time_stepped", base.input, base.layers, MarginExit((3, 4)), {"fast": profile, "b": Profile((2, 2))},
        ("é", "\ud800", "c", "d", "e"), {"dataset": "µ", "accuracy": 0.1},
    )  # fmt: skip
    header, entries, _ = parts(network, file)
    assert header["profiles"] == {"b": {"T": [2, 2]}, "fast": {"T": [1, 2]}}
    assert {
        "profiles.fast.layers.0.threshold",
        "profiles.fast.layers.0.bias",
        "profiles.fast.layers.1.bias",
    } < set(entries)
    again = Network.load(file)
    assert again.digest == network.digest and again.exit == network.exit
    assert (again.labels, again.provenance) == (network.labels, network.provenance)
    assert again.profile("fast").digest == network.profile("fast").digest
    assert again.profiles["fast"].bias[1].tolist() == [0, 1, 2, 3, 4] and set(
        again.profiles["fast"].threshold
    ) == {0}


def test_exits_of_profiles_make_format_2(file: Path) -> None:
    base = random_network(np.random.default_rng(3), "time_stepped", ("dense",), T=(3, 2))
    rule = {"kind": "margin", "thresholds": [7]}
    profiles = {
        "none": Profile((2, 2), exit=None),
        "own": Profile((3, 1), exit=rule),
        "same": Profile((1, 2)),
    }
    network = replace(base, exit=MarginExit((3, 4)), profiles=profiles)
    header, entries, data = parts(network, file)
    assert header["format"] == 2
    assert header["profiles"] == {
        "none": {"T": [2, 2], "exit": None}, "own": {"T": [3, 1], "exit": rule}, "same": {"T": [1, 2]},
    }  # fmt: skip
    again = Network.load(file)
    assert again.digest == network.digest != replace(base, exit=MarginExit((3, 4))).digest
    rules = {name: again.profile(name).exit for name in profiles}
    assert rules == {"none": None, "own": MarginExit((7,)), "same": MarginExit((3, 4))}
    for value, told in (
        ("safe", "must be a JSON object"),
        ({"kind": "margin", "thresholds": [1, 2]}, "must be 1, one per readout tick"),
    ):
        header["profiles"]["own"]["exit"] = value
        file.write_bytes(join(header, entries, data))
        with pytest.raises(NetworkError, match=f"profile 'own': exit:? .*{told}"):
            Network.load(file)


def test_same_network_same_bytes(tmp_path: Path) -> None:
    profiles = {name: Profile((3, 1), {0: np.full(3, 9)}) for name in "cab"}
    for name, order in (("x", "cab"), ("y", "abc")):
        small(profiles={key: profiles[key] for key in order}).save(tmp_path / name)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_arrays_in_any_order_of_memory_are_the_same_network(tmp_path: Path) -> None:
    weight = np.arange(2 * 3 * 3 * 3).reshape(2, 3, 3, 3)
    # The same numbers, channels last
    folded = np.ascontiguousarray(weight.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    saved = []
    for name, array in (
        ("rows", weight),
        ("channels", folded),
        ("columns", np.asfortranarray(weight)),
    ):
        conv = Layer("conv", "conv2d", array, [0, 0], [9, 9])  # type: ignore[arg-type]
        out = Layer("out", "readout", np.ones((4, 2), np.int8), [0] * 4)  # type: ignore[arg-type]
        network = Network("n", "two_phase", Input((3, 3, 3), 1, 1), (conv, out))
        network.save(tmp_path / name)
        loaded = Network.load(tmp_path / name)
        assert (loaded.layers[0].weight == weight).all() and loaded.digest == network.digest
        saved.append((tmp_path / name).read_bytes())
    assert saved[0] == saved[1] == saved[2]


def test_optional_keys_may_be_left_out(file: Path) -> None:
    network = small()
    header, entries, data = parts(network, file)
    for key in ("exit", "profiles", "labels", "provenance"):
        del header[key]
    for layer in header["layers"]:
        for key in ("leak_shift", "reset", "v_init", "bias_mode", "pool"):
            layer.pop(key, None)
    file.write_bytes(join(header, entries, data))
    assert Network.load(file).digest == network.digest


def test_null_stands_for_nothing(file: Path) -> None:
    network = small()
    header, entries, data = parts(network, file)
    file.write_bytes(
        join(header | {"labels": None, "profiles": None, "provenance": None}, entries, data)
    )
    assert Network.load(file).digest == network.digest


def test_a_convolution_takes_stride_one_and_no_padding_where_none_are_given(file: Path) -> None:
    weight = np.arange(9).reshape(1, 1, 3, 3) - 4
    layer = Layer(
        "c", "conv2d", weight, np.zeros(1, int), np.ones(1, int), weight_bits=4, bias_mode="once"
    )
    out = Layer(
        "out", "readout", np.ones((2, 4), int), np.zeros(2, int), weight_bits=2, bias_mode="once"
    )
    network = Network("n", "two_phase", Input((1, 4, 4)), (layer, out))
    header, entries, data = parts(network, file)
    assert (header["layers"][0].pop("stride"), header["layers"][0].pop("padding")) == (1, 0)
    file.write_bytes(join(header, entries, data))
    assert Network.load(file).digest == network.digest


def test_a_missing_file_is_an_oserror(file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Network.load(file)


def test_a_failed_save_leaves_the_old_file_and_no_other(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small().save(file)
    before = file.read_bytes()

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(KeyboardInterrupt):
        small(provenance={"seed": 1}).save(file)
    assert file.read_bytes() == before and [path.name for path in file.parent.iterdir()] == [
        file.name
    ]


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    asked = tmp_path / "no such folder" / "net.safetensors"
    with pytest.raises(FileNotFoundError) as caught:
        small().save(asked)
    assert str(caught.value) == f"[Errno 2] No such file or directory: '{asked}'"
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError) as taken:
        small().save(tmp_path / "taken")
    assert str(taken.value).endswith(f": '{tmp_path / 'taken'}'") and [
        path.name for path in tmp_path.iterdir()
    ] == ["taken"]
