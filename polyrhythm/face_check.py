"""What the Python face is given, checked at its border: what must hold, what came instead, how to
fix it."""

import os
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polyrhythm.sw.network import Network
from polyrhythm.sw.trace.frames import frames

if TYPE_CHECKING:
    from polyrhythm.sw.data.datasets import Dataset


def network_of(value: object) -> Network:
    """`value`, if it is a network; TypeError else."""
    if not isinstance(value, Network):
        raise TypeError(
            f"network must be a Network, not {_kind(value)}; polyrhythm.load(path) makes one of a "
            "file"
        )
    return value


def path_of(name: str, value: object) -> None:
    """TypeError for what names no file."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a path, not {_kind(value)}")


def lanes_of(value: object, layers: int) -> None:
    """TypeError for what is no sequence of one entry for each layer; what the entries may be is the
    gateware's to say."""
    if value is not None and (isinstance(value, str) or not isinstance(value, Sequence)):
        raise TypeError(
            f"lanes must be a list with one entry for each of the {layers} layers, not {value!r}"
        )


def counts_of(network: Network, inputs: object) -> np.ndarray:
    """Input counts as an array of at least one frame."""
    found = frames(network, np.asarray(inputs))
    if not len(found):
        raise ValueError("inputs must have at least one frame, not none")
    return np.asarray(inputs)


def labels_of(labels: object, frames: int) -> np.ndarray | None:
    """The right classes (B,), or None."""
    if labels is None:
        return None
    found = np.asarray(labels)
    if found.dtype.kind not in "iu":
        raise TypeError(
            f"labels must be integers, the number of each frame's class, not {found.dtype}"
        )
    if found.shape != (frames,):
        raise ValueError(
            f"labels must have shape ({frames},), one class for each frame, not {found.shape}"
        )
    if found.min() < 0:
        raise ValueError(f"labels must be classes from 0 on, not {found.min()}")
    return found


def whole(name: str, value: object, least: int) -> None:
    """TypeError or ValueError for what is no whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def pair_of_epochs(value: object) -> tuple[int, int]:
    """Epochs of the quantized and of the snapped stage."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(
            f"epochs must be two numbers, quantized and snapped, such as (8, 4), not {value!r}"
        )
    for number in value:
        whole("epochs", number, 0)
    return value[0], value[1]


def target_of(value: object) -> tuple[Any, Any]:
    """What is traded, and how far down."""
    if value is None:
        return "cycles", None
    costs = ("cycles", "mean_T", "events")
    if not isinstance(value, tuple | list) or len(value) != 2 or value[0] not in costs:
        raise ValueError(
            f"target must be one of {', '.join(costs)} with a number, such as ('mean_T', 2.0), not "
            f"{value!r}"
        )
    return value[0], value[1]


def data_of(data: object, preprocess: str, peak: float | None) -> "Dataset":
    """A data set of ours by its name, or what a user gave, checked; a peak that had to be guessed
    is a warning."""
    from polyrhythm.sw.data import find
    from polyrhythm.sw.data.download import DataError
    from polyrhythm.sw.data.events.files import Reading
    from polyrhythm.sw.data.own.dataset import Wanted, own_dataset
    from polyrhythm.sw.data.own.module import splits_of

    if isinstance(data, str):
        return find(data)

    def told(text: str) -> None:
        # What was guessed looks wrong
        if peak is None and "taken as white; the largest is" in text:
            warnings.warn(_in_python(text), stacklevel=4)

    try:
        return own_dataset(
            splits_of(data, "data", "data", Reading()), Wanted(preprocess, peak=peak), told
        )
    except DataError as error:
        raise DataError(_in_python(str(error))) from None


def _in_python(text: str) -> str:
    """A hint of the command line as an argument of Python: --peak 16 is peak=16."""
    return re.sub(r"--(peak|preprocess) (\S+)", r"\1=\2", text)


def _kind(value: object) -> str:
    return (
        repr(value)
        if isinstance(value, str | os.PathLike) or value is None
        else type(value).__name__
    )
