"""A small network's file, taken apart, changed and put together again, however wrong."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from polyrhythm.sw.network import Input, Layer, Network

Change = Callable[[dict[str, Any], dict[str, Any]], None]


def small(schedule: str = "two_phase", **fields: Any) -> Network:
    hidden = Layer(
        "fc1",
        "dense",
        [[1, -2], [3, 4], [-8, 7]],
        [1, 2, 3],
        [5, 6, 7],
        weight_bits=4,
        T=3,
        bias_mode="once",
    )  # type: ignore[arg-type]
    out = Layer(
        "out", "readout", [[1, 2, 3], [-1, -2, -3]], [10, 20], weight_bits=3, bias_mode="once"
    )  # type: ignore[arg-type]
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
