"""verilog --bus axi: cocotbext-axi under random back-pressure on every channel, with checkers of our
own beside it, since that library lets data move while they wait and drops SLVERR."""

import contextlib
import itertools
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axi_checker import LITE, LiteChecker, ProtocolError, StreamChecker
from elaborators import lint
from networks import random_inputs, random_network

from polyrhythm.hw.export import export
from polyrhythm.sim import design as designs
from polyrhythm.sim import verilator
from polyrhythm.sim.testbench.makefile import WAIVED
from polyrhythm.sw import data, golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import input_addresses
from polyrhythm.sw.trace.frames import frames

SUPPORT = Path(__file__).parents[1] / "support"
Change = Callable[[str], str]
CASES = {
    "two_phase": ("two_phase", ("dense",)),
    "time_stepped": ("time_stepped", ("dense", "dense")),
    "maps": ("two_phase", ("conv2d", "dense")),
    "event_driven": ("event_driven", ("dense",)),
}


def network_of(case: str) -> Network:
    schedule, kinds = CASES[case]
    shape = (1, 4, 3) if "conv2d" in kinds else (7,)
    return random_network(
        np.random.default_rng(11),
        schedule,
        kinds,
        shape=shape,
        sizes=(5,),
        max_count=3,
        max_T=3,
        t_in=2,
    )


def job_of(
    network: Network, folder: Path, seed: int, stall: float, inputs: np.ndarray | None = None
) -> dict[str, Any]:
    """Frames as words, random ones unless they are given, and what must come of them."""
    told = json.loads((folder / "interface.json").read_text())
    counts = random_inputs(np.random.default_rng(seed), network, 12) if inputs is None else inputs
    counts = frames(network, counts)
    trace = golden.run(network, counts)
    stream, offsets = designs.words(counts, input_addresses(network, 0))
    fields, words = designs.unpack(stream), []
    for k in range(len(stream)):
        word = 0
        for name, place in told["bus"]["word"].items():
            word |= int(fields[name][k]) << place["low"]
        words.append(word)
    mask = (1 << told["bus"]["beat_bits"]) - 1
    return {
        "seed": seed,
        "stall": stall,
        "word_bytes": told["bus"]["word_bits"] // 8,
        "beat_bytes": told["bus"]["beat_bits"] // 8,
        "registers": json.loads((folder / "registers.json").read_text())["registers"],
        "frames": [words[a:b] for a, b in itertools.pairwise(offsets.tolist())],
        "answers": [
            [answer, *(logit & mask for logit in logits)]
            for answer, logits in zip(trace.answer.tolist(), trace.logits.tolist(), strict=True)
        ],
        "counts": {
            "answered": len(counts),
            "in_flight": 0,
            "events": int(np.count_nonzero(counts)),
            "axi_last": 0,
        },
    }


def simulate(folder: Path, job: dict[str, Any], name: str = "random") -> tuple[int, str]:
    """Failed tests and the log; in Icarus where it is there, which compiles at once."""
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    simulator = "icarus" if shutil.which("iverilog") else "verilator"
    work = folder / "work"
    work.mkdir()
    (work / "job.json").write_text(json.dumps(job))
    runner = get_runner(simulator)
    quiet = ["-Wno-fatal", "-Wno-lint", "-Wno-UNOPTFLAT"]
    env = verilator.environment() if simulator == "verilator" else dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", env["PATH"])
        patch.setenv("MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include")
        patch.setattr(sys, "path", [*sys.path, str(SUPPORT)])
        runner.build(
            sources=[folder / f"{name}.v"], hdl_toplevel=name, build_dir=work, timescale=("1ns", "1ps"),
            build_args=quiet if simulator == "verilator" else ["-g2005"], log_file=work / "build.log",
        )  # fmt: skip
        with contextlib.suppress(RuntimeError, SystemExit):  # of a failed test: see the results
            runner.test(
                test_module="axi_inside", hdl_toplevel=name, build_dir=work, test_dir=folder,
                results_xml=str(work / "results.xml"), log_file=work / "log.txt",
                extra_env={"AXI_JOB": str(work / "job.json")},
            )  # fmt: skip
    log = (work / "log.txt").read_text()
    tests, failed = get_results(work / "results.xml")
    assert tests == 1, log
    return failed, log


@pytest.mark.parametrize("stall", [0.0, 0.6], ids=["flowing", "pausing"])
@pytest.mark.parametrize("case", CASES)
def test_every_frame_is_golden_and_every_rule_kept(case: str, stall: float, tmp_path: Path) -> None:
    network, seed = network_of(case), 5
    print(f"seed {seed}")
    folder = export(network, tmp_path / "out", bus="axi")
    failed, log = simulate(folder, job_of(network, folder, seed, stall))
    assert not failed, log
    seen = json.loads((folder / "work" / "seen.json").read_text())
    answered = {(what, response): n for what, response, n in seen["answers"]}
    assert {*answered} == {("read", 0), ("read", 2), ("write", 0), ("write", 2)}
    if stall:
        waits = seen["stalls"]
        assert waits["m_axis"]["t"] and waits["s_axi"]["b"] and waits["s_axi"]["r"], waits


def test_a_last_beat_that_stands_elsewhere_is_counted_and_no_more(tmp_path: Path) -> None:
    """Two frames in one packet: the first end has no TLAST."""
    network = network_of("two_phase")
    folder = export(network, tmp_path / "out", bus="axi")
    job = job_of(network, folder, 3, 0.3)
    first, second, *rest = job["frames"]
    job["frames"] = [first + second, *rest]
    job["counts"]["axi_last"] = 1
    failed, log = simulate(folder, job)
    assert not failed, log


@pytest.mark.long
def test_the_test_split_of_digits_is_golden(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    network = Network.load(SUPPORT.parents[1] / "models" / "digits.safetensors")
    counts, _ = data.inputs_for(network, "digits", "test")
    folder = export(network, tmp_path / "out", [4, 2], bus="axi")
    failed, log = simulate(folder, job_of(network, folder, 7, 0.3, counts), "digits")
    assert len(counts) == 360 and not failed, log


# --- the checkers ---


def beat(valid: int, ready: int, data: int = 0, last: int = 0) -> dict[str, int]:
    return {"tvalid": valid, "tready": ready, "tdata": data, "tlast": last}


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        ([beat(1, 0, 5), beat(1, 0, 6)], "s, cycle 2: tdata changed while it waited, from 0x5 to 0x6"),
        ([beat(1, 0, 5), beat(1, 1, 5, 1)], "s, cycle 2: tlast changed while it waited, from 0x0 to 0x1"),
        ([beat(1, 0, 5), beat(0, 1, 5)], "s, cycle 2: tvalid was withdrawn before tready came"),
    ],
)  # fmt: skip
def test_a_broken_rule_of_a_stream_is_told(samples: list[dict[str, int]], told: str) -> None:
    checker = StreamChecker("s")
    checker.see(beat(0, 0), reset=False)
    with pytest.raises(ProtocolError) as error:
        for sample in samples:
            checker.see(sample, reset=False)
    assert str(error.value) == told


def test_a_beat_right_behind_the_reset_is_told() -> None:
    checker = StreamChecker("s")
    checker.see(beat(1, 0), reset=True)
    with pytest.raises(ProtocolError, match=r"^s, cycle 1: tvalid is high right behind the reset$"):
        checker.see(beat(1, 0), reset=False)


IDLE = {
    name: 0
    for channel, fields in LITE.items()
    for name in (*fields, f"{channel}valid", f"{channel}ready")
}
ASK_WRITE = [
    {"awvalid": 1, "awready": 1, "awaddr": 4},
    {"wvalid": 1, "wready": 1, "wstrb": 15},
]
ASK_READ = [{"arvalid": 1, "arready": 1, "araddr": 8}]


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        ([*ASK_WRITE[:1], {"bvalid": 1}], "l, cycle 2: bvalid is high, but no write was asked for"),
        ([{"rvalid": 1}], "l, cycle 1: rvalid is high, but no read was asked for"),
        ([*ASK_WRITE, {"bvalid": 1, "bready": 1}, {"bvalid": 1, "bready": 1}], "l, cycle 4: bvalid is high, but no write was asked for"),
        ([*ASK_WRITE, {"bvalid": 1, "bready": 1, "bresp": 2}], "l, cycle 3: the write at 0x0004 must end with 0, not 2"),
        ([*ASK_READ, {"rvalid": 1, "rready": 1}], "l, cycle 2: the read at 0x0008 must end with 2, not 0"),
        ([*ASK_READ, {"rvalid": 1, "rresp": 2}, {"rvalid": 1, "rresp": 2, "rdata": 1}], "l, cycle 3: rdata changed while it waited, from 0x0 to 0x1"),
    ],
)  # fmt: skip
def test_a_broken_rule_of_the_registers_is_told(samples: list[dict[str, int]], told: str) -> None:
    checker = LiteChecker("l", reads=[0, 4], writes=[4])
    checker.see(IDLE, reset=False)
    with pytest.raises(ProtocolError) as error:
        for sample in samples:
            checker.see(IDLE | sample, reset=False)
    assert str(error.value) == told


# --- the files ---


def test_the_files_of_an_axi_export(tmp_path: Path) -> None:
    network = network_of("two_phase")
    folder = export(network, tmp_path / "out", bus="axi")
    told = json.loads((folder / "interface.json").read_text())
    assert told["bus"] == {
        "kind": "axi",
        "word_bits": 8,
        "word": {name: {"low": low, "bits": bits} for name, low, bits in (("address", 0, 3), ("count", 3, 2), ("tick", 5, 1), ("end", 6, 1))},
        "beat_bits": 32,
        "beats": 6,
    }  # fmt: skip
    source = (folder / "random.v").read_text()
    ports = {
        (way, name, int(high or 0) + 1)
        for way, high, name in re.findall(
            r"^  (input|output) (?:\[(\d+):0\] )?(\w+);",
            source[source.index("\nmodule random(") :],
            re.MULTILINE,
        )
    }
    assert {(p["dir"], p["name"], p["bits"]) for p in told["ports"]} <= ports
    rows = {
        row["name"]: row for row in json.loads((folder / "registers.json").read_text())["registers"]
    }
    words = [rows[f"digest{k}"]["value"] for k in range(8)]
    assert b"".join(word.to_bytes(4, "little") for word in words).hex() == network.digest
    plain = export(network, tmp_path / "plain")
    assert {p.name for p in folder.iterdir()} - {p.name for p in plain.iterdir()} == {
        "registers.json",
        "random_registers.h",
    }


def test_lint_of_an_axi_export_says_what_is_waived_and_no_more(tmp_path: Path) -> None:
    folder = export(network_of("two_phase"), tmp_path / "out", bus="axi")
    assert lint(folder) == ""
    assert lint(folder, "-Wall", *(f"-Wno-{rule}" for rule in WAIVED)) == ""


def test_another_bus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^bus must be one of none, axi, not 'apb'$"):
        export(network_of("two_phase"), tmp_path / "out", bus="apb")  # type: ignore[arg-type]
