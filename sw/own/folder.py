"""Samples in folders named by their class: DIR/CLASS/FILE, images or event recordings."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sw.download import DataError
from sw.events.files import SUFFIXES, Reading, read_events
from sw.events.recording import Events, Recordings
from sw.own.given import Given, title_of

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp")


def read_folder(folder: Path, split: str, how: Reading | None = None) -> Given:
    """All images, or all recordings, of the classes in a folder; a folder `split` in it, with classes, is taken instead."""
    inner = folder / split
    if inner.is_dir() and any(place.is_dir() for place in inner.iterdir()):
        folder = inner
    files = sorted(path for path in folder.glob("*/*") if path.is_file() and not path.name.startswith("."))
    images = [path for path in files if path.suffix.lower() in IMAGES]
    recordings = [path for path in files if path.suffix.lower() in SUFFIXES]
    if bool(images) == bool(recordings):
        known = f"images ({', '.join(IMAGES)}) or recordings ({', '.join(SUFFIXES)})"
        raise DataError(f"{folder}: must hold CLASS/FILE, {known}, but has {'both' if images else f'none in {len(files)} files'}")
    chosen = images or recordings
    if others := len(files) - len(chosen):
        first = next(path for path in files if path not in set(chosen))
        raise DataError(
            f"{folder}: must hold {'images' if images else 'recordings'} alone, but {others} files are others, such as {first}"
        )
    y = np.array([path.parent.name for path in chosen])
    title = title_of(folder)
    if images:
        return Given(str(folder), read_images(chosen), y, str(folder), title)
    how = how or Reading()
    sensor = read_events(chosen[0], how).sensor
    x = Recordings(tuple(map(str, chosen)), tuple(partial(_read, path, how) for path in chosen))
    return Given(str(folder), x, y, str(folder), title, sensor, tuple(chosen))


def _read(path: Path, how: Reading) -> Events:
    return read_events(path, how).events


def read_images(paths: list[Path]) -> np.ndarray:
    """(B, 1, H, W) for grey images and (B, 3, H, W) for coloured ones, as they are stored: uint8, or int32 for 16 bits of grey."""
    from PIL import Image

    found: np.ndarray | None = None
    for k, path in enumerate(paths):
        try:
            with Image.open(path) as image:
                if found is not None and (image.height, image.width) != found.shape[2:]:
                    size = f"{found.shape[3]} x {found.shape[2]}"
                    raise DataError(f"{path}: must be {size} as {paths[0]} is, not {image.width} x {image.height}")
                pixels = _pixels(path, image)
        except (DataError, MemoryError):
            raise
        except FileNotFoundError:
            raise
        except Exception as error:  # whatever the library makes of a damaged file
            told = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise DataError(f"{path}: must be a whole image, but cannot be read: {told.replace(str(path), 'it')}") from None
        if found is None:
            found = np.empty((len(paths), *pixels.shape), pixels.dtype)
        if pixels.shape != found.shape[1:] or pixels.dtype != found.dtype:
            kinds = {1: "grey", 3: "coloured"}
            raise DataError(
                f"{path}: must be {kinds[found.shape[1]]} {found.dtype} as {paths[0]} is, not {kinds[len(pixels)]} {pixels.dtype}"
            )
        found[k] = pixels
    assert found is not None
    return found


def _pixels(path: Path, image: Any) -> np.ndarray:
    if getattr(image, "n_frames", 1) > 1:
        raise DataError(f"{path}: must be one image, not {image.n_frames}")
    if image.mode.startswith("I;16") or image.mode == "I":
        return np.asarray(image.convert("I"), np.int32)[None]
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[None]
    if "A" in image.getbands() or "transparency" in image.info:
        if image.convert("RGBA").getchannel("A").getextrema()[0] < 255:
            raise DataError(f"{path}: must not be transparent; put it on a background first")
        grey = image.mode == "LA"
        return np.asarray(image.convert("L"))[None] if grey else np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
    if image.mode in ("RGB", "P"):
        return np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
    raise DataError(f"{path}: must be grey or RGB, not {image.mode}; convert it first")
