"""Splits from a user's function: what it may return, and what that becomes.

    {"train": (x, y), "test": (x, y), "classes": [names]}     either split may be missing, and the
                                                              names too
    (x_train, y_train), (x_test, y_test)
    x_train, y_train, x_test, y_test

x: an array (of numpy, torch, or what numpy.asarray takes), or a list of recordings, each a
structured array of events.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events.files import Reading
from polyrhythm.sw.data.own.given import Given, class_names, in_memory, title_of, unmasked

FORMS = '{"train": (x, y), "test": (x, y)} or ((x_train, y_train), (x_test, y_test))'


def splits_of(made: Any, where: str, title: str, how: Reading) -> dict[str, Given]:
    """The splits that a function `where` returned. DataError where it is none of the forms."""
    classes: tuple[str, ...] = ()
    title = title_of(title)
    if isinstance(made, Mapping):
        unknown = [str(key) for key in made if key not in ("train", "test", "classes")]
        if unknown or not ("train" in made or "test" in made):
            raise DataError(
                f"{where} must return {FORMS}, not a dict of "
                f"{', '.join(map(str, made)) or 'nothing'}"
            )
        classes = class_names(where, made.get("classes"))
        pairs = {split: made[split] for split in ("train", "test") if split in made}
    elif isinstance(made, tuple | list) and len(made) == 4:
        pairs = {"train": made[:2], "test": made[2:]}
        _not_crossed(made, where)
    elif isinstance(made, tuple | list) and len(made) == 2:
        pairs = {"train": made[0], "test": made[1]}
    else:
        raise DataError(f"{where} must return {FORMS}, not {_kind(made)}")
    found = {}
    for split, pair in pairs.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise DataError(f"{where} must return (x, y) for {split}, not {_kind(pair)}")
        found[split] = _given(
            pair[0],
            pair[1],
            f"{where}: x of {split}",
            f"{where}: y of {split}",
            title,
            how,
            classes,
        )
    return found


def _not_crossed(made: Any, where: str) -> None:
    """DataError for x_train, x_test, y_train, y_test, the order of scikit-learn's train_test_split,
    whose second is no labels."""
    x, second, third, last = (tuple(getattr(part, "shape", ())) for part in made)
    crossed = x and third and second and last and x[0] == third[0] and second[0] == last[0]
    if crossed and len(x) > 1 and len(third) <= 2 and x[1:] == second[1:] != third[1:]:
        raise DataError(
            f"{where} must return x_train, y_train, x_test, y_test, but they look like x_train, "
            "x_test, y_train, y_test, as "
            "train_test_split gives them: return (x_train, y_train), (x_test, y_test)"
        )


def _given(
    x: Any, y: Any, x_name: str, y_name: str, title: str, how: Reading, classes: tuple[str, ...]
) -> Given:
    if _is_recordings(x):
        return in_memory(x_name, list(x), array_of(y_name, y), y_name, title, how, classes)
    return Given(x_name, array_of(x_name, x), array_of(y_name, y), y_name, title, classes=classes)


def _is_recordings(x: Any) -> bool:
    many = isinstance(x, list | tuple) or (isinstance(x, np.ndarray) and x.dtype == object)
    return bool(many and len(x) and getattr(getattr(x[0], "dtype", None), "names", None))


def array_of(where: str, values: Any) -> Any:
    """As an array; a tensor that needs gradients, or lies on a GPU, comes along. DataError for what
    is none."""
    if values is None:
        return None
    detached = values.detach().cpu() if callable(getattr(values, "detach", None)) else values
    if str(getattr(values, "dtype", "")) in ("torch.bfloat16", "bfloat16"):
        raise DataError(
            f"{where} must be of a type that numpy has, not bfloat16; x.float() makes it one"
        )
    try:
        found = np.asarray(unmasked(where, detached))
    except DataError:
        raise
    except Exception as error:  # whatever a foreign type makes of it
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{where} must be an array, not {_kind(values)}: {told:.120}") from None
    if not found.ndim and found.dtype.kind in "OUS":  # numpy has wrapped it whole
        hint = {"str": f": numpy.load({values!r:.60})", "generator": ": list(x) makes one"}.get(
            type(values).__name__, ""
        )
        hint = hint or (
            ": x.toarray() makes one" if callable(getattr(values, "toarray", None)) else ""
        )
        raise DataError(f"{where} must be an array, not {_kind(values)}{hint}")
    return found


def _kind(value: Any) -> str:
    size = f" of {len(value)}" if isinstance(value, tuple | list) else ""
    return f"{type(value).__name__}{size}"
