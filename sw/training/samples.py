"""One split in memory, as the batches that training and scoring take."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from polyrhythm.sw import data
from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.data.preprocess import Preprocess
from polyrhythm.sw.training.recipe import Augment, Recipe


@dataclass
class Samples:
    """One split in memory: pixels with what encodes them, or counts that are encoded already."""

    images: Tensor  # (B, *shape) pixels, integers or floats, or (B, T, *shape) counts of recordings
    labels: Tensor  # (B,)
    table: Tensor | None  # (peak + 1,) or (peak + 1, T) float: the counts of a pixel value
    ticks: bool  # time_stepped: the source ticks come first
    scale: tuple[Preprocess, float] | None = None  # of float pixels: what encodes them, and their peak

    def rows(self, chosen: Tensor) -> "Samples":
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])

    def to(self, device: torch.device) -> "Samples":
        table = None if self.table is None else self.table.to(device)
        return replace(self, images=self.images.to(device), labels=self.labels.to(device), table=table)

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
    images, labels = data.load(row, split, root)
    chosen, ticks = data.parse_preprocess(recipe.preprocess), recipe.schedule == "time_stepped"
    y = torch.from_numpy(np.asarray(labels, np.int64))
    if chosen.takes != "images":
        counts = data.encode(images, recipe.preprocess, row.peak, row.shape, row.told, np.int16)
        return Samples(torch.from_numpy(counts), y, None, ticks)
    if images.dtype == object:
        raise data.DataError(f"{recipe.name}: preprocess {recipe.preprocess} needs images, not the event recordings of {row.name}")
    if images.dtype.kind == "f":
        return Samples(torch.from_numpy(np.array(images)), y, None, ticks, (chosen, row.peak))
    return Samples(torch.from_numpy(np.array(images)), y, torch.from_numpy(chosen.table(int(row.peak))).float(), ticks)


def augmented(images: Tensor, change: Augment, generator: torch.Generator) -> Tensor:
    """Mirror, shift, turn, zoom and shear each image at random; black comes in at the edges. The type stays.

    Counts of recordings (B, T, C, H, W) are shifted by whole pixels.
    """
    if not change.active:
        return images
    if images.ndim == 5:
        return shifted(images, int(change.shift), generator)
    size = len(images)
    if change.crop or change.cutout:
        images = shifted(images[:, None], change.crop, generator)[:, 0] if change.crop else images
        images = mirrored(images, generator) if change.mirror else images
        return cut_out(images, change.cutout, generator) if change.cutout else images

    def draw(limit: float) -> Tensor:
        return (torch.rand(size, generator=generator) * 2 - 1) * limit

    angle, shear, zoom = draw(math.radians(change.rotate)), draw(change.shear), 1 + draw(change.zoom)
    moved = [draw(2 * change.shift / extent) for extent in (images.shape[-1], images.shape[-2])]
    rows = [
        torch.cos(angle) * zoom,
        (shear - torch.sin(angle)) * zoom,
        moved[0],
        torch.sin(angle) * zoom,
        torch.cos(angle) * zoom,
        moved[1],
    ]
    matrices = torch.stack(rows, 1).view(size, 2, 3).to(images.device)
    if change.mirror:
        chosen = (torch.rand(size, generator=generator) < 0.5).to(images.device)
        matrices[:, :, 0] *= torch.where(chosen, -1.0, 1.0)[:, None]
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    moved_images = F.grid_sample(images.float(), grid, align_corners=False)
    return moved_images.to(images.dtype) if images.is_floating_point() else (moved_images + 0.5).to(images.dtype)


def mirrored(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every other image (B, C, H, W), left and right."""
    chosen = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
    return torch.where(chosen[:, None, None, None], images.flip(-1), images)


def cut_out(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Images (B, C, H, W) with a black square each, as much of it as lies inside (DeVries and Taylor, 2017)."""
    height, width = images.shape[-2:]
    y, x = (torch.randint(0, extent, (len(images), 1), generator=generator) for extent in (height, width))
    rows, columns = (torch.arange(extent) - middle + side // 2 for extent, middle in ((height, y), (width, x)))
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    return images * ~inside[:, None].to(images.device)


def shifted(counts: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Each recording's counts (B, T, C, H, W), moved by up to `most` pixels in x and in y; nothing comes in at the edges."""
    extents, each = counts.shape[-2:], torch.arange(len(counts))
    by = torch.randint(-most, most + 1, (2, len(counts), 1), generator=generator)
    y, x = (torch.arange(extent) - moved for extent, moved in zip(extents, by, strict=True))  # where each pixel comes from
    inside = [(place >= 0) & (place < extent) for place, extent in zip((y, x), extents, strict=True)]
    y, x = (place.clamp(0, extent - 1).to(counts.device) for place, extent in zip((y, x), extents, strict=True))
    taken = counts.movedim((3, 4), (1, 2))[each[:, None, None], y[:, :, None], x[:, None, :]]  # (B, H, W, T, C)
    mask = (inside[0][:, :, None] & inside[1][:, None, :]).to(counts.device)
    return (taken * mask[..., None, None]).movedim((1, 2), (3, 4))


def splits(row: Dataset, recipe: Recipe, root: str | Path | None) -> tuple[Samples, Samples]:
    """Training and test samples; with `validation`, evenly spaced training samples stand in for the test split."""
    training = samples(row, recipe, "train", root)
    if not recipe.validation:
        return training, samples(row, recipe, "test", root)
    size = len(training.labels)
    kept = torch.zeros(size, dtype=torch.bool)
    kept[torch.arange(recipe.validation) * size // recipe.validation] = True
    return training.rows(~kept), training.rows(kept)


def integer_counts(part: Samples) -> np.ndarray:
    """The whole split as a Network takes it: (B, *shape), or (B, T_in, *shape) in time_stepped."""
    counts = part.counts(part.images).numpy().astype(np.int32)
    return np.ascontiguousarray(np.swapaxes(counts, 0, 1)) if part.ticks else counts
