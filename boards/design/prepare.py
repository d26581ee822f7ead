"""From a board and a design to what the tools read: RTLIL or Verilog, pins and constraints, as
amaranth-boards has them."""

import importlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amaranth.back import rtlil

from polyrhythm.boards.catalog.row import Board
from polyrhythm.boards.design.top import BoardTop, Design
from polyrhythm.boards.parts.clock import Pll

TOP = "top"
MEMORY = re.compile(r"  memory (?:width \d+ |size \d+ )*(\\\S+)$")
ALONE = ("build_", ".debug.v", ".ys")  # of a plan: scripts of Amaranth's own run of the tools


def prepared(board: Board, pll: Pll, design: Design) -> dict[str, str]:
    """The files of the board's top around a design, by name.

    The same board, clock and design give the same text: nothing of the environment or of where the
    sources lie goes into it.
    """
    with own_environment():
        plan = platform_of(board).prepare(BoardTop(board, pll, design), TOP, emit_src=False)
    files = {
        file: text if isinstance(text, str) else text.decode()
        for file, text in plan.files.items()
        if not any(word in file for word in ALONE)
    }
    if f"{TOP}.il" in files:
        files[f"{TOP}.il"] = without_read_write_check(files[f"{TOP}.il"])
    return files


def rtlil_of(board: Board, pll: Pll, design: Design) -> str:
    """The same top as RTLIL, for boards whose own tools read Verilog."""
    seen: list[str] = []
    platform = platform_of(board)

    def keep(design: Any, name: str, **_: object) -> None:
        seen.append(rtlil.convert_fragment(design, name, emit_src=False)[0])

    platform.toolchain_prepare = keep
    platform.prepare(BoardTop(board, pll, design), TOP)
    return without_read_write_check(seen[0])


def platform_of(board: Board) -> Any:
    """The board's pins, as amaranth-boards or a file of ours has them."""
    module, _, name = board.platform.partition(":")
    return getattr(importlib.import_module(module), name)()


@contextmanager
def own_environment() -> Iterator[None]:
    """Amaranth without what the environment tells it: its variables come before all arguments."""
    theirs = {name: value for name, value in os.environ.items() if name.startswith("AMARANTH_")}
    for name in theirs:
        del os.environ[name]
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    try:
        yield
    finally:
        del os.environ["AMARANTH_USE_YOSYS"]
        os.environ.update(theirs)


def without_read_write_check(text: str) -> str:
    """RTLIL in which `no_rw_check` of a memory reaches its read ports.

    Yosys honours that attribute where it finds a port's register itself. Amaranth's ports have
    theirs already; they say of each write port whether a word read while it is written may be
    anything.
    """
    out: list[str] = []
    free: set[str] = set()  # memories of the module at hand
    marked = reading = False
    for line in text.splitlines(keepends=True):
        word = line.split(maxsplit=1)[:1]
        match word:
            case ["module"]:
                free = set()
            case ["memory"]:
                found = MEMORY.match(line.rstrip())
                if found and marked:
                    free.add(found[1].replace("\\", "\\\\"))
            case ["cell"]:
                reading = False
            case ["parameter"]:
                if line.startswith("    parameter \\MEMID"):
                    reading = line.split(maxsplit=2)[2].strip().strip('"') in free
                mask = re.match(r"(    parameter \\COLLISION_X_MASK )(\d+)'[01]+$", line.rstrip())
                if mask and reading:
                    line = f"{mask[1]}{mask[2]}'{'1' * int(mask[2])}\n"
        if word == ["attribute"]:
            marked = marked or line.strip() == "attribute \\no_rw_check 1"
        elif word:
            marked = False
        out.append(line)
    return "".join(out)
