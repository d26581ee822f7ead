"""Data sets as integer counts: find or download a split, encode it as a network's input.

Axis order: images (B, C, H, W); counts (B, C, H, W) for one source tick, (B, T, C, H, W) for more.
"""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyrhythm.sw.data.datasets import DATASETS, Dataset, Remote
from polyrhythm.sw.data.download import DataError, Progress, extract, fetch, show_progress
from polyrhythm.sw.data.preprocess import Preprocess, encode, parse_preprocess

if TYPE_CHECKING:
    from polyrhythm.sw.network import Network

__all__ = [
    "DATASETS",
    "DataError",
    "Dataset",
    "Preprocess",
    "cache_root",
    "encode",
    "find",
    "inputs_for",
    "is_here",
    "load",
    "parse_preprocess",
    "roots",
]

SPLITS = ("train", "test")


def cache_root() -> Path:
    """Where downloads go: $XDG_CACHE_HOME/polyrhythm, else ~/.cache/polyrhythm."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "polyrhythm"


def roots(root: str | Path | None = None) -> list[Path]:
    """The folders that are searched, in this order: `root`, $POLYRHYTHM_DATA, the user's cache."""
    named = [Path(place) for place in (root, os.environ.get("POLYRHYTHM_DATA")) if place]
    return [*named, cache_root()]


def load(
    dataset: str | Dataset,
    split: str,
    root: str | Path | None = None,
    progress: Progress | None = show_progress,
) -> tuple[Any, np.ndarray]:
    """(images uint8 (B, C, H, W), labels uint8 (B,)) of a data set or of the one of that name.

    Event recordings come as an object array of EVENT arrays, or as Recordings; a user's own data as
    `sw.data.own` has checked them. What no folder of `roots(root)` holds is downloaded from its
    publisher into the cache. Raises DataError.
    """
    row = find(dataset)
    if split not in SPLITS:
        raise DataError(f"{row.name}: split must be train or test, not {split!r}")
    return row.read(_locate(row, split, root, progress), split)


def find(dataset: str | Dataset) -> Dataset:
    """The data set of this name; one that is a data set already stays it."""
    if isinstance(dataset, Dataset):
        return dataset
    if dataset not in DATASETS:
        raise DataError(f"dataset must be one of {', '.join(DATASETS)}, not {dataset!r}")
    return DATASETS[dataset]


def is_here(dataset: str | Dataset, split: str, root: str | Path | None = None) -> bool:
    """Whether all files of a split lie in one of `roots(root)`, so that nothing is downloaded."""
    parts = find(dataset).parts.get(split, ())
    return any(all((place / part).exists() for part in parts) for place in roots(root))


def _locate(
    dataset: Dataset, split: str, root: str | Path | None, progress: Progress | None
) -> Path:
    """The first root that holds all parts of the split, downloading into the cache when there is
    none."""
    parts = dataset.parts.get(split, ())
    searched = roots(root)
    for place in searched:
        if all((place / part).exists() for part in parts):
            return place
    for remote in dataset.remotes.get(split, ()):
        try:
            _download(remote, cache_root(), progress)
        except DataError as error:
            missing = " and ".join(str(cache_root() / part) for part in parts)
            raise DataError(
                f"{dataset.name}: {split} split not found in {', '.join(map(str, searched))}, and "
                f"{error}; "
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
    network: "Network",
    dataset: str | Dataset,
    split: str = "test",
    root: str | Path | None = None,
    preprocess: str | None = None,
    limit: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(counts, labels) of a split, or of its first `limit` samples, encoded by `preprocess`, or as
    the network's provenance says. Raises DataError."""
    row, chosen = find(dataset), preprocess_of(network, preprocess, dataset)
    prepared = parse_preprocess(chosen)
    given = (row.shape, prepared.T, prepared.max_count)
    wanted = (tuple(network.input.shape), network.input.T, network.input.max_count)
    if given != wanted:
        raise DataError(
            f"{network.name}: input must have shape {wanted[0]}, T {wanted[1]}, max_count "
            f"{wanted[2]}; "
            f"{row.name} with {chosen} gives shape {given[0]}, T {given[1]}, max_count {given[2]}"
        )
    images, labels = load(row, split, root)
    counts = encode(images[:limit], chosen, row.peak, row.shape, row.told)
    return counts, labels[:limit]


def preprocess_of(
    network: "Network", given: str | None = None, dataset: str | Dataset = "data"
) -> str:
    """`given`, or else what the network's provenance says. DataError where it says nothing."""
    found = given if given is not None else network.provenance.get("preprocess")
    if not isinstance(found, str):
        name = dataset if isinstance(dataset, str) else dataset.name
        raise DataError(
            f"{network.name}: provenance must name its preprocess, such as levels:15, to encode "
            f"{name}"
        )
    return found
