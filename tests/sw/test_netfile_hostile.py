"""Every way in which a network file can be wrong, and the one clear error that it gives."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netparts import Change, join, key, parts, renamed, small, tensor, without

from polyrhythm.sw.network import Network, NetworkError, Profile


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "net.safetensors"


HOSTILE: list[tuple[Change, str]] = [
    (key("format", value=3), "format must be 1 or 2, not 3; a newer Polyrhythm may read this file"),
    (key("format", value="1"), "format must be 1 or 2, not '1'; a newer Polyrhythm may read this file"),
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
    (key("profiles", value={"p": {"t": [1, 1]}}), "profile 'p': unknown key 't'; did you mean 'T'?"),
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
    header, entries, data = parts(
        small(profiles={"fast": Profile((1, 1), {0: np.full(3, 9)})}), file
    )
    del header["profiles"]["fast"]
    file.write_bytes(join(header, entries, data))
    with pytest.raises(NetworkError) as caught:
        Network.load(file)
    unknown, known = (
        "profiles.fast.layers.0.threshold",
        ", ".join(sorted(entries.keys() - {"profiles.fast.layers.0.threshold"})),
    )
    assert str(caught.value) == f"{file}: unknown tensor '{unknown}'; known: {known}"


def test_refuses_a_threshold_below_one(file: Path) -> None:
    header, entries, data = parts(small(), file)
    first, last = entries["layers.0.threshold"]["data_offsets"]
    for wrong in (0, -5):
        values = np.array([5, wrong, 7], "<i4").tobytes()
        file.write_bytes(join(header, entries, data[:first] + values + data[last:]))
        with pytest.raises(NetworkError) as caught:
            Network.load(file)
        assert (
            str(caught.value)
            == f"{file}: layer 0 (fc1): threshold must lie in 1..2147483647, not {wrong} at [1]"
        )


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


@pytest.mark.parametrize(
    "spoil, message", RAW, ids=[f"{k}: {str(message)[:40]}" for k, (_, message) in enumerate(RAW)]
)
def test_refuses_what_is_no_safetensors_file(
    spoil: Callable[[bytes], bytes], message: str | None, file: Path
) -> None:
    small().save(file)
    raw = file.read_bytes()
    file.write_bytes(spoil(raw))
    with pytest.raises(NetworkError) as caught:
        Network.load(file)
    if message is None:
        assert str(caught.value).startswith(f"{file}: must be a .safetensors file")
    else:
        assert (
            str(caught.value)
            == f"{file}: {message.replace('{header}', str(struct.unpack('<Q', raw[:8])[0]))}"
        )


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
    assert (
        str(caught.value) == f"{file}: the file must have at most 1073741824 bytes, not 1073741825"
    )


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
