"""Containers that cannot be changed: arrays, dicts and lists that still equal and print as plain
ones."""

from __future__ import annotations

import dataclasses
from typing import Any, NoReturn

import numpy as np


def _refuse(self: Any, *_args: Any, **_named: Any) -> NoReturn:
    raise TypeError(f"a {type(self).__name__} cannot be changed")


class FrozenDict(dict[Any, Any]):
    """A dict whose items stay as they are."""

    __setitem__ = __delitem__ = __ior__ = _refuse  # type: ignore[assignment]
    clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)


class FrozenList(list[Any]):
    """A list whose elements stay as they are."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse  # type: ignore[assignment]
    append = extend = insert = remove = pop = _refuse  # type: ignore[assignment]
    clear = sort = reverse = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenList, (list(self),)


def frozen_json(value: Any) -> Any:
    """Copy what JSON can hold, with every dict and list in it frozen."""
    if isinstance(value, dict):
        return FrozenDict({key: frozen_json(item) for key, item in value.items()})
    if isinstance(value, list):
        return FrozenList([frozen_json(item) for item in value])
    return tuple(map(frozen_json, value)) if type(value) is tuple else value


def frozen_array(values: Any, dtype: type[np.integer]) -> Any:
    """Copy into a read-only array in C order, in `dtype` where the values fit (Network says where
    they do not).

    Numbers lie in a `bytes`, so that nobody can make the array writeable again.
    """
    array = np.array(values, order="C")
    limits = np.iinfo(dtype)
    if array.dtype.kind in "iu" and (
        array.size == 0 or (array.min() >= limits.min and array.max() <= limits.max)
    ):
        array = array.astype(dtype)
    if array.dtype.kind in "biufc":
        return np.ndarray(array.shape, array.dtype, array.tobytes())
    array.flags.writeable = False
    return array


class Rebuilt:
    """A dataclass that copies and unpickles through its constructor, so that a copy is frozen
    too."""

    def __reduce__(self) -> tuple[Any, ...]:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        given = {field.name: getattr(self, field.name) for field in fields if field.init}
        return _made, (type(self), given)


def _made(kind: Any, given: dict[str, Any]) -> Any:
    return kind(**given)
