"""What the link of a board takes, part by part, and how fast it is.

    python tools/link_cells.py [up5k | ecp5-25k] ...

The endpoint of models/digits without its accelerator, in whose place registers stand, is mapped
flat and placed; then with its hierarchy kept, for each part's own LUTs, flip-flops, block RAMs.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.boards.bare.figures import critical_path
from polyrhythm.boards.design.prepare import own_environment, without_read_write_check
from polyrhythm.boards.design.rom import BoardRom
from polyrhythm.boards.flow.mapping import counted, mapped, run_yosys
from polyrhythm.boards.flow.stage import run_tool
from polyrhythm.boards.flow.use import kind_of
from polyrhythm.boards.link.endpoint import Endpoint
from polyrhythm.boards.parts.families import Family
from polyrhythm.boards.parts.parts import PARTS, Part
from polyrhythm.hw.bus import counted as place_of_core
from polyrhythm.hw.layer import result_of
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.input_checker import Status
from polyrhythm.sw.lib.folders import build_root
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.network import NetworkPlan, plan

REPO = Path(__file__).resolve().parents[1]
CLOCK_HZ, BAUD = 12e6, 3e6


class Hollow(wiring.Component):
    """In an accelerator's place: a shift register that all inputs go into, and whose bits all
    outputs are."""

    def __init__(self, plan: NetworkPlan, rom: type[Rom]) -> None:
        event = Event.of(plan.input)
        streams = {
            "i": In(stream.Signature(event)),
            "o": Out(stream.Signature(result_of(plan.readout))),
        }
        super().__init__(streams | {"error": Out(1), "status": Out(Status(event, plan.ticks))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        outputs = Cat(self.i.ready, self.o.valid, self.error, self.o.payload, self.status)
        inputs = Cat(self.i.valid, self.o.ready, self.i.payload)
        bits = Signal(len(outputs), name="bits")
        moved = Cat(inputs, bits[:-1])[: len(bits)]
        m.d.sync += bits.eq(Value.cast(moved) ^ Cat(bits[-1], inputs))
        m.d.comb += outputs.eq(bits)
        return m


def parts_of(family: Family, work: Path) -> dict[str, Counter[str]]:
    """Sites that each part takes by itself."""
    mapper = f"{family.synthesis} -noflatten" + (" -noabc9" if family.abc9 else "")
    steps = ["read_rtlil top.il", f"{mapper} -top top", "tee -q -o parts.json stat -json"]
    run_yosys(steps, "parts", work, "parts.log")
    found: dict[str, Counter[str]] = {}
    for name, module in json.loads((work / "parts.json").read_text())["modules"].items():
        total: Counter[str] = Counter()
        for cell, number in module["num_cells_by_type"].items():
            kind = ("ff", 1) if cell.startswith("SB_DFF") else kind_of(cell, family.kinds)
            if kind is not None:
                total[kind[0]] += kind[1] * number
        found[name.removeprefix("\\")] = total
    return found


def cells(part: Part, work: Path) -> dict[str, Any]:
    """What the flat design takes, its clock, and its slowest path."""
    family = part.family
    mapped(part, ["read_rtlil top.il"], "top", work)
    flags = [*part.flags, *family.flags, "--json", "netlist.json", "--top", "top", "--seed", "1"]
    flags += ["--freq", f"{family.target_mhz:g}", "--timing-allow-fail", "--report", "report.json"]
    run_tool([family.placer, *flags], "place", work, "place.log")
    report = json.loads((work / "report.json").read_text())
    used = {name: n["used"] for name, n in report["utilization"].items() if n["used"]}
    mhz = min(clock["achieved"] for clock in report["fmax"].values())
    return {**counted(work, family), **used, "mhz": mhz, "path": critical_path(report)}


def main(names: list[str]) -> None:
    place_of_core.Accelerator = Hollow  # type: ignore[misc, assignment]
    planned = plan(Network.load(REPO / "models" / "digits.safetensors"))
    with own_environment():
        text = rtlil.convert(Endpoint(planned, CLOCK_HZ, BAUD, BoardRom), emit_src=False)
    for name in names or ["up5k", "ecp5-25k"]:
        part, work = PARTS[name], build_root() / "link" / name
        work.mkdir(parents=True, exist_ok=True)
        (work / "top.il").write_text(without_read_write_check(text))
        for key, value in cells(part, work).items():
            print(name, key, *(["", *value] if key == "path" else [value]), sep="\n    ")
        for module, found in sorted(parts_of(part.family, work).items()):
            print(f"    {module:40} {dict(found)}")


if __name__ == "__main__":
    main(sys.argv[1:])
