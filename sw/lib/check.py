"""Small checks that say what must hold, where, and what came instead."""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterable
from typing import Any

MAX_NAME = 100
MAX_SUM = 1 << 60  # what a sum may reach: everything, differences too, is computed in int64


class NetworkError(ValueError):
    """A network, or the file that should hold one, breaks the contract."""


# What a wrong letter counts; one too many, one too few and two that changed places count 1
WRONG = 1.5


def near(word: str, words: Iterable[str]) -> list[str]:
    """Those of `words` that `word` may have been meant as, the nearest alone, several where they
    are as near.

    Near is what differs in capitals or in - and _, what differs in few letters for its length (3 of
    8 at most, and no wrong one in names of three), and the one name that `word` is the beginning
    of.
    """
    choices, mine = list(dict.fromkeys(words)), _plain(word)
    found = {choice: _distance(mine, _plain(choice)) for choice in choices}
    least = min(found.values(), default=0.0)
    close = [
        choice
        for choice in choices
        if found[choice] == least and least <= _allowed(mine, _plain(choice))
    ]
    longer = [choice for choice in choices if len(mine) >= 3 and _plain(choice).startswith(mine)]
    return close or (longer if len(longer) == 1 else [])


def nearest(word: str, words: Iterable[str]) -> str:
    """Name the nearest of `words`, or list them where none is near."""
    choices = sorted(words)
    close = near(word, choices)
    return (
        f"did you mean {' or '.join(map(repr, close))}?"
        if close
        else f"known: {', '.join(choices)}"
    )


def _plain(word: str) -> str:
    return re.sub("[_ ]", "-", word.casefold().lstrip("-"))


def _allowed(a: str, b: str) -> float:
    shorter = min(len(a), len(b))
    return 0.0 if shorter < 3 else min(3.0, 0.375 * shorter)


def _distance(a: str, b: str) -> float:
    """How many letters differ, neighbours that changed places counting once (optimal string
    alignment)."""
    before, last = [0.0] * (len(b) + 1), [float(k) for k in range(len(b) + 1)]
    for i, letter in enumerate(a, 1):
        row = [float(i)]
        for k, other in enumerate(b, 1):
            row.append(
                min(last[k] + 1, row[k - 1] + 1, last[k - 1] + (0 if letter == other else WRONG))
            )
            if i > 1 and k > 1 and a[i - 2 : i] == b[k - 1] + b[k - 2]:
                row[k] = min(row[k], before[k - 2] + 1)
        before, last = last, row
    return last[-1]


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
    if (
        not 0 < len(value) <= MAX_NAME
        or not value.isprintable()
        or set(value) & set("/\\")
        or value[0] == "."
    ):
        legal = f"1 to {MAX_NAME} printable characters, no slash or backslash, no dot first"
        raise NetworkError(f"{what} must be {legal}, not {value[:MAX_NAME]!r}")


def real(what: str, value: Any, high: float) -> None:
    """Refuse what is no number above 0 and below high."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{what} must be a number, not {value!r:.100}")
    if not 0 < float(value) < high:
        bound = "a finite number above 0" if high == float("inf") else f"above 0 and below {high:g}"
        raise NetworkError(f"{what} must be {bound}, not {value}")
