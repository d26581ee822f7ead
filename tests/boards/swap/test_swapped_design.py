"""boards.swap.design: one design for all networks of a shape, and what is put into it is what a
build from scratch has."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boarded import identified
from networks import random_network
from shapes import sibling

from polyrhythm.boards.bitstream.build import build, maker
from polyrhythm.boards.catalog.rows import board_named
from polyrhythm.boards.design.prepare import TOP, prepared
from polyrhythm.boards.flow.place import flow_of, placements
from polyrhythm.boards.flow.stage import run_tool
from polyrhythm.boards.flow.target import choices, chosen
from polyrhythm.boards.swap import design
from polyrhythm.boards.swap.contents import contents_of
from polyrhythm.boards.swap.design import board_tables, swap
from polyrhythm.boards.swap.placed import PLACED
from polyrhythm.boards.swap.places import Places, put
from polyrhythm.cli.main import main
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.shape import Shape

LANES = [2, 2]
BOARDS = {"icebreaker": 12.0, "ulx3s-25f": 25.0, "tangnano9k": 27.0}  # their clocks, without a PLL


def networks() -> tuple[Shape, list[Network]]:
    """A small network, and two more of its shape."""
    rng = np.random.default_rng(11)
    first = random_network(
        rng,
        "time_stepped",
        ("dense",),
        shape=(6,),
        sizes=(5,),
        T=(3, 2),
        t_in=2,
        max_count=3,
        name="first",
    )
    shape = Shape.of(first)
    others = [sibling(rng, shape, first, name) for name in ("second", "third")]
    return shape, [first, *others]


@pytest.mark.parametrize("board", BOARDS)
def test_two_networks_of_one_shape_are_one_design_for_the_tools(board: str) -> None:
    """The text that synthesis reads is the same to the last byte, so all behind it is."""
    shape, (first, second, *_) = networks()
    row = board_named(board)
    pll = _own_clock(board)
    made = []
    for network in (first, second):
        make = maker(plan(network, LANES, shape=shape))
        made.append(prepared(row, pll, lambda make=make: make(pll.mhz * 1e6, 1e6)))  # type: ignore[misc]
    assert made[0] == made[1]
    text = made[0].get(f"{TOP}.il", "")
    assert first.digest not in text and "swappable" in text


def _own_clock(board: str) -> Any:
    row = board_named(board)
    return chosen(row, choices(row, None), BOARDS[board], None, exact=True).pll


def test_a_folder_that_is_no_swappable_build_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, (first, *_) = networks()
    first.save(tmp_path / "first.safetensors")
    (tmp_path / "build").mkdir()
    words = ["swap", str(tmp_path / "build"), str(tmp_path / "first.safetensors")]
    assert main([*words, "--out", str(tmp_path / "new")]) == 2
    told = capsys.readouterr().err
    assert "must be the folder of a swappable build, but it has no build.json" in told
    assert "make one with: polyrhythm build NETWORK --board NAME --swappable" in told
    (tmp_path / "build" / "build.json").write_text('{"format": 1}')
    assert main([*words, "--out", str(tmp_path / "new")]) == 2
    assert "but it has no swap.json" in capsys.readouterr().err
    (tmp_path / "build" / "swap.json").write_text('{"format": 7}')
    assert main([*words, "--out", str(tmp_path / "new")]) == 2
    assert "swap.json must have format 1, not 7" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def a_build(tmp_path: Path, shape: Shape, text: str = "placed") -> Path:
    """As much of a build as is looked at before anything is packed."""
    folder = tmp_path / "build"
    folder.mkdir()
    told = {"format": 1, "board": "icebreaker", "lanes": LANES, "coding": "count"}
    told |= {"clock_hz": 12_000_000, "bitstream": "first.bin", "files": {"first.asc": "0" * 64}}
    (folder / "build.json").write_text(json.dumps(told))
    record = {"format": 1, "shape": shape.to_json(), **Places({}, ()).to_json()}
    (folder / "swap.json").write_text(json.dumps(record))
    (folder / "first.asc").write_text(text)
    return folder


def test_the_registers_of_a_swapped_design_identify_the_network_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape, (_, second, *_) = networks()
    folder, out = a_build(tmp_path, shape), tmp_path / "new"
    told = json.loads((folder / "build.json").read_text())
    told["files"]["first.asc"] = hashlib.sha256(b"placed").hexdigest()
    (folder / "build.json").write_text(json.dumps(told))

    def finished(part: object, text: str, *_: object) -> Path:
        out.mkdir()
        (out / "second.asc").write_text(text)
        (out / "second.bin").write_text("bits")
        return out / "second.bin"

    monkeypatch.setattr(design, "finish", finished)
    result = swap(folder, second, out)
    assert identified(out).digest == second.digest
    assert set(result["files"]) == {"second.asc", "second.bin", "registers.h", "registers.json"}
    for name, digest in result["files"].items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest


def test_a_network_of_another_shape_is_refused_with_every_reason(tmp_path: Path) -> None:
    shape, _ = networks()
    rng = np.random.default_rng(1)
    other = random_network(
        rng, "time_stepped", ("dense",), shape=(6,), sizes=(5,), T=(4, 2), t_in=2, max_count=3
    )
    with pytest.raises(ValueError, match="layer 0 \\(l0\\): T must be 3 as in the circuit, not 4"):
        swap(a_build(tmp_path, shape), other, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_placed_design_that_has_changed_is_refused(tmp_path: Path) -> None:
    shape, (first, *_) = networks()
    with pytest.raises(ValueError, match="must be what the placer wrote for this build, but it is"):
        swap(a_build(tmp_path, shape), first, tmp_path / "new")


@pytest.mark.long
@pytest.mark.parametrize("board", BOARDS)
def test_networks_swapped_one_after_the_other_are_those_built_from_scratch(
    board: str, tmp_path: Path
) -> None:
    shape, (first, *others) = networks()
    freq, row = BOARDS[board], board_named(board)
    flow, family = flow_of(row.part), PLACED[row.part.family.name]
    built = build(first, board, LANES, freq=freq, out=tmp_path / "first", shape=shape)
    work, before = Path(built["work"]), tmp_path / "first"
    for network in others:
        out = tmp_path / network.name
        told = swap(before, network, out)
        assert told["digest"] == network.digest
        bitstream = out / told["bitstream"]
        # By the map, the memories are the network's; and all bytes are those of a build.
        record = json.loads((out / "swap.json").read_text())
        places, text = Places.from_json(record), (out / f"{network.name}{flow.routed}").read_text()
        tables = board_tables(plan(network, LANES, shape=shape), float(told["clock_hz"]))
        held = places.held(family.blocks, family.read(text))
        assert all((held[name] == bits).all() for name, bits in contents_of(tables).items())
        direct = build(network, board, LANES, freq=freq, out=tmp_path / "direct", shape=shape)
        assert (tmp_path / "direct" / direct["bitstream"]).read_bytes() == bitstream.read_bytes()
        before = out
    # With the contents in the netlist before it is placed, nothing else comes out.
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for path in work.glob(f"{TOP}.*"):
        shutil.copy(path, scratch)
    netlist = json.loads((work / "netlist.json").read_text())
    put(netlist["modules"][TOP], family.blocks, places, contents_of(tables))
    (scratch / "netlist.json").write_text(json.dumps(netlist))
    (run,) = placements(row.part, scratch, TOP, freq, [1])
    names = {"routed": run.routed.name, "bitstream": f"whole{flow.bitstream}"}
    command = [word.format(**names) for word in flow.packer]
    run_tool([*command, *row.packing], "packing", scratch, "pack.log")
    assert (scratch / names["bitstream"]).read_bytes() == bitstream.read_bytes()
