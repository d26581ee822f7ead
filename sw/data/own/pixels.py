"""Arrays of images, vectors or counts: what they are, checked as a whole, and told with what to do
where they are not.

Images are (B, H, W) or (B, C, H, W), vectors (B, N), counts the same with T behind B. Integers go
from black, 0, to `peak`: 255 for uint8, 1 for booleans, and for any other type it must be said.
Floats are 0..1, or 0..peak where one is said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.preprocess import Preprocess

Array = npt.NDArray[Any]
CHANNELS = (1, 2, 3, 4)  # that a last axis may have, to be taken for channels


@dataclass(frozen=True)
class Pixels:
    """Checked samples: native, contiguous; (B, *shape), or counts (B, T, *shape)."""

    array: Array
    peak: float  # 0 for counts
    note: str  # what was taken for granted


def describe(array: Array) -> str:
    """(2356, 93) uint8 0..255"""
    shape = str(array.shape)
    if not array.size or array.dtype.kind not in "iufb":
        return f"{shape} {array.dtype}"
    return f"{shape} {array.dtype.newbyteorder('=')} {array.min():.6g}..{array.max():.6g}"


def native(where: str, array: Any) -> Array:
    """The array in this machine's byte order, row by row. DataError where it holds no real numbers,
    is empty, or is no batch."""
    array = np.asarray(array)
    if array.dtype.names:
        raise DataError(
            f"{where}: is an array of {', '.join(array.dtype.names)}: one recording; samples must "
            "be numbers"
        )
    if array.dtype.hasobject or array.dtype.kind not in "iufb":
        raise DataError(f"{where}: samples must be integers, floats or booleans, not {array.dtype}")
    if array.ndim < 2:
        raise DataError(
            f"{where}: must be a batch, (B, N), (B, H, W) or (B, C, H, W), not {array.shape}; one "
            "sample is x[None]"
        )
    if not array.size:
        raise DataError(
            f"{where}: must hold at least one sample of at least one value, not {array.shape}"
        )
    kind = array.dtype.newbyteorder("=") if array.dtype.itemsize <= 8 else np.dtype(np.float64)
    found = np.ascontiguousarray(array, kind)
    if kind.kind == "f" and not np.isfinite(found).all():
        place = [int(k) for k in np.argwhere(~np.isfinite(found))[0]]
        raise DataError(
            f"{where}: every value must be finite, not {found[tuple(place)]} at {place}"
        )
    return found


def check_pixels(
    where: str,
    given: Any,
    peak: float | None = None,
    wanted: tuple[int, ...] | None = None,
    usual: Mapping[str, float] | None = None,
) -> Pixels:
    """Images or vectors as (B, *shape). wanted: the shape a network takes; usual: "i", "f" -> the
    peak that it was trained with."""
    array = native(where, given)
    array = _image_shape(where, array, wanted)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
        return Pixels(array, 1, "booleans are taken as black and white")
    known = (usual or {}).get("f" if array.dtype.kind == "f" else "i")
    peak = peak or known
    if array.min() < 0:
        place = [int(k) for k in np.argwhere(array < 0)[0]]
        told = (
            "undo what made it so, such as (x - mean) / std"
            if array.dtype.kind == "f"
            else "black is 0"
        )
        raise DataError(
            f"{where}: no value may be negative, but it is {describe(array)}, the first at "
            f"{place}; {told}"
        )
    top = float(array.max())
    if array.dtype.kind == "f":
        if top > (peak or 1):
            told = (
                f"say --peak {255 if top <= 255 else int(np.ceil(top))} if that is white, or "
                "divide by it"
                if peak is None
                else "say a higher --peak"
            )
            raise DataError(
                f"{where}: floats must be 0..{peak or 1:g}, but it is {describe(array)}; {told}"
            )
        return Pixels(array, float(peak or 1), f"{peak or 1:g} is taken as white")
    if peak is None and array.dtype != np.uint8:
        told = (
            "say --peak N for what is white, such as --peak "
            f"{255 if top <= 255 else int(top)}, or save it as uint8"
        )
        raise DataError(f"{where}: what is white? It is {describe(array)}: {told}")
    white = 255 if peak is None else peak
    if white != int(white) or top > white:
        raise DataError(
            f"{where}: integers must be 0..{white:g}, a whole number, but it is {describe(array)}; "
            "say a higher --peak"
        )
    if white > 1 << 24:
        raise DataError(
            f"{where}: --peak must be at most {1 << 24} for integers, not {white:g}; divide by it, "
            "and give floats 0..1"
        )
    note = f"{white:g} is taken as white" + (
        f"; the largest is {top:g}: say --peak {top:g} if that is" if top < white / 2 else ""
    )
    return Pixels(array if array.dtype == np.uint8 else array.astype(np.int32), int(white), note)


def _image_shape(where: str, array: Array, wanted: tuple[int, ...] | None) -> Array:
    if wanted is not None:
        if array.shape[1:] == wanted:
            return array
        if len(wanted) == 3 and wanted[0] == 1 and array.shape[1:] == wanted[1:]:
            return array[:, None]
        raise DataError(f"{where}: {_instead(array, wanted)}")
    if array.ndim > 4:
        raise DataError(
            f"{where}: images must be (B, N), (B, H, W) or (B, C, H, W), not {array.shape}; with "
            "time steps say counts:T:N"
        )
    if array.ndim == 4 and array.shape[3] in CHANNELS and array.shape[1] not in CHANNELS:
        raise DataError(
            f"{where}: channels must come first, (B, C, H, W), not {array.shape}: np.moveaxis(x, "
            "-1, 1) puts them there"
        )
    return array[:, None] if array.ndim == 3 else array


def _instead(array: Array, wanted: tuple[int, ...]) -> str:
    """What shape was expected, and which change gives it."""
    told = f"images must have shape {text('B', *wanted)}"
    if len(wanted) == 3 and wanted[0] == 1:
        told += f" or {text('B', *wanted[1:])}"
    told += f", not {array.shape}"
    if array.ndim == 4 and len(wanted) == 3 and (array.shape[3], *array.shape[1:3]) == wanted:
        return f"{told}: channels must come first, np.moveaxis(x, -1, 1) puts them there"
    if int(np.prod(array.shape[1:])) == int(np.prod(wanted)):
        return f"{told}; it has as many values: x.reshape{text('-1', *wanted)}"
    return told


def check_counts(
    where: str, given: Any, chosen: Preprocess, wanted: tuple[int, ...] | None = None
) -> Pixels:
    """Counts 0..N as (B, T, *shape). Their number must be whole, and their type an integer one or
    boolean."""
    array = native(where, given)
    if array.dtype.kind == "f":
        hint = (
            "astype(int) makes them so"
            if (array == np.floor(array)).all()
            else "images of floats are levels:N or rate:T"
        )
        raise DataError(
            f"{where}: {chosen.text} needs integer counts, but it is {describe(array)}; {hint}"
        )
    came, array = describe(array), _count_shape(where, array, chosen, wanted)
    if array.dtype.kind != "b" and not 0 <= array.min() <= array.max() <= chosen.max_count:
        place = [int(k) for k in np.argwhere((array < 0) | (array > chosen.max_count))[0]]
        hint = "" if array.min() < 0 else f"; say counts:{chosen.T}:{array.max()} to keep them"
        raise DataError(
            f"{where}: counts must be 0..{chosen.max_count}, but it is {came}, as (B, T, ..) first "
            f"at {place}{hint}"
        )
    return Pixels(array.astype(np.int16), 0, "")


def _count_shape(
    where: str, array: Array, chosen: Preprocess, wanted: tuple[int, ...] | None
) -> Array:
    """(B, T, *shape); where T is 1 its axis may be missing, and the channel's where there is one
    channel."""
    T, rest = chosen.T, array.shape[1:]
    if wanted is not None:
        forms = {(T, *wanted): (T, *wanted)} | ({wanted: (1, *wanted)} if T == 1 else {})
        if len(wanted) == 3 and wanted[0] == 1:
            forms |= {(T, *wanted[1:]): (T, *wanted)} | (
                {wanted[1:]: (1, *wanted)} if T == 1 else {}
            )
        if rest not in forms:
            known = " or ".join(text("B", *form) for form in sorted(forms, key=len))
            raise DataError(
                f"{where}: must be {known} counts 0..{chosen.max_count}; it is {describe(array)}"
            )
        return array.reshape(len(array), *forms[rest])
    if T > 1 and (len(rest) < 2 or rest[0] != T):
        raise DataError(
            f"{where}: {chosen.text} needs counts of shape (B, {T}, ...), but it is "
            f"{describe(array)}"
        )
    shape = rest[1:] if T > 1 or (rest[0] == 1 and len(rest) in (2, 4)) else rest
    if len(shape) == 2:
        shape = (1, *shape)
    if len(shape) not in (1, 3):
        raise DataError(
            f"{where}: counts must be (B, T, N), (B, T, H, W) or (B, T, C, H, W), not {array.shape}"
        )
    return array.reshape(len(array), T, *shape)


def text(*extents: Any) -> str:
    """A shape, with names."""
    return f"({', '.join(str(extent) for extent in extents)})"
