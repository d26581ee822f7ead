"""A trace file that is written as its frames come: what has come lies on disk, not in memory.

The arrays of an .npz stand one behind the other, and every part of the frames brings a piece of
each. So the pieces go into a file without a name, and when all have come they are put in order.
Axis order: B frames first, in every array.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.lib.atomic import whole_file

Ints = npt.NDArray[np.integer]

# The narrowest is taken
PIECES = (np.dtype(np.uint8), np.dtype(np.int16), np.dtype(np.int32), np.dtype(np.int64))
FILED = (np.dtype(np.int32), np.dtype(np.int64))  # in the file: int32 where every value fits


@dataclass(frozen=True)
class Piece:
    """Some frames of one array in the nameless file: where they begin, and as what integers they
    are kept."""

    start: int
    size: int  # bytes
    frames: int
    dtype: np.dtype[Any]
    filed: np.dtype[Any]  # what their values need in the trace file


class TraceFile:
    """`with TraceFile(path) as file: file.add(arrays); ...` writes `path` at the end, or nothing
    where the block fails.

    The bytes hang on the arrays alone, not on the parts in which they came; they are those of
    `numpy.savez_compressed`. Raises OSError at once where `path` cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            raise IsADirectoryError(21, "is a directory", str(path))
        try:
            self.spool: IO[bytes] = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115
        except OSError as error:
            raise type(error)(error.errno, error.strerror, str(path)) from None
        self.shapes: dict[str, tuple[int, ...]] = {}  # of one frame
        self.pieces: dict[str, list[Piece]] = {}

    def add(self, arrays: Mapping[str, Ints]) -> None:
        """Append the next frames: the same names and shapes each time, integers."""
        shapes = {name: array.shape[1:] for name, array in arrays.items()}
        if self.pieces and shapes != self.shapes:
            raise ValueError(
                f"every part of a trace must have the arrays {self.shapes}, not {shapes}"
            )
        self.shapes = shapes
        for name, array in arrays.items():
            dtype, filed = _fitting(array, PIECES), _fitting(array, FILED)
            piece = Piece(self.spool.tell(), array.size * dtype.itemsize, len(array), dtype, filed)
            self.spool.write(
                np.ascontiguousarray(array, dtype).data.cast("B") if array.size else b""
            )
            self.pieces.setdefault(name, []).append(piece)

    def finish(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Put the arrays in order and give the file its name; `progress(done, total)` is told of MB
        as they are packed."""
        self.packed, self.progress = 0, progress
        with (
            whole_file(self.path) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive,
        ):
            for name in self.pieces:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    self._write(member, name)

    def _write(self, member: IO[bytes], name: str) -> None:
        pieces, shape = self.pieces[name], self.shapes[name]
        dtype = max((piece.filed for piece in pieces), key=lambda filed: filed.itemsize)
        whole = (sum(piece.frames for piece in pieces), *shape)
        header = {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": whole,
        }
        np.lib.format.write_array_header_1_0(member, header)
        total = sum(piece.size for pieces in self.pieces.values() for piece in pieces)
        for piece in pieces:
            self.packed += piece.size
            if self.progress is not None:
                self.progress(self.packed >> 20, total >> 20)
            self.spool.seek(piece.start)
            values = np.frombuffer(self.spool.read(piece.size), piece.dtype)
            if values.size:
                member.write(values.astype(dtype).data.cast("B"))

    def close(self) -> None:
        """Let go of what has come."""
        self.spool.close()

    def __enter__(self) -> TraceFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self.close()


def _fitting(array: Ints, dtypes: tuple[np.dtype[Any], ...]) -> np.dtype[Any]:
    """The first of `dtypes` that holds every value."""
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    return next(
        dtype for dtype in dtypes if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max
    )
