"""Read-only memories as boards have them: what is deep lies in block RAM, as in an export."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module

from polyrhythm.hw.lib.ram import memory_of, read_port
from polyrhythm.hw.lib.rom import LOGIC_ROWS, SWAPPABLE, Rom, padded


class BoardRom(Rom):
    """The same memory as `Rom`, its place in the FPGA said to synthesis. Latency is 1 cycle."""

    @property
    def words(self) -> Sequence[int]:
        """What the memory holds; zeros behind."""
        return self._table.rows

    def elaborate(self, platform: object) -> Module:
        m = Module()
        table = self._table
        depth = padded(table)
        style: dict[str, Any] = {"rom_style": "block" if depth > LOGIC_ROWS else "logic"}
        if table.swappable:
            style[SWAPPABLE] = 1
        m.submodules.memory = memory = memory_of(table.width, depth, self.words, style)
        read = read_port(memory)
        m.d.comb += [read.addr.eq(self.address), self.data.eq(read.data)]
        return m
