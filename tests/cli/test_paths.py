"""Whatever the folders are called: the project's, the one for scratch files, the build folder, and
the one of the tools."""

import tempfile
from pathlib import Path

import cocotb_tools.config
import networks
import numpy as np
import pytest
import tiny

from polyrhythm.hw.export import export
from polyrhythm.sim import bench, bulk, verilator
from polyrhythm.sim.job import Mode
from polyrhythm.sw import golden
from polyrhythm.sw.trace import Trace

# What make, a shell or a list of paths would take for their own.
NAMES = {"a space": "a b", "signs": "a'b\"$x$(y)#%;&(=)*?~é:[|`!,@{", "lines": "a\nb\tc"}


@pytest.fixture(params=NAMES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of such a name, in which everything happens."""
    place = tmp_path / NAMES[request.param]
    for name in ("scratch", "build", "tools"):
        (place / name).mkdir(parents=True)
    monkeypatch.chdir(place)
    monkeypatch.setattr(tempfile, "tempdir", str(place / "scratch"))
    monkeypatch.setenv("TMPDIR", str(place / "scratch"))
    monkeypatch.setenv("POLYRHYTHM_BUILD", str(place / "build"))
    return place


@pytest.fixture
def tools(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verilator, the harness and the libraries of cocotb below that folder too, where a PATH can
    name it: not behind a colon."""
    if ":" in place.name:
        return
    for name, folder in (
        ("verilator", verilator.find().parents[1]),
        ("sim", bulk.HARNESS.parent),
        ("libs", Path(cocotb_tools.config.libs_dir)),
    ):
        (place / "tools" / name).symlink_to(folder)
    program = place / "tools" / "verilator" / "bin" / "verilator"
    monkeypatch.setattr(verilator, "find", lambda: program)
    monkeypatch.setattr(verilator, "root_of", lambda: place / "tools" / "verilator")
    monkeypatch.setattr(
        bulk, "BULK", verilator.Program("bulk", place / "tools" / "sim" / "harness.cpp", bulk.FAST)
    )
    monkeypatch.setattr(cocotb_tools.config, "libs_dir", place / "tools" / "libs")


def right(inputs: np.ndarray) -> Trace:
    trace = golden.run(tiny.network(), inputs)
    trace.logits = trace.logits + tiny.BIAS
    return trace


def test_verilog_is_written_below_any_path(place: Path) -> None:
    network = networks.random_network(
        np.random.default_rng(3), "two_phase", (), shape=(3,), sizes=(2,)
    )
    assert (export(network, "out") / "random.v").is_file()


@pytest.mark.long
def test_the_harness_is_built_and_runs_below_any_path(place: Path, tools: None) -> None:
    inputs = tiny.inputs(20)
    trace = bulk.simulate(tiny.design(place / "design"), inputs, Mode()).trace
    assert right(inputs).first_difference(trace) is None


@pytest.mark.long
def test_the_bench_is_built_and_runs_below_any_path(place: Path, tools: None) -> None:
    inputs = tiny.inputs(4)
    trace = bench.simulate(
        tiny.design(place / "design"), inputs, Mode(True, 0.5, 0.5), right(inputs)
    ).trace
    assert right(inputs).first_difference(trace) is None
