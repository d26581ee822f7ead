"""Small checks that say what must hold, where, and what came instead."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable
from typing import Any

MAX_NAME = 100
MAX_SUM = 1 << 60  # what a sum may reach: everything, differences too, is computed in int64


class NetworkError(ValueError):
    """A network, or the file that should hold one, breaks the contract."""


def nearest(word: str, words: Iterable[str]) -> str:
    """Name the nearest of `words`, or list them where none is near."""
    choices = sorted(words)
    close = difflib.get_close_matches(word, choices, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(choices)}"


def known(words: Iterable[str]) -> str:
    """List what exists, for an error message."""
    names = ", ".join(repr(word) for word in words)
    return f"it has {names}" if names else "it has none"


def as_tuple(what: str, values: Any) -> tuple[Any, ...]:
    """Copy a sequence into a tuple."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{what} must be a sequence, not {type(values).__name__}")
    return tuple(values)


def integer(what: str, value: Any, low: int, high: int) -> int:
    """Refuse what is no integer in low..high."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{what} must be an integer, not {value!r:.100}")
    if not low <= int(value) <= high:
        raise NetworkError(f"{what} must lie in {low}..{high}, not {value}")
    return int(value)


def choice(what: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Refuse what is not one of the allowed words."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, not {value!r}")
    if value not in allowed:
        raise NetworkError(f"{what} must be one of {', '.join(allowed)}, not {value!r}")


def name(what: str, value: Any) -> None:
    """Refuse names that could not stand in a file name or an array's name."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, not {value!r}")
    if not 0 < len(value) <= MAX_NAME or not value.isprintable() or set(value) & set("/\\") or value[0] == ".":
        legal = f"1 to {MAX_NAME} printable characters, no slash or backslash, no dot first"
        raise NetworkError(f"{what} must be {legal}, not {value[:MAX_NAME]!r}")


def real(what: str, value: Any, high: float) -> None:
    """Refuse what is no number above 0 and below high."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{what} must be a number, not {value!r:.100}")
    if not 0 < float(value) < high:
        bound = "a finite number above 0" if high == float("inf") else f"above 0 and below {high:g}"
        raise NetworkError(f"{what} must be {bound}, not {value}")
