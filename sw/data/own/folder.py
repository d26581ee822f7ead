"""Samples in folders named by their class: DIR/CLASS/FILE, images or event recordings."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events.files import SUFFIXES, Reading, read_events
from polyrhythm.sw.data.events.recording import Events, Recordings
from polyrhythm.sw.data.own.given import Given, title_of

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp")


EITHER = ("RGBA", "P", "PA")  # modes of grey images and of coloured ones
JUNK = ("thumbs.db", "desktop.ini")  # that systems leave in folders, besides what begins with a dot
NO_CLASS = ("__MACOSX",)  # of archives that macOS made


def class_folders(folder: Path) -> list[Path]:
    """The folders in a folder that are classes: not hidden ones, and none that systems leave."""
    return sorted(
        place
        for place in folder.iterdir()
        if place.is_dir() and _counts(place.name) and place.name not in NO_CLASS
    )


def _counts(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in JUNK


def read_folder(folder: Path, split: str, how: Reading | None = None) -> Given:
    """All images, or all recordings, of the classes in a folder; a folder `split` in it, with
    classes, is taken instead."""
    inner = folder / split
    if inner.is_dir() and class_folders(inner):
        folder = inner
    classes = class_folders(folder)
    files = [
        path
        for place in classes
        for path in sorted(place.iterdir())
        if path.is_file() and _counts(path.name)
    ]
    _none_deeper(folder, classes)
    images = [path for path in files if path.suffix.lower() in IMAGES]
    recordings = [path for path in files if path.suffix.lower() in SUFFIXES]
    if bool(images) == bool(recordings):
        known = f"images ({', '.join(IMAGES)}) or recordings ({', '.join(SUFFIXES)})"
        raise DataError(
            f"{folder}: must hold CLASS/FILE, {known}, but has "
            f"{'both' if images else f'none in {len(files)} files'}"
        )
    chosen = images or recordings
    if others := len(files) - len(chosen):
        first = next(path for path in files if path not in set(chosen))
        raise DataError(
            f"{folder}: must hold {'images' if images else 'recordings'} alone, but {others} files "
            f"are others, such as {first}"
        )
    _none_beside(folder, IMAGES if images else SUFFIXES)
    y = np.array([path.parent.name for path in chosen])
    title = title_of(folder)
    if images:
        return Given(str(folder), read_images(chosen), y, str(folder), title)
    how = how or Reading()
    sensor = read_events(chosen[0], how).sensor
    x = Recordings(tuple(map(str, chosen)), tuple(partial(_read, path, how) for path in chosen))
    return Given(str(folder), x, y, str(folder), title, sensor, tuple(chosen))


def _none_beside(folder: Path, suffixes: tuple[str, ...]) -> None:
    """DataError where samples lie beside the classes."""
    loose = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix.lower() in suffixes and _counts(path.name)
    )
    if loose:
        raise DataError(
            f"{folder}: must hold CLASS/FILE, but {len(loose)} files lie in no class, such as "
            f"{loose[0]}; move them into one"
        )


def _none_deeper(folder: Path, classes: list[Path]) -> None:
    """DataError where files lie below the folders of the classes: whether the upper or the lower
    one is their class is unknown."""
    deep = [
        path
        for place in classes
        for path in sorted(place.glob("*/**/*"))
        if path.is_file()
        and all(_counts(part) and part not in NO_CLASS for part in path.relative_to(place).parts)
    ]
    if deep:
        raise DataError(
            f"{folder}: must hold CLASS/FILE, but {len(deep)} files lie deeper, such as {deep[0]}; "
            "move them up into their class, "
            "or name the folder of the classes"
        )


def _read(path: Path, how: Reading) -> Events:
    return read_events(path, how).events


def read_images(paths: list[Path]) -> np.ndarray:
    """(B, 1, H, W) for grey images and (B, 3, H, W) for coloured ones, as they are stored: uint8,
    or int32 for 16 bits of grey.

    An image with a palette or with an opaque alpha channel whose pixels are all grey is grey among
    grey ones, and coloured among coloured ones.
    """
    from PIL import Image

    found: np.ndarray | None = None
    stored_grey = False  # whether one of them is stored as grey, and can be nothing else
    for k, path in enumerate(paths):
        try:
            with Image.open(path) as image:
                if found is not None and (image.height, image.width) != found.shape[2:]:
                    size = f"{found.shape[3]} x {found.shape[2]}"
                    raise DataError(
                        f"{path}: must be {size} as {paths[0]} is, not {image.width} x "
                        f"{image.height}"
                    )
                pixels, mode = _pixels(path, image), image.mode
        except (DataError, MemoryError):
            raise
        except FileNotFoundError:
            raise
        except Exception as error:  # whatever the library makes of a damaged file
            told = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise DataError(
                f"{path}: must be a whole image, but cannot be read: "
                f"{told.replace(str(path), 'it')}"
            ) from None
        open_kind = mode in EITHER and len(pixels) == 1  # may be either
        if found is None:
            found = np.empty((len(paths), *pixels.shape), pixels.dtype)
        elif open_kind and found.shape[1] == 3:
            pixels = np.repeat(pixels, 3, 0)
        elif len(pixels) == 3 and found.shape[1] == 1 and not stored_grey:
            found = np.repeat(found, 3, 1)
        if pixels.shape != found.shape[1:] or pixels.dtype != found.dtype:
            kinds = {1: "grey", 3: "coloured"}
            raise DataError(
                f"{path}: must be {kinds[found.shape[1]]} {found.dtype} as {paths[0]} is, not "
                f"{kinds[len(pixels)]} {pixels.dtype} "
                f"(mode {mode})"
            )
        stored_grey |= len(pixels) == 1 and not open_kind
        found[k] = pixels
    assert found is not None
    return found


def _pixels(path: Path, image: Any) -> np.ndarray:
    """(1, H, W) or (3, H, W)."""
    if getattr(image, "n_frames", 1) > 1:
        raise DataError(f"{path}: must be one image, not {image.n_frames}")
    if image.mode.startswith("I;16") or image.mode == "I":
        return np.asarray(image.convert("I"), np.int32)[None]
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return np.asarray(image.convert("L"))[None]
    alpha = "A" in image.getbands() or "transparency" in image.info
    if alpha and image.convert("RGBA").getchannel("A").getextrema()[0] < 255:
        raise DataError(f"{path}: must not be transparent; put it on a background first")
    if image.mode in ("L", "LA"):
        return np.asarray(image.convert("L"))[None]
    if image.mode not in ("RGB", *EITHER):
        raise DataError(f"{path}: must be grey or RGB, not mode {image.mode}; convert it first")
    colours = np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
    if image.mode != "RGB" and (colours == colours[:1]).all():
        return colours[:1]
    return colours
