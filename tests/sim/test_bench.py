"""sim.bench: the cocotb side sees what golden says, under stalls, and names the first thing that is
wrong."""

import sys
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
import tiny

from polyrhythm.sim import bench, bulk, design, monitors, verilator
from polyrhythm.sim.job import Mode, SimulationError
from polyrhythm.sw import golden
from polyrhythm.sw.lib import fix
from polyrhythm.sw.trace import Trace

try:
    bench.libpython()
except verilator.ToolMissing as missing:
    pytestmark = pytest.mark.skip(reason=str(missing))

group = pytest.mark.xdist_group("tiny")
STORM = Mode(i_stall=0.4, o_stall=0.7, seed=5)


def expected(inputs: np.ndarray) -> Trace:
    """What fixtures/tiny must answer."""
    trace = golden.run(tiny.network(), inputs)
    trace.logits = trace.logits + tiny.BIAS
    trace.answer = trace.logits.argmax(axis=1)
    return trace


def frames_that_spike() -> np.ndarray:
    """Eight frames; in the second one the neurons 1, 2 and 3 spike, so that every fault shows
    there."""
    inputs = tiny.inputs(8)
    inputs[:2, 0] = [[1, 3, 0, 2, 1], [3, 0, 1, 2, 0]]
    return inputs


# --- what it sees ---


@group
def test_everything_equals_golden_under_stalls(capfd: pytest.CaptureFixture[str]) -> None:
    inputs = tiny.inputs(60)
    seen = bench.simulate(tiny.design_of(), inputs, STORM, expected(inputs))
    assert expected(inputs).first_difference(seen.trace) is None
    assert seen.stalls["pause"] > 20 and seen.stalls["i"] > 50 and seen.stalls["o"] > 20
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "bench: tiny, 60 frames, i_stall 0.4, o_stall 0.7, seed 5\n"


@group
def test_intervals_are_those_of_the_harness() -> None:
    """Two programs that have nothing but the design in common count the same cycles."""
    inputs = tiny.inputs(60)
    ours, theirs = (room.simulate(tiny.design_of(), inputs, Mode()).trace for room in (bench, bulk))
    assert ours.interval is not None and theirs.interval is not None
    assert (ours.interval == theirs.interval).all()


# --- what it refuses ---

BROKEN = {
    "hang": "nothing moved for 55555 cycles: input idle, 8 frames sent, 1 results received; layer fc in frame 1, tick 0; "
    "readout after 1 ticks (cycle 55624, after 1 results, seed 5)",
    "error": "the error port is high: an event broke the input's contract (cycle 20, after 1 results, seed 5)",
    "count": "frame 1, layer fc, tick 0: the count of neuron 0 must lie in 1..3, not 0 "
    "(cycle 23, after 1 results, seed 5)",
    "twice": "frame 1, layer fc, tick 0: the address must be 2 or more and below 4, not 1 "
    "(cycle 25, after 1 results, seed 5)",
    "withdraw": "o_valid was withdrawn before o_ready came (cycle 29, after 1 results, seed 5)",
    "change": "o_logits changed from 43521329506123051754538944 to 43521329506123051754538945 while it waited for o_ready "
    "(cycle 29, after 1 results, seed 5)",
    "sum": "frame 1, neuron 0: logits expected -300000000064, got 300000000063 (cycle 28, after 1 results, seed 5)",
    "no end": "frame 1, layer fc, tick 0: the address must be 4 or more and below 4, not 1 "
    "(cycle 47, after 2 results, seed 5)",
    "tick": "frame 1, layer fc, tick 0: one word must not have tick and end (cycle 27, after 1 results, seed 5)",
    "early": "frame 1: the result came after 0 readout ticks of 1 (cycle 23, after 1 results, seed 5)",
    "more": "frame 2: a result came before the frame's last word (cycle 37, after 2 results, seed 5)",
    "answer": "frame 1: class expected 2, got 3 (cycle 28, after 1 results, seed 5)",
}
FAST = ("count", "withdraw", "change", "answer")


@group
@pytest.mark.parametrize(
    "fault", [pytest.param(f, marks=() if f in FAST else pytest.mark.long) for f in BROKEN]
)
def test_a_design_that_breaks_its_contract_is_named(
    fault: str, tmp_path: Path, few_cycles: None
) -> None:
    def small(interface: dict[str, Any]) -> None:
        interface["layers"] = []  # the watchdog then waits for its least

    inputs = frames_that_spike()
    with pytest.raises(SimulationError) as error:
        bench.simulate(tiny.design(tmp_path, fault, small), inputs, STORM, expected(inputs))
    assert str(error.value) == BROKEN[fault]


@group
def test_the_scoreboard_names_the_first_difference() -> None:
    inputs = frames_that_spike()
    wrong = expected(inputs)
    wrong.counts["fc"] = wrong.counts["fc"].copy()
    wrong.counts["fc"][3, 1] -= 1
    with pytest.raises(SimulationError) as error:
        bench.simulate(tiny.design_of(), inputs, STORM, wrong)
    assert str(error.value) == (
        "frame 3, layer fc, neuron 1: count expected 2, got 3 (cycle 68, after 3 results, seed 5)"
    )


@group
def test_a_simulator_that_dies_is_reported_with_its_log(tmp_path: Path) -> None:
    """Outside pytest the runner itself never fails; whatever happens, no result is an error
    here."""
    broken = tiny.design(
        tmp_path, change=lambda interface: interface["taps"][0].update(layer=0, ticks="three")
    )
    with pytest.raises(SimulationError) as error:
        bench.simulate(broken, frames_that_spike(), STORM)
    first, _, log = str(error.value).partition("\n")
    assert (
        first
        == "the test in the simulator must run and pass, but 1 ran and 1 failed; its log ends:"
    )
    assert "TypeError" in log


def test_python_without_its_shared_library_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import find_libpython

    monkeypatch.delenv("LIBPYTHON_LOC", raising=False)
    monkeypatch.setattr(find_libpython, "find_libpython", lambda: None)
    with pytest.raises(verilator.ToolMissing) as error:
        bench.libpython()
    assert str(error.value) == (
        f"cocotb needs the shared library of Python, and {sys.executable} has none; fix it with: "
        f"{fix.libpython()}"
    )


def test_fields_are_signed() -> None:
    assert monitors.fields(0b1000_0111_1111, 3, 4) == [-1, 7, -8]


# --- exported gateware ---


def check(network: Any, inputs: np.ndarray, lanes: list[int] | None, seed: int) -> None:
    timed = network.schedule == "time_stepped"
    right = golden.run(network, inputs, spikes=timed)
    counts = inputs.reshape(len(inputs), network.input.T, -1)
    seen = bench.simulate(
        design.export(network, lanes), counts, Mode(i_stall=0.3, o_stall=0.7, seed=seed), right
    )
    assert seen.stalls["pause"] and seen.stalls["o"]
    assert right.first_difference(seen.trace) is None


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped"])
def test_gateware_equals_golden(schedule: str) -> None:
    rng = np.random.default_rng(8)
    hidden = ("dense", "dense")
    network = networks.random_network(
        rng, schedule, hidden, shape=(5,), sizes=(5, 7), T=(5, 2, 3), t_in=3, max_count=3
    )
    check(network, networks.random_inputs(rng, network, 12), [2, 3, 2], 8)


@pytest.mark.long
def test_run_returns_what_was_asked_for(few_cycles: None) -> None:
    rng = np.random.default_rng(9)
    network = networks.random_network(
        rng, "time_stepped", ("dense",), shape=(5,), sizes=(7,), T=(3, 4), t_in=2
    )
    inputs = networks.random_inputs(rng, network, 6)
    seen = bench.run(network, inputs, lanes=[3, 2], spikes=True, logits_t=True, seed=9)
    right = golden.run(network, inputs, spikes=True)
    assert seen.spikes is not None and seen.logits_t is not None
    assert right.first_difference(seen) is None


@pytest.mark.long
@pytest.mark.parametrize("seed", range(12))
def test_random_gateware_equals_golden(seed: int, few_cycles: None) -> None:
    rng = np.random.default_rng(2000 + seed)
    schedule = ("two_phase", "time_stepped")[seed % 2]
    network = networks.random_network(
        rng, schedule, ("dense",) * int(rng.integers(0, 4)), extreme=seed % 4 == 0
    )
    lanes = [int(rng.integers(1, network.n_out(i) + 1)) for i in range(len(network.layers))]
    check(network, networks.random_inputs(rng, network, 8), lanes, seed)
