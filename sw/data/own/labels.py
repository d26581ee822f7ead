"""Labels in the forms that people have them, as numbers from 0 on and the names of the classes.

Integers stay what they are; one-hot rows become the place of their 1; strings become numbers by the
order of their names: sorted, and as numbers where all of them are whole numbers. Where the classes
have names that are whole numbers, such as folders 1 .. 10, an integer means the class of that name,
and not the one at that place.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.own.given import text

MOST = 1 << 16  # classes
Labels = npt.NDArray[np.int64]


def sorted_names(names: Sequence[str]) -> tuple[str, ...]:
    """Every name once, in the order of the classes."""
    different = set(names)
    whole = all(re.fullmatch(r"0|[1-9]\d{0,8}", name) for name in different)
    return tuple(sorted(different, key=int) if whole else sorted(different))


def read_labels(where: str, given: Any, samples: int) -> Labels | list[str]:
    """One label for each sample: numbers, or names. DataError in one line."""
    array = np.asarray(given)
    if array.dtype.hasobject:
        array = _of_objects(where, array)
    if array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind in "iuSUb":
        array = array[:, 0]
    if array.ndim == 2 and array.shape[0] == samples and array.shape[1] > 1:
        array = _of_one_hot(where, array)
    if array.shape == (samples, 1) and array.dtype.kind == "f":
        raise DataError(
            f"{where}: labels must be integers, strings or one-hot rows, not {array.dtype} of "
            f"shape {array.shape}; "
            "y[:, 0].astype(int) makes integers"
        )
    if array.shape != (samples,):
        raise DataError(
            f"{where}: {samples} samples need labels of shape ({samples},), not {array.shape}"
        )
    if array.dtype.kind in "US":
        names = [text(name) for name in array.tolist()]
        if "" in names:
            raise DataError(
                f"{where}: a label must not be empty, as that at [{names.index('')}] is"
            )
        return names
    if array.dtype.kind == "b":
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise DataError(
            f"{where}: labels must be integers, strings or one-hot rows, not {array.dtype}; "
            "y.astype(int) makes integers"
        )
    wrong = np.flatnonzero((array < 0) | (array >= MOST))
    if len(wrong):
        k = int(wrong[0])
        raise DataError(
            f"{where}: labels must be classes 0, 1, .. below {MOST}, not {array[k]} at [{k}]; "
            "number the classes from 0"
        )
    return array.astype(np.int64)


def _of_objects(where: str, array: Any) -> Any:
    """What a Python list of strings or numbers is, when numpy has kept it as objects."""
    if array.ndim == 1 and all(isinstance(value, str) for value in array):
        return np.array([str(value) for value in array])
    raise DataError(
        f"{where}: labels must be integers, strings or one-hot rows, not Python objects"
    )


def _of_one_hot(where: str, array: Any) -> Labels:
    if array.dtype.kind not in "iufb":
        raise DataError(f"{where}: one-hot labels must be numbers, not {array.dtype}")
    rows = np.flatnonzero(((array != 0) & (array != 1)).any(1) | ((array != 0).sum(1) != 1))
    if len(rows):
        raise DataError(
            f"{where}: each one-hot row must have one 1 and else 0, but row {rows[0]} does not"
        )
    return np.asarray(array.argmax(1), np.int64)


def are_places(given: Any) -> bool:
    """Whether labels are one-hot rows, which say the place of their class and never its name."""
    return bool(np.ndim(given) == 2 and np.shape(given)[1] > 1)


def speak_for_themselves(names: Sequence[str]) -> bool:
    """Whether all names are whole numbers and not just their own places 0, 1, ..: then integers are
    names."""
    whole = all(re.fullmatch(r"-?\d{1,18}", name) for name in names)
    return bool(names) and whole and list(names) != [str(k) for k in range(len(names))]


def numbered(
    where: str,
    found: Labels | list[str],
    names: Sequence[str],
    whose: str,
    told: Callable[[str], object] = lambda text: None,
    places: bool = False,
) -> Labels:
    """Labels as numbers among `names`, which are `whose`. DataError for one that is not among them.

    Integers are places among the names, or, where `speak_for_themselves` holds and they are not
    surely `places`, names, which `told` hears.
    """
    if isinstance(found, list):
        return _places(where, found, {name: k for k, name in enumerate(names)}, names, whose)
    if not places and speak_for_themselves(names):
        return _by_value(where, found, names, whose, told)
    if len(found) and int(found.max()) >= len(names):
        k = int(found.argmax())
        raise DataError(
            f"{where}: labels must be 0..{len(names) - 1}, the classes of {whose}, not {found[k]} "
            f"at [{k}]"
        )
    return found


def _by_value(
    where: str, found: Labels, names: Sequence[str], whose: str, told: Callable[[str], object]
) -> Labels:
    """Integers as the classes whose names are these numbers."""
    place: dict[Any, int] = {}
    for k, name in enumerate(names):
        if (other := place.setdefault(int(name), k)) != k:
            raise DataError(
                f"{where}: integers cannot say which class of {whose} is meant, {names[other]} or "
                f"{name}; save them as strings"
            )
    hint = "; integers are the names of these classes: np.array(names)[y] makes names of places"
    made = _places(where, found.tolist(), place, names, whose, hint)
    if len(found) and int(found.max()) < len(names):
        told(
            f"{where}: integers are taken as the names of the classes, {names[0]} .. {names[-1]}, "
            "and not as places from 0 on"
        )
    return made


def _places(
    where: str,
    found: list[Any],
    place: dict[Any, int],
    names: Sequence[str],
    whose: str,
    hint: str = "",
) -> Labels:
    for k, name in enumerate(found):
        if name not in place:
            known = ", ".join(names[:12]) + (", .." if len(names) > 12 else "")
            raise DataError(
                f"{where}: {name!r} at [{k}] is no class of {whose}: "
                f"{known or 'they have no names'}{hint}"
            )
    return np.array([place[name] for name in found], np.int64)
