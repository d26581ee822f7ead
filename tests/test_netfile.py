"""The network file: what it holds byte for byte, what may be left out, and every way in which it can be wrong."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import random_network

from sw.network import Input, Layer, Network, NetworkError, Profile


def small(schedule: str = "two_phase", **fields: Any) -> Network:
    hidden = Layer(
        "fc1", "dense", [[1, -2], [3, 4], [-8, 7]], [1, 2, 3], [5, 6, 7], weight_bits=4, T=3, bias_mode="once"
    )  # type: ignore[arg-type]
    out = Layer("out", "readout", [[1, 2, 3], [-1, -2, -3]], [10, 20], weight_bits=3, bias_mode="once")  # type: ignore[arg-type]
    return Network("tiny", schedule, Input((2,), 1, 15), (hidden, out), **fields)


def parts(network: Network, path: Path) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Save, then take apart with nothing but the safetensors page: (JSON, tensor entries, data)."""
    network.save(path)
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    entries = json.loads(raw[8 : 8 + length])
    metadata = entries.pop("__metadata__")
    assert list(metadata) == ["polyrhythm"]
    return json.loads(metadata["polyrhythm"]), entries, raw[8 + length :]


def join(header: Any, entries: dict[str, Any], data: bytes) -> bytes:
    """Put a file together again, however wrong."""
    text = header if isinstance(header, str) else json.dumps(header)
    raw = json.dumps({"__metadata__": {"polyrhythm": text}, **entries}).encode()
    return struct.pack("<Q", len(raw)) + raw + data


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
            key: value for key, value in vars(old).items() if not isinstance(value, np.ndarray) and key != "neuron"
        } == {key: value for key, value in vars(new).items() if not isinstance(value, np.ndarray) and key != "neuron"}
        for name in ("weight", "bias", "threshold"):
            assert np.array_equal(getattr(old, name), getattr(new, name))


def test_profiles_exit_labels_and_provenance_come_back(file: Path) -> None:
    rng = np.random.default_rng(3)
    base = random_network(rng, "time_stepped", ("dense",), sizes=(5,), T=(3, 2))
    profile = Profile((1, 2), {0: np.array([9, 8, 7, 6, 5])}, {0: np.arange(5), 1: np.arange(5)})
    network = Network(
        "p.q", "time_stepped", base.input, base.layers, {"kind": "margin", "thresholds": [3, 4]}, {"fast": profile, "b": Profile((2, 2))},
        ("é", "\ud800", "c", "d", "e"), {"dataset": "µ", "accuracy": 0.1},
    )  # fmt: skip
    header, entries, _ = parts(network, file)
    assert header["profiles"] == {"b": {"T": [2, 2]}, "fast": {"T": [1, 2]}}
    assert {"profiles.fast.layers.0.threshold", "profiles.fast.layers.0.bias", "profiles.fast.layers.1.bias"} < set(
        entries
    )
    again = Network.load(file)
    assert again.digest == network.digest and again.exit == network.exit
    assert (again.labels, again.provenance) == (network.labels, network.provenance)
    assert again.profile("fast").digest == network.profile("fast").digest
    assert again.profiles["fast"].bias[1].tolist() == [0, 1, 2, 3, 4] and set(again.profiles["fast"].threshold) == {0}


def test_same_network_same_bytes(tmp_path: Path) -> None:
    profiles = {name: Profile((3, 1), {0: np.full(3, 9)}) for name in "cab"}
    for name, order in (("x", "cab"), ("y", "abc")):
        small(profiles={key: profiles[key] for key in order}).save(tmp_path / name)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_arrays_in_any_order_of_memory_are_the_same_network(tmp_path: Path) -> None:
    weight = np.arange(2 * 3 * 3 * 3).reshape(2, 3, 3, 3)
    folded = np.ascontiguousarray(weight.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)  # the same numbers, channels last
    saved = []
    for name, array in (("rows", weight), ("channels", folded), ("columns", np.asfortranarray(weight))):
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
    file.write_bytes(join(header | {"labels": None, "profiles": None, "provenance": None}, entries, data))
    assert Network.load(file).digest == network.digest


def test_a_convolution_takes_stride_one_and_no_padding_where_none_are_given(file: Path) -> None:
    weight = np.arange(9).reshape(1, 1, 3, 3) - 4
    layer = Layer("c", "conv2d", weight, np.zeros(1, int), np.ones(1, int), weight_bits=4, bias_mode="once")
    out = Layer("out", "readout", np.ones((2, 4), int), np.zeros(2, int), weight_bits=2, bias_mode="once")
    network = Network("n", "two_phase", Input((1, 4, 4)), (layer, out))
    header, entries, data = parts(network, file)
    assert (header["layers"][0].pop("stride"), header["layers"][0].pop("padding")) == (1, 0)
    file.write_bytes(join(header, entries, data))
    assert Network.load(file).digest == network.digest


Change = Callable[[dict[str, Any], dict[str, Any]], None]


def key(*path: Any, value: Any) -> Change:
    """Set one place of the JSON."""

    def change(header: dict[str, Any], entries: dict[str, Any]) -> None:
        for step in path[:-1]:
            header = header[step]
        header[path[-1]] = value

    return change


def without(*path: Any) -> Change:
    def change(header: dict[str, Any], entries: dict[str, Any]) -> None:
        for step in path[:-1]:
            header = header[step]
        del header[path[-1]]

    return change


def tensor(name: str, **fields: Any) -> Change:
    """Change a tensor's entry."""

    def change(header: dict[str, Any], entries: dict[str, Any]) -> None:
        entries[name] |= fields

    return change


def renamed(old: str, new: str) -> Change:
    def change(header: dict[str, Any], entries: dict[str, Any]) -> None:
        entries[new] = entries.pop(old)

    return change


HOSTILE: list[tuple[Change, str]] = [
    (key("format", value=2), "format must be 1, not 2; a newer Polyrhythm may read this file"),
    (key("format", value="1"), "format must be 1, not '1'; a newer Polyrhythm may read this file"),
    (without("format"), "key 'format' must be given"),
    (without("input"), "key 'input' must be given"),
    (key("shedule", value="two_phase"), "unknown key 'shedule'; did you mean 'schedule'?"),
    (key("schedule", value="rate"), "schedule must be one of two_phase, time_stepped, event_driven, not 'rate'"),
    (key("layers", 0, "treshold", value=3), "layer 0: unknown key 'treshold'; known: T, bias_mode, kind, leak_shift, name, neuron, padding, pool, reset, skip, stride, v_init, weight_bits"),
    (key("layers", 0, "leakshift", value=3), "layer 0: unknown key 'leakshift'; did you mean 'leak_shift'?"),
    (without("layers", 1, "T"), "layer 1: key 'T' must be given"),
    (key("layers", 0, "T", value=0), "layer 0 (fc1): T must lie in 1..65536, not 0"),
    (key("layers", 0, "T", value=1.0), "layer 0 (fc1): T must be an integer, not 1.0"),
    (key("layers", 0, "T", value=10**30), f"layer 0 (fc1): T must lie in 1..65536, not {10**30}"),
    (key("layers", 0, "T", value=None), "layer 0 (fc1): T must be an integer, not None"),
    (key("layers", 0, "weight_bits", value=3), "layer 0 (fc1): weights must fit 3 bits (-4..3), not 4 at [1, 1]"),
    (key("layers", 0, "name", value=7), "layer 0: name must be a string, not 7"),
    (key("layers", 0, "name", value="../../etc/passwd"), "layer 0: name must be 1 to 100 printable characters, no slash or backslash, no dot first, not '../../etc/passwd'"),
    (key("layers", 0, value=[]), "layer 0 must be a JSON object, not []"),
    (key("layers", value={}), "layers must be a list, not {}"),
    (key("layers", value=[]), "layers must hold at least the readout, not nothing"),
    (key("input", value=[2]), "input must be a JSON object, not [2]"),
    (key("input", "T", value=0), "input: T must lie in 1..65536, not 0"),
    (key("input", "shape", value=2), "input: shape must be a list, not 2"),
    (key("input", "shape", value=[2**62, 2**62]), f"input: every dimension of shape must lie in 1..16777216, not {2**62}"),
    (key("input", "shape", value=[3]), "layer 0 (fc1): weight must have shape (N_out, 3), not (3, 2)"),
    (key("input", "maxcount", value=3), "input: unknown key 'maxcount'; did you mean 'max_count'?"),
    (key("exit", value={"kind": "safe"}), "exit must be null in a two_phase network: only time_stepped readouts have ticks"),
    (key("labels", value="ab"), "labels must be a list, not 'ab'"),
    (key("labels", value=["a"]), "labels must be none or 2, one per class, not 1"),
    (key("profiles", value={"p": {"t": [1, 1]}}), "profile 'p': unknown key 't'; known: T"),
    (key("profiles", value={"p": {"T": [1]}}), "profile 'p': T must list 2 values, one per layer, not 1"),
    (key("profiles", value={"p": 3}), "profile 'p' must be a JSON object, not 3"),
    (key("provenance", value=1), "provenance must be a JSON object, not 1"),
    (renamed("layers.0.bias", "layers.0.biass"), "layer 0 (fc1): tensor 'layers.0.bias' must be there, but is missing"),
    (renamed("layers.1.bias", "profiles.p.layers.1.bias"), "layer 1 (out): tensor 'layers.1.bias' must be there, but is missing"),
    (without("layers", 1), "layer 0 (fc1): the last layer, and no other, must be the readout, not kind 'dense'"),
    (without("layers", 0), "layer 0 (out): weights must fit 3 bits (-4..3), not 4 at [1, 1]"),
    (lambda header, entries: entries.update(threshold=entries.pop("layers.0.threshold")), "layer 0 (fc1): tensor 'layers.0.threshold' must be there, but is missing"),
    (tensor("layers.0.weight", dtype="U8"), "tensor 'layers.0.weight' must be int8 (I8) or int32 (I32), not U8"),
    (tensor("layers.0.bias", dtype="F32"), "tensor 'layers.0.bias' must be int8 (I8) or int32 (I32), not F32"),
    (tensor("layers.0.bias", dtype="I8", shape=[12]), "layer 0 (fc1): tensor 'layers.0.bias' must be int32, not int8"),
    (tensor("layers.0.weight", shape=[2, 3]), "layer 0 (fc1): weight must have shape (N_out, 2), not (2, 3)"),
    (tensor("layers.0.weight", shape=[6]), "layer 0 (fc1): weight must have shape (N_out, 2), not (6,)"),
    (tensor("layers.0.bias", shape=[3, 1]), "layer 0 (fc1): bias must have shape (3,), one value per output channel, not (3, 1)"),
]  # fmt: skip


@pytest.mark.parametrize("change, message", HOSTILE, ids=[message[:50] for _, message in HOSTILE])
def test_refuses_with_one_clear_error(change: Change, message: str, file: Path) -> None:
    header, entries, data = parts(small(), file)
    change(header, entries)
    file.write_bytes(join(header, entries, data))
    with pytest.raises(NetworkError) as caught:
        Network.load(file)
    assert str(caught.value) == f"{file}: {message}"


def test_refuses_tensors_that_no_layer_asks_for(file: Path) -> None:
    header, entries, data = parts(small(profiles={"fast": Profile((1, 1), {0: np.full(3, 9)})}), file)
    del header["profiles"]["fast"]
    file.write_bytes(join(header, entries, data))
    with pytest.raises(NetworkError) as caught:
        Network.load(file)
    unknown, near = "profiles.fast.layers.0.threshold", "layers.0.threshold"
    assert str(caught.value) == f"{file}: unknown tensor '{unknown}'; did you mean '{near}'?"


def test_refuses_a_threshold_below_one(file: Path) -> None:
    header, entries, data = parts(small(), file)
    first, last = entries["layers.0.threshold"]["data_offsets"]
    for wrong in (0, -5):
        values = np.array([5, wrong, 7], "<i4").tobytes()
        file.write_bytes(join(header, entries, data[:first] + values + data[last:]))
        with pytest.raises(NetworkError) as caught:
            Network.load(file)
        assert str(caught.value) == f"{file}: layer 0 (fc1): threshold must lie in 1..2147483647, not {wrong} at [1]"


def test_refuses_a_time_stepped_layer_without_bias_mode(file: Path) -> None:
    header, entries, data = parts(small("time_stepped"), file)
    del header["layers"][1]["bias_mode"]
    file.write_bytes(join(header, entries, data))
    with pytest.raises(NetworkError) as caught:
        Network.load(file)
    assert str(caught.value) == (
        f"{file}: layer 1 (out): key 'bias_mode' must be given in a time_stepped network, where it has no default"
    )


RAW: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda raw: b"", "must be a .safetensors file, of at least 8 bytes, not 0"),
    (lambda raw: raw[:7], "must be a .safetensors file, of at least 8 bytes, not 7"),
    (lambda raw: b"\x80\x04\x95cposix\nsystem\n", None),
    (lambda raw: b"PK\x03\x04" + bytes(60), None),
    (lambda raw: struct.pack("<Q", 1 << 62) + raw[8:], "must be a .safetensors file; its header would have 4611686018427387904 bytes and start with b'{'"),
    (lambda raw: raw[:100], "truncated: the header must have {header} bytes, not the 92 that are there"),
    (lambda raw: raw[:-1], "truncated: the tensors must have 44 bytes, not the 43 that are there"),
    (lambda raw: struct.pack("<Q", 2) + b"{}", "the metadata must have the key 'polyrhythm'; this .safetensors file holds no network"),
    (lambda raw: struct.pack("<Q", 2) + b"{]", "the safetensors header must be JSON, but cannot be read: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    (lambda raw: struct.pack("<Q", 14) + b'{"a":1, "a":2}', "the safetensors header must be JSON, but cannot be read: key 'a' stands there twice"),
    (lambda raw: struct.pack("<Q", 200_000) + b'{"a":' + b"[" * 199_995, "the safetensors header must be JSON, but cannot be read: maximum recursion depth exceeded while decoding a JSON array from a unicode string"),
    (lambda raw: raw + b"more", None),
]  # fmt: skip


@pytest.mark.parametrize("spoil, message", RAW, ids=[f"{k}: {str(message)[:40]}" for k, (_, message) in enumerate(RAW)])
def test_refuses_what_is_no_safetensors_file(spoil: Callable[[bytes], bytes], message: str | None, file: Path) -> None:
    small().save(file)
    raw = file.read_bytes()
    file.write_bytes(spoil(raw))
    with pytest.raises(NetworkError) as caught:
        Network.load(file)
    if message is None:
        assert str(caught.value).startswith(f"{file}: must be a .safetensors file")
    else:
        assert str(caught.value) == f"{file}: {message.replace('{header}', str(struct.unpack('<Q', raw[:8])[0]))}"


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "the metadata 'polyrhythm' must be JSON, but cannot be read: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "the metadata 'polyrhythm' must be a JSON object, not []"),
        ('{"format": 1, "format": 1}', "the metadata 'polyrhythm' must be JSON, but cannot be read: key 'format' stands there twice"),
        ('{"format": NaN}', "the metadata 'polyrhythm' must be JSON, but cannot be read: NaN is no JSON number"),
    ],
)  # fmt: skip
def test_refuses_json_that_is_none(text: str, message: str, file: Path) -> None:
    _, entries, data = parts(small(), file)
    file.write_bytes(join(text, entries, data))
    with pytest.raises(NetworkError) as caught:
        Network.load(file)
    assert str(caught.value) == f"{file}: {message}"


@pytest.mark.parametrize(
    "fields",
    [
        {"shape": [1 << 62, 8]},
        {"shape": [-1]},
        {"data_offsets": [0, 1 << 50]},
        {"data_offsets": [9, 3]},
        {"dtype": "X"},
    ],
)
def test_refuses_absurd_tensor_entries(fields: dict[str, Any], file: Path) -> None:
    header, entries, data = parts(small(), file)
    entries["layers.0.weight"] |= fields
    file.write_bytes(join(header, entries, data))
    with pytest.raises(NetworkError) as caught:
        Network.load(file)
    assert str(caught.value).startswith(
        (f"{file}: must be a .safetensors file, but its header is wrong: ", f"{file}: truncated: ")
    )


def test_refuses_a_file_too_large_without_reading_it(file: Path) -> None:
    with open(file, "wb") as sparse:
        sparse.truncate((1 << 30) + 1)
    with pytest.raises(NetworkError) as caught:
        Network.load(file)
    assert str(caught.value) == f"{file}: the file must have at most 1073741824 bytes, not 1073741825"


@pytest.mark.parametrize("seed", range(300))
def test_a_spoiled_byte_or_a_cut_never_gives_another_error(seed: int, file: Path) -> None:
    """A flipped byte either still makes a legal network or ends in NetworkError."""
    rng = np.random.default_rng(seed)
    small(profiles={"p": Profile((1, 1), {0: np.full(3, 9)})}).save(file)
    raw = bytearray(file.read_bytes())
    if seed % 3 == 0:
        del raw[int(rng.integers(len(raw))) :]
    else:
        raw[int(rng.integers(len(raw)))] = int(rng.integers(256))
    file.write_bytes(raw)
    try:
        Network.load(file)
    except NetworkError as error:
        assert str(error).startswith(f"{file}: ")


def test_a_missing_file_is_an_oserror(file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Network.load(file)


def test_a_failed_save_leaves_the_old_file_and_no_other(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small().save(file)
    before = file.read_bytes()

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(KeyboardInterrupt):
        small(provenance={"seed": 1}).save(file)
    assert file.read_bytes() == before and [path.name for path in file.parent.iterdir()] == [file.name]
