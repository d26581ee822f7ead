"""nextpnr: a netlist placed and routed, once for each seed, several at a time."""

import json
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyrhythm.boards.flow.stage import Tell, ToolFailed, run_tool
from polyrhythm.boards.flow.timing import Clock, checked
from polyrhythm.boards.flow.use import used
from polyrhythm.boards.parts.families import Flow
from polyrhythm.boards.parts.parts import Part


class NoPlacement(ToolFailed):
    """No seed comes to an end; the message is that of the first."""


@dataclass(frozen=True)
class Placement:
    """One placement: its seed, its clocks, and where its files lie."""

    seed: int
    clocks: tuple[Clock, ...]
    report: Path
    routed: Path

    @property
    def mhz(self) -> float:
        """What the slowest clock reaches."""
        return min(clock.achieved for clock in self.clocks)

    @property
    def met(self) -> bool:
        """Whether every clock reaches what it must."""
        return all(clock.met for clock in self.clocks)

    def read(self) -> dict[str, Any]:
        """nextpnr's report."""
        report: dict[str, Any] = json.loads(self.report.read_text())
        return report


def placements(
    part: Part,
    work: Path,
    top: str,
    mhz: float,
    seeds: Sequence[int],
    router: str | None = None,
    progress: Tell | None = None,
) -> list[Placement]:
    """Place `work`/netlist.json at `mhz` for each seed, as many at a time as there are cores.

    What lies there from before is taken. Several first runs of a YoWASP tool at a time can break
    its cache: `packed` has been the first one. A seed that comes to no end on a full part is told
    and left out; raises NoPlacement where none does.
    """
    missing = [seed for seed in seeds if not files_of(part, work, seed, router)[0].is_file()]
    stop, failed = threading.Event(), dict[int, ToolFailed]()
    with ThreadPoolExecutor(max(1, min(len(missing), os.cpu_count() or 1))) as pool:
        jobs = {
            seed: pool.submit(place, part, work, top, mhz, seed, router, progress, stop)
            for seed in missing
        }
        try:
            for seed, job in jobs.items():
                try:
                    job.result()
                except ToolFailed as error:
                    failed[seed] = error
                    if progress is not None:
                        progress(error)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    if len(failed) == len(seeds):
        raise NoPlacement(str(next(iter(failed.values()))))
    return [read(part, work, mhz, seed, router) for seed in seeds if seed not in failed]


def packed(part: Part, work: Path, top: str, progress: Tell | None = None) -> dict[str, int]:
    """What `work`/netlist.json takes of the part, counted by nextpnr without placing it."""
    report, log = work / "packed.json", "packing.log"
    if not report.is_file():
        part_name = work / "part-packed.json"
        command = [*call(part, top), "--pack-only", "--report", part_name.name]
        extra = flow_of(part).extra
        run_tool(command, f"packing for {part.name}", work, log, progress=progress, extra=extra)
        promised(f"packing for {part.name}", work / log, part_name)
        os.replace(part_name, report)
    return used(json.loads(report.read_text()), part, packed=True)


def call(part: Part, top: str) -> list[str]:
    """How nextpnr is called for the part's netlist.json and pins."""
    return [
        part.family.placer,
        *part.flags,
        *(flag.format(pins=f"{top}{flow_of(part).pins}") for flag in flow_of(part).pin_flags),
        "--json",
        "netlist.json",
        "--top",
        top,
    ]


def flow_of(part: Part) -> Flow:
    """How the part's bitstream is made; only for parts that nextpnr places."""
    assert part.family.flow is not None, part.name
    return part.family.flow


def files_of(part: Part, work: Path, seed: int, router: str | None) -> tuple[Path, Path]:
    """Report and text of one placement."""
    name = "-".join(["routed", str(seed), *([router] if router else [])])
    return work / f"{name}.report.json", work / f"{name}{flow_of(part).routed}"


def place(
    part: Part,
    work: Path,
    top: str,
    mhz: float,
    seed: int,
    router: str | None,
    progress: Tell | None,
    stop: threading.Event,
) -> None:
    """Run the placer once; report and text appear when both are whole."""
    flow = flow_of(part)
    report, routed = files_of(part, work, seed, router)
    parts = [path.with_name(f"part-{path.name}") for path in (report, routed)]
    command = [
        *call(part, top),
        *(["--router", router] if router else []),
        "--seed",
        str(seed),
        "--freq",
        f"{mhz:.6f}",
        "--timing-allow-fail",
        "--report",
        parts[0].name,
        flow.routed_flag,
        parts[1].name,
    ]
    stage = f"place and route on {part.name} at {mhz:.2f} MHz, seed {seed}"
    log = f"{routed.name.removesuffix(flow.routed)}.log"
    run_tool(command, stage, work, log, progress=progress, extra=flow.extra, stop=stop)
    promised(stage, work / log, *parts)
    for path, name in zip(reversed(parts), (routed, report), strict=True):
        os.replace(path, name)


def promised(stage: str, log: Path, *paths: Path) -> None:
    """Raise ToolFailed where a file is missing or empty that a tool has promised."""
    for path in paths:
        if not path.is_file() or path.stat().st_size == 0:
            raise ToolFailed(
                f"{stage}: the tool ended well, but {path.name} is not there; the whole log: {log}"
            )


def read(part: Part, work: Path, mhz: float, seed: int, router: str | None) -> Placement:
    """A placement that lies in `work`."""
    report, routed = files_of(part, work, seed, router)
    return Placement(seed, tuple(checked(json.loads(report.read_text()), mhz)), report, routed)
