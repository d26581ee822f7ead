"""The position map: which bit of which memory each bit of each block RAM holds.

It is found from contents that serve: the template fills every memory with random words, so that no
two columns of bits are the same and no synthesis can make anything of them. Each column of a block
RAM is then looked up among all columns of all memories. The map is exact and complete, or it is
refused: every bit of every memory has exactly one place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.boards.swap.blocks import Bits, Blocks
from polyrhythm.boards.swap.contents import Contents

FORMAT = 1  # of the map's file


class MapError(RuntimeError):
    """The block RAMs of a netlist do not hold the memories as the template has them."""


@dataclass(frozen=True)
class Place:
    """What one block RAM holds: rows first..first + rows - 1 of a memory, from its own address 0
    on.

    bits  of each data bit of the block RAM, which bit of the memory's words; None: of none
    """

    cell: str
    memory: str
    first: int
    rows: int
    bits: tuple[int | None, ...]


@dataclass(frozen=True)
class Places:
    """The places of all memories of a design; memories: (rows, bits of a word) of each."""

    memories: Mapping[str, tuple[int, int]]
    places: tuple[Place, ...]

    def to_json(self) -> dict[str, Any]:
        """As the build keeps it."""
        cells = {
            place.cell: {
                "memory": place.memory,
                "first_row": place.first,
                "rows": place.rows,
                "bits": list(place.bits),
            }
            for place in self.places
        }
        sizes = {name: list(size) for name, size in self.memories.items()}
        return {"format": FORMAT, "memories": sizes, "cells": cells}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Places":
        """What `to_json` has written. Raises ValueError for anything else."""
        if told.get("format") != FORMAT:
            raise ValueError(f"a position map must have format {FORMAT}, not {told.get('format')}")
        memories = {name: (rows, bits) for name, (rows, bits) in told["memories"].items()}
        places = tuple(
            Place(cell, at["memory"], at["first_row"], at["rows"], tuple(at["bits"]))
            for cell, at in told["cells"].items()
        )
        return cls(memories, places)

    def check_sizes(self, contents: Contents) -> None:
        """Raise ValueError unless `contents` are of these memories."""
        sizes = {name: bits.shape for name, bits in contents.items()}
        if sizes != dict(self.memories):
            raise ValueError(
                f"the design has the memories {dict(self.memories)} (rows, bits), but the network "
                f"makes {sizes}"
            )


def find(module: dict[str, Any], blocks: Blocks, template: Contents) -> Places:
    """The map of a netlist that was synthesized with the contents `template`.

    Raises MapError where two columns of the template are the same, a block RAM holds bits of
    several memories, or not every bit has exactly one place.
    """
    columns: dict[int, dict[bytes, tuple[str, int, int]]] = {}
    found: list[Place] = []
    for name, cell in blocks.of(module).items():
        index = blocks.index(cell)
        held = blocks.read(cell)[index]  # (depth, width)
        depth = len(held)
        if depth not in columns:
            columns[depth] = _columns(template, depth)
        seen = list(_matches(held, columns[depth], {len(bits) for bits in template.values()}))
        there = {(memory, first) for _, memory, first, _ in seen}
        if not there:
            continue
        if len(there) > 1:
            raise MapError(f"{name} must hold rows of one memory, but holds {sorted(there)}")
        ((memory, first),) = there
        bits: list[int | None] = [None] * held.shape[1]
        for at, _, _, bit in seen:
            bits[at] = bit
        rows = min(depth, len(template[memory]) - first)
        found.append(Place(name, memory, first, rows, tuple(bits)))
    sizes = {name: (bits.shape[0], bits.shape[1]) for name, bits in template.items()}
    places = Places(sizes, tuple(found))
    _check_whole(places)
    return places


def _columns(template: Contents, depth: int) -> dict[bytes, tuple[str, int, int]]:
    """Memory, first row and bit of every column that a block RAM of this depth may hold."""
    known: dict[bytes, tuple[str, int, int]] = {}
    for memory, bits in template.items():
        for first in range(0, len(bits), depth):
            for bit, column in enumerate(bits[first : first + depth].T):
                key = column.tobytes()
                if key in known:
                    raise MapError(
                        f"every column of the template must be unique, but bit {bit} of {memory} "
                        f"from row {first} on is that of {known[key]}"
                    )
                known[key] = memory, first, bit
    return known


def _matches(
    held: Bits, known: dict[bytes, tuple[str, int, int]], rows: set[int]
) -> Iterator[tuple[int, str, int, int]]:
    """Data bit, memory, first row and bit of every column that is one of the template's."""
    depths = {min(len(held), each) for each in rows}
    for at, column in enumerate(held.T):
        for depth in depths:
            if (hit := known.get(column[:depth].tobytes())) is not None:
                yield (at, *hit)


def _check_whole(places: Places) -> None:
    """Every bit of every memory must have exactly one place."""
    counts = {name: np.zeros(size, np.int64) for name, size in places.memories.items()}
    for place in places.places:
        bits = [bit for bit in place.bits if bit is not None]
        if len(set(bits)) < len(bits):
            raise MapError(f"{place.cell} must hold each bit of {place.memory} once: {bits}")
        counts[place.memory][place.first : place.first + place.rows, bits] += 1
    for name, count in counts.items():
        if len(wrong := np.argwhere(count != 1)):
            row, bit = (int(k) for k in wrong[0])
            raise MapError(
                f"every bit of {name} must have one place, but bit {bit} of row {row} has "
                f"{count[row, bit]}; {len(wrong)} of {count.size} bits are wrong"
            )


def put(module: dict[str, Any], blocks: Blocks, places: Places, contents: Contents) -> None:
    """Put `contents` into the block RAMs of a netlist, and nothing else into these: what no memory
    has is 0."""
    places.check_sizes(contents)
    cells = blocks.of(module)
    for place in places.places:
        if place.cell not in cells:
            raise MapError(f"the netlist must have the block RAM {place.cell} of the position map")
        blocks.write(cells[place.cell], filled(blocks, cells[place.cell], place, contents))


def filled(blocks: Blocks, cell: dict[str, Any], place: Place, contents: Contents) -> Bits:
    """All initial values of a block RAM with its part of `contents`."""
    index = blocks.index(cell)
    values: npt.NDArray[np.uint8] = np.zeros(len(blocks.read(cell)), np.uint8)
    wanted = contents[place.memory][place.first : place.first + place.rows]
    for at, bit in enumerate(place.bits):
        if bit is not None:
            values[index[: place.rows, at]] = wanted[:, bit]
    return values


def get(module: dict[str, Any], blocks: Blocks, places: Places) -> Contents:
    """What the block RAMs of a netlist hold of each memory."""
    cells = blocks.of(module)
    found = {name: np.full(size, 2, np.uint8) for name, size in places.memories.items()}
    for place in places.places:
        cell = cells[place.cell]
        held = blocks.read(cell)[blocks.index(cell)]
        for at, bit in enumerate(place.bits):
            if bit is not None:
                rows = slice(place.first, place.first + place.rows)
                found[place.memory][rows, bit] = held[: place.rows, at]
    return found
