"""boards.flow.outreg: a register right behind a block RAM moves into it, and only where that changes
nothing."""

import copy
from typing import Any

import pytest

from polyrhythm.boards.flow.outreg import use_output_registers

CLOCK = 2


def flip_flop(bit: int, q: int, **changes: Any) -> dict[str, Any]:
    cell = {
        "type": "TRELLIS_FF",
        "parameters": {"CEMUX": "1 ", "CLKMUX": "CLK", "REGSET": "RESET"},
        "port_directions": {
            "CLK": "input",
            "LSR": "input",
            "DI": "input",
            "Q": "output",
            "CE": "input",
        },
        "connections": {"CLK": [CLOCK], "LSR": ["0"], "DI": [bit], "Q": [q]},
    }
    for name, value in changes.items():
        cell["connections" if name in cell["port_directions"] else "parameters"][name] = value
    return cell


def module(*, kind: str = "DP16KD", **changes: Any) -> dict[str, Any]:
    """A block RAM with two used outputs, 10 and 11, a flip-flop behind each, and one output that
    nobody reads."""
    prefix, clock, register = (
        ("DOA", "CLKA", "REGMODE_A") if kind == "DP16KD" else ("DO", "CLKR", "REGMODE")
    )
    ram = {
        "type": kind,
        "parameters": {register: "NOREG"} | ({"REGMODE_B": "NOREG"} if kind == "DP16KD" else {}),
        "port_directions": {clock: "input", **{f"{prefix}{k}": "output" for k in range(3)}},
        "connections": {clock: [CLOCK], **{f"{prefix}{k}": [10 + k] for k in range(3)}},
    }
    if kind == "DP16KD":
        ram["port_directions"]["CLKB"], ram["connections"]["CLKB"] = "input", ["0"]
    cells = {"ram": ram, "low": flip_flop(10, 20, **changes), "high": flip_flop(11, 21)}
    return {"ports": {"clk": {"direction": "input", "bits": [CLOCK]}}, "cells": cells}


@pytest.mark.parametrize("kind", ["DP16KD", "PDPW16KD"])
def test_the_flip_flops_move_into_the_block_ram(kind: str) -> None:
    netlist = module(kind=kind)
    assert use_output_registers(netlist) == 2
    assert set(netlist["cells"]) == {"ram"}
    ram = netlist["cells"]["ram"]
    prefix, register = ("DOA", "REGMODE_A") if kind == "DP16KD" else ("DO", "REGMODE")
    assert ram["parameters"][register] == "OUTREG"
    assert [ram["connections"][f"{prefix}{k}"] for k in range(3)] == [[20], [21], [12]]
    assert ram["parameters"].get("REGMODE_B", "NOREG") == "NOREG"


def wide(**changes: Any) -> dict[str, Any]:
    """A DP16KD that reads words of 36 bits: both its halves on the second one's clock, a flip-flop
    behind an output of each."""
    ports = {
        "CLKA": ["0"],
        "CLKB": [CLOCK],
        "OCEA": ["0"],
        "OCEB": ["1"],
        "DOA0": [10],
        "DOB0": [11],
    }
    ram = {
        "type": "DP16KD",
        "parameters": {
            "DATA_WIDTH_A": f"{36:032b}",
            "DATA_WIDTH_B": f"{36:032b}",
            "REGMODE_A": "NOREG",
            "REGMODE_B": "NOREG",
        },
        "port_directions": {name: "output" if name.startswith("DO") else "input" for name in ports},
        "connections": ports,
    }
    cells = {"ram": ram, "upper": flip_flop(10, 20, **changes), "lower": flip_flop(11, 21)}
    return {"ports": {"clk": {"direction": "input", "bits": [CLOCK]}}, "cells": cells}


def test_both_halves_of_a_wide_word_get_their_register_or_none_does() -> None:
    netlist = wide()
    assert use_output_registers(netlist) == 2
    ram = netlist["cells"]["ram"]
    assert (ram["parameters"]["REGMODE_A"], ram["parameters"]["REGMODE_B"]) == ("OUTREG", "OUTREG")
    assert (ram["connections"]["DOA0"], ram["connections"]["DOB0"]) == ([20], [21])
    assert (ram["connections"]["OCEA"], ram["connections"]["OCEB"]) == (["1"], ["1"])
    netlist = wide(CE=[7], CEMUX="CE")
    assert use_output_registers(netlist) == 0
    parameters = netlist["cells"]["ram"]["parameters"]
    assert (parameters["REGMODE_A"], parameters["REGMODE_B"]) == ("NOREG", "NOREG")


def test_a_netlist_is_changed_once() -> None:
    netlist = module()
    use_output_registers(netlist)
    before = copy.deepcopy(netlist)
    assert use_output_registers(netlist) == 0
    assert netlist == before


@pytest.mark.parametrize(
    "changes",
    [{"CLK": [3]}, {"CLKMUX": "INV"}, {"CEMUX": "CE", "CE": [5]}, {"LSR": [8]}, {"REGSET": "SET"}],
    ids=["other clock", "falling edge", "enable", "reset", "starts at 1"],
)
def test_a_flip_flop_that_differs_keeps_all_in_place(changes: dict[str, Any]) -> None:
    netlist = module(**changes)
    before = copy.deepcopy(netlist)
    assert use_output_registers(netlist) == 0
    assert netlist == before


def test_an_enable_that_is_always_on_is_none() -> None:
    assert use_output_registers(module(CEMUX="CE", CE=["1"])) == 2


@pytest.mark.parametrize("reader", ["cell", "port", "second flip-flop"])
def test_an_output_that_somebody_else_reads_keeps_all_in_place(reader: str) -> None:
    netlist = module()
    if reader == "cell":
        netlist["cells"]["lut"] = {
            "type": "LUT4",
            "parameters": {},
            "port_directions": {"A": "input"},
            "connections": {"A": [11]},
        }
    elif reader == "port":
        netlist["ports"]["o"] = {"direction": "output", "bits": [11]}
    else:
        netlist["cells"]["third"] = flip_flop(11, 22)
    before = copy.deepcopy(netlist)
    assert use_output_registers(netlist) == 0
    assert netlist == before


def test_an_output_that_goes_straight_into_logic_keeps_all_in_place() -> None:
    netlist = module()
    netlist["cells"]["high"] = {
        "type": "LUT4", "parameters": {}, "port_directions": {"A": "input"}, "connections": {"A": [11]},
    }  # fmt: skip
    before = copy.deepcopy(netlist)
    assert use_output_registers(netlist) == 0
    assert netlist == before
