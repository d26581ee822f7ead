"""From what a user gave to a data set like ours: checked whole, numbered, and with a record of what it was."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sw.datasets import Dataset, none_of
from sw.download import DataError
from sw.events.files import Reading, read_events
from sw.events.recording import Events, Recordings
from sw.own.given import Given
from sw.own.labels import Labels, are_places, numbered, read_labels, sorted_names, speak_for_themselves
from sw.own.pixels import check_counts, check_pixels
from sw.preprocess import Preprocess, encode, parse_preprocess

SPLITS = {"train": "training", "test": "test"}
MISSING = "say --train X.npy Y.npy (or a .npz, or a folder) for the training split, --test for the test split"
NOTES = 5  # of single files, that are told
Told = Callable[[str], object]


@dataclass(frozen=True)
class Wanted:
    """What is known of the data before they are looked at; None: nothing."""

    preprocess: str
    shape: tuple[int, ...] | None = None  # that a network takes
    labels: tuple[str, ...] | None = None  # of a network
    classes: int | None = None  # outputs of a network
    peak: float | None = None  # of the pixels
    usual: Mapping[str, float] = field(default_factory=dict)  # "i", "f" -> the peak that integers and floats have if none is given
    sensor: tuple[int, int] | None = None  # height, width


@dataclass(frozen=True)
class Part:
    """One checked split."""

    x: Any  # array or Recordings
    y: Labels
    shape: tuple[int, ...]
    peak: float


def own_dataset(splits: Mapping[str, Given], wanted: Wanted, told: Told = lambda text: None, how: Reading | None = None) -> Dataset:
    """The data set of one split or of both. DataError, before anything is computed, for whatever cannot be used.

    how: in which recordings in files are read. `told` hears what was taken for granted.
    """
    chosen = parse_preprocess(wanted.preprocess)
    splits = {split: watched(given, how or Reading(), told) for split, given in splits.items()}
    names, y, with_names = _labels(splits, wanted, told)
    parts: dict[str, Part] = {}
    for split, given in splits.items():
        x, shape, peak = _samples(given, chosen, wanted, told)
        parts[split] = Part(x, y[split], shape, peak)
        _alike(parts, split, given.name)
    first = next(iter(parts.values()))
    title = next(iter(splits.values())).title
    record = _record(chosen, parts, splits)
    _common(parts, record, told)

    def read(_root: Path, split: str) -> tuple[Any, np.ndarray]:
        if split not in parts:
            raise DataError(f"{title}: the {SPLITS[split]} split is missing; {MISSING}")
        return parts[split].x, parts[split].y

    return Dataset(title, first.shape, first.peak, names, read, numbered=not with_names, origin=record, told=told)


def _labels(splits: Mapping[str, Given], wanted: Wanted, told: Told) -> tuple[tuple[str, ...], dict[str, Labels], bool]:
    """Names of the classes, the labels of each split as numbers, and whether the names were given."""
    found: dict[str, Labels | list[str]] = {}
    for split, given in splits.items():
        if given.y is None:
            raise DataError(f"{given.name}: the labels of the {SPLITS[split]} split are missing, {given.y_name or 'Y.npy'}")
        found[split] = read_labels(given.y_name, given.y, _size(given))
    named = next((given.classes for given in splits.values() if given.classes), ())
    begin = "train" if "train" in found else "test"
    places = {split: are_places(given.y) for split, given in splits.items()}
    if named:
        found, places = _in_their_words(splits, found, places, named, wanted, told)
    first = found[begin]
    if wanted.labels:
        names, whose = tuple(wanted.labels), "the network"
    elif named:
        names, whose = named, "the file's classes"
    elif isinstance(first, list):
        names, whose = sorted_names(first), f"the {SPLITS[begin]} split"
        _of_one_kind(splits, found, places, begin, names)
    else:
        size = wanted.classes or (int(first.max()) + 1 if len(first) else 1)
        names, whose = tuple(map(str, range(size))), "the network" if wanted.classes else f"the {SPLITS[begin]} split"
    y = {split: numbered(splits[split].y_name, labels, names, whose, told, places[split]) for split, labels in found.items()}
    with_names = bool(wanted.labels or named) or isinstance(first, list)
    if isinstance(first, list) and not wanted.labels:
        told(f"classes: {_in_order(names)}")
    if "train" in y and (empty := [names[k] for k in np.flatnonzero(np.bincount(y["train"], minlength=len(names)) == 0)]):
        told(none_of(empty))
    return names, y, with_names


def _in_their_words(
    splits: Mapping[str, Given],
    found: Mapping[str, Labels | list[str]],
    places: Mapping[str, bool],
    named: tuple[str, ...],
    wanted: Wanted,
    told: Told,
) -> tuple[dict[str, Labels | list[str]], dict[str, bool]]:
    """Labels beside classes of their own: integers are places among those, and names where only names they can be.

    Where all that is known of a network's classes is their number, or it has the same ones, the places stay; else a class is looked
    for by its name.
    """
    numbers = {split: labels for split, labels in found.items() if not isinstance(labels, list)}
    every = {int(label) for split, labels in numbers.items() if not places[split] for label in np.unique(labels)}
    values = {int(name) for name in named} if speak_for_themselves(named) else set()
    by_name = bool(every) and every <= values and max(every) >= len(named)
    if every and every <= values and not by_name:
        told(f"labels are taken as places among the classes, 0 {named[0]} .. {len(named) - 1} {named[-1]}, and not as their names")
    same = not wanted.labels or tuple(wanted.labels) == tuple(map(str, range(len(wanted.labels))))
    made: dict[str, Labels | list[str]] = dict(found)
    sure = dict(places)
    for split, labels in numbers.items():
        own = splits[split].classes or named
        sure[split] = not by_name or places[split]
        checked = numbered(splits[split].y_name, labels, own, "the file's classes", told, sure[split])
        sure[split], made[split] = True, checked
        if not (same and own == named):
            made[split] = [own[k] for k in checked.tolist()]
    return made, sure


def _of_one_kind(
    splits: Mapping[str, Given],
    found: Mapping[str, Labels | list[str]],
    places: Mapping[str, bool],
    begin: str,
    names: tuple[str, ...],
) -> None:
    """Integers beside another split's names say nothing, unless the names are numbers."""
    for split, labels in found.items():
        if not isinstance(labels, list) and not places[split] and not all(name.isdecimal() for name in names):
            raise DataError(
                f"{splits[split].y_name}: labels must be names as in the {SPLITS[begin]} split ({', '.join(names[:12])}"
                f"{', ..' if len(names) > 12 else ''}), not {labels.dtype}: integers do not say which of them is meant"
            )


def _in_order(names: tuple[str, ...]) -> str:
    """The classes by their numbers, and where others would have them in another order."""
    text = ", ".join(f"{k} {name}" for k, name in enumerate(names[:20])) + (", .." if len(names) > 20 else "")
    other = sorted(names)
    if tuple(other) == names:
        return text
    return f"{text}; by their values, where torchvision's ImageFolder has them as text: {', '.join(other[:3])}, .."


def _size(given: Given) -> int:
    """Samples. DataError where there is no axis for them."""
    if not isinstance(given.x, Recordings) and not np.ndim(given.x):
        raise DataError(f"{given.name}: must be a batch of samples, not one number")
    if not len(given.x):
        raise DataError(f"{given.name}: holds no samples")
    return len(given.x)


def _samples(given: Given, chosen: Preprocess, wanted: Wanted, told: Told) -> tuple[Any, tuple[int, ...], float]:
    """Checked samples, their shape, and the brightest value (0 for counts and recordings)."""
    recordings = isinstance(given.x, Recordings)
    if recordings != (chosen.takes == "recordings"):
        came = "event recordings" if recordings else "one array of numbers"
        instead = "frames:T:N or window:US:T:N" if recordings else "levels:N for images, counts:T:N for counts"
        raise DataError(f"{given.name}: {chosen.text} is for {chosen.takes}, and these are {came}; say --preprocess {instead}")
    if recordings:
        if not len(given.x):
            raise DataError(f"{given.name}: must hold at least one recording")
        return given.x, _sensor(given, wanted), 0
    if chosen.takes == "counts":
        counts = check_counts(given.name, given.x, chosen, wanted.shape)
        return counts.array, counts.array.shape[2:], 0
    pixels = check_pixels(given.name, given.x, wanted.peak, wanted.shape, wanted.usual)
    told(f"{given.name}: {len(pixels.array):,} samples of {pixels.array.shape[1:]} {given.x.dtype}; {pixels.note}")
    return pixels.array, pixels.array.shape[1:], pixels.peak


def _sensor(given: Given, wanted: Wanted) -> tuple[int, ...]:
    if wanted.shape is not None and (len(wanted.shape) != 3 or wanted.shape[0] != 2):
        raise DataError(f"{given.name}: recordings are maps of (2, height, width), but the network takes {wanted.shape}")
    size = wanted.shape[1:] if wanted.shape else wanted.sensor or given.sensor
    if size is None:
        events = given.x[0]
        seen = f"up to x {events['x'].max()}, y {events['y'].max()}" if len(events) else "no event"
        raise DataError(
            f"{given.name}: the files do not say how large the sensor is: say --sensor WxH (the first recording has {seen})"
        )
    return (2, *size)


def _alike(parts: Mapping[str, Part], split: str, where: str) -> None:
    """A split must be as the one before it."""
    part, (other, first) = parts[split], next(iter(parts.items()))
    if part.shape != first.shape:
        told = f"must have samples of shape {first.shape} as the {SPLITS[other]} split has, not {part.shape}"
        raise DataError(f"{where}: the {SPLITS[split]} split {told}")
    if part.peak and (part.peak, part.x.dtype.kind == "f") != (first.peak, first.x.dtype.kind == "f"):
        raise DataError(
            f"{where}: both splits must be of one kind, but the {SPLITS[split]} split is {part.x.dtype} 0..{part.peak:g} and the "
            f"{SPLITS[other]} split {first.x.dtype} 0..{first.peak:g}"
        )


def _record(chosen: Preprocess, parts: Mapping[str, Part], splits: Mapping[str, Given]) -> dict[str, Any]:
    """What the data were, for a network's provenance: no path, and a digest of every sample and label."""
    first = next(iter(parts.values()))
    record: dict[str, Any] = {"kind": chosen.takes, "shape": list(first.shape)}
    if first.peak:
        record |= {"peak": first.peak, "dtype": str(first.x.dtype)}
    for split, part in parts.items():
        record[split] = {"samples": len(part.y), "sha256": _digest(part, splits[split])}
    return record


def _digest(part: Part, given: Given) -> str:
    """SHA-256 of the samples as they are used (of files: of their bytes), and of the numbers of their classes; little-endian."""
    found = hashlib.sha256()
    if given.files:
        for path in given.files:
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
    elif isinstance(part.x, Recordings):
        for events in part.x:
            found.update(hashlib.sha256(events.tobytes()).digest())
    else:
        found.update(part.x.astype(part.x.dtype.newbyteorder("<"), copy=False).tobytes())
    found.update(part.y.astype("<i8").tobytes())
    return found.hexdigest()


def _common(parts: Mapping[str, Part], record: Mapping[str, Any], told: Told) -> None:
    if len(parts) == 2 and record["train"] == record["test"]:
        told("training and test split are the same samples: the accuracy will say how well they are known by heart")


def watched(given: Given, how: Reading, told: Told) -> Given:
    """Recordings in files, whose notes are told as they are read, and whose sensors must be the first one's."""
    if not (given.files and isinstance(given.x, Recordings)):
        return given
    left = [NOTES]

    def read(path: Path) -> Events:
        found = read_events(path, how)
        if found.sensor and given.sensor and found.sensor != given.sensor:
            (height, width), (other, wide) = given.sensor, found.sensor
            raise DataError(f"{path}: the sensor must be {width} x {height} as in {given.files[0]}, not {wide} x {other}")
        for note in found.notes:
            left[0] -= 1
            if left[0] >= 0:
                told(f"{path}: {note}" + ("; more such notes are not shown" if not left[0] else ""))
        return found.events

    return replace(given, x=Recordings(given.x.names, tuple(partial(read, path) for path in given.files), given.name))


def own_samples(given: Given, wanted: Wanted, told: Told, how: Reading) -> tuple[np.ndarray, Labels | None]:
    """(counts (B, T, *shape), classes or None) of samples that need no labels. DataError for what cannot be used."""
    chosen = parse_preprocess(wanted.preprocess)
    given = watched(given, how, told)
    x, shape, peak = _samples(given, chosen, wanted, told)
    y = None if given.y is None else _labels({"test": given}, wanted, told)[1]["test"]
    return encode(x, wanted.preprocess, peak, shape, told), y
