"""Read-only memories: weight rows and neuron tables, as Amaranth memories or as Verilog that reads a hex file."""

from collections.abc import Sequence

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.events import bits_for
from hw.ram import memory_of, read_port

DEEP_ROWS = 256  # memories of more rows are deeper than the widest shape of a block RAM
LOGIC_ROWS = 32  # memories of up to so many rows are cheaper in lookup tables than in a block RAM of their own


class Rom(wiring.Component):
    """`rows` words of `width` bits, read one cycle after the address; `file` names its contents in an export."""

    def __init__(self, file: str, width: int, rows: Sequence[int]):
        self.file, self.width, self.rows = file, width, tuple(rows)
        super().__init__({"address": In(bits_for(len(rows) - 1)), "data": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = memory_of(self.width, len(self.rows), self.rows)
        read = read_port(memory)
        m.d.comb += [read.addr.eq(self.address), self.data.eq(read.data)]
        return m


class HexRom(Rom):
    """The same memory as an instance of a Verilog module, see `rom_verilog`, whose contents stand in a hex file of their own."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = Instance(
            rom_module(self.file), ("i", "clk", ClockSignal()), ("i", "address", self.address), ("o", "data", self.data)
        )
        return m


def stem_of(file: str) -> str:
    """The name of a memory: its file's without the ending."""
    return file.removesuffix(".hex")


def rom_module(file: str) -> str:
    """Verilog module of the memory whose contents stand in `file`; the export puts the top's name for `polyrhythm`."""
    return f"polyrhythm_{stem_of(file)}_rom"


def padded(rows: int) -> int:
    """Rows that the exported memory has: a power of two where there are many, so that a block RAM's own width and depth can be
    chosen to fit and no multiplexer stands between the memory and its first register."""
    return rows if rows <= DEEP_ROWS else 1 << (rows - 1).bit_length()


def rom_verilog(file: str, width: int, rows: int) -> str:
    """A read-only memory in Verilog: `rows` words of `width` bits, read one clock edge after the address."""
    rows = padded(rows)
    return f"""\
// {file}: {rows} words of {width} bits, one hexadecimal word a line; read one clock edge after the address.
module {rom_module(file)} (
    input  wire clk,
    input  wire [{bits_for(rows - 1) - 1}:0] address,
    output reg  [{width - 1}:0] data
);
    (* rom_style = "{"block" if rows > LOGIC_ROWS else "logic"}" *)
    reg [{width - 1}:0] memory [0:{rows - 1}];
    initial $readmemh("{file}", memory);
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
