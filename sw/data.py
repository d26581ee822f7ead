"""Data sets as integer counts: find or download a split, encode it as a network's input.

Axis order: images (B, C, H, W); counts (B, C, H, W) for one source tick, (B, T, C, H, W) for more.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sw.datasets import DATASETS, Dataset, Remote
from sw.download import DataError, Progress, extract, fetch, show_progress

if TYPE_CHECKING:
    from sw.network import Network

__all__ = [
    "DATASETS",
    "DataError",
    "Preprocess",
    "cache_root",
    "encode",
    "inputs_for",
    "load",
    "parse_preprocess",
    "roots",
]

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Preprocess:
    """How images or recordings become counts: `levels:N`, `rate:T` or `frames:T:N`."""

    kind: str
    T: int  # source ticks
    max_count: int

    def table(self, peak: int) -> np.ndarray:
        """The counts of every pixel value 0..peak: (peak + 1,) for levels, (peak + 1, T) for rate."""
        pixel = np.arange(peak + 1)
        if self.kind == "levels":
            return scaled(pixel, self.max_count, peak).astype(np.int32)
        total = np.stack([scaled(pixel, t, peak) for t in range(self.T + 1)], 1)  # spikes before tick t
        return np.diff(total, axis=1).astype(np.int32)


def scaled(pixel: np.ndarray, steps: int, peak: int) -> np.ndarray:
    """floor(pixel * steps / peak + 1/2), in integers."""
    return (2 * steps * pixel.astype(np.int64) + peak) // (2 * peak)


def parse_preprocess(text: str) -> Preprocess:
    """Read `levels:N` (N levels above black), `rate:T` (T ticks of 0/1) or `frames:T:N` (T slices of a recording).

    Numbers have no leading zero and no sign; `encode` says what they mean. Raises DataError.
    """
    match = re.fullmatch(r"(levels|rate):([1-9]\d{0,3})|(frames):([1-9]\d{0,3}):([1-9]\d{0,3})", text)
    if match is None:
        raise DataError(
            f"preprocess must be levels:N, rate:T or frames:T:N with numbers 1..9999, such as levels:15, not {text!r}"
        )
    if match[3]:
        return Preprocess("frames", int(match[4]), int(match[5]))
    return Preprocess("levels", 1, int(match[2])) if match[1] == "levels" else Preprocess("rate", int(match[2]), 1)


def encode(images: np.ndarray, preprocess: str, peak: int = 255, shape: tuple[int, ...] = (2, 34, 34)) -> np.ndarray:
    """Images (B, *shape) or event recordings (B,) as int32 counts.

    levels:N   floor(x * N / peak + 1/2): (B, *shape)
    rate:T     after t ticks a pixel has spiked floor(x * t / peak + 1/2) times, so evenly: (B, T, *shape)
    frames:T:N events of each T-th part of the recording's length, at most N: (B, T, *shape), `shape` = (polarity, y, x)

    `peak` is the brightest value a pixel can have. Raises DataError.
    """
    chosen = parse_preprocess(preprocess)
    if (chosen.kind == "frames") != (images.dtype == object):
        kind = "event recordings" if chosen.kind == "frames" else "images"
        raise DataError(
            f"preprocess {preprocess} needs {kind}, not {'event recordings' if images.dtype == object else 'images'}"
        )
    if chosen.kind == "frames":
        return _frames(images, chosen, shape)
    if images.dtype.kind not in "ui":
        raise TypeError(f"images must be integers 0..{peak}, not {images.dtype}")
    if images.size and not 0 <= images.min() <= images.max() <= peak:
        raise DataError(f"pixels must be 0..{peak}, not {images.min()}..{images.max()}")
    counts = chosen.table(peak)[images]
    return counts if chosen.kind == "levels" else np.ascontiguousarray(np.moveaxis(counts, -1, 1))


def _frames(recordings: np.ndarray, chosen: Preprocess, shape: tuple[int, ...]) -> np.ndarray:
    counts = np.zeros((len(recordings), chosen.T, *shape), np.int32)
    for frame, events in zip(counts, recordings, strict=True):
        if len(events):
            t = events["t"].astype(np.int64) - events["t"][0]
            np.add.at(frame, (t * chosen.T // (t.max() + 1), events["p"], events["y"], events["x"]), 1)
    return np.minimum(counts, chosen.max_count)


def cache_root() -> Path:
    """Where downloads go: $XDG_CACHE_HOME/polyrhythm, else ~/.cache/polyrhythm."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "polyrhythm"


def roots(root: str | Path | None = None) -> list[Path]:
    """The folders that are searched, in this order: `root`, $POLYRHYTHM_DATA, the user's cache."""
    named = [Path(place) for place in (root, os.environ.get("POLYRHYTHM_DATA")) if place]
    return [*named, cache_root()]


def load(
    name: str, split: str, root: str | Path | None = None, progress: Progress | None = show_progress
) -> tuple[np.ndarray, np.ndarray]:
    """(images uint8 (B, C, H, W), labels uint8 (B,)); N-MNIST gives recordings: an object array of EVENT arrays.

    What no folder of `roots(root)` holds is downloaded from its publisher into the cache. Raises DataError.
    """
    dataset = find(name)
    if split not in SPLITS:
        raise DataError(f"{name}: split must be train or test, not {split!r}")
    return dataset.read(_locate(dataset, split, root, progress), split)


def find(name: str) -> Dataset:
    if name not in DATASETS:
        raise DataError(f"dataset must be one of {', '.join(DATASETS)}, not {name!r}")
    return DATASETS[name]


def _locate(dataset: Dataset, split: str, root: str | Path | None, progress: Progress | None) -> Path:
    """The first root that holds all parts of the split, downloading into the cache when there is none."""
    parts = dataset.parts.get(split, ())
    searched = roots(root)
    for place in searched:
        if all((place / part).exists() for part in parts):
            return place
    for remote in dataset.remotes[split]:
        try:
            _download(remote, cache_root(), progress)
        except DataError as error:
            missing = " and ".join(str(cache_root() / part) for part in parts)
            raise DataError(
                f"{dataset.name}: {split} split not found in {', '.join(map(str, searched))}, and {error}; "
                f"{missing} must exist, or the same below a folder that POLYRHYTHM_DATA names"
            ) from error
    return cache_root()


def _download(remote: Remote, root: Path, progress: Progress | None) -> None:
    """Bring one remote file to its place below `root`, unpacked when it is an archive."""
    target = root / remote.name
    if not target.exists():
        fetch(remote.url, target, remote.sha256, progress)
    if remote.members is None:
        return
    shutil.rmtree(root / remote.folder, ignore_errors=True)  # an unpacked folder that lacks files
    extract(target, remote.members, root / remote.folder)
    target.unlink()


def inputs_for(
    network: "Network", dataset: str, split: str = "test", root: str | Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(counts, labels) of a split, encoded as the network's provenance says. Raises DataError."""
    preprocess = network.provenance.get("preprocess")
    if not isinstance(preprocess, str):
        raise DataError(f"{network.name}: provenance must name its preprocess, such as levels:15, to encode {dataset}")
    chosen, row = parse_preprocess(preprocess), find(dataset)
    given = (row.shape, chosen.T, chosen.max_count)
    wanted = (tuple(network.input.shape), network.input.T, network.input.max_count)
    if given != wanted:
        raise DataError(
            f"{network.name}: input must have shape {wanted[0]}, T {wanted[1]}, max_count {wanted[2]}; "
            f"{dataset} with {preprocess} gives shape {given[0]}, T {given[1]}, max_count {given[2]}"
        )
    images, labels = load(dataset, split, root)
    return encode(images, preprocess, row.peak, row.shape), labels
