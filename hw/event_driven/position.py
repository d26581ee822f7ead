"""Where a word of emissions stands in the map, where words come in no fixed order."""

from typing import Any

from amaranth.hdl import Array, Cat, Const, Value
from amaranth.lib import data

from polyrhythm.hw.lib.bits import bits_for
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.layout import Layout


class Position(data.StructLayout):
    """Rows and columns of the banks' words, and their group of channels.

    rows: for each row of banks; columns: for each column of banks
    """

    def __init__(self, synapses: ConvSynapses, layout: Layout, block: int):
        self._synapses, self._blocks = synapses, layout.blocks(block)
        _, height, width = synapses.target.shape
        super().__init__(
            {
                "rows": data.ArrayLayout(bits_for(height - 1), synapses.rows.banks),
                "columns": data.ArrayLayout(bits_for(width - 1), synapses.columns.banks),
                "channels": bits_for(synapses.channel_groups - 1),
            }
        )

    def fill(self, position: data.View, visit: data.View) -> list[Any]:
        """Take the position of a visit; banks beyond the map's edge, whose position may not fit,
        have nobody to tell of it."""
        rows, columns = self._synapses.rows.banks, self._synapses.columns.banks
        return [
            *(position.rows[k].eq(visit.rows[k]) for k in range(rows)),
            *(position.columns[k].eq(visit.columns[k]) for k in range(columns)),
            position.channels.eq(visit.channels),
        ]

    def addresses(self, position: data.View) -> list[Value]:
        """Address of the first lane of each block of the layout."""
        synapses = self._synapses
        target, lanes = synapses.target, synapses.channel_lanes
        bases = [group * lanes for group in range(synapses.channel_groups)]
        channel = Array(Const(base, bits_for(bases[-1])) for base in bases)[position.channels]
        found = []
        for block in self._blocks:
            bank, first = divmod(block.start, lanes)
            y, x = divmod(bank, synapses.columns.banks)
            row = position.rows[y][: target.row_bits]
            column = position.columns[x][: target.column_bits]
            found.append(Cat(column, row, (channel + first)[: bits_for(target.shape[0] - 1)]))
        return found
