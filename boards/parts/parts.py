"""The parts, one row each: what `polyrhythm synth` can place on, and what is soldered to boards."""

from dataclasses import dataclass

from polyrhythm.boards.parts.families import CYCLONE5, ECP5, GOWIN, ICE40, XILINX7, Family


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

# What ECP5 25F, 45F, 85F, UP5K and GW1NR-9C have is what nextpnr's report says is available. The
# other numbers are those of data sheets, which no tool at hand confirms: docs/boards.md.
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
    "lut6": "LUT6",
    "alut": "ALUT",
    "ff": "flip-flops",
    "logic_cells": "logic cells",
    "bram": "block RAM",
    "bram18": "block RAM of 18 kbit",
    "dsp": "DSP",
    "spram": "large RAM",
}
PARTS = {part.name: part for part in ROWS}  # of `polyrhythm synth`: no pins of a board matter there


def _ecp5(name: str, title: str, luts: int, bram: int, dsp: int, *flags: str) -> Part:
    has = {"lut4": luts, "ff": luts, "bram": bram, "dsp": dsp}
    return Part(name, f"Lattice {title}", ECP5, has, flags)


BG381_6 = ("--package", "CABGA381", "--speed", "6")
BG554_8 = ("--package", "CABGA554", "--speed", "8")
# What is soldered to boards. A 12F is a 25F of which only half may be used: the maker sells it so,
# and nextpnr lets one use all.
SOLDERED = {
    part.name: part
    for part in (
        *ROWS,
        _ecp5("ecp5-12k", "ECP5 LFE5U-12F, speed grade 6", 12144, 32, 28, "--12k", *BG381_6),
        _ecp5("ecp5-45k", "ECP5 LFE5U-45F, speed grade 6", 43848, 108, 72, "--45k", *BG381_6),
        _ecp5(
            "ecp5-25k-bg256",
            "ECP5 LFE5U-25F in BG256, speed grade 6",
            24288,
            56,
            28,
            *("--25k", "--package", "CABGA256", "--speed", "6"),
        ),
        _ecp5("ecp5-5g-45k", "ECP5 LFE5UM5G-45F, grade 8", 43848, 108, 72, "--um5g-45k", *BG554_8),
        _ecp5("ecp5-5g-85k", "ECP5 LFE5UM5G-85F, grade 8", 83640, 208, 156, "--um5g-85k", *BG554_8),
        Part(
            "gw1nr-9c",
            "Gowin GW1NR-9C, speed C6/I5",
            GOWIN,
            {"lut4": 8640, "ff": 6480, "bram": 26, "dsp": 20},
            ("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C"),
        ),
        Part(
            "xc7a35t",
            "AMD Artix-7 XC7A35T",
            XILINX7,
            {"lut6": 20800, "ff": 41600, "bram18": 100, "dsp": 90},
            (),
        ),
        Part(
            "xc7a100t",
            "AMD Artix-7 XC7A100T",
            XILINX7,
            {"lut6": 63400, "ff": 126800, "bram18": 270, "dsp": 240},
            (),
        ),
        Part(
            "5cseba6",
            "Intel Cyclone V 5CSEBA6",
            CYCLONE5,
            {"alut": 83820, "ff": 167640, "bram": 553, "dsp": 112},
            (),
        ),
    )
}
