"""Read-only memories: rows of integers, packed into words.

A word has lane k in bits [k * bits, (k + 1) * bits), two's complement.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Table:
    """One memory of a layer.

    name       of its file and its module, unique in the accelerator
    values     (rows, lanes) integers, read-only
    bits       of one lane's field
    layout     in words: what row and lane stand for
    copies     how often a row holds the same lanes, one behind the other
    swappable  other contents may come into the finished circuit, so that it may hang on none of
               them: always a memory, a block RAM
    """

    name: str
    values: Array
    bits: int
    layout: str
    copies: int = 1
    swappable: bool = False

    def __post_init__(self) -> None:
        values = np.array(self.values, np.int64)
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """The words of the memory."""
        return pack(self.values, self.bits)

    @property
    def width(self) -> int:
        """Bits of a word."""
        return self.values.shape[1] * self.bits

    @property
    def is_constant(self) -> bool:
        """Whether all rows are equal, so that no memory is needed."""
        return not self.swappable and bool((self.values == self.values[:1]).all())

    @property
    def is_loaded(self) -> bool:
        """Whether its only row, swappable, is loaded into registers behind a reset: as a memory it
        would be as wide as many block RAMs, and one word deep."""
        return self.swappable and len(self.values) == 1

    @property
    def memory(self) -> "Table":
        """The table as its memory holds it: swappable ones hold no lane twice, and a row that is
        loaded stands lane after lane."""
        if not self.swappable:
            return self
        once = self.values[:, : self.values.shape[1] // self.copies]
        if not self.is_loaded:
            return replace(self, values=once, copies=1)
        told = f"row = lane of the one row of: {self.layout}"
        return replace(self, values=once.T, copies=1, layout=told)


def pack(values: Array, bits: int) -> tuple[int, ...]:
    """(rows, lanes) integers -> one word a row, lane 0 lowest, two's complement fields of
    `bits`."""
    mask = (1 << bits) - 1
    words = []
    for row in values.tolist():
        word = 0
        for value in reversed(row):
            word = word << bits | (value & mask)
        words.append(word)
    return tuple(words)


def grouped(values: Array, lanes: int, rows: int, idle: int, copies: int = 1) -> Array:
    """(..., channels) -> (... * rows, copies * lanes), lanes behind the last channel hold
    `idle`."""
    spare = rows * lanes - values.shape[-1]
    width = [(0, 0)] * (values.ndim - 1) + [(0, spare)]
    return np.tile(np.pad(values, width, constant_values=idle).reshape(-1, lanes), copies)


def hex_lines(rows: Sequence[int], bits: int) -> str:
    """The text of a `$readmemh` file: one word a line, all of the same length."""
    digits = -(-bits // 4)
    return "".join(f"{row:0{digits}x}\n" for row in rows)
