"""The register bank: one small port, whatever bus stands before it."""

from collections.abc import Iterable

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.bus.registers import Register, checked

PORT = wiring.Signature(
    {
        "ask": Out(1),
        "address": Out(16),
        "write": Out(1),
        "data": Out(32),
        "done": In(1),
        "value": In(32),
        "refused": In(1),
    }
)
PORT_DOC = """
    ask      for one cycle: a request; the next one after `done` at the earliest
    address  in bytes, held until `done`, as are write and data
    write    write `data`; else read
    done     for one cycle: the answer is here
    value    what was read, 0 where there is no register
    refused  there is no register, or none that can be written
"""


class Bank(wiring.Component):
    """The registers of a map behind a port.

    An answer comes 3 cycles after its request.

    Members
    -------
    port        In(PORT)
    s_<name>    what the status register shows
    c_<name>    what the control register holds
    """

    def __init__(self, registers: Iterable[Register]):
        self.rows = checked(registers)
        self._status = [row for row in self.rows if row.access == "status"]
        self._control = [row for row in self.rows if row.access == "control"]
        super().__init__(
            {
                "port": In(PORT),
                **{f"s_{row.name}": In(row.bits) for row in self._status},
                **{f"c_{row.name}": Out(row.bits, init=row.value) for row in self._control},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port = self.port
        found, asked, looked = (Signal(name=name) for name in ("found", "asked", "looked"))
        writable = Signal(name="writable")
        m.d.sync += [
            asked.eq(port.ask),
            looked.eq(asked),
            port.done.eq(looked),
            port.refused.eq(~found | (port.write & ~writable)),
        ]
        chosen = [Signal(name=f"at_{row.name}") for row in self.rows]
        for hit, row in zip(chosen, self.rows, strict=True):
            m.d.sync += hit.eq(port.address == row.address)
        m.d.comb += found.eq(Cat(chosen).any())
        total: Value = Const(0, 32)
        for hit, row in zip(chosen, self.rows, strict=True):
            total = total | Mux(hit, self._shown(row), 0)
            if row in self._control:
                register = getattr(self, f"c_{row.name}")
                with m.If(hit & looked & port.write):
                    m.d.sync += register.eq(port.data)
        m.d.comb += writable.eq(
            Cat(
                hit for hit, row in zip(chosen, self.rows, strict=True) if row in self._control
            ).any()
        )
        m.d.sync += port.value.eq(total)
        return m

    def _shown(self, row: Register) -> Value:
        if row.access == "constant":
            return Const(row.value, 32)
        return getattr(self, f"{row.access[0]}_{row.name}")  # type: ignore[no-any-return]
