"""boards.swap.finish: a bitstream appears only when every memory in it has been compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_places import filled_module, table

from polyrhythm.boards.flow.stage import ToolFailed
from polyrhythm.boards.parts.parts import PARTS
from polyrhythm.boards.swap import finish as room
from polyrhythm.boards.swap.blocks import ICE40
from polyrhythm.boards.swap.contents import contents_of, template_of
from polyrhythm.boards.swap.finish import SwapFailed, compare, finish
from polyrhythm.boards.swap.placed import PLACED
from polyrhythm.boards.swap.places import MapError, Places, find

TABLES = [table("weight", 300, 5, 4), table("start", 3, 2, 11)]
PART = PARTS["up5k"]


def placed_template() -> tuple[str, Places]:
    """The text of a placed template, its blocks in another order than the netlist's, and its
    map."""
    template = template_of(TABLES)
    module = filled_module("ice40", "READ_MODE 0", template)
    cells = list(ICE40.of(module).values())
    sites = [f"{6 + 13 * (k % 2)} {1 + 2 * k}" for k in range(len(cells))]
    empty = ".device 5k\n" + "".join(
        f".ram_data {site}\n" + ("0" * 64 + "\n") * 16 + "\n" for site in sites
    )
    held = [np.where(ICE40.read(cell) == 1, 1, 0).astype(np.uint8) for cell in cells]
    text = PLACED["ice40"].replaced(empty, dict(zip(sites, reversed(held), strict=True)))
    found = find(module, ICE40, template)
    return text, found.keyed(ICE40, module, PLACED["ice40"].read(text))


class Tools:
    """Packer and unpacker that copy their file; `spoil` changes what is packed."""

    def __init__(self, spoil: Any = None):
        self.spoil, self.calls = spoil, list[str]()

    def __call__(self, command: list[str], stage: str, work: Path, log: str, **_: Any) -> None:
        self.calls.append(command[0])
        source, target = work / command[1], work / command[2]
        data = source.read_text()
        if self.spoil and command[0] == "yowasp-icepack":
            data = self.spoil(data)
        if data:
            target.write_text(data)


def test_the_design_holds_the_contents_and_nothing_else_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "run_tool", tools := Tools())
    text, places = placed_template()
    contents = contents_of(TABLES)
    bitstream = finish(PART, text, places, contents, tmp_path / "new", "other")
    assert bitstream == tmp_path / "new" / "other.bin"
    assert sorted(path.name for path in bitstream.parent.iterdir()) == ["other.asc", "other.bin"]
    held = places.held(ICE40, PLACED["ice40"].read(bitstream.read_text()))
    compare(held, contents, "the bitstream")
    assert tools.calls == ["yowasp-icepack", "yowasp-iceunpack"]
    # Back again, to the last byte
    again = finish(PART, bitstream.read_text(), places, template_of(TABLES), tmp_path, "back")
    assert again.read_text() == text


def flip(data: str) -> str:
    """One bit of one block RAM the other way."""
    at = data.index("\n", data.index(".ram_data")) + 64  # lowest digit of the first row
    return data[:at] + f"{int(data[at], 16) ^ 1:x}" + data[at + 1 :]


def flip_unused(data: str) -> str:
    """The same with a bit that no memory has: `start` ends inside the first block."""
    at = data.index("\n", data.index(".ram_data")) + 1
    return data[:at] + f"{int(data[at], 16) ^ 8:x}" + data[at + 1 :]


def test_one_wrong_bit_in_the_bitstream_is_found_though_every_tool_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "run_tool", Tools(flip))
    text, places = placed_template()
    with pytest.raises(
        SwapFailed, match=r"the bitstream: bit \d+ of row 0 of start must .* 1 of 5632"
    ):
        finish(PART, text, places, contents_of(TABLES), tmp_path / "new", "other")
    monkeypatch.setattr(room, "run_tool", Tools(flip_unused))
    with pytest.raises(SwapFailed, match="must hold its memory alone, but 1 bits of none differ"):
        finish(PART, text, places, contents_of(TABLES), tmp_path / "new", "other")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_packer_that_writes_nothing_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "run_tool", Tools(lambda _: ""))
    text, places = placed_template()
    with pytest.raises(ToolFailed, match=r"ended well, but design\.bin is not there"):
        finish(PART, text, places, contents_of(TABLES), tmp_path, "other")


def test_a_block_that_the_placed_design_lacks_is_found() -> None:
    _, places = placed_template()
    with pytest.raises(MapError, match="the design must have block RAM"):
        places.held(ICE40, {})


def test_two_blocks_with_the_same_contents_are_refused() -> None:
    template = template_of(TABLES)
    module = filled_module("ice40", "READ_MODE 0", template)
    places = find(module, ICE40, template)
    first = next(iter(ICE40.of(module).values()))
    bits = np.where(ICE40.read(first) == 1, 1, 0).astype(np.uint8)
    with pytest.raises(MapError, match="must be one block RAM of the placed design, not 2"):
        places.keyed(ICE40, module, {"1 1": bits, "1 3": bits})


def test_the_first_bit_that_differs_is_told() -> None:
    wanted = contents_of(TABLES)
    held = {name: bits.copy() for name, bits in wanted.items()}
    held["start"][2, 5] ^= 1
    with pytest.raises(SwapFailed) as failed:
        compare(held, wanted, "the bitstream")
    assert str(failed.value) == (
        f"the bitstream: bit 5 of row 2 of start must be {wanted['start'][2, 5]}, but 1 of 5632 "
        "bits differ"
    )
