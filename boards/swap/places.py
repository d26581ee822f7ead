"""The position map: which bit of which memory each bit of each block RAM holds.

It is found from contents that serve: the template fills every memory with random words, so that no
two columns of bits are the same and synthesis can make nothing of them. Each column of a block RAM
is looked up among all columns of all memories. The map is exact and complete, or it is refused:
every bit of every memory has one place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from polyrhythm.boards.swap.blocks import Bits, Blocks, Port
from polyrhythm.boards.swap.contents import Contents

Column = tuple[str, int, int]  # memory, first row, bit


class MapError(RuntimeError):
    """The block RAMs of a design do not hold the memories as the template has them."""


@dataclass(frozen=True)
class Place:
    """What one block RAM holds: rows first..first + rows - 1 of a memory, from its address 0 on.

    cell  its name in the netlist
    key   its name in the placed design, "" before that is known
    bits  of each data bit of the port, which bit of the memory's words; None: of none
    """

    cell: str
    key: str
    port: Port
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
        """As a build keeps it."""
        cells = [
            {
                "cell": place.cell,
                "key": place.key,
                "width": place.port.width,
                "ninths": place.port.ninths,
                "memory": place.memory,
                "first_row": place.first,
                "rows": place.rows,
                "bits": list(place.bits),
            }
            for place in self.places
        ]
        sizes = {name: list(size) for name, size in self.memories.items()}
        return {"memories": sizes, "blocks": cells}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Places":
        """What `to_json` has written."""
        places = tuple(
            Place(
                at["cell"],
                at["key"],
                Port(at["width"], at["ninths"]),
                at["memory"],
                at["first_row"],
                at["rows"],
                tuple(at["bits"]),
            )
            for at in told["blocks"]
        )
        memories = {name: (rows, bits) for name, (rows, bits) in told["memories"].items()}
        return cls(memories, places)

    def keyed(self, blocks: Blocks, module: dict[str, Any], placed: Mapping[str, Bits]) -> "Places":
        """The same places with their names in the placed design, `placed`: whatever block there
        holds what the cell holds in the netlist; both are of the template."""
        cells, found = blocks.of(module), []
        for place in self.places:
            want = blocks.read(cells[place.cell])
            want = np.where(want == 1, 1, 0)
            keys = [key for key, bits in placed.items() if np.array_equal(bits, want)]
            if len(keys) != 1:
                raise MapError(
                    f"{place.cell} must be one block RAM of the placed design, not {len(keys)}"
                )
            found.append(replace(place, key=keys[0]))
        return Places(self.memories, tuple(found))

    def filled(self, blocks: Blocks, contents: Contents) -> dict[str, Bits]:
        """What each block RAM, by its key, must hold: its part of `contents`, else 0.

        Raises ValueError for contents of other memories.
        """
        sizes = {name: bits.shape for name, bits in contents.items()}
        if sizes != dict(self.memories):
            raise ValueError(
                f"the design has the memories {dict(self.memories)} (rows, bits), but the network "
                f"makes {sizes}"
            )
        return {place.key: _filled(blocks, place, contents) for place in self.places}

    def held(self, blocks: Blocks, placed: Mapping[str, Bits]) -> Contents:
        """What the memories hold in a placed design."""
        found = {name: np.full(size, 2, np.uint8) for name, size in self.memories.items()}
        for place in self.places:
            if place.key not in placed:
                raise MapError(f"the design must have block RAM {place.key} of the position map")
            values = placed[place.key][blocks.index(place.port)]
            for at, bit in enumerate(place.bits):
                if bit is not None:
                    rows = slice(place.first, place.first + place.rows)
                    found[place.memory][rows, bit] = values[: place.rows, at]
        return found


def _filled(blocks: Blocks, place: Place, contents: Contents) -> Bits:
    index = blocks.index(place.port)
    # As many as there are: gaps between words belong to no address.
    values = np.zeros(blocks.size(place.port), np.uint8)
    wanted = contents[place.memory][place.first : place.first + place.rows]
    for at, bit in enumerate(place.bits):
        if bit is not None:
            values[index[: place.rows, at]] = wanted[:, bit]
    return values


def find(module: dict[str, Any], blocks: Blocks, template: Contents) -> Places:
    """The places in a netlist that was synthesized with the contents `template`.

    Raises MapError where two columns of the template are the same, a block RAM holds bits of
    several memories, or not every bit has exactly one place.
    """
    known: dict[int, dict[bytes, Column]] = {}
    found: list[Place] = []
    for name, cell in blocks.of(module).items():
        port = blocks.port(cell)
        held = blocks.read(cell)[blocks.index(port)]  # (depth, width)
        depth = len(held)
        if depth not in known:
            known[depth] = columns_of(template, depth)
        depths = {min(depth, len(bits)) for bits in template.values()}
        hits = [_hit(column, known[depth], depths) for column in held.T]
        there = {(hit[0], hit[1]) for hit in hits if hit is not None}
        if len(there) > 1:
            raise MapError(f"{name} must hold rows of one memory, but holds {sorted(there)}")
        for memory, first in there:
            rows = min(depth, len(template[memory]) - first)
            bits = tuple(hit and hit[2] for hit in hits)
            found.append(Place(name, "", port, memory, first, rows, bits))
    sizes = {name: (bits.shape[0], bits.shape[1]) for name, bits in template.items()}
    check_whole(places := Places(sizes, tuple(found)))
    return places


def columns_of(template: Contents, depth: int) -> dict[bytes, Column]:
    """Where every column belongs that a block RAM of this depth may hold."""
    known: dict[bytes, Column] = {}
    for memory, bits in template.items():
        for first in range(0, len(bits), depth):
            for bit, column in enumerate(bits[first : first + depth].T):
                other = known.setdefault(column.tobytes(), (memory, first, bit))
                if other != (memory, first, bit):
                    raise MapError(
                        f"every column of the template must be unique, but bit {bit} of {memory} "
                        f"from row {first} on is that of {other}"
                    )
    return known


def _hit(column: Bits, known: dict[bytes, Column], depths: set[int]) -> Column | None:
    hits = (known.get(column[:depth].tobytes()) for depth in depths)
    return next((hit for hit in hits if hit is not None), None)


def check_whole(places: Places) -> None:
    """Raise MapError unless every bit of every memory has exactly one place."""
    counts = {name: np.zeros(size, np.int64) for name, size in places.memories.items()}
    for place in places.places:
        for bit in place.bits:
            if bit is not None:
                counts[place.memory][place.first : place.first + place.rows, bit] += 1
    for name, count in counts.items():
        if len(wrong := np.argwhere(count != 1)):
            row, bit = (int(k) for k in wrong[0])
            raise MapError(
                f"every bit of {name} must have one place, but bit {bit} of row {row} has "
                f"{count[row, bit]}; {len(wrong)} of {count.size} bits are wrong"
            )


def put(module: dict[str, Any], blocks: Blocks, places: Places, contents: Contents) -> None:
    """Put `contents` into the block RAMs of a netlist, before it is placed."""
    cells = blocks.of(module)
    by_cell = tuple(replace(place, key=place.cell) for place in places.places)
    for name, bits in Places(places.memories, by_cell).filled(blocks, contents).items():
        blocks.write(cells[name], bits)
