"""The files of a testbench, made of those of an export."""

import json
from collections.abc import Mapping
from pathlib import Path

from polyrhythm.hw.export import Beside
from polyrhythm.sim.design import Design
from polyrhythm.sim.testbench.axi import axi_files
from polyrhythm.sim.testbench.makefile import makefile, waivers
from polyrhythm.sim.testbench.memories import hex_files
from polyrhythm.sim.testbench.vectors import Vectors
from polyrhythm.sim.testbench.verilog import testbench

COCOTB = Path(__file__).with_name("cocotb_bench.py")


def beside(vectors: Vectors) -> Beside:
    """What `hw.export` writes beside an export so that `make` there holds it against the golden
    model: testbenches, their vectors, a makefile and the lint's waivers. An AXI export has one in
    Verilog alone."""

    def files(export: Mapping[str, str]) -> dict[str, str]:
        told = json.loads(export["interface.json"])
        name = told["top"]
        if "bus" in told:
            return {
                **axi_files(told, json.loads(export["registers.json"]), vectors),
                f"{name}.vlt": waivers(name),
                "Makefile": makefile(name, cocotb=False),
            }
        design = Design.of(Path(), told)
        return {
            f"{name}_tb.v": testbench(design, vectors),
            f"{name}_tb.py": COCOTB.read_text(encoding="ascii"),
            **hex_files(design, vectors),
            f"{name}.vlt": waivers(name),
            "Makefile": makefile(name, cocotb=True),
        }

    return files
