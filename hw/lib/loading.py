"""What a circuit whose contents may be swapped does behind a reset: its registers take their first
values from its memories, since they may have none of their own."""

from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Cat, Module, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from polyrhythm.hw.lib.rom import Rom, look_up
from polyrhythm.sw.plan.table import Table

LATENCY = 3  # cycles from a row's address until a sum or a potential has it


def loading(m: Module, tables: Iterable[Table]) -> Value | None:
    """High in the first cycles behind a reset, until `tables` are loaded and what they begin with
    has been taken; None where nothing may be swapped."""
    swapped = [table for table in tables if table.swappable]
    if not swapped:
        return None
    lanes = max((len(table.memory.values) for table in swapped if table.is_loaded), default=0)
    left = Signal(range(lanes + LATENCY + 1), init=lanes + LATENCY, name="loading")
    busy = Signal(init=1, name="loads")
    with m.If(busy):
        m.d.sync += [left.eq(left - 1), busy.eq(left != 1)]
    return busy


def held_back(sequencer: wiring.Component, loads: Value | None) -> Any:
    """`sequencer`, kept in its reset while it would hand out what is not loaded yet."""
    return sequencer if loads is None else ResetInserter(loads)(sequencer)


def row_of(m: Module, rom: type[Rom], table: Table, address: Value) -> Value:
    """`look_up`, of registers where the only row of `table` is loaded into them."""
    if not table.is_loaded:
        return look_up(m, rom, table, address)
    m.submodules[table.name] = loader = Loader(rom, table)
    return loader.row.replicate(table.copies) if table.copies > 1 else loader.row


class Loader(wiring.Component):
    """The only row of a table, loaded lane after lane behind a reset, a lane each cycle; `row` has
    it from cycle lanes + 1 on."""

    def __init__(self, rom: type[Rom], table: Table):
        self._rom, self._table = rom, table
        stored = table.memory
        super().__init__({"row": Out(len(stored.values) * stored.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stored = self._table.memory
        lanes = len(stored.values)
        m.submodules.memory = memory = self._rom(stored)
        lane = Signal(range(max(lanes, 2)), name="lane")
        asked, comes = Signal(init=1, name="asked"), Signal(name="comes")
        last = lane == lanes - 1
        with m.If(asked & ~last):
            m.d.sync += lane.eq(lane + 1)
        m.d.sync += [asked.eq(asked & ~last), comes.eq(asked)]
        m.d.comb += memory.address.eq(lane)
        # The first lane goes in first, so it ends lowest.
        row = Signal(len(self.row), name="held", reset_less=True)
        with m.If(comes):
            m.d.sync += row.eq(Cat(row[stored.bits :], memory.data))
        m.d.comb += self.row.eq(row)
        return m
