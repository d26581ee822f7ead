"""One split in memory, as the batches that training and scoring take."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from polyrhythm.sw import data
from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.data.preprocess import Preprocess
from polyrhythm.sw.training.recipe import Recipe

CALIBRATION = 2000  # training images on which scales are set, and boundaries of stages measured


@dataclass
class Samples:
    """One split in memory: pixels with what encodes them, or counts that are encoded already."""

    images: Tensor  # (B, *shape) pixels, integers or floats, or (B, T, *shape) counts of recordings
    labels: Tensor  # (B,)
    table: Tensor | None  # (peak + 1,) or (peak + 1, T) float: the counts of a pixel value
    ticks: bool  # time_stepped: the source ticks come first
    scale: tuple[Preprocess, float] | None = None  # of float pixels: what encodes them, their peak

    def rows(self, chosen: Tensor) -> "Samples":
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])

    def to(self, device: torch.device) -> "Samples":
        table = None if self.table is None else self.table.to(device)
        images, labels = self.images.to(device), self.labels.to(device)
        return replace(self, images=images, labels=labels, table=table)

    def counts(self, images: Tensor) -> Tensor:
        """Float counts (B, *shape), or (T, B, *shape) in time_stepped."""
        if self.table is None and self.scale is None:
            n = images.float()
            return n.transpose(0, 1) if self.ticks else n[:, 0]
        coded, ticks = self.coded(images)
        if ticks:
            return coded.movedim(-1, 0)
        return coded[None] if self.ticks else coded

    def coded(self, images: Tensor) -> tuple[Tensor, bool]:
        """Counts of pixels, and whether their last axis is that of ticks."""
        if self.table is not None:
            return self.table[images.long()], self.table.ndim == 2
        assert self.scale is not None
        chosen, peak = self.scale  # as `Preprocess.of_pixels`, in float64 too
        levels = [torch.floor(images.double() * int(k) / peak + 0.5) for k in chosen.steps]
        if chosen.kind == "levels":
            return levels[0].float(), False
        return torch.stack(levels, -1).diff(dim=-1).float(), True


def samples(row: Dataset, recipe: Recipe, split: str, root: str | Path | None) -> Samples:
    """A split of a data set, prepared as the recipe says. DataError where it cannot be."""
    images, labels = data.load(row, split, root)
    chosen, ticks = data.parse_preprocess(recipe.preprocess), recipe.schedule == "time_stepped"
    y = torch.from_numpy(np.asarray(labels, np.int64))
    if chosen.takes != "images":
        counts = data.encode(images, recipe.preprocess, row.peak, row.shape, row.told, np.int16)
        return Samples(torch.from_numpy(counts), y, None, ticks)
    if images.dtype == object:
        raise data.DataError(
            f"{recipe.name}: preprocess {recipe.preprocess} needs images, "
            f"not the event recordings of {row.name}"
        )
    pixels = torch.from_numpy(np.array(images))
    if images.dtype.kind == "f":
        return Samples(pixels, y, None, ticks, (chosen, row.peak))
    return Samples(pixels, y, torch.from_numpy(chosen.table(int(row.peak))).float(), ticks)


def splits(row: Dataset, recipe: Recipe, root: str | Path | None) -> tuple[Samples, Samples]:
    """Training and test samples.

    With `validation`, evenly spaced training samples take the place of the test split.
    """
    training = samples(row, recipe, "train", root)
    if not recipe.validation:
        return training, samples(row, recipe, "test", root)
    size = len(training.labels)
    kept = torch.zeros(size, dtype=torch.bool)
    kept[torch.arange(recipe.validation) * size // recipe.validation] = True
    return training.rows(~kept), training.rows(kept)


def batches(rows: Tensor, size: int) -> tuple[Tensor, ...]:
    """Parts of `size` rows; a last one of a single row is joined to the part before it.

    Alone it would have no variance to normalize by.
    """
    parts = rows.split(size)
    if size > 1 and len(parts) > 1 and len(parts[-1]) == 1:
        return (*parts[:-2], torch.cat(parts[-2:]))
    return parts


def integer_counts(part: Samples) -> np.ndarray:
    """The whole split as a Network takes it: (B, *shape), or (B, T_in, *shape) in time_stepped."""
    counts = part.counts(part.images).numpy().astype(np.int32)
    return np.ascontiguousarray(np.swapaxes(counts, 0, 1)) if part.ticks else counts
