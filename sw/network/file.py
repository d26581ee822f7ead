"""The network file: integer tensors in a `.safetensors`, and the JSON under its metadata key
`polyrhythm`.

Format 2 is format 1 with exits of profiles; what has none is written as format 1.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.lib import check
from polyrhythm.sw.lib.atomic import write_whole
from polyrhythm.sw.lib.check import NetworkError
from polyrhythm.sw.network import exit_rule
from polyrhythm.sw.network.parts import SAME, Fields, Input, Layer, Profile, Skip
from polyrhythm.sw.network.tensorfile import Tensors, json_object, parse_json, read

Made = TypeVar("Made")

FORMATS = (1, 2)
DTYPES: dict[str, np.dtype[Any]] = {
    "weight": np.dtype("<i1"),
    "bias": np.dtype("<i4"),
    "threshold": np.dtype("<i4"),
    "skip": np.dtype("<i1"),
}

# Keys of the JSON. What may be left out takes the value of the format's own example.
TOP = ("format", "name", "schedule", "input", "layers")
TOP_OPTIONAL = ("exit", "profiles", "labels", "provenance")
INPUT = ("shape", "T", "max_count")
LAYER = ("name", "kind", "weight_bits", "T")
LAYER_OPTIONAL: dict[str, Any] = {
    "leak_shift": None,
    "reset": "subtract",
    "v_init": "half_threshold",
    "bias_mode": "once",
    "pool": 1,
    "stride": 1,
    "padding": 0,
    "neuron": "signed",
    "skip": None,
}
SKIP = ("source", "stride", "weight_bits")


def save(network: Fields, path: str | os.PathLike[str]) -> None:
    """Write the file; the bytes follow from the network alone."""
    from safetensors.numpy import save as to_bytes

    text = json.dumps(_header(network), allow_nan=False)
    write_whole(path, to_bytes(_tensors(network), {"polyrhythm": text}))


def load(path: str | os.PathLike[str], make: Callable[..., Made]) -> Made:
    """Read a file and give `make` (the class Network) what it holds.

    Raises NetworkError that begins with the file's name; OSError where it does not open.
    """
    source = Path(path)
    try:
        tensors, text = read(source)
        return _build(_parse(text), tensors, make)
    except (NetworkError, TypeError) as error:
        raise NetworkError(f"{source}: {error}") from None


def digest(network: Fields) -> str:
    """Give the SHA-256 over name, schedule, input, layers, exit, profiles and every tensor; see
    Network.digest."""
    header = _header(network)
    for key in ("format", "labels", "provenance"):
        header.pop(key)
    if network.schedule != "time_stepped":
        header["layers"][-1].pop("T")
        for entry in header["layers"]:
            entry.pop("bias_mode")
    if network.schedule != "event_driven":
        for entry in header["layers"]:
            entry.pop("neuron", None)
    total = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(_tensors(network).items()):
        total.update(f"\n{name} {tensor.dtype} {tensor.shape}\n".encode())
        total.update(tensor.tobytes())
    return total.hexdigest()


def _header(network: Fields) -> dict[str, Any]:
    """Give the JSON of a network, its keys in the order of the format's example."""
    return {
        "format": format_of(network),
        "name": network.name,
        "schedule": network.schedule,
        "input": {
            "shape": [int(extent) for extent in network.input.shape],
            "T": int(network.input.T),
            "max_count": int(network.input.max_count),
        },
        "layers": [_layer_entry(layer, network.schedule) for layer in network.layers],
        "exit": exit_rule.entry(network.exit),
        "profiles": {
            name: _profile_entry(profile) for name, profile in sorted(network.profiles.items())
        },
        "labels": list(network.labels),
        "provenance": network.provenance,
    }


def format_of(network: Fields) -> int:
    """The lowest format that can say what the network is."""
    return 1 if all(profile.exit == SAME for profile in network.profiles.values()) else 2


def _profile_entry(profile: Profile) -> dict[str, Any]:
    entry: dict[str, Any] = {"T": [int(T) for T in profile.T]}
    return entry if profile.exit == SAME else entry | {"exit": exit_rule.entry(profile.exit)}


def _layer_entry(layer: Layer, schedule: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": layer.name, "kind": layer.kind}
    if layer.kind == "conv2d":
        entry |= {"stride": int(layer.stride), "padding": int(layer.padding)}
    entry |= {"pool": int(layer.pool), "weight_bits": int(layer.weight_bits), "T": int(layer.T)}
    entry["leak_shift"] = None if layer.leak_shift is None else int(layer.leak_shift)
    if layer.kind != "readout":
        entry |= {"reset": layer.reset, "v_init": layer.v_init}
        if schedule == "event_driven":
            entry["neuron"] = layer.neuron
    if layer.skip is not None:
        given = layer.skip
        entry["skip"] = {
            "source": given.source,
            "stride": int(given.stride),
            "weight_bits": int(given.weight_bits),
        }
    return entry | {"bias_mode": layer.bias_mode}


def _tensors(network: Fields) -> Tensors:
    tensors: Tensors = {}
    for i, layer in enumerate(network.layers):
        tensors[f"layers.{i}.weight"] = layer.weight
        tensors[f"layers.{i}.bias"] = layer.bias
        if layer.skip is not None:
            tensors[f"layers.{i}.skip"] = layer.skip.weight
        if layer.threshold is not None:
            tensors[f"layers.{i}.threshold"] = layer.threshold
    for name, profile in network.profiles.items():
        for what, arrays in (("threshold", profile.threshold), ("bias", profile.bias)):
            tensors |= {f"profiles.{name}.layers.{i}.{what}": array for i, array in arrays.items()}
    return tensors


def _parse(text: Any) -> dict[str, Any]:
    if not isinstance(text, str):
        raise TypeError(f"the metadata 'polyrhythm' must be a string, not {text!r}")
    header = parse_json("the metadata 'polyrhythm'", text)
    version = header.get("format")
    if version is not None and (type(version) is not int or version not in FORMATS):
        raise NetworkError(
            f"format must be {' or '.join(map(str, FORMATS))}, not {version!r}; a newer Polyrhythm "
            "may read this file"
        )
    _keys("", header, TOP, TOP_OPTIONAL)
    return header


def _list(what: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{what} must be a list, not {value!r:.100}")
    return value


def _keys(where: str, entry: dict[str, Any], required: tuple[str, ...], optional: Any = ()) -> None:
    """Refuse unknown keys, naming the nearest, and missing ones."""
    allowed = {*required, *optional}
    for key in entry:
        if key not in allowed:
            raise NetworkError(f"{where}unknown key {key!r:.100}; {check.nearest(key, allowed)}")
    for key in required:
        if key not in entry:
            raise NetworkError(f"{where}key {key!r} must be given")


def _build(header: dict[str, Any], tensors: Tensors, make: Callable[..., Made]) -> Made:
    given = json_object("input", header["input"])
    _keys("input: ", given, INPUT)
    entries = _list("layers", header["layers"])
    source = _Tensors(tensors)
    layers = tuple(_layer(i, entry, header["schedule"], source) for i, entry in enumerate(entries))
    profiles = {
        name: _profile(name, entry, layers, source, header["format"])
        for name, entry in json_object("profiles", header.get("profiles") or {}).items()
    }
    network = make(
        name=header["name"],
        schedule=header["schedule"],
        input=Input(tuple(_list("input: shape", given["shape"])), given["T"], given["max_count"]),
        layers=layers,
        exit=header.get("exit"),
        profiles=profiles,
        labels=tuple(_list("labels", header.get("labels") or [])),
        provenance=json_object("provenance", header.get("provenance") or {}),
    )
    source.refuse_rest()
    return network


def _layer(i: int, value: Any, schedule: Any, tensors: _Tensors) -> Layer:
    entry = json_object(f"layer {i}", value)
    _keys(f"layer {i}: ", entry, LAYER, LAYER_OPTIONAL)
    check.name(f"layer {i}: name", entry["name"])
    where = f"layer {i} ({entry['name']})"
    if schedule == "time_stepped" and "bias_mode" not in entry:
        raise NetworkError(
            f"{where}: key 'bias_mode' must be given in a time_stepped network, where it has no "
            "default"
        )
    threshold = (
        None if entry["kind"] == "readout" else tensors.take(where, f"layers.{i}.", "threshold")
    )
    weight, bias = (tensors.take(where, f"layers.{i}.", what) for what in ("weight", "bias"))
    skip = None
    if (told := entry.get("skip")) is not None:
        _keys(f"{where}: skip: ", json_object(f"{where}: skip", told), SKIP)
        skip = Skip(weight=tensors.take(where, f"layers.{i}.", "skip"), **told)
    return Layer(
        **{**LAYER_OPTIONAL, **entry, "skip": skip}, weight=weight, bias=bias, threshold=threshold
    )


def _profile(
    name: str, value: Any, layers: tuple[Layer, ...], tensors: _Tensors, version: int
) -> Profile:
    where = f"profile {name!r:.100}"
    entry = json_object(where, value)
    _keys(f"{where}: ", entry, (), ("T",) if version == 1 else ("T", "exit"))
    ticks = _list(f"{where}: T", entry.get("T", [layer.T for layer in layers]))
    found: dict[str, dict[int, npt.NDArray[Any]]] = {"threshold": {}, "bias": {}}
    for i in range(len(layers)):
        prefix = f"profiles.{name}.layers.{i}."
        for what, arrays in found.items():
            if prefix + what in tensors:
                arrays[i] = tensors.take(f"{where}, layer {i}", prefix, what)
    rule: Any = SAME
    if "exit" in entry:
        rule = None if entry["exit"] is None else json_object(f"{where}: exit", entry["exit"])
    return Profile(tuple(ticks), found["threshold"], found["bias"], rule)


class _Tensors:
    """The tensors of a file, each to be taken once; what nobody asked for is refused."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        self.taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def take(self, where: str, prefix: str, what: str) -> npt.NDArray[Any]:
        name = prefix + what
        if name not in self.tensors:
            raise NetworkError(f"{where}: tensor {name!r} must be there, but is missing")
        self.taken.add(name)
        tensor = self.tensors[name]
        if tensor.dtype != DTYPES[what]:
            raise NetworkError(
                f"{where}: tensor {name!r} must be {DTYPES[what].name}, not {tensor.dtype.name}"
            )
        return tensor

    def refuse_rest(self) -> None:
        for name in self.tensors:
            if name not in self.taken:
                raise NetworkError(
                    f"unknown tensor {name!r:.100}; {check.nearest(name, self.taken)}"
                )
