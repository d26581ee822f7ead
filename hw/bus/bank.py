"""The register bank: one small port, whatever bus stands before it."""

from collections.abc import Iterable, Sequence

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.bus.registers import Register, checked

LATENCY = 2  # cycles from a request to its answer


class Port(wiring.Signature):
    """How registers are reached, seen from the bus.

    ask      for one cycle: a request; the next one at the earliest with `done`
    address  in bytes; held until `done`, as are write and data
    write    write `data`; else read
    done     for one cycle, LATENCY cycles after `ask`: the answer is here, and stays
    value    what was read, 0 where there is no register
    refused  there is no register, or it was to be written and is none that can be
    """

    def __init__(self) -> None:
        asked = {"ask": Out(1), "address": Out(16), "write": Out(1), "data": Out(32)}
        super().__init__(asked | {"done": In(1), "value": In(32), "refused": In(1)})


class Bank(wiring.Component):
    """The registers of a map behind a port.

    Members
    -------
    port        In(Port)
    s_<name>    what the status register shows
    c_<name>    what the control register holds; w_<name>: for one cycle, it was written
    """

    def __init__(self, registers: Iterable[Register]):
        self.rows = checked(registers)
        members: dict[str, Out] = {"port": In(Port())}
        for row in self.rows:
            if row.access == "status":
                members[f"s_{row.name}"] = In(row.bits)
            if row.access == "control":
                members[f"c_{row.name}"] = Out(row.bits, init=row.value)
                members[f"w_{row.name}"] = Out(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port, asked = self.port, Signal(name="asked")
        bits = max(1, (self.rows[-1].address >> 2).bit_length())
        index = port.address[2 : 2 + bits]
        # Where the address is no register's, and where that cannot be written
        none, fixed = Signal(name="none"), Signal(name="fixed")
        shown: dict[int, Value] = {}
        m.d.sync += [asked.eq(port.ask), none.eq(1), fixed.eq(1), port.done.eq(asked)]
        with m.Switch(index):
            for row in self.rows:
                shown[row.address >> 2] = self._shown(row)
                with m.Case(row.address >> 2):
                    m.d.sync += none.eq(port.address[:2].any() | port.address[2 + bits :].any())
                    if row.access == "control":
                        m.d.sync += fixed.eq(0)
                        self._write(m, row, asked & port.write & ~none)
        with m.If(asked):
            m.d.sync += [
                port.refused.eq(none | (port.write & fixed)),
                port.value.eq(select(index, shown)),
            ]
            with m.If(none):
                m.d.sync += port.value.eq(0)
        return m

    def _write(self, m: Module, row: Register, now: Value) -> None:
        """Write a control register `now`, while its address is at the port."""
        m.d.sync += getattr(self, f"w_{row.name}").eq(now)
        with m.If(now):
            m.d.sync += getattr(self, f"c_{row.name}").eq(self.port.data)

    def _shown(self, row: Register) -> Value:
        if row.access == "constant":
            return Const(row.value, 32)
        return getattr(self, f"{row.access[0]}_{row.name}")  # type: ignore[no-any-return]


def select(index: Value, shown: dict[int, Value]) -> Value:
    """The value of the register of that number; anything where there is none."""
    if len(shown) == 1:
        (only,) = shown.values()
        return only
    half = 1 << (len(index) - 1)
    low = {number: value for number, value in shown.items() if number < half}
    high = {number - half: value for number, value in shown.items() if number >= half}
    sides: Sequence[Value] = [select(index[:-1], side) for side in (high, low) if side]
    return Mux(index[-1], *sides) if len(sides) == 2 else sides[0]
