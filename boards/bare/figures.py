"""What a placed design takes of its part, and how fast it is."""

import json
import re
from pathlib import Path
from typing import Any

from polyrhythm.boards.bare.harness import TOP
from polyrhythm.boards.flow.mapping import halves, module_of
from polyrhythm.boards.flow.outreg import Netlist
from polyrhythm.boards.flow.use import alone
from polyrhythm.boards.parts.parts import Part


def figures(part: Part, work: Path, report_path: Path) -> dict[str, Any]:
    """What the design itself takes, the ring's own cells taken off, and how fast it is."""
    report = json.loads(report_path.read_text())
    own = json.loads((work / "ring.json").read_text())
    if "logic_cells" in part.family.sites:
        own["logic_cells"] = ring_cells(module_of(work, TOP), own["lut4"])
    used = halves(work, part.family)
    none = {"used": 0, "available": 0}
    sites = {
        word: report["utilization"].get(site, none) for word, site in part.family.sites.items()
    }
    used |= {word: site["used"] for word, site in sites.items()}
    fmax = min((clock["achieved"] for clock in report["fmax"].values()), default=float("nan"))
    return {
        "part": part.name,
        "title": part.title,
        "fmax_mhz": round(fmax, 1),
        **{word: n - own.get(word, 0) for word, n in used.items()},
        "available": {word: site["available"] for word, site in sites.items()},
        "ring": own,
        "critical_path": critical_path(report),
    }


def ring_cells(module: Netlist, luts: int) -> int:
    """Logic cells of an iCE40 that only the ring fills: its LUTs, each with a flip-flop, and its
    flip-flops that no LUT of the design makes room for."""
    own = re.compile(r"(reset|shift|seen|fold)_ff(\[\d+\])?\.ff")
    return luts + sum(own.fullmatch(name) is not None for name in alone(module))


def critical_path(report: dict[str, Any]) -> list[str]:
    """The slowest path between two flip-flops, one line a hop; carry cells in a row are one hop."""
    paths = [path["path"] for path in report["critical_paths"] if path["from"] == path["to"]]
    if not paths:
        return []
    lines: list[str] = []
    delay = 0.0
    for hop in max(paths, key=lambda path: sum(hop["delay"] for hop in path)):
        delay += hop["delay"]
        if hop["delay"] >= 0.1 or hop["type"] == "setup":
            lines.append(
                f"{delay:.2f} ns {hop['type']} {hop['from']['cell']} -> {hop['to']['cell']}"
            )
            delay = 0.0
    return lines
