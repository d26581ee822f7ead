"""The files of a testbench, made of those of an export."""

import json
from collections.abc import Mapping
from pathlib import Path

from polyrhythm.hw.export import Beside
from polyrhythm.sim.design import Design
from polyrhythm.sim.testbench.makefile import makefile, waivers
from polyrhythm.sim.testbench.memories import hex_files
from polyrhythm.sim.testbench.vectors import Vectors
from polyrhythm.sim.testbench.verilog import testbench

COCOTB = Path(__file__).with_name("cocotb_bench.py")


def beside(vectors: Vectors) -> Beside:
    """What `hw.export` writes beside an export so that `make` there holds it against the golden
    model: both testbenches, their vectors, a makefile and the lint's waivers."""

    def files(export: Mapping[str, str]) -> dict[str, str]:
        design = Design.of(Path(), json.loads(export["interface.json"]))
        name = design.top
        return {
            f"{name}_tb.v": testbench(design, vectors),
            f"{name}_tb.py": COCOTB.read_text(encoding="ascii"),
            **hex_files(design, vectors),
            f"{name}.vlt": waivers(design),
            "Makefile": makefile(design),
        }

    return files
