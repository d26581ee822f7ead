"""Where a word of emissions stands in the map, where words come in no fixed order."""

from typing import Any

from amaranth.hdl import Array, Cat, Const, Value
from amaranth.lib import data

from polyrhythm.hw.stream.event import bits_for
from polyrhythm.sw.plan.parameters import BLOCK
from polyrhythm.sw.plan.rom_event import EventRom


class Place(data.StructLayout):
    """Position of each bank's word, and its group of channels.

    rows: for each row of banks; columns: for each column of banks
    """

    def __init__(self, contents: EventRom):
        self.contents = contents
        row_bits, column_bits = bits_for(contents.target.shape[1] - 1), bits_for(contents.target.shape[2] - 1)
        super().__init__(
            {
                "rows": data.ArrayLayout(row_bits, contents.rows.banks),
                "columns": data.ArrayLayout(column_bits, contents.columns.banks),
                "channels": bits_for(contents.channel_groups - 1),
            }
        )

    def fill(self, place: data.View, visit: data.View) -> list[Any]:
        """Take the place of a visit; banks beyond the map's edge, whose place may not fit, have nobody to tell of it."""
        return [
            *(place.rows[k].eq(visit.rows[k]) for k in range(self.contents.rows.banks)),
            *(place.columns[k].eq(visit.columns[k]) for k in range(self.contents.columns.banks)),
            place.channels.eq(visit.channels),
        ]

    def addresses(self, place: data.View) -> list[Value]:
        """Address of the first lane of each block of `Layout.blocks`."""
        contents = self.contents
        target, lanes = contents.target, contents.channel_lanes
        bases = [group * lanes for group in range(contents.channel_groups)]
        channel = Array(Const(base, bits_for(bases[-1])) for base in bases)[place.channels]
        found = []
        for block in contents.layout.blocks(BLOCK):
            bank, first = divmod(block.start, lanes)
            y, x = divmod(bank, contents.columns.banks)
            row, column = place.rows[y][: target.row_bits], place.columns[x][: target.column_bits]
            found.append(Cat(column, row, (channel + first)[: bits_for(target.shape[0] - 1)]))
        return found
