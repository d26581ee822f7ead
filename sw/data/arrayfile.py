"""Arrays from .npy and .npz files of others: nothing is unpickled, and a header is believed only as
far as the file goes."""

import math
import os
import stat
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.data.download import DataError

Array = npt.NDArray[Any]


def read_npy(path: str | Path) -> Array:
    """The array in a .npy file, mapped into memory where that is possible; read-only. DataError for
    whatever is none."""
    check_regular(path)
    with open(path, "rb") as file:
        shape, fortran, dtype, size = _header(str(path), file)
        there = os.fstat(file.fileno()).st_size - file.tell()
        if there != size:
            raise DataError(
                f"{path}: its header says {_what(shape, dtype)}, {size} bytes, but {max(0, there)} "
                "follow: the file is damaged"
            )
        if not size:
            return np.zeros(shape, dtype)
        order: Any = "F" if fortran else "C"
        return (
            np.memmap(path, dtype, "r", file.tell(), shape, order)
            if shape
            else np.fromfile(file, dtype, 1).reshape(())
        )


def check_regular(path: str | Path) -> None:
    """Refuse a pipe, a device and their like before they are opened, which could wait for ever.
    Folders are told by opening."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise DataError(
            f"{path}: must be a file that can be read in parts, and is none; write the array to a "
            "file first"
        )


def read_npz(path: str | Path, wanted: tuple[str, ...] | None = None) -> dict[str, Array]:
    """The arrays of a .npz file by name; of all that it holds, or of those that are `wanted` and
    there."""
    check_regular(path)
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                name = entry.filename.removesuffix(".npy")
                if entry.filename.endswith(".npy") and (wanted is None or name in wanted):
                    with archive.open(entry) as member:
                        found[name] = _member(f"{path}: {name}", member, entry.file_size)
    except DataError:
        raise
    except FileNotFoundError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OSError,
    ) as error:
        raise DataError(f"{path}: must be a whole .npz file, but cannot be read: {error}") from None
    return found


def names_of(path: str | Path) -> tuple[str, ...]:
    """The names of the arrays of a .npz file."""
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(
                name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")
            )
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(f"{path}: must be a .npz file, but cannot be read: {error}") from None


def _member(where: str, file: IO[bytes], length: int) -> Array:
    shape, fortran, dtype, size = _header(where, file)
    if file.tell() + size != length:
        raise DataError(
            f"{where}: its header says {_what(shape, dtype)}, {size} bytes, but "
            f"{max(0, length - file.tell())} follow"
        )
    data = bytearray()
    while chunk := file.read(1 << 24):  # what is there, however much the archive promises
        data += chunk
    if len(data) != size:
        raise DataError(
            f"{where}: must have {size} bytes behind its header, but {len(data)} are there"
        )
    flat = np.frombuffer(bytes(data), dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _header(where: str, file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether columns come first, dtype, and the bytes that must follow."""
    try:
        version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files from Python 2
            shape, fortran, dtype = read(file)  # type: ignore[no-untyped-call]
        size = math.prod(shape) * dtype.itemsize
    except Exception as error:  # whatever a parser of literals makes of a damaged header
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{where}: must be a .npy array, but its header cannot be read: {told:.120}"
        ) from None
    if dtype.hasobject:
        raise DataError(
            f"{where}: holds Python objects, which are never unpickled; save it as numbers, or as "
            "strings of one length"
        )
    if dtype.itemsize == 0 or len(shape) > 32 or any(not 0 <= extent < 1 << 62 for extent in shape):
        raise DataError(
            f"{where}: must be an array of numbers or strings, not {_what(shape, dtype):.120}"
        )
    return shape, bool(fortran), dtype, size


def _what(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    return f"{shape} {dtype}"
