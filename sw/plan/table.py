"""Read-only memories: rows of integers, packed into words.

A word has lane k in bits [k * bits, (k + 1) * bits), two's complement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Table:
    """One memory of a layer.

    name    of its file and its module, unique in the accelerator
    values  (rows, lanes) integers, read-only
    bits    of one lane's field
    layout  in words: what row and lane stand for
    """

    name: str
    values: Array
    bits: int
    layout: str

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
        return bool((self.values == self.values[:1]).all())


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
