"""Reading a `.safetensors` file that may be anything: every size is checked before it is believed,
nothing is run."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.lib.check import NetworkError

MAX_FILE = 1 << 30  # bytes; no network of this format is near it
MAX_HEADER = 1 << 24  # bytes of the safetensors header
NUMPY: dict[str, np.dtype[Any]] = {"I8": np.dtype("<i1"), "I32": np.dtype("<i4")}

Tensors = dict[str, npt.NDArray[Any]]


def read(source: Path) -> tuple[Tensors, str]:
    """Give the tensors and the text under `polyrhythm`, every size checked before it is
    believed."""
    from safetensors import SafetensorError, deserialize

    size = source.stat().st_size
    if size > MAX_FILE:
        raise NetworkError(f"the file must have at most {MAX_FILE} bytes, not {size}")
    data = source.read_bytes()
    if len(data) < 8:
        raise NetworkError(f"must be a .safetensors file, of at least 8 bytes, not {len(data)}")
    (length,) = struct.unpack("<Q", data[:8])
    if length > MAX_HEADER or data[8:9] != b"{":
        claim = f"its header would have {length} bytes and start with {data[8:9]!r}"
        raise NetworkError(f"must be a .safetensors file; {claim}")
    if 8 + length > len(data):
        raise NetworkError(
            f"truncated: the header must have {length} bytes, not the {len(data) - 8} that are "
            "there"
        )
    header = parse_json("the safetensors header", data[8 : 8 + length].decode("utf-8", "replace"))
    _check_end(header, len(data) - 8 - length)
    try:
        entries: list[tuple[str, Any]] = deserialize(data)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise NetworkError(
            f"must be a .safetensors file, but its header is wrong: {error}"
        ) from None
    metadata = header.get("__metadata__") or {}
    if "polyrhythm" not in metadata:
        raise NetworkError(
            "the metadata must have the key 'polyrhythm'; this .safetensors file holds no network"
        )
    return {name: _tensor(name, entry) for name, entry in entries}, metadata["polyrhythm"]


def _check_end(header: dict[str, Any], present: int) -> None:
    """Say that a file was cut off, where the tensors' offsets reach past its end."""
    ends = [
        entry["data_offsets"][1]
        for name, entry in header.items()
        if name != "__metadata__"
        and isinstance(entry, dict)
        and _is_span(entry.get("data_offsets"))
    ]
    if max(ends, default=0) > present:
        raise NetworkError(
            f"truncated: the tensors must have {max(ends)} bytes, not the {present} that are there"
        )


def _is_span(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and all(type(offset) is int for offset in value)
    )


def _tensor(name: str, entry: dict[str, Any]) -> npt.NDArray[Any]:
    if entry["dtype"] not in NUMPY:
        allowed = "int8 (I8) or int32 (I32)"
        raise NetworkError(f"tensor {name!r} must be {allowed}, not {entry['dtype']}")
    flat: npt.NDArray[Any] = np.frombuffer(entry["data"], NUMPY[entry["dtype"]])
    return flat.reshape(entry["shape"])


def parse_json(what: str, text: str) -> dict[str, Any]:
    """Parse JSON strictly: an object, no key twice, no NaN or Infinity, no nesting that exhausts
    the stack."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"key {key!r} stands there twice")
            found[key] = value
        return found

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON number")

    try:
        value = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise NetworkError(f"{what} must be JSON, but cannot be read: {error}") from None
    return json_object(what, value)


def json_object(what: str, value: Any) -> dict[str, Any]:
    """Refuse what is no JSON object."""
    if not isinstance(value, dict):
        raise TypeError(f"{what} must be a JSON object, not {value!r:.100}")
    return value
