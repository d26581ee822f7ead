"""One split as a user gave it, from the words behind --train and --test: an array and its labels,
or recordings and theirs.

X.npy Y.npy     samples and labels
D.npz           x and y; or x_train and y_train, x_test and y_test; or recordings: t, x, y, p,
                offsets (B + 1), labels (B)
DIR             DIR/CLASS/FILE: images (.png and the like) or event recordings
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from polyrhythm.sw.data.arrayfile import names_of, read_npy, read_npz
from polyrhythm.sw.data.datasets import DATASETS
from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events import fields
from polyrhythm.sw.data.events.files import SUFFIXES, Reading, read_events
from polyrhythm.sw.data.events.recording import Events, Recording, Recordings, ordered

PLAIN = ("x", "train", "training", "test", "images", "data")  # words that name no data set
NAMES = str | bytes | int | np.integer  # that a class may have
FLAT = ("t", "x", "y", "p", "offsets", "labels")  # of a .npz with recordings


@dataclass(frozen=True)
class Given:
    """Samples and labels, not looked at yet."""

    name: str  # for error messages: where the samples come from
    x: Any  # an array of any type, or Recordings
    y: Any = None  # an array of any type; None where there are no labels
    y_name: str = ""
    title: str = "own"  # of the data set: never a path
    sensor: tuple[int, int] | None = None  # height, width, as the recordings' files say
    files: tuple[Path, ...] = ()  # that hold the samples, one each
    # Names of the labels 0, 1, .., where they have some
    classes: tuple[str, ...] = field(default=())


def read_split(words: Sequence[str], split: str, how: Reading | None = None) -> Given:
    """What one or two words name. DataError, or OSError for a file that cannot be opened."""
    option = f"--{split}"
    if not 1 <= len(words) <= 2:
        raise DataError(
            f"{option} must be X.npy Y.npy, D.npz or a folder DIR with DIR/CLASS/FILE, not "
            f"{len(words)} words"
        )
    if len(words) == 2:
        x, y = words
        for word in words:
            if Path(word).suffix.lower() != ".npy":
                raise DataError(
                    f"{option} with two words must be X.npy Y.npy, samples and labels, not {word}"
                )
        return Given(x, read_npy(x), read_npy(y), y, title_of(x))
    path = Path(words[0])
    if path.is_dir():
        from polyrhythm.sw.data.own.folder import read_folder

        return read_folder(path, split, how)
    if path.suffix.lower() == ".npz":
        return read_archive(path, split, how)
    if path.suffix.lower() == ".npy":
        raise DataError(f"{option} {path}: the labels are missing; say {option} {path} Y.npy")
    if not path.exists():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    raise DataError(
        f"{option} must be X.npy Y.npy, D.npz or a folder DIR with DIR/CLASS/FILE, not {path}"
    )


def read_samples(path: Path, split: str = "test", how: Reading | None = None) -> Given:
    """As `read_split`, but labels are not needed: an X.npy alone, or one recording, will do."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES and not path.is_dir():
        if suffix == ".npy" and not is_events(array := read_npy(path)):
            return Given(str(path), array, title=title_of(path))
        found = read_events(path, how)
        return Given(
            str(path),
            Recordings((str(path),), (lambda: found.events,)),
            title=title_of(path),
            sensor=found.sensor,
            files=(path,),
        )
    return read_split([str(path)], split, how)


def is_events(array: Any) -> bool:
    return bool(array.dtype.names)


def has_split(path: str | Path, split: str) -> bool:
    """Whether a .npz holds this split under its own names."""
    return f"x_{split}" in names_of(path)


def read_archive(path: Path, split: str, how: Reading | None) -> Given:
    """One split of a .npz."""
    there = names_of(path)
    if (
        "t" in there
        and f"x_{split}" not in there
        and ({"p", "offsets"} & set(there) or not _holds_samples(path, there))
    ):
        return _recordings(path, read_npz(path, (*FLAT, "classes")), how or Reading())
    x, y = next(
        ((x, y) for x, y in ((f"x_{split}", f"y_{split}"), ("x", "y")) if x in there), ("", "")
    )
    if not x:
        told = f"x_{split} and y_{split}, or x and y, or recordings as {', '.join(FLAT)}"
        raise DataError(f"{path}: must hold {told}; it holds {', '.join(there) or 'nothing'}")
    found = read_npz(path, (x, y, "classes"))
    names = class_names(str(path), found.get("classes"))
    return Given(
        f"{path}: {x}", found[x], found.get(y), f"{path}: {y}", title_of(path), classes=names
    )


def _holds_samples(path: Path, there: Sequence[str]) -> bool:
    """Whether x of an archive is a batch, and not a coordinate of events."""
    return "x" in there and np.ndim(read_npz(path, ("x",))["x"]) > 1


def class_names(where: str, given: Any) -> tuple[str, ...]:
    """Names of the labels 0, 1, .., from a sequence, or from a mapping of places to names or of
    names to places; () of None.

    DataError for what has no order, and for a name that comes twice.
    """
    if given is None:
        return ()
    must = f"{where}: classes must be the names of the labels 0, 1, .."
    if isinstance(given, Mapping):
        given = _in_places(must, given)
    if isinstance(given, np.ndarray):
        if given.ndim != 1 or given.dtype.kind not in "USiu":
            raise DataError(f"{must}, not {given.shape} {given.dtype}")
        given = given.tolist()
    if not isinstance(given, list | tuple):
        raise DataError(f"{must}, a list of strings, not {type(given).__name__} {given!r:.60}")
    wrong = [
        name
        for name in given
        if isinstance(name, bool) or (not name and name != 0) or not isinstance(name, NAMES)
    ]
    if wrong:
        raise DataError(f"{must}, strings that are not empty, not {wrong[0]!r:.60}")
    names = tuple(text(name) for name in given)
    if not names:
        raise DataError(f"{must}, at least one; leave them out where they have none")
    if twice := [name for k, name in enumerate(names) if name in names[:k]]:
        raise DataError(f"{must}, each another one, but {twice[0]!r} comes twice")
    return names


def _in_places(must: str, given: Mapping[Any, Any]) -> list[Any]:
    """The names of {0: name, ..}, or of {name: 0, ..}, in their places."""
    places = list(range(len(given)))
    for pairs in ([*given.items()], [(place, name) for name, place in given.items()]):
        numbers = all(isinstance(place, int | np.integer) for place, _ in pairs)
        if numbers and sorted(int(place) for place, _ in pairs) == places:
            return [name for _, name in sorted(pairs, key=lambda pair: int(pair[0]))]
    raise DataError(
        f"{must}; a mapping must have each of the places 0..{len(given) - 1} once, not "
        f"{dict(given)!r:.60}"
    )


def text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _recordings(path: Path, found: Mapping[str, Any], how: Reading) -> Given:
    if missing := [name for name in FLAT[:5] if name not in found]:
        raise DataError(
            f"{path}: recordings must be {', '.join(FLAT)}; {', '.join(missing)} is missing"
        )
    events = fields.assemble(str(path), {key: found[key] for key in "txyp"}, how.unit)
    ends = found["offsets"]
    good = (
        ends.ndim == 1
        and len(ends) > 0
        and ends.dtype.kind in "iu"
        and int(ends[0]) == 0
        and int(ends[-1]) == len(events)
    )
    if not good or (ends[1:] < ends[:-1]).any():
        raise DataError(
            f"{path}: offsets must ascend from 0 to the number of events, {len(events)}: where "
            "each recording begins and ends"
        )
    edges = ends.tolist()
    parts = [events[a:b] for a, b in pairwise(edges)]
    names = class_names(str(path), found.get("classes"))
    return in_memory(
        str(path), parts, found.get("labels"), f"{path}: labels", title_of(path), how, names
    )


def unmasked(where: str, values: Any) -> Any:
    """The values. DataError for masked arrays with masked entries, whose masks would be dropped."""
    for part in values if isinstance(values, list | tuple) else [values]:
        if isinstance(part, np.ma.MaskedArray):
            mask: Any = np.ma.getmaskarray(part)
            columns = [mask[name] for name in mask.dtype.names] if mask.dtype.names else [mask]
            if masked := sum(int(np.count_nonzero(column)) for column in columns):
                told = f"{masked} of its values are masked; fill them, or leave their samples out"
                raise DataError(f"{where} must be whole, but {told}")
    return values


def in_memory(
    name: str,
    parts: Sequence[Any],
    y: Any,
    y_name: str,
    title: str,
    how: Reading,
    classes: tuple[str, ...] = (),
) -> Given:
    """Recordings that are arrays already: structured ones, or of four columns."""
    made = []
    for k, part in enumerate(parts):
        where = f"{name}: recording {k}"
        array = np.asarray(unmasked(where, part))
        plain = array.dtype.names is None
        events = (
            fields.from_rows(where, array, how.columns, how.unit)
            if plain
            else fields.from_struct(where, array, how.unit)
        )
        made.append(ordered(where, Recording(events), how.sort).events)
    names = tuple(f"{name}: recording {k}" for k in range(len(made)))
    x = Recordings(names, tuple(partial(_itself, events) for events in made), name)
    return Given(name, x, y, y_name, title, classes=classes)


def _itself(events: Events) -> Events:
    return events


def title_of(path: str | Path) -> str:
    """A name for a data set: the file's or the folder's, without words for a split, and none of
    ours."""
    path = Path(path)
    name = path.resolve().name if path.is_dir() else path.stem
    if name.lower() in ("train", "test", "training") and path.is_dir():
        name = path.resolve().parent.name
    words = [word for word in re.split(r"[_\-. ]+", name) if word.lower() not in PLAIN]
    kept = "".join(
        c if c.isprintable() and c not in "/\\" else "_" for c in "-".join(words)
    ).lstrip(".")[:90]
    return f"own-{kept}" if kept in DATASETS else kept or "own"
