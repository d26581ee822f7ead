"""Read-only memories: weight rows and neuron constants, as Amaranth memories or as Verilog that
reads a hex file."""

from collections.abc import Sequence

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import bits_for
from polyrhythm.hw.lib.ram import memory_of, read_port
from polyrhythm.sw.plan.table import Table

DEEP_ROWS = 256  # memories of more rows are deeper than the widest shape of a block RAM
FNV_START, FNV_PRIME = 0x811C9DC5, 0x01000193  # of the hash FNV-1a in 32 bits
LOGIC_ROWS = 32  # memories of so many rows are cheaper in lookup tables than in a block RAM
SWAPPABLE = "swappable"  # attribute of memories that synthesis must leave what they are
SWAP_ROWS = 256  # the fewest rows of a memory that may be swapped: no block RAM has fewer


class Rom(wiring.Component):
    """A table as a memory: the word at `address`. Latency is 1 cycle; one word per cycle."""

    def __init__(self, table: Table):
        self._table = table
        super().__init__({"address": In(bits_for(len(table.rows) - 1)), "data": Out(table.width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows = self._table.rows
        m.submodules.memory = memory = memory_of(self._table.width, len(rows), rows)
        read = read_port(memory)
        m.d.comb += [read.addr.eq(self.address), self.data.eq(read.data)]
        return m


class HexRom(Rom):
    """The same memory as an instance of a Verilog module, see `rom_verilog`, whose contents stand
    in a hex file of their own."""

    top = ""  # module name of the export

    @classmethod
    def of(cls, top: str) -> type["HexRom"]:
        """The memories of the export whose module is `top`: their names begin with it, so that
        exports can lie side by side."""
        return type("HexRom", (cls,), {"top": top})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = Instance(
            rom_module(self.top, self._table.name),
            ("i", "clk", ClockSignal()),
            ("i", "address", _extended(self.address, self._table)),
            ("o", "data", self.data),
        )
        return m


def look_up(m: Module, rom: type[Rom], table: Table, address: Value) -> Value:
    """The row of `table` at `address`, one cycle later; equal rows are a constant and cost
    nothing."""
    if table.is_constant:
        return Const(table.rows[0], table.width)
    stored = table.memory
    m.submodules[table.name] = memory = rom(stored)
    data = Signal(stored.width, name=f"{table.name}_row")
    m.d.comb += [memory.address.eq(address), data.eq(memory.data)]
    return data if stored.width == table.width else data.replicate(table.copies)


def _extended(address: Value, table: Table) -> Value:
    """As many bits as the exported memory wants; it may be deeper than the table."""
    more = bits_for(padded(table) - 1) - len(address)
    return Cat(address, Const(0, more)) if more else address


def rom_module(top: str, name: str) -> str:
    """Verilog module of the memory `name`. The dot, which no identifier of `top` has, keeps
    a network `a` with a layer `b_c` and a network `a_b` with a layer `c` apart."""
    return f"{top}.{name}_rom"


def hex_file(top: str, name: str) -> str:
    """The name of a memory's file in an export."""
    return f"{top}.{name}.hex"


def padded(table: Table) -> int:
    """Rows that the exported memory has: a power of two where there are many, so that a block RAM's
    own width and depth can be chosen to fit and no multiplexer stands between the memory and its
    first register; where contents may be swapped, whole block RAMs."""
    rows = len(table.rows)
    if table.swappable:
        return max(SWAP_ROWS, 1 << (rows - 1).bit_length())
    return rows if rows <= DEEP_ROWS else 1 << (rows - 1).bit_length()


def stored(table: Table) -> list[int]:
    """The words of the exported memory: zeros behind the table's own."""
    return [*table.rows, *[0] * (padded(table) - len(table.rows))]


def check_sum(rows: Sequence[int], width: int) -> int:
    """What `rom_verilog` makes of the rows: each in words of 32 bits, the lowest first, by
    FNV-1a."""
    total = FNV_START
    for row in rows:
        for low in range(0, width, 32):
            total = (total ^ (row >> low & 0xFFFFFFFF)) * FNV_PRIME & 0xFFFFFFFF
    return total


def rom_verilog(top: str, memory: str, width: int, rows: Sequence[int], block: bool = False) -> str:
    """A read-only memory in Verilog: `rows` of `width` bits, read one clock edge after the address;
    block: in a block RAM, however few they are, since their contents may be swapped.

    A simulator that finds other contents under the file's name, or no such file, stops and says so:
    nothing else would.
    """
    name, words, address = hex_file(top, memory), -(-width // 32), bits_for(len(rows) - 1)
    kept = f", {SWAPPABLE} = 1" if block else ""
    fill = f"{words * 32 - width}'d0, " if width % 32 else ""
    told = "must hold the words that were written with this module, but holds others, or is missing"
    return f"""\
// {name}: {len(rows)} words of {width} bits, one hexadecimal word a line;
// read one clock edge after the address.
module \\{rom_module(top, memory)} (
    input  wire clk,
    input  wire [{address - 1}:0] address,
    output reg  [{width - 1}:0] data
);
    (* rom_style = "{"block" if block or len(rows) > LOGIC_ROWS else "logic"}"{kept} *)
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
            $fatal(1, "{name} {told}");
`endif
    end
endmodule

"""
