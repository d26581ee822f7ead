"""Random changes of training images and of counts of recordings. The type stays."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from polyrhythm.sw.training.recipe import Augment


def augmented(images: Tensor, change: Augment, generator: torch.Generator) -> Tensor:
    """Mirror, shift, turn, zoom and shear each image at random; black comes in at the edges.

    Counts of recordings (B, T, C, H, W) are shifted by whole pixels.
    """
    if not change.active:
        return images
    if images.ndim == 5:
        return shifted(images, int(change.shift), generator)
    if change.crop or change.cutout:
        return _whole_pixels(images, change, generator)
    grid = F.affine_grid(
        _affine(images, change, generator), list(images.shape), align_corners=False
    )
    moved = F.grid_sample(images.float(), grid, align_corners=False)
    return moved.to(images.dtype) if images.is_floating_point() else (moved + 0.5).to(images.dtype)


def _whole_pixels(images: Tensor, change: Augment, generator: torch.Generator) -> Tensor:
    """Shift, mirror and cut out, in this order."""
    if change.crop:
        images = shifted(images[:, None], change.crop, generator)[:, 0]
    if change.mirror:
        images = mirrored(images, generator)
    return cut_out(images, change.cutout, generator) if change.cutout else images


def _affine(images: Tensor, change: Augment, generator: torch.Generator) -> Tensor:
    """A matrix for each image, (B, 2, 3)."""
    size = len(images)

    def draw(limit: float) -> Tensor:
        return (torch.rand(size, generator=generator) * 2 - 1) * limit

    angle, shear, zoom = (
        draw(math.radians(change.rotate)),
        draw(change.shear),
        1 + draw(change.zoom),
    )
    moved = [draw(2 * change.shift / extent) for extent in (images.shape[-1], images.shape[-2])]
    rows = [
        torch.cos(angle) * zoom, (shear - torch.sin(angle)) * zoom, moved[0],
        torch.sin(angle) * zoom, torch.cos(angle) * zoom, moved[1],
    ]  # fmt: skip
    matrices = torch.stack(rows, 1).view(size, 2, 3).to(images.device)
    if change.mirror:
        chosen = (torch.rand(size, generator=generator) < 0.5).to(images.device)
        matrices[:, :, 0] *= torch.where(chosen, -1.0, 1.0)[:, None]
    return matrices


def mirrored(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every other image (B, C, H, W), left and right."""
    chosen = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
    return torch.where(chosen[:, None, None, None], images.flip(-1), images)


def cut_out(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Images (B, C, H, W) with a black square each, as much of it as lies inside.

    Source: DeVries and Taylor, 2017.
    """
    extents, size = images.shape[-2:], (len(images), 1)
    y, x = (torch.randint(0, extent, size, generator=generator) for extent in extents)
    rows, columns = (
        torch.arange(extent) - middle + side // 2
        for extent, middle in zip(extents, (y, x), strict=True)
    )
    inside_rows, inside_columns = ((part >= 0) & (part < side) for part in (rows, columns))
    inside = inside_rows[:, :, None] & inside_columns[:, None, :]
    return images * ~inside[:, None].to(images.device)


def shifted(counts: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Each recording's counts (B, T, C, H, W), moved by up to `most` pixels in x and in y.

    Nothing comes in at the edges.
    """
    extents, each = counts.shape[-2:], torch.arange(len(counts))
    by = torch.randint(-most, most + 1, (2, len(counts), 1), generator=generator)
    # where each pixel comes from, and whether that is inside
    origins = [torch.arange(extent) - moved for extent, moved in zip(extents, by, strict=True)]
    pairs = list(zip(origins, extents, strict=True))
    inside = [(origin >= 0) & (origin < extent) for origin, extent in pairs]
    y, x = (origin.clamp(0, extent - 1).to(counts.device) for origin, extent in pairs)
    channels_last = counts.movedim((3, 4), (1, 2))
    taken = channels_last[each[:, None, None], y[:, :, None], x[:, None, :]]  # (B, H, W, T, C)
    mask = (inside[0][:, :, None] & inside[1][:, None, :]).to(counts.device)
    return (taken * mask[..., None, None]).movedim((1, 2), (3, 4))
