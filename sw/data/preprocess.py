"""How images and recordings become a network's input counts, by a word such as levels:15.

Axis order: images (B, C, H, W), or (B, N) for vectors; counts (B, *shape) for one source tick, (B,
T, *shape) for more.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events.binning import Told, counts_of
from polyrhythm.sw.data.events.recording import Recordings

FORMS = {
    "levels": "levels:N",
    "rate": "rate:T",
    "frames": "frames:T:N",
    "window": "window:US:T:N",
    "tonic": "tonic:T:N",
    "counts": "counts:N or counts:T:N",
}
BINNED = ("frames", "window", "tonic")
NUMBER = r":([1-9]\d{0,3})"
PATTERN = re.compile(
    rf"(levels|rate|counts){NUMBER}|(frames|tonic|counts){NUMBER}{NUMBER}|(window):([1-9]\d{{0,8}}){NUMBER}{NUMBER}"
)


@dataclass(frozen=True)
class Preprocess:
    """One such word, read; `text` is the word."""

    kind: str
    T: int  # source ticks
    max_count: int
    window: int = 0  # us
    text: str = ""

    @property
    def takes(self) -> str:
        """What it is made of: images, recordings, or counts that are there already."""
        return (
            "recordings" if self.kind in BINNED else "counts" if self.kind == "counts" else "images"
        )

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """Of a pixel x of 0..1, floor(x * k + 1/2) for these k is the count, or in rate:T the
        spikes after each tick, from 0 on."""
        return np.array([self.max_count]) if self.kind == "levels" else np.arange(self.T + 1)

    def table(self, peak: int) -> np.ndarray:
        """The counts of every pixel value 0..peak: (peak + 1,) for levels, (peak + 1, T) for
        rate."""
        return self.of_pixels(np.arange(peak + 1), peak)

    def of_pixels(self, pixels: np.ndarray, peak: float) -> np.ndarray:
        """The counts of pixels of any shape; rate:T has the ticks as one axis more, the last."""
        if self.kind == "levels":
            return scaled(pixels, self.max_count, peak).astype(np.int32)
        # Spikes before tick t
        total = np.stack([scaled(pixels, t, peak) for t in range(self.T + 1)], -1)
        return np.diff(total, axis=-1).astype(np.int32)


def scaled(pixel: np.ndarray, steps: int, peak: float) -> np.ndarray:
    """floor(pixel * steps / peak + 1/2); in integers where the pixels are integers, else in
    float64."""
    if pixel.dtype.kind == "f":
        return np.floor(pixel.astype(np.float64) * steps / peak + 0.5).astype(np.int64)
    return (2 * steps * pixel.astype(np.int64) + int(peak)) // (2 * int(peak))


def parse_preprocess(text: str) -> Preprocess:
    """Read a word: see `encode` for what it means. Numbers have no leading zero and no sign. Raises
    DataError."""
    match = PATTERN.fullmatch(text)
    if match is None:
        raise DataError(
            f"preprocess must be {', '.join(FORMS.values())}, with numbers 1..9999 (US to "
            "999999999), such as levels:15, "
            f"not {text!r}"
        )
    if match[6]:
        return Preprocess("window", int(match[8]), int(match[9]), int(match[7]), text)
    if match[3]:
        return Preprocess(match[3], int(match[4]), int(match[5]), 0, text)
    kind, number = match[1], int(match[2])
    return (
        Preprocess(kind, number, 1, 0, text)
        if kind == "rate"
        else Preprocess(kind, 1, number, 0, text)
    )


def kind_of(images: Any) -> str:
    """Whether data are recordings or one array, which is images or counts: both are integers."""
    return (
        "recordings"
        if isinstance(images, Recordings) or getattr(images, "dtype", np.dtype(int)).hasobject
        else "images"
    )


def encode(
    images: Any,
    preprocess: str,
    peak: float = 255,
    shape: tuple[int, ...] = (2, 34, 34),
    told: Told | None = None,
    dtype: npt.DTypeLike = np.int32,
) -> np.ndarray:
    """Images (B, *shape), counts (B, T, *shape) or event recordings (B,) as counts.

    levels:N       floor(x * N / peak + 1/2): (B, *shape)
    rate:T         after t ticks a pixel has spiked floor(x * t / peak + 1/2) times, so evenly: (B,
                   T, *shape)
    counts:T:N     counts 0..N as they are, (B, T, *shape); counts:N where T is 1
    frames:T:N     events of each T-th part of the recording's length, at most N: (B, T, *shape),
                   `shape` = (polarity, y, x)
    window:US:T:N  events of each US microseconds from the first event on
    tonic:T:N      events as tonic's ToFrame(n_time_bins=T) cuts them; see `sw.data.events.binning`
                   for all three

    `peak` is the brightest value a pixel can have; `told` hears which events are in no count.
    Raises DataError.
    """
    chosen = parse_preprocess(preprocess)
    given = kind_of(images)
    if (chosen.takes == "recordings") != (given == "recordings"):
        wanted = {"recordings": "event recordings", "images": "images", "counts": "counts"}[
            chosen.takes
        ]
        raise DataError(
            f"preprocess {preprocess} needs {wanted}, not "
            f"{'images' if given == 'images' else 'event recordings'}"
        )
    if chosen.takes == "recordings":
        return counts_of(images, chosen, shape, dtype, told)
    if chosen.takes == "counts":
        return _counts(images, chosen, dtype)
    if images.dtype.kind not in "uif":
        raise TypeError(f"images must be integers 0..{peak}, not {images.dtype}")
    if images.dtype.kind == "f" and not (np.isfinite(images).all() if images.size else True):
        raise DataError("pixels must be finite")
    if images.size and not 0 <= images.min() <= images.max() <= peak:
        raise DataError(f"pixels must be 0..{peak}, not {images.min()}..{images.max()}")
    counts = (
        chosen.of_pixels(images, peak)
        if images.dtype.kind == "f"
        else chosen.table(int(peak))[images]
    )
    return counts if chosen.kind == "levels" else np.ascontiguousarray(np.moveaxis(counts, -1, 1))


def _counts(given: np.ndarray, chosen: Preprocess, dtype: npt.DTypeLike) -> np.ndarray:
    if given.dtype.kind not in "ui":
        raise TypeError(f"counts must be integers 0..{chosen.max_count}, not {given.dtype}")
    if given.shape[1:2] != (chosen.T,):
        raise DataError(
            f"{chosen.text}: counts must have shape (B, {chosen.T}, ...), not {given.shape}"
        )
    if given.size and not 0 <= given.min() <= given.max() <= chosen.max_count:
        raise DataError(f"counts must be 0..{chosen.max_count}, not {given.min()}..{given.max()}")
    return given.astype(dtype)
