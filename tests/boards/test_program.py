"""boards.bitstream.program: what openFPGALoader says when something is wrong, and what we say then.

A stand-in prints what openFPGALoader 1.1.1 prints: without a cable and with a wrong board as it was
seen there, the rest as its source and libftdi's have the texts.
"""

import json
import re
from pathlib import Path

import pytest

from polyrhythm.boards.bitstream import program
from polyrhythm.boards.bitstream.build import digest_of
from polyrhythm.boards.bitstream.program import NoDevice, NotLoaded, load
from polyrhythm.boards.catalog.rows import BOARDS
from polyrhythm.boards.flow import stage
from polyrhythm.cli import main
from polyrhythm.sw.lib import fix

NO_CABLE = "unable to open ftdi device: -3 (device not found)\nempty\nJTAG init failed with: unable to open ftdi device\n"
NO_RIGHT = "unable to open ftdi device: -4 (usb_open() failed)\nempty\nJTAG init failed with: unable to open ftdi device\n"
NO_FPGA = "empty\nError: no device found\n"
NO_LIBRARY = "openFPGALoader: error while loading shared libraries: libusb-1.0.so.0: cannot open shared object file: No such file or directory\n"
NO_DAPLINK = "empty\nJtag: support for cmsisdap was not enabled at compile time\nJTAG init failed with: std::exception\n"
OTHER = "mismatch between target's idcode and bitstream idcode\n\tbitstream has 0x21111043 hardware requires 0x41111043\nError: Failed to program FPGA\n"
ODD = "empty\nwrite failed\nErase FAIL\n"


@pytest.fixture
def bitstream(tmp_path: Path) -> Path:
    """A bitstream for a ULX3S beside its build.json."""
    file = tmp_path / "net.bit"
    file.write_bytes(b"bits")
    told = {"board": "ulx3s-25f", "files": {"net.bit": digest_of(file)}}
    (tmp_path / "build.json").write_text(json.dumps(told))
    return file


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, status: int) -> Path:
    """A program that notes its arguments, prints a text and ends with a status."""
    tool, words = tmp_path / "loader", tmp_path / "words"
    (tmp_path / "text").write_text(text)
    tool.write_text(f'#!/bin/sh\necho "$@" > {words}\ncat {tmp_path / "text"}\nexit {status}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("OPENFPGALOADER", str(tool))
    return words


def test_a_board_is_loaded(
    bitstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = stand_in(tmp_path, monkeypatch, "Done\n", 0)
    lines: list[str] = []
    done = load(bitstream, progress=lambda line: lines.append(str(line)))
    assert done == {
        "bitstream": str(bitstream),
        "board": "ulx3s-25f",
        "title": "ULX3S, ECP5 25F",
        "flash": False,
    }
    assert words.read_text() == f"--board ulx3s {bitstream}\n"
    assert lines == [f"loading {bitstream} into ULX3S, ECP5 25F"]
    assert load(bitstream, flash=True)["flash"]
    assert words.read_text() == f"--board ulx3s --write-flash {bitstream}\n"


def test_an_icebreaker_is_always_loaded_through_its_flash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = stand_in(tmp_path, monkeypatch, "Done\n", 0)
    (tmp_path / "x.bin").write_bytes(b"bits")
    assert load(tmp_path / "x.bin", "icebreaker")["flash"]
    assert words.read_text() == f"--board ice40_generic --write-flash {tmp_path / 'x.bin'}\n"


def test_a_board_without_a_programmer_is_reached_by_its_cable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = stand_in(tmp_path, monkeypatch, "Done\n", 0)
    (tmp_path / "x.bit").write_bytes(b"bits")
    load(tmp_path / "x.bit", "colorlight-5a-75b")
    assert words.read_text() == f"--cable ft232 {tmp_path / 'x.bit'}\n"


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (NO_CABLE, NoDevice, "no ulx3s-25f is on USB: unable to open ftdi device: -3 (device not found); plug it in, with a cable that carries data"),
        (NO_RIGHT, NoDevice, f"ulx3s-25f is on USB, but this user may not open it: unable to open ftdi device: -4 (usb_open() failed); put {program.RULES} into /etc/udev/rules.d, run `udevadm control --reload`, and plug the board in again"),
        (NO_FPGA, NoDevice, "the programmer is there, but no FPGA answers behind it: Error: no device found; is ulx3s-25f powered, and is its JTAG connected?"),
        (NO_LIBRARY, NoDevice, f"openFPGALoader cannot start: {NO_LIBRARY.strip()}; fix it with: {fix.debian('libusb-1.0-0')}"),
        (NO_DAPLINK, NoDevice, f"this openFPGALoader cannot speak to the programmer of ulx3s-25f: Jtag: support for cmsisdap was not enabled at compile time; install your system's and name it in OPENFPGALOADER: {fix.debian('openfpgaloader')}"),
        (OTHER, ValueError, "{file} is for another FPGA than the one on USB: mismatch between target's idcode and bitstream idcode, bitstream has 0x21111043 hardware requires 0x41111043; build for the board that is there"),
        (ODD, NotLoaded, "openFPGALoader ended with status 1 on ulx3s-25f and said: Erase FAIL"),
        ("", NotLoaded, "openFPGALoader ended with status 1 on ulx3s-25f and said: nothing"),
    ],
    ids=["cable", "permission", "fpga", "library", "daplink", "other board", "odd", "silent"],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line(
    said: str,
    kind: type[Exception],
    text: str,
    bitstream: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in(tmp_path, monkeypatch, said, 1)
    with pytest.raises(kind, match=f"^{re.escape(text.replace('{file}', str(bitstream)))}$"):
        load(bitstream)


@pytest.mark.parametrize(("said", "code"), [(NO_CABLE, 3), (NO_RIGHT, 3), (OTHER, 2), (ODD, 1)])
def test_the_exit_code_says_whose_turn_it_is(
    said: str, code: int, bitstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, said, 1)
    assert main.main(["program", str(bitstream)]) == code


def test_the_wrong_board_is_refused_before_anything_runs(
    bitstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = stand_in(tmp_path, monkeypatch, "Done\n", 0)
    text = f"{bitstream} was built for ulx3s-25f, not for icebreaker, as {tmp_path / 'build.json'} says"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        load(bitstream, "icebreaker")
    bitstream.write_bytes(b"others")
    text = f"{bitstream} must be the file that {tmp_path / 'build.json'} tells of, but it is another; build again"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        load(bitstream)
    assert not words.exists()


def test_a_bitstream_that_is_missing_or_belongs_to_nothing_is_told(tmp_path: Path) -> None:
    file = tmp_path / "net.bit"
    with pytest.raises(
        ValueError, match=f"^{file}: no such bitstream; polyrhythm build makes one$"
    ):
        load(file)
    file.write_bytes(b"bits")
    with pytest.raises(
        ValueError, match=f"^{file} must lie beside its build.json, or --board must name its board$"
    ):
        load(file)
    (tmp_path / "build.json").write_text("[]")
    with pytest.raises(
        ValueError, match=f"^{tmp_path / 'build.json'} must be as polyrhythm build wrote it: "
    ):
        load(file)
    with pytest.raises(
        ValueError,
        match=r"^board must be one of ulx3s-12f, .*, not 'icebraker'; did you mean icebreaker\?$",
    ):
        load(tmp_path / "build.json", "icebraker")


def test_a_loader_that_is_missing_is_told(bitstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENFPGALOADER", "/no/such/loader")
    with pytest.raises(
        NoDevice, match="^OPENFPGALOADER must name a program, but /no/such/loader is none$"
    ):
        load(bitstream)
    monkeypatch.delenv("OPENFPGALOADER")
    monkeypatch.setattr(program, "LOADER", "no-such-loader")
    text = f"no-such-loader is not installed; fix it with: {fix.extra('board')}"
    with pytest.raises(stage.ToolMissing, match=f"^{re.escape(text)}$"):
        load(bitstream)


def test_a_board_of_another_programmer_is_told() -> None:
    with pytest.raises(
        ValueError,
        match="^de10-nano is loaded by its maker's programmer; polyrhythm program does it for ulx3s-12f, ",
    ):
        program.cable(BOARDS["de10-nano"])
