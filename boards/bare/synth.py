"""Synthesis, place and route of an exported accelerator, with the tools from PyPI.

`place` takes a folder of Verilog, `synth` a network. Both answer with what the part holds after
routing: LUT4, flip-flops, block RAM, DSP and Fmax. The tap ports go first: they are for debugging,
and unused logic goes with them. Results are kept below build/synth, named by a digest of the
Verilog, the tools and the options; logs stay beside them.
"""

import hashlib
import json
import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.boards.bare.figures import figures
from polyrhythm.boards.bare.harness import TOP, cost, ports_of, ring
from polyrhythm.boards.flow.mapping import YOSYS, mapped, module_of, run_yosys
from polyrhythm.boards.flow.stage import Tell, ToolMissing, run_tool
from polyrhythm.boards.flow.use import told, use
from polyrhythm.boards.parts.parts import PARTS, Part
from polyrhythm.sw.lib.folders import build_root

if TYPE_CHECKING:
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.plan.lanes import Lanes
    from polyrhythm.sw.plan.parameters import Coding

RECIPE = 9  # part of every cache key: raise it when the scripts below change
DESIGN = "design"  # what the design's top is called in the netlist: its own name may be the ring's


def synth(
    network: "Network",
    part: str,
    lanes: "Sequence[Lanes] | None" = None,
    seeds: Sequence[int] = (1,),
    freq: float | None = None,
    coding: "Coding" = "count",
    router: str | None = None,
    progress: Tell | None = None,
    swappable: bool = False,
    profiles: "Sequence[str | None]" = (None,),
) -> dict[str, Any]:
    """Export a network and place it once for each seed; the figures are those of the median Fmax.

    swappable: the circuit for all networks of this one's shape, see `boards.swap`. profiles: that
    the circuit has, as of `sw.plan.network.plan`.

    router: one of `parts.ROUTERS`, nextpnr's own choice if none is named. progress: takes lines
    that tell how far it is and, before anything is placed, what the design takes of the part.
    `fmax_mhz_by_seed` has all of them: a single placement is a draw, some 10 % wide. Raises what
    `place` raises.
    """
    from polyrhythm.hw.export import export
    from polyrhythm.sw.plan.refusals import check_profiles

    row = part_named(part)
    check_profiles(network, profiles, shape=swappable or None)
    if not seeds:
        raise ValueError("seeds must name at least one placement, not none")
    words = [
        "place",
        *(map(_spelled, lanes) if lanes else ["default"]),
        *(["unary"] if coding == "unary" else []),
        *(["swappable"] if swappable else []),
        *(["profiles", *(name or "own" for name in profiles)] if len(profiles) > 1 else []),
    ]
    folder = build_root() / network.digest[:16] / "-".join(words)
    if swappable:
        from polyrhythm.boards.swap.contents import export_template

        export_template(network, folder, lanes, coding)
    else:
        export(network, folder, lanes, coding, profiles=profiles)
    work = netlist(folder, row, progress)
    runs = [placed(row, work, seed, freq, router, progress) for seed in seeds]
    middle = statistics.median_low([run["fmax_mhz"] for run in runs])
    chosen = next(run for run in runs if run["fmax_mhz"] == middle)
    return {
        "network": network.name,
        "digest": network.digest,
        "lanes": lanes_of(folder),
        "coding": coding,
        **chosen,
        "fmax_mhz_by_seed": {str(run["seed"]): run["fmax_mhz"] for run in runs},
    }


def _spelled(lanes: "Lanes") -> str:
    return "x".join(map(str, lanes)) if isinstance(lanes, tuple) else str(lanes)


def place(
    verilog_dir: str | Path,
    part: str,
    seed: int = 1,
    freq: float | None = None,
    router: str | None = None,
    progress: Tell | None = None,
) -> dict[str, Any]:
    """Place and route an exported folder: its .v and .hex files and an interface.json with "top".

    Raises ValueError for an unknown part or a wrong folder, ToolMissing without the tools,
    ToolFailed when the design does not fit.
    """
    row = part_named(part)
    folder = Path(verilog_dir)
    if not (folder / "interface.json").is_file():
        raise ValueError(
            f"{folder} must hold interface.json; to write it: polyrhythm verilog NETWORK --out "
            f"{folder}"
        )
    return placed(row, netlist(folder, row, progress), seed, freq, router, progress)


def netlist(folder: Path, part: Part, progress: Tell | None = None) -> Path:
    """The folder with the design's netlist for the part; `progress` is told where it is, and in the
    end what it takes."""
    tell = progress or (lambda line: None)
    work = build_root() / "synth" / f"{part.name}-{digest(folder, part)}"
    work.mkdir(parents=True, exist_ok=True)
    tell(f"logs and netlist: {work}")
    if not (work / "netlist.json").is_file():
        synthesize(
            folder, json.loads((folder / "interface.json").read_text()), part, work, progress
        )
    if progress is not None:
        tell(told(use(module_of(work, TOP), part), part))
    return work


def placed(
    part: Part,
    work: Path,
    seed: int,
    freq: float | None,
    router: str | None,
    progress: Tell | None = None,
) -> dict[str, Any]:
    """The figures of one placement of the netlist in `work`, which is made where it is not there
    yet."""
    target = part.family.target_mhz if freq is None else freq
    report = (
        work / f"report-{'-'.join([str(seed), f'{target:g}', *([router] if router else [])])}.json"
    )
    if not report.is_file():
        route(part, work, seed, target, report, ["--router", router] if router else [], progress)
    return figures(part, work, report) | {"seed": seed, "target_mhz": target, "folder": str(work)}


def part_named(name: str) -> Part:
    """The part's row; ValueError names the parts there are."""
    if name not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, not {name!r}")
    return PARTS[name]


def lanes_of(folder: Path) -> list[int]:
    """The lanes of each layer, as the export chose them."""
    return [
        layer["lanes"] for layer in json.loads((folder / "interface.json").read_text())["layers"]
    ]


def digest(folder: Path, part: Part) -> str:
    """Twelve hex digits over the design's files, the part and the tools: equal digests give equal
    netlists."""
    try:
        tools = [version(name) for name in (YOSYS, part.family.placer)]
    except PackageNotFoundError as error:
        raise ToolMissing(str(error.name)) from error
    total = hashlib.sha256(json.dumps([RECIPE, part.family.synthesis, part.flags, tools]).encode())
    for path in sorted([*folder.glob("*.v"), *folder.glob("*.hex"), folder / "interface.json"]):
        total.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return total.hexdigest()[:12]


def synthesize(
    folder: Path, interface: dict[str, Any], part: Part, work: Path, progress: Tell | None = None
) -> None:
    """Map the design inside its ring to the part's cells: netlist.json, cells.json and ring.json in
    `work`."""
    sources = sorted(folder.glob("*.v"))
    for path in [*sources, *folder.glob("*.hex")]:
        shutil.copyfile(path, work / path.name)
    top = interface["top"]
    read = [
        f"read_verilog {' '.join(path.name for path in sources)}",
        f"hierarchy -check -top {top}",
        "proc",
        f"rename {top} {DESIGN}",
        f"cd {DESIGN}",
        "delete -output o:tap*",
        "cd ..",
        "write_rtlil read.il",
        "write_json ports.json",
    ]
    run_yosys(read, "reading Verilog", work, "read.log", progress)
    ports = ports_of(json.loads((work / "ports.json").read_text())["modules"][DESIGN]["ports"])
    clock, reset = interface.get("clock", "clk"), interface.get("reset", "rst")
    (work / f"{TOP}.v").write_text(ring(DESIGN, ports, clock, reset, part.family.flip_flop))
    (work / "ring.json").write_text(json.dumps(cost(ports, clock, reset)))
    read = ["read_rtlil read.il", f"read_verilog {TOP}.v"]
    mapped(part, read, TOP, work, progress)


def route(
    part: Part,
    work: Path,
    seed: int,
    target_mhz: float,
    report: Path,
    more: Sequence[str] = (),
    progress: Tell | None = None,
) -> None:
    """Place and route the netlist; the report appears when it is whole. more: flags of nextpnr."""
    command = [
        part.family.placer,
        *part.flags,
        *part.family.flags,
        *more,
        "--json",
        "netlist.json",
        "--top",
        TOP,
        "--seed",
        str(seed),
        "--freq",
        f"{target_mhz:g}",
        "--timing-allow-fail",
        "--report",
        "report.part",
    ]
    run_tool(
        command,
        f"place and route on {part.name}, seed {seed}",
        work,
        f"route-{seed}.log",
        progress=progress,
    )
    os.replace(work / "report.part", report)


def _say(line: object) -> None:
    print(line, file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    """python -m polyrhythm.boards.bare.synth FOLDER PART [SEED]: the figures of an exported folder,
    for tuning the gateware."""
    print(
        json.dumps(
            place(argv[0], argv[1], int(argv[2]) if len(argv) > 2 else 1, progress=_say), indent=1
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
