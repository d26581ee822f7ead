"""What `run` sends through an executor: a file of counts, read a slice at a time, or samples that
become counts; and their classes.

Samples (with --preprocess, and archives) are held in memory once they are counts.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.files import nearest_file
from polyrhythm.cli.owndata import reading, wanted
from polyrhythm.cli.report import say

if TYPE_CHECKING:
    import numpy as np

    from polyrhythm.cli.counts import Counts
    from polyrhythm.sw.network import Network


@dataclass(frozen=True)
class Held:
    """Counts in memory, with the face of `cli.counts.Counts`; legal since they were made."""

    array: "np.ndarray"  # (B, T_in, *shape)
    labels: "np.ndarray | None"  # classes (B,), where the samples came with them

    def __len__(self) -> int:
        return len(self.array)

    def legal(self, network: "Network", first: int, end: int) -> "np.ndarray":
        """The frames first..end-1 as (B, T_in, *shape) int32."""
        from polyrhythm.sw.trace.frames import frames

        return frames(network, self.array[first:end], first)

    def slices(self, step: int) -> Iterator[tuple[int, int]]:
        """The frames in parts of `step`: first and end of each."""
        for first in range(0, len(self), step):
            yield first, min(first + step, len(self))


def open_input(args: argparse.Namespace, network: "Network | None") -> "Counts | Held | None":
    """The input, held against the network where that is known; ValueError says what it is and what
    was expected."""
    from polyrhythm.cli.counts import Counts

    path = Path(args.input)
    if not path.exists():
        raise ValueError(f"{path}: no such file or directory{nearest_file(args.input, '.npy')}")
    if args.preprocess is None and not _is_other(path):
        try:
            counts = Counts.open(args.input)
            if network:
                counts.check(network)
        except ValueError as error:
            if network and (told := _pixels(args.input, network)):
                raise ValueError(told) from error
            raise
        return counts
    return _held(args, network) if network else None


def right_classes(
    args: argparse.Namespace, network: "Network", inputs: "Counts | Held"
) -> "np.ndarray | None":
    """The class of every frame, where it is known. ValueError for labels that are none of the
    network's."""
    from polyrhythm.sw.data.arrayfile import read_npy
    from polyrhythm.sw.data.own.labels import are_places, numbered, read_labels

    if args.labels is None:
        return getattr(inputs, "labels", None)
    names = network.labels or tuple(map(str, range(len(network.layers[-1].bias))))
    given = read_npy(args.labels)
    return numbered(
        args.labels,
        read_labels(args.labels, given, len(inputs)),
        names,
        "the network",
        say,
        are_places(given),
    )


def _is_other(path: Path) -> bool:
    """Whether it is no plain array: a recording, an archive, a folder."""
    from polyrhythm.sw.data.arrayfile import read_npy
    from polyrhythm.sw.data.events.files import SUFFIXES
    from polyrhythm.sw.data.own.given import is_events

    if path.suffix.lower() != ".npy" and (
        path.suffix.lower() in (".npz", *SUFFIXES) or path.is_dir()
    ):
        return True
    try:
        array = read_npy(path)
    except (ValueError, OSError):
        return False
    return is_events(array) and "t" in (array.dtype.names or ())


def _held(args: argparse.Namespace, network: "Network") -> Held:
    """Samples as counts."""
    from polyrhythm.sw.data.own.dataset import own_samples
    from polyrhythm.sw.data.own.given import read_samples

    given = read_samples(Path(args.input), "test", reading(args))
    source, told = network.input, network.provenance.get("preprocess")
    if args.preprocess is None and not hasattr(given.x, "dtype"):
        hint = (
            told
            if isinstance(told, str) and told.partition(":")[0] in ("frames", "window", "tonic")
            else "frames:T:N"
        )
        raise ValueError(
            f"{given.name}: event recordings must become counts: say --preprocess {hint}"
        )
    preprocess = args.preprocess or f"counts:{source.T}:{source.max_count}"
    given = replace(given, y=None) if args.labels else given
    return Held(*own_samples(given, wanted(args, preprocess, network), say, reading(args)))


def _pixels(path: str, network: "Network") -> str | None:
    """What to say of an input that is no counts and looks like pixels: bytes, or fractions of
    0..1."""
    from polyrhythm.sw.data.arrayfile import read_npy
    from polyrhythm.sw.data.own.pixels import describe, text

    try:
        array: Any = read_npy(path)
    except (ValueError, OSError):
        return None
    source, told = network.input, network.provenance.get("preprocess")
    pixels = array.ndim > 1 and array.size
    fractions = (
        pixels
        and array.dtype.kind == "f"
        and (array >= 0).all()
        and not (array > 1).any()
        and (array % 1).any()
    )
    if not fractions and not (pixels and array.dtype == "uint8" and array.max() > source.max_count):
        return None
    shapes = (
        [("B", *source.shape), ("B", 1, *source.shape)]
        if source.T == 1
        else [("B", source.T, *source.shape)]
    )
    hint = (
        told
        if isinstance(told, str) and told.startswith(("levels", "rate"))
        else f"levels:{source.max_count}"
    )
    forms = " or ".join(text(*shape) for shape in shapes)
    return (
        f"{path}: input must be {forms} counts 0..{source.max_count}; it is {describe(array)}: "
        f"say --preprocess {hint}"
    )
