"""What the memories of a circuit hold, and a template that finds them again.

Memories are called by their table's name; their contents are bits, (rows, bits of a word), bit 0
first, with the rows that only the block RAMs have.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from polyrhythm.boards.design.rom import BoardRom
from polyrhythm.hw.export import export
from polyrhythm.hw.lib.rom import hex_file, padded, stored
from polyrhythm.sw.lib.atomic import write_whole
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import Lanes
from polyrhythm.sw.plan.names import top_name
from polyrhythm.sw.plan.network import NetworkPlan, plan
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.plan.shape import Shape
from polyrhythm.sw.plan.table import Table, hex_lines

Contents = Mapping[str, npt.NDArray[np.uint8]]


def tables_of(plan: NetworkPlan) -> list[Table]:
    """The memories of a plan that may be swapped. Raises ValueError where there are none."""
    if plan.swappable is None:
        raise ValueError(f"{plan.name}: only circuits that are planned for a shape can be swapped")
    return [table for layer in plan.layers for table in layer.memories if table.swappable]


def contents_of(tables: Sequence[Table]) -> Contents:
    """What the memories hold."""
    return {table.name: _bits(stored(table), table.width) for table in tables}


def template_of(tables: Sequence[Table]) -> Contents:
    """What the template's memories hold."""
    return {table.name: _bits(scrambled(table), table.width) for table in tables}


def scrambled(table: Table) -> list[int]:
    """Random words for a whole memory: the same ones whatever network it is of, by its name."""
    seed = int.from_bytes(hashlib.sha256(table.name.encode()).digest()[:8], "little")
    rng = np.random.Generator(np.random.PCG64(seed))
    size, mask = -(-table.width // 8), (1 << table.width) - 1
    data = rng.bytes(size * padded(table))
    starts = range(0, len(data), size)
    return [int.from_bytes(data[at : at + size], "little") & mask for at in starts]


class TemplateRom(BoardRom):
    """The memories of the template; those that are never swapped are as they are."""

    @property
    def words(self) -> Sequence[int]:
        """What the memory holds."""
        return scrambled(self._table) if self._table.swappable else super().words


def _bits(words: Sequence[int], width: int) -> npt.NDArray[np.uint8]:
    size = -(-width // 8)
    data = b"".join(word.to_bytes(size, "little") for word in words)
    whole = np.frombuffer(data, np.uint8).reshape(len(words), size)
    return np.unpackbits(whole, axis=1, bitorder="little")[:, :width]


def export_template(
    network: Network, folder: Path, lanes: Sequence[Lanes] | None, coding: Coding
) -> None:
    """The Verilog of the circuit for all networks of `network`'s shape, with the template's
    contents: what synthesis is to see."""
    planned = plan(network, lanes, coding, shape=Shape.of(network))
    export(network, folder, lanes, coding, shape=planned.swappable)
    for table in tables_of(planned):
        text = hex_lines(scrambled(table), table.width)
        write_whole(folder / hex_file(top_name(network.name), table.name), text.encode("ascii"))
