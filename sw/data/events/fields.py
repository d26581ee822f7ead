"""Events under the names and in the types that others give them: t, x, y and p, whole numbers, as
EVENT."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events.recording import EVENT, Events

Column = npt.NDArray[Any]
NAMES = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "x": ("x", "xs"),
    "y": ("y", "ys"),
    "p": ("p", "ps", "pol", "polarity", "polarities", "on"),
}
UNITS = {"s": 1_000_000, "ms": 1000, "us": 1}  # and ns, by which is divided
TIMES = ("us", "ms", "s", "ns")
LARGEST = 1 << 16  # a coordinate lies below it
FARTHEST = 1 << 61  # a time, in microseconds: differences too are computed in int64


def find(fields: Mapping[str, Any] | tuple[str, ...]) -> dict[str, str] | None:
    """t, x, y, p -> the name that stands for it among `fields`; None where one is missing."""
    lower = {name.lower(): name for name in fields}
    found = {
        key: next((lower[name] for name in names if name in lower), None)
        for key, names in NAMES.items()
    }
    return {key: name for key, name in found.items() if name} if all(found.values()) else None


def from_struct(where: str, array: Column, unit: str = "us") -> Events:
    """A structured array (events,) as EVENT. DataError where it is none of events."""
    names = array.dtype.names or ()
    chosen = find(names)
    if chosen is None or array.ndim != 1:
        raise DataError(
            f"{where}: events must be one row of t, x, y and p (or on, polarity), not shape "
            f"{array.shape} of "
            f"{', '.join(names) or array.dtype}"
        )
    return assemble(where, {key: array[name] for key, name in chosen.items()}, unit)


def from_rows(where: str, array: Column, columns: str | None, unit: str = "us") -> Events:
    """A plain array (events, 4) as EVENT; `columns` names its columns in their order, such as
    txyp."""
    if array.ndim != 2 or array.shape[1] != 4 or array.dtype.kind not in "iuf":
        raise DataError(
            f"{where}: events must have shape (events, 4), or be a structured array, not "
            f"{array.shape} {array.dtype}"
        )
    if columns is None:
        raise DataError(
            f"{where}: {array.shape} does not say which column is which: say --columns txyp, xytp "
            "or what they are"
        )
    return assemble(where, {key: array[:, columns.index(key)] for key in "txyp"}, unit)


def assemble(where: str, columns: Mapping[str, Column], unit: str = "us") -> Events:
    """Four columns of one length as EVENT. DataError names the column, and the event where one
    value is wrong."""
    lengths = {key: np.shape(column) for key, column in columns.items()}
    if len(set(lengths.values())) != 1 or len(lengths["t"]) != 1:
        raise DataError(
            f"{where}: t, x, y and p must be as long as each other, not "
            f"{', '.join(map(str, lengths.values()))}"
        )
    events = np.empty(len(columns["t"]), EVENT)
    events["t"] = _times(where, np.asarray(columns["t"]), unit)
    for key in "xy":
        values = _whole(f"{where}: {key}", np.asarray(columns[key]))
        _between(f"{where}: {key}", values, 0, LARGEST - 1)
        events[key] = values
    events["p"] = _polarity(where, np.asarray(columns["p"]))
    return events


def _times(where: str, t: Column, unit: str) -> Column:
    """Microseconds, int64. Fractions are refused in us, and rounded down where another unit was
    named."""
    where = f"{where}: t"
    _fine_enough(where, t, unit)
    if unit == "us":
        values = _whole(where, t, " microseconds; if they are seconds, say --time-unit s")
        _between(where, values, -FARTHEST, FARTHEST)
        return values.astype(np.int64)
    _numbers(where, t)
    if t.dtype.kind == "f":
        scaled = np.floor(t.astype(np.float64) * UNITS.get(unit, 1e-3))
        _between(where, scaled, -FARTHEST, FARTHEST)
        return scaled.astype(np.int64)
    if unit == "ns":
        return (
            (t // np.asarray(1000, t.dtype)).astype(np.int64)
            if t.dtype.itemsize > 1
            else np.zeros(len(t), np.int64)
        )
    _between(where, t, -(FARTHEST // UNITS[unit]), FARTHEST // UNITS[unit])
    return t.astype(np.int64) * UNITS[unit]


def _fine_enough(where: str, t: Column, unit: str) -> None:
    """DataError where the next float behind the farthest time is more than 1 us away: events have
    moved."""
    if t.dtype.kind != "f" or not np.isfinite(t).any():
        return
    farthest = np.abs(t[np.isfinite(t)]).max()
    step = float(np.spacing(farthest)) * UNITS.get(unit, 1e-3)
    if step > 1:
        raise DataError(
            f"{where} is {t.dtype} and reaches {farthest:g} {unit}, where its steps are {step:.3g} "
            "us: too coarse for "
            f"microseconds; keep it as integers{'' if t.dtype.itemsize > 4 else ' or float64'} "
            "from the recording on"
        )


def _polarity(where: str, p: Column) -> Column:
    """1 where it became brighter: 0 and 1, -1 and 1, or booleans."""
    if p.dtype.kind == "b":
        return p.astype(np.uint8)
    values = _whole(f"{where}: p", p)
    wrong = np.flatnonzero((values != 1) & (values != 0) & (values != -1))
    if len(wrong):
        raise DataError(
            f"{where}: p must be 0 and 1, -1 and 1, or boolean, not {values[wrong[0]]} in event "
            f"{wrong[0]}"
        )
    if (values == 0).any() and (values == -1).any():
        raise DataError(f"{where}: p must be 0 and 1, or -1 and 1, not all three of them")
    return (values == 1).astype(np.uint8)


def _numbers(where: str, values: Column) -> None:
    if values.dtype.kind not in "iuf":
        raise DataError(f"{where} must be numbers, not {values.dtype}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        k = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataError(f"{where} must be finite, not {values[k]} in event {k}")


def _whole(where: str, values: Column, what: str = "") -> Column:
    _numbers(where, values)
    if values.dtype.kind == "f" and (wrong := np.flatnonzero(values != np.floor(values))).size:
        raise DataError(
            f"{where} must be whole{what or ' numbers'}, not {values[wrong[0]]} in event {wrong[0]}"
        )
    return values


def _between(where: str, values: Column, low: int, high: int) -> None:
    wrong = np.flatnonzero((values < low) | (values > high))
    if len(wrong):
        raise DataError(
            f"{where} must lie in {low}..{high}, not {values[wrong[0]]} in event {wrong[0]}"
        )
