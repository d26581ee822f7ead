"""Moves a register that stands right behind a block RAM into the block RAM.

An ECP5 block RAM can end in a register of its own: from the clock to its output takes 0.9 ns
instead of 5.7 ns, and the flip-flops of the fabric are saved. Yosys does not use it; the netlist
says plainly where it may be.
"""

from dataclasses import dataclass
from typing import Any

Netlist = dict[str, Any]  # one module as `write_json` of Yosys describes it
Cell = dict[str, Any]


@dataclass(frozen=True)
class ReadPort:
    """One read port of a block RAM."""

    outputs: tuple[str, ...]  # how the names of its output ports begin
    clock: str
    edge: str  # parameter that says which one
    registers: tuple[str, ...]  # parameters that switch its register on
    enables: tuple[str, ...]  # ports that enable it


# Bits of a word for which a DP16KD reads with both its halves, on the second one's clock
BOTH_HALVES = 36


def use_output_registers(module: Netlist) -> int:
    """Change `module` in place, return how many flip-flops moved.

    A read port of a block RAM is changed where each of its used outputs goes to one flip-flop and
    nowhere else, on the same clock and edge, starting at 0, with neither enable nor reset.
    """
    cells, moved = module["cells"], 0
    sinks = _sinks(module)
    for cell in list(cells.values()):
        told = cell["parameters"]
        for read_port in _read_ports(cell):
            outputs = {
                port: bits[0]
                for port, bits in cell["connections"].items()
                if _of(read_port, port) and sinks.get(bits[0])
            }
            names = {port: sinks[bit][0] for port, bit in outputs.items() if len(sinks[bit]) == 1}
            if (
                not outputs
                or len(names) < len(outputs)
                or any(told.get(register) != "NOREG" for register in read_port.registers)
            ):
                continue
            clocked = (
                cell["connections"][read_port.clock],
                told.get(read_port.edge, read_port.clock) == read_port.clock,
            )
            if not all(
                name in cells and _is_plain(cells[name], outputs[port], clocked)
                for port, name in names.items()
            ):
                continue
            told.update(dict.fromkeys(read_port.registers, "OUTREG"))
            cell["connections"].update(
                {port: ["1"] for port in read_port.enables if port in cell["connections"]}
            )
            for port, name in names.items():
                cell["connections"][port] = cells.pop(name)["connections"]["Q"]
                moved += 1
    return moved


def _read_ports(cell: Cell) -> list[ReadPort]:
    """What a cell reads with; nothing unless it is a block RAM."""
    if cell["type"] == "PDPW16KD":
        return [ReadPort(("DO",), "CLKR", "CLKRMUX", ("REGMODE",), ("OCER",))]
    if cell["type"] != "DP16KD":
        return []
    if int(cell["parameters"].get("DATA_WIDTH_B", "0"), 2) == BOTH_HALVES:
        return [
            ReadPort(
                ("DOA", "DOB"), "CLKB", "CLKBMUX", ("REGMODE_A", "REGMODE_B"), ("OCEA", "OCEB")
            )
        ]
    return [
        ReadPort(
            (f"DO{half}",), f"CLK{half}", f"CLK{half}MUX", (f"REGMODE_{half}",), (f"OCE{half}",)
        )
        for half in "AB"
    ]


def _of(read_port: ReadPort, port: str) -> bool:
    """Whether `port` is one of the read port's outputs."""
    return any(
        port.startswith(prefix) and port.removeprefix(prefix).isdigit()
        for prefix in read_port.outputs
    )


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
    """Whether this is a flip-flop of `bit` on that clock (net, rising edge), with neither enable
    nor reset, starting at 0."""
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
