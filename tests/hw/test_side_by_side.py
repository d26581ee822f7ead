"""Two exports in one project: each simulates with its own memories, and a simulator that finds
others says so."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import random_inputs, random_network

from polyrhythm.hw.export import export
from polyrhythm.sim import bulk, verilator
from polyrhythm.sim.design import Design
from polyrhythm.sim.job import Mode, SimulationError
from polyrhythm.sw import golden
from polyrhythm.sw.network import Network, Profile
from polyrhythm.sw.trace.frames import frames

group = pytest.mark.xdist_group("side by side")


def two() -> list[Network]:
    """A network, and its one other working point: layers of the same names, other thresholds and
    biases."""
    network = random_network(
        np.random.default_rng(3),
        "two_phase",
        ("dense",),
        shape=(6,),
        sizes=(7,),
        T=(3, 1),
        max_count=3,
    )
    first = network.layers[0]
    profile = Profile(T=(2, 1), bias={0: first.bias + 1}, threshold={0: first.threshold + 2})
    whole = replace(network, profiles={"fast": profile})
    return [whole.profile(None), whole.profile("fast")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Design]]:
    """One folder with all that tools read of both exports, and their designs there."""
    place = tmp_path_factory.mktemp("project")
    designs = []
    for network, name in zip(two(), ("slow", "fast"), strict=True):
        folder = export(network, place.parent / name, [3, 2], name=name)
        for path in [*folder.glob("*.v"), *folder.glob("*.hex")]:
            assert not (place / path.name).exists()
            shutil.copy(path, place)
        designs.append(replace(Design.load(folder), folder=place))
    return place, designs


@group
def test_each_of_two_exports_in_one_project_counts_as_its_own_golden_model(project: Any) -> None:
    traces = []
    for network, design in zip(two(), project[1], strict=True):
        inputs = random_inputs(np.random.default_rng(1), network)
        trace = bulk.simulate(design, frames(network, inputs), Mode()).trace
        assert golden.run(network, inputs).first_difference(trace) is None
        traces.append(trace)
    # The wrong memories would have been seen
    assert traces[0].first_difference(traces[1]) is not None


@group
def test_two_exports_are_one_design_to_a_tool(project: Any) -> None:
    """Both tops in one elaboration: no module, no file and no memory of one is the other's."""
    place, _ = project
    (place / "both.v").write_text(
        "module both(input clk, input rst); slow a(.clk(clk), .rst(rst)); fast b(.clk(clk), .rst(rst)); endmodule\n"
    )
    command = [
        str(verilator.find()),
        "--lint-only",
        "--quiet",
        "-Wno-PINMISSING",
        "--top-module",
        "both",
        "both.v",
        "slow.v",
        "fast.v",
    ]
    done = subprocess.run(
        command, cwd=place, capture_output=True, text=True, env=verilator.environment()
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@group
@pytest.mark.parametrize("other", ["another network's", "none"])
def test_a_simulator_that_reads_other_words_says_so(
    other: str, project: Any, tmp_path: Path
) -> None:
    place, (design, _) = project
    shutil.copytree(place, tmp_path / "project")
    file = tmp_path / "project" / "slow.l0_threshold.hex"
    if other == "none":
        file.unlink()
    else:
        shutil.copy(place / "fast.l0_threshold.hex", file)
    network = two()[0]
    inputs = random_inputs(np.random.default_rng(1), network)
    with pytest.raises(SimulationError) as error:
        bulk.simulate(replace(design, folder=tmp_path / "project"), frames(network, inputs), Mode())
    assert (
        "slow.l0_threshold.hex must hold the words that were written with this module, but holds others, or is missing"
        in str(error.value)
    )
