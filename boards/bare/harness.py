"""A ring of flip-flops around a design, so that it can be placed on a part with fewer pins than it
has ports.

Every input of the design comes from one flip-flop of a shift register, every output goes straight
into one, and the captured outputs are folded into a single pin. So each path of the design, also
those that begin or end at a port, is timed between two flip-flops, nothing is optimised away, and
the part's clock and reset nets are used. The flip-flops are the part's own cells and not inferred:
synthesis must not pull them into the design's memories.
docs/decisions/0005-ring-instead-of-out-of-context.md compares this with placing out of context.
"""

from dataclasses import dataclass
from typing import Any

TOP = "ring"


@dataclass(frozen=True)
class Port:
    """One port of the design: direction as seen from the design, width in bits."""

    name: str
    direction: str
    bits: int


def ports_of(ports: dict[str, Any]) -> list[Port]:
    """The ports of a module as `write_json` of Yosys describes it."""
    return [Port(name, port["direction"], len(port["bits"])) for name, port in ports.items()]


def ring(design: str, ports: list[Port], clock: str, reset: str, flip_flop: str) -> str:
    """Verilog of module `ring` around one instance of `design`: pins clk, rst, serial in, serial
    out.

    `flip_flop` instantiates the part's flip-flop between `d` and `q`, clocked by `c`.
    """
    inputs, outputs = sides(ports, clock, reset)
    n_in, n_out = (max(1, sum(port.bits for port in side)) for side in (inputs, outputs))
    shifted = "si" if n_in == 1 else f"{{shift[{n_in - 2}:0], si}}"
    folded = "seen" if n_out == 1 else f"{{fold[{n_out - 2}:0], 1'b0}} ^ seen"
    links = [
        f".{clock}(clk)",
        f".{reset}(rst_q)",
        *slices("shift", inputs),
        *slices("out", outputs),
    ]
    return f"""module {TOP}_ff (input c, input d, output q);
  {flip_flop}
endmodule

module {TOP} (input clk, input rst, input si, output so);
  wire rst_q;
  wire [{n_in - 1}:0] shift;
  wire [{n_out - 1}:0] out, seen, fold;
  assign so = fold[{n_out - 1}];
  {design} dut ({", ".join(links)});
  {TOP}_ff reset_ff (.c(clk), .d(rst), .q(rst_q));
  {TOP}_ff shift_ff [{n_in - 1}:0] (.c(clk), .d({shifted}), .q(shift));
  {TOP}_ff seen_ff [{n_out - 1}:0] (.c(clk), .d(out), .q(seen));
  {TOP}_ff fold_ff [{n_out - 1}:0] (.c(clk), .d({folded}), .q(fold));
endmodule
"""


def cost(ports: list[Port], clock: str, reset: str) -> dict[str, int]:
    """What the ring itself takes: a flip-flop an input and the reset, two flip-flops and a LUT4 an
    output."""
    n_in, n_out = (sum(port.bits for port in side) for side in sides(ports, clock, reset))
    return {"lut4": max(0, n_out - 1), "ff": n_in + 1 + 2 * n_out}


def sides(ports: list[Port], clock: str, reset: str) -> tuple[list[Port], list[Port]]:
    """The inputs without clock and reset, and the outputs."""
    inputs = [
        port for port in ports if port.direction == "input" and port.name not in (clock, reset)
    ]
    return inputs, [port for port in ports if port.direction == "output"]


def slices(vector: str, ports: list[Port]) -> list[str]:
    """Named connections that deal the bits of `vector` to the ports in order."""
    dealt, low = [], 0
    for port in ports:
        dealt.append(f".{port.name}({vector}[{low} +: {port.bits}])")
        low += port.bits
    return dealt
