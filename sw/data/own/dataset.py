"""From what a user gave to a data set like ours: checked whole, numbered, and with a record of what
it was."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events.files import Reading, read_events
from polyrhythm.sw.data.events.recording import Events, Recordings
from polyrhythm.sw.data.own.classes import SPLITS, Told, labels_of
from polyrhythm.sw.data.own.given import Given
from polyrhythm.sw.data.own.labels import Labels
from polyrhythm.sw.data.own.pixels import check_counts, check_pixels
from polyrhythm.sw.data.preprocess import Preprocess, encode, parse_preprocess

MISSING = (
    "say --train X.npy Y.npy (or a .npz, or a folder) for the training split, --test for the "
    "test split"
)
NOTES = 5  # of single files, that are told


@dataclass(frozen=True)
class Wanted:
    """What is known of the data before they are looked at; None: nothing."""

    preprocess: str
    shape: tuple[int, ...] | None = None  # that a network takes
    labels: tuple[str, ...] | None = None  # of a network
    classes: int | None = None  # outputs of a network
    peak: float | None = None  # of the pixels
    # "i", "f" -> the peak that integers and floats have if none is given
    usual: Mapping[str, float] = field(default_factory=dict)
    sensor: tuple[int, int] | None = None  # height, width


@dataclass(frozen=True)
class Part:
    """One checked split."""

    x: Any  # array or Recordings
    y: Labels
    shape: tuple[int, ...]
    peak: float


def own_dataset(
    splits: Mapping[str, Given],
    wanted: Wanted,
    told: Told = lambda text: None,
    how: Reading | None = None,
) -> Dataset:
    """The data set of one split or of both. DataError, before anything is computed, for whatever
    cannot be used.

    how: in which recordings in files are read. `told` hears what was taken for granted.
    """
    chosen = parse_preprocess(wanted.preprocess)
    splits = {split: watched(given, how or Reading(), told) for split, given in splits.items()}
    names, y, with_names = labels_of(splits, wanted.labels, wanted.classes, told)
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

    return Dataset(
        title,
        first.shape,
        first.peak,
        names,
        read,
        numbered=not with_names,
        origin=record,
        told=told,
    )


def _samples(
    given: Given, chosen: Preprocess, wanted: Wanted, told: Told
) -> tuple[Any, tuple[int, ...], float]:
    """Checked samples, their shape, and the brightest value (0 for counts and recordings)."""
    recordings = isinstance(given.x, Recordings)
    if recordings != (chosen.takes == "recordings"):
        came = "event recordings" if recordings else "one array of numbers"
        instead = (
            "frames:T:N or window:US:T:N"
            if recordings
            else "levels:N for images, counts:T:N for counts"
        )
        raise DataError(
            f"{given.name}: {chosen.text} is for {chosen.takes}, and these are {came}; say "
            f"--preprocess {instead}"
        )
    if recordings:
        if not len(given.x):
            raise DataError(f"{given.name}: must hold at least one recording")
        return given.x, _sensor(given, wanted), 0
    if chosen.takes == "counts":
        counts = check_counts(given.name, given.x, chosen, wanted.shape)
        return counts.array, counts.array.shape[2:], 0
    pixels = check_pixels(given.name, given.x, wanted.peak, wanted.shape, wanted.usual)
    told(
        f"{given.name}: {len(pixels.array):,} samples of {pixels.array.shape[1:]} {given.x.dtype}; "
        f"{pixels.note}"
    )
    return pixels.array, pixels.array.shape[1:], pixels.peak


def _sensor(given: Given, wanted: Wanted) -> tuple[int, ...]:
    if wanted.shape is not None and (len(wanted.shape) != 3 or wanted.shape[0] != 2):
        raise DataError(
            f"{given.name}: recordings are maps of (2, height, width), but the network takes "
            f"{wanted.shape}"
        )
    size = wanted.shape[1:] if wanted.shape else wanted.sensor or given.sensor
    if size is None:
        events = given.x[0]
        seen = f"up to x {events['x'].max()}, y {events['y'].max()}" if len(events) else "no event"
        raise DataError(
            f"{given.name}: the files do not say how large the sensor is: say --sensor WxH (the "
            f"first recording has {seen})"
        )
    return (2, *size)


def _alike(parts: Mapping[str, Part], split: str, where: str) -> None:
    """A split must be as the one before it."""
    part, (other, first) = parts[split], next(iter(parts.items()))
    if part.shape != first.shape:
        told = (
            f"must have samples of shape {first.shape} as the {SPLITS[other]} split has, not "
            f"{part.shape}"
        )
        raise DataError(f"{where}: the {SPLITS[split]} split {told}")
    if part.peak and (part.peak, part.x.dtype.kind == "f") != (
        first.peak,
        first.x.dtype.kind == "f",
    ):
        raise DataError(
            f"{where}: both splits must be of one kind, but the {SPLITS[split]} split is "
            f"{part.x.dtype} 0..{part.peak:g} and the "
            f"{SPLITS[other]} split {first.x.dtype} 0..{first.peak:g}"
        )


def _record(
    chosen: Preprocess, parts: Mapping[str, Part], splits: Mapping[str, Given]
) -> dict[str, Any]:
    """What the data were, for a network's provenance: no path, and a digest of every sample and
    label."""
    first = next(iter(parts.values()))
    record: dict[str, Any] = {"kind": chosen.takes, "shape": list(first.shape)}
    if first.peak:
        record |= {"peak": first.peak, "dtype": str(first.x.dtype)}
    for split, part in parts.items():
        record[split] = {"samples": len(part.y), "sha256": _digest(part, splits[split])}
    return record


def _digest(part: Part, given: Given) -> str:
    """SHA-256 of the samples as they are used (of files: of their bytes), and of the numbers of
    their classes; little-endian."""
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
        told(
            "training and test split are the same samples: the accuracy will say how well they are "
            "known by heart"
        )


def watched(given: Given, how: Reading, told: Told) -> Given:
    """Recordings in files, whose notes are told as they are read, and whose sensors must be the
    first one's."""
    if not (given.files and isinstance(given.x, Recordings)):
        return given
    left = [NOTES]

    def read(path: Path) -> Events:
        found = read_events(path, how)
        if found.sensor and given.sensor and found.sensor != given.sensor:
            (height, width), (other, wide) = given.sensor, found.sensor
            raise DataError(
                f"{path}: the sensor must be {width} x {height} as in {given.files[0]}, not {wide} "
                f"x {other}"
            )
        for note in found.notes:
            left[0] -= 1
            if left[0] >= 0:
                told(f"{path}: {note}" + ("; more such notes are not shown" if not left[0] else ""))
        return found.events

    return replace(
        given,
        x=Recordings(given.x.names, tuple(partial(read, path) for path in given.files), given.name),
    )


def own_samples(
    given: Given, wanted: Wanted, told: Told, how: Reading
) -> tuple[np.ndarray, Labels | None]:
    """(counts (B, T, *shape), classes or None) of samples that need no labels. DataError for what
    cannot be used."""
    chosen = parse_preprocess(wanted.preprocess)
    given = watched(given, how, told)
    x, shape, peak = _samples(given, chosen, wanted, told)
    y = (
        None
        if given.y is None
        else labels_of({"test": given}, wanted.labels, wanted.classes, told)[1]["test"]
    )
    return encode(x, wanted.preprocess, peak, shape, told), y
