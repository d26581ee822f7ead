"""Moves a register that stands right behind a block RAM into the block RAM.

An ECP5 block RAM can end in a register of its own: from the clock to its output takes 0.9 ns instead of 5.7 ns, and the flip-flops
of the fabric are saved. Yosys does not use it; the netlist says plainly where it may be.
"""

from typing import Any

Netlist = dict[str, Any]  # one module as `write_json` of Yosys describes it
Cell = dict[str, Any]

# Per block RAM cell, its read sides: how the output ports begin, the clock, which edge, and the parameter of the register.
SIDES = {
    "DP16KD": (("DOA", "CLKA", "CLKAMUX", "REGMODE_A"), ("DOB", "CLKB", "CLKBMUX", "REGMODE_B")),
    "PDPW16KD": (("DO", "CLKR", "CLKRMUX", "REGMODE"),),
}


def use_output_registers(module: Netlist) -> int:
    """Change `module` in place, return how many flip-flops moved.

    A side of a block RAM is changed where each of its used outputs goes to one flip-flop and nowhere else, on the same clock and
    edge, starting at 0, with neither enable nor reset.
    """
    cells, moved = module["cells"], 0
    sinks = _sinks(module)
    for cell in [cell for cell in cells.values() if cell["type"] in SIDES]:
        for prefix, clock, edge, register in SIDES[cell["type"]]:
            outputs = {
                port: bits[0] for port, bits in cell["connections"].items() if _is_output(port, prefix) and sinks.get(bits[0])
            }
            names = {port: sinks[bit][0] for port, bit in outputs.items() if len(sinks[bit]) == 1}
            if not outputs or len(names) < len(outputs) or cell["parameters"].get(register) != "NOREG":
                continue
            clocked = (cell["connections"][clock], cell["parameters"].get(edge, clock) == clock)
            if not all(name in cells and _is_plain(cells[name], outputs[port], clocked) for port, name in names.items()):
                continue
            cell["parameters"][register] = "OUTREG"
            for port, name in names.items():
                cell["connections"][port] = cells.pop(name)["connections"]["Q"]
                moved += 1
    return moved


def _is_output(port: str, prefix: str) -> bool:
    return port.startswith(prefix) and port.removeprefix(prefix).isdigit()


def _sinks(module: Netlist) -> dict[int | str, list[str]]:
    """Who reads each net: names of cells, once for each pin, and "" for a port of the module."""
    sinks: dict[int | str, list[str]] = {}
    for name, cell in module["cells"].items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] != "output":
                for bit in bits:
                    sinks.setdefault(bit, []).append(name)
    for port in module["ports"].values():
        for bit in port["bits"]:
            sinks.setdefault(bit, []).append("")
    return sinks


def _is_plain(cell: Cell, bit: int | str, clocked: tuple[list[int | str], bool]) -> bool:
    """Whether this is a flip-flop of `bit` on that clock (net, rising edge), with neither enable nor reset, starting at 0."""
    if cell["type"] != "TRELLIS_FF":
        return False
    told, pins = cell["parameters"], cell["connections"]
    return (
        pins["DI"] == [bit]
        and (pins["CLK"], told.get("CLKMUX", "CLK") == "CLK") == clocked
        and (told.get("CEMUX", "1").strip() == "1" or pins.get("CE") == ["1"])
        and pins.get("LSR", ["0"]) == ["0"]
        and told.get("REGSET", "RESET") == "RESET"
    )
