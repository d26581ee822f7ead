"""The input counts of `run`: a .npy file that is believed only as far as it is there, and read a
slice at a time."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from polyrhythm.sw.data.arrayfile import check_regular
from polyrhythm.sw.trace.frames import check_shape, frames

if TYPE_CHECKING:
    from polyrhythm.sw.network import Network

CHECKED = 1 << 22  # values that are looked at, at a time
FORMATS = ((1, 0), (2, 0), (3, 0))  # of .npy files
# Of a header that may be anything
HEADER_ERRORS = (ValueError, TypeError, EOFError, SyntaxError, RecursionError, MemoryError)


@dataclass(frozen=True)
class Counts:
    """Integers in a file: (B, *shape) or (B, T_in, *shape). Any width and byte order, C or Fortran
    order; bool is 0 and 1."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool  # the frames' axis is the one that runs fastest
    start: int  # of the array, bytes into the file

    @classmethod
    def open(cls, path: str) -> "Counts":
        """Read the header alone and hold it against the file; ValueError names what is wrong."""
        check_regular(path)
        with open(path, "rb") as file:
            try:
                version = np.lib.format.read_magic(file)
                if version not in FORMATS:
                    raise ValueError(
                        f"its format must be 1.0, 2.0 or 3.0, not {version[0]}.{version[1]}"
                    )
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, fortran, dtype = read(file)
            except HEADER_ERRORS as error:
                told = (str(error) or type(error).__name__).splitlines()[0]
                raise ValueError(
                    f"{path}: must be a .npy array of integer counts, but cannot be read: {told}"
                ) from None
            start = file.tell()
        if dtype.kind not in "iub":
            fix = "; round and cast them first" if dtype.kind == "f" else ""
            raise ValueError(f"{path}: must hold integer counts, not {dtype}{fix}")
        counts = cls(path, shape, dtype, bool(fortran and len(shape) > 1), start)
        wanted, there = dtype.itemsize * math.prod(shape), os.path.getsize(path) - start
        if wanted != there:
            raise ValueError(
                f"{path}: its header tells of {shape} {dtype}, {wanted:,} bytes, but {there:,} "
                "follow"
            )
        return counts

    def __len__(self) -> int:
        return self.shape[0]

    def slice(self, first: int, end: int) -> "np.ndarray":
        """The frames first..end-1, as native integers."""
        rest, n = self.shape[1:], end - first
        with open(self.path, "rb") as file:
            if self.fortran:  # every place of a frame has its own run of frames in the file
                runs = [self._read(file, k * len(self) + first, n) for k in range(math.prod(rest))]
                flat = np.concatenate(runs) if runs else np.zeros(0, self.dtype)
            else:
                flat = self._read(file, first * math.prod(rest), n * math.prod(rest))
        array = flat.reshape((n, *rest), order="F" if self.fortran else "C")
        if self.dtype.kind == "b":
            return array.view(np.uint8) != 0
        return array.astype(self.dtype.newbyteorder("="), copy=False)

    def _read(self, file: Any, first: int, n: int) -> "np.ndarray":
        file.seek(self.start + first * self.dtype.itemsize)
        found = np.fromfile(file, self.dtype, n)
        if len(found) != n:
            raise ValueError(f"{self.path}: became shorter while it was read")
        return found

    def legal(self, network: "Network", first: int, end: int) -> "np.ndarray":
        """The frames first..end-1 as (B, T_in, *shape) int32; ValueError names the first count that
        is out of range."""
        array = self.slice(first, end)
        try:
            return frames(
                network, array.view(np.uint8) if array.dtype.kind == "b" else array, first
            )
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None

    def check(self, network: "Network") -> None:
        """Refuse, before anything runs, a shape that the network does not take, no frame at all,
        and counts out of range."""
        try:
            check_shape(network, self.shape)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        if len(self) == 0:
            raise ValueError(f"{self.path}: must hold at least one frame, not {self.shape}")
        for first, end in self.slices(max(1, CHECKED // max(1, math.prod(self.shape[1:])))):
            self.legal(network, first, end)

    def slices(self, step: int) -> Iterator[tuple[int, int]]:
        """The frames in parts of `step`: first and end of each."""
        for first in range(0, len(self), step):
            yield first, min(first + step, len(self))
