"""Read-only memories: weight rows and neuron tables, as Amaranth memories or as Verilog that reads a hex file."""

from collections.abc import Sequence

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.ram import memory_of, read_port
from polyrhythm.hw.stream.event import bits_for

DEEP_ROWS = 256  # memories of more rows are deeper than the widest shape of a block RAM
FNV_START, FNV_PRIME = 0x811C9DC5, 0x01000193  # of the hash FNV-1a in 32 bits
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

    top = ""  # module name of the export

    @classmethod
    def of(cls, top: str) -> type["HexRom"]:
        """The memories of the export whose module is `top`: their names begin with it, so that exports can lie side by side."""
        return type("HexRom", (cls,), {"top": top})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = Instance(
            rom_module(self.top, self.file), ("i", "clk", ClockSignal()), ("i", "address", self.address), ("o", "data", self.data)
        )
        return m


def rom_module(top: str, file: str) -> str:
    """Verilog module of the memory whose contents stand in `file`. The dot, which no identifier of `top` has, keeps
    a network `a` with a layer `b_c` and a network `a_b` with a layer `c` apart."""
    return f"{top}.{file.removesuffix('.hex')}_rom"


def hex_file(top: str, file: str) -> str:
    """The name of a memory's file in an export."""
    return f"{top}.{file}"


def padded(rows: int) -> int:
    """Rows that the exported memory has: a power of two where there are many, so that a block RAM's own width and depth can be
    chosen to fit and no multiplexer stands between the memory and its first register."""
    return rows if rows <= DEEP_ROWS else 1 << (rows - 1).bit_length()


def check_sum(rows: Sequence[int], width: int) -> int:
    """What `rom_verilog` makes of the rows: each in words of 32 bits, the lowest first, by FNV-1a."""
    total = FNV_START
    for row in rows:
        for low in range(0, width, 32):
            total = (total ^ (row >> low & 0xFFFFFFFF)) * FNV_PRIME & 0xFFFFFFFF
    return total


def rom_verilog(top: str, file: str, width: int, rows: Sequence[int]) -> str:
    """A read-only memory in Verilog: `rows` of `width` bits, read one clock edge after the address.

    A simulator that finds other contents under the file's name, or no such file, stops and says so: nothing else would.
    """
    name, words, address = hex_file(top, file), -(-width // 32), bits_for(len(rows) - 1)
    fill = f"{words * 32 - width}'d0, " if width % 32 else ""
    return f"""\
// {name}: {len(rows)} words of {width} bits, one hexadecimal word a line; read one clock edge after the address.
module \\{rom_module(top, file)} (
    input  wire clk,
    input  wire [{address - 1}:0] address,
    output reg  [{width - 1}:0] data
);
    (* rom_style = "{"block" if len(rows) > LOGIC_ROWS else "logic"}" *)
    reg [{width - 1}:0] rows [0:{len(rows) - 1}];
    always @(posedge clk) data <= rows[address];
`ifndef SYNTHESIS
    integer row, word;
    reg [{words * 32 - 1}:0] left;
    reg [31:0] found;
`endif
    initial begin
        $readmemh("{name}", rows);
`ifndef SYNTHESIS
        // Nothing else would say that the file is another network's, or missing.
        found = 32'h{FNV_START:08x};
        for (row = 0; row < {len(rows)}; row = row + 1) begin
            left = {{{fill}rows[row]}};
            for (word = 0; word < {words}; word = word + 1) begin
                found = (found ^ left[31:0]) * 32'h{FNV_PRIME:08x};
                left = left >> 32;
            end
        end
        if (found !== 32'h{check_sum(rows, width):08x})
            $fatal(1, "{name} must hold the words that were written with this module, but holds others, or is missing");
`endif
    end
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
