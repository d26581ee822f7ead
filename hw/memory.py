"""Read-only memories: weight rows and neuron tables, as Amaranth memories or as Verilog that reads a hex file."""

from collections.abc import Sequence

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.events import bits_for


class Rom(wiring.Component):
    """`rows` words of `width` bits, read one cycle after the address; `file` names its contents in an export."""

    def __init__(self, file: str, width: int, rows: Sequence[int]):
        self.file, self.width, self.rows = file, width, tuple(rows)
        super().__init__({"address": In(bits_for(len(rows) - 1)), "data": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.width, depth=len(self.rows), init=self.rows)
        port = memory.read_port()
        m.d.comb += [port.addr.eq(self.address), self.data.eq(port.data)]
        return m


class HexRom(Rom):
    """The same memory as an instance of the Verilog module `ROM_VERILOG`, whose contents stand in a hex file of their own."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = Instance(
            "polyrhythm_rom", ("p", "FILE", self.file), ("p", "ROWS", len(self.rows)), ("p", "WIDTH", self.width),
            ("p", "ADDRESS", len(self.address)), ("i", "clk", ClockSignal()), ("i", "address", self.address), ("o", "data", self.data))
        return m


ROM_VERILOG = """\
// Read-only memory: ROWS words of WIDTH bits, read one clock edge after the address. FILE: one hexadecimal word a line.
module polyrhythm_rom #(
    parameter FILE = "",
    parameter ROWS = 1,
    parameter WIDTH = 1,
    parameter ADDRESS = 1
) (
    input  wire               clk,
    input  wire [ADDRESS-1:0] address,
    output reg  [WIDTH-1:0]   data
);
    reg [WIDTH-1:0] memory [0:ROWS-1];
    initial $readmemh(FILE, memory);
    always @(posedge clk) data <= memory[address];
endmodule
"""


def table(m: Module, rom: type[Rom], file: str, width: int, rows: Sequence[int], address: Value) -> Value:
    """The row at `address`, one cycle later; a table of equal rows is a constant and costs nothing."""
    if len(set(rows)) == 1:
        return Const(rows[0], width)
    m.submodules[file.removesuffix(".hex")] = memory = rom(file, width, rows)
    data = Signal(width, name=f"{file.removesuffix('.hex')}_row")
    m.d.comb += [memory.address.eq(address), data.eq(memory.data)]
    return data
