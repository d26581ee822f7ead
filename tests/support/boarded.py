"""A small design for boards, and tools that only pretend."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from polyrhythm.boards.flow import mapping, pack, place
from polyrhythm.boards.link.identity import Identity


class Echo(wiring.Component):
    """Adds words of a memory to a sum, and sends that back in a way; as large as is asked."""

    def __init__(self, clock_hz: float = 1e6, baud: float = 1e5, adders: int = 1):
        self.clock_hz, self.baud, self.adders = clock_hz, baud, adders
        super().__init__({"rx": In(1), "tx": Out(1), "alive": Out(1), "error": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count, total = Signal(24), Signal(16)
        words = [k * k * 7919 & 0xFFFF for k in range(600)]
        m.submodules.memory = memory = Memory(
            shape=16, depth=600, init=words, attrs={"rom_style": "block"}
        )
        read = memory.read_port()
        m.d.comb += read.addr.eq(count[:10])
        m.d.sync += [count.eq(count + 1), total.eq(total + read.data + self.rx)]
        last: Any = total
        for k in range(self.adders):
            made = Signal(16, name=f"sum{k}")
            m.d.sync += made.eq(made * 3 + last)
            last = made
        m.d.comb += [self.tx.eq(last.xor()), self.alive.eq(count[-1]), self.error.eq(last[3])]
        return m


class Tools:
    """Yosys, nextpnr and packers that do nothing but write what they promise; `calls` has the
    commands.

    reach: MHz that a placement reaches, of the MHz it is asked for and its seed; luts: what the
    netlist takes
    """

    def __init__(self, reach: Callable[[float, int], float], luts: int = 10):
        self.reach, self.luts = reach, luts
        self.calls: list[list[str]] = []
        self.constraint: Callable[[float], float] = lambda mhz: mhz
        self.lost: set[str] = set()

    def use(self, monkeypatch: pytest.MonkeyPatch) -> Tools:
        """Take the place of the real ones."""
        for room in (mapping, place, pack):
            monkeypatch.setattr(room, "run_tool", self.run)
        return self

    def named(self, word: str) -> list[list[str]]:
        """The calls of tools whose name has this in it."""
        return [call for call in self.calls if word in call[0]]

    def run(self, command: list[str], stage: str, work: Path, log: str, **_: object) -> None:
        self.calls.append(list(command))
        if "yosys" in command[0]:
            cell = {"type": "LUT4", "parameters": {}, "port_directions": {}, "connections": {}}
            cells = {f"lut{k}": cell for k in range(self.luts)}
            write(work / "netlist.part", {"modules": {"top": {"cells": cells, "ports": {}}}})
            write(work / "cells.json", {"design": {"num_cells_by_type": {"LUT4": self.luts}}})
        elif "--pack-only" in command:
            taken = {"utilization": {"TRELLIS_COMB": {"used": self.luts, "available": 24288}}}
            self.write(work / command[-1], json.dumps(taken))
        elif "nextpnr" in command[0]:
            given = dict(itertools.pairwise(command))
            asked, seed = float(given["--freq"]), int(given["--seed"])
            clock = {"achieved": self.reach(asked, seed), "constraint": self.constraint(asked)}
            report = {
                "fmax": {"clk": clock},
                "critical_paths": [],
                "utilization": {"TRELLIS_COMB": {"used": self.luts, "available": 24288}},
            }
            self.write(work / given["--report"], json.dumps(report))
            for flag in ("--textcfg", "--asc", "--write"):
                if flag in given:
                    self.write(work / given[flag], f"routed with seed {seed}")
        elif "pack" in command[0]:
            self.write(work / next(word for word in command if word.startswith("part-")), "bits")

    def write(self, path: Path, text: str) -> None:
        """Write a file, unless it is to be lost."""
        if not any(path.name.endswith(end) for end in self.lost):
            path.write_text(text)


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


def identified(folder: Path) -> Identity:
    """Who answers at the constant registers that a build's registers.json lists."""
    rows = json.loads((folder / "registers.json").read_text())["registers"]
    words = [row["value"] for row in rows if row["access"] == "constant"]
    content = b"".join(word.to_bytes(4, "little") for word in words)
    return Identity.decode(content[1:])  # behind the protocol
