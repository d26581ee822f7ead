"""Which clocks a family's PLL can make of a board's oscillator, and which of them a link divides
well.

Limits come from the makers' data: ECP5 Family Data Sheet FPGA-DS-02012 (sysCLOCK PLL timing) and
Technical Note FPGA-TN-02200; iCE40 UltraPlus Family Data Sheet FPGA-DS-02008 and Technical Note
FPGA-TN-02052; GW1NR Data Sheet DS117 (speed C6/I5) and UG286 for the divisors; 7 Series DS181
(speed -1) and UG472. [MHz] everywhere. What of this the open tools confirm: docs/boards.md.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from polyrhythm.boards.link.uart import divisor

# Clocks of a bit that are chosen where nobody asks for a rate: its middle is then met within a
# sixteenth of it. The receiver can work with half of that.
GOOD_BIT_CLOCKS = 8


@dataclass(frozen=True)
class Pll:
    """One setting of a PLL.

    output       what it makes [MHz]
    dividers     by the names of the solver's family; none where the oscillator itself is the clock
    """

    output: Fraction
    dividers: dict[str, int]

    @property
    def mhz(self) -> float:
        """The output."""
        return float(self.output)


@dataclass(frozen=True)
class Limits:
    """What a PLL must keep [MHz]: the compared frequency, the oscillator inside, the output."""

    pfd: tuple[float, float]
    vco: tuple[float, float]
    output: tuple[float, float]


ECP5 = Limits(pfd=(10, 400), vco=(400, 800), output=(3.125, 400))
ICE40 = Limits(pfd=(10, 133), vco=(533, 1066), output=(16, 275))
GOWIN = Limits(pfd=(3, 400), vco=(400, 1200), output=(3.125, 600))
XILINX = Limits(pfd=(19, 450), vco=(800, 1600), output=(6.25, 464))


def inside(value: Fraction, limits: tuple[float, float]) -> bool:
    """Whether a frequency keeps its limits."""
    return limits[0] <= value <= limits[1]


def ecp5(source: Fraction) -> Iterator[Pll]:
    """EHXPLLL with CLKOP fed back and CLKOS for the design.

    compared = source / CLKI_DIV, CLKOP = compared * CLKFB_DIV, VCO = CLKOP * CLKOP_DIV,
    CLKOS = VCO / CLKOS_DIV: a finer choice than CLKOP alone gives.
    """
    for refer in range(1, 129):
        if not inside(source / refer, ECP5.pfd):
            continue
        for product in range(1, 128 * 128 + 1):
            vco = source / refer * product
            if vco > ECP5.vco[1]:
                break
            feedback = next((f for f in range(1, 129) if product % f == 0 and _ecp5(f, product,
                source / refer)), None)  # fmt: skip
            if vco < ECP5.vco[0] or feedback is None:
                continue
            for out in range(1, 129):
                if inside(vco / out, ECP5.output):
                    yield Pll(
                        vco / out,
                        {
                            "CLKI_DIV": refer,
                            "CLKFB_DIV": feedback,
                            "CLKOP_DIV": product // feedback,
                            "CLKOS_DIV": out,
                        },
                    )


def _ecp5(feedback: int, product: int, compared: Fraction) -> bool:
    """Whether CLKOP, which is fed back, is one of the PLL's outputs."""
    return product // feedback <= 128 and inside(compared * feedback, ECP5.output)


def ice40(source: Fraction) -> Iterator[Pll]:
    """SB_PLL40 with simple feedback: output = source / (DIVR + 1) * (DIVF + 1) / 2**DIVQ."""
    for divr in range(16):
        compared = source / (divr + 1)
        if not inside(compared, ICE40.pfd):
            continue
        for divf in range(128):
            vco = compared * (divf + 1)
            for divq in range(1, 7):
                if inside(vco, ICE40.vco) and inside(vco / 2**divq, ICE40.output):
                    setting = {"DIVR": divr, "DIVF": divf, "DIVQ": divq}
                    yield Pll(vco / 2**divq, setting | {"FILTER_RANGE": filter_range(compared)})


def filter_range(compared: Fraction) -> int:
    """The loop filter that SB_PLL40 wants at the compared frequency (FPGA-TN-02052)."""
    return next(k for k, end in enumerate((17, 26, 44, 66, 101, 134), 1) if compared < end)


def gowin(source: Fraction) -> Iterator[Pll]:
    """rPLL: output = source * (FBDIV_SEL + 1) / (IDIV_SEL + 1), VCO = output * ODIV_SEL."""
    for idiv in range(64):
        if not inside(source / (idiv + 1), GOWIN.pfd):
            continue
        for fbdiv in range(64):
            output = source / (idiv + 1) * (fbdiv + 1)
            for odiv in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128):
                if inside(output * odiv, GOWIN.vco) and inside(output, GOWIN.output):
                    yield Pll(output, {"IDIV_SEL": idiv, "FBDIV_SEL": fbdiv, "ODIV_SEL": odiv})


def xilinx(source: Fraction) -> Iterator[Pll]:
    """PLLE2_BASE: VCO = source / DIVCLK_DIVIDE * CLKFBOUT_MULT, output = VCO / CLKOUT0_DIVIDE."""
    for divclk in range(1, 57):
        if not inside(source / divclk, XILINX.pfd):
            continue
        for mult in range(2, 65):
            vco = source / divclk * mult
            for out in range(1, 129):
                if inside(vco, XILINX.vco) and inside(vco / out, XILINX.output):
                    dividers = {"DIVCLK_DIVIDE": divclk, "CLKFBOUT_MULT": mult}
                    yield Pll(vco / out, dividers | {"CLKOUT0_DIVIDE": out})


SOLVERS: dict[str | None, Callable[[Fraction], Iterator[Pll]]] = {
    None: lambda source: iter(()),
    "ecp5": ecp5,
    "ice40": ice40,
    "gowin": gowin,
    "xilinx": xilinx,
}


@cache
def outputs(kind: str | None, source_mhz: float) -> tuple[Pll, ...]:
    """One setting for each frequency that there can be, the fastest first; kind: one of `SOLVERS`.

    Of several settings the one that compares at the highest frequency is kept: it jitters least.
    """
    source = Fraction(source_mhz).limit_denominator(10**6)
    found = {source: Pll(source, {})}
    for setting in SOLVERS[kind](source):
        found.setdefault(setting.output, setting)
    return tuple(sorted(found.values(), key=lambda setting: -setting.output))


def baud_of(clock_hz: float, most: int) -> int | None:
    """The highest common rate up to `most` that the clock divides well; None where there is
    none."""
    return next(
        (
            rate
            for rate in RATES
            if rate <= most and divides(clock_hz, rate) and rate * GOOD_BIT_CLOCKS <= clock_hz
        ),
        None,
    )


# Rates that serial drivers know by name, and those that USB bridges make of 12, 24 or 60 MHz
RATES = (
    12_000_000,
    6_000_000,
    4_000_000,
    3_000_000,
    2_000_000,
    1_500_000,
    1_000_000,
    921_600,
    500_000,
    460_800,
    230_400,
    115_200,
)


def divides(clock_hz: float, baud: float) -> bool:
    """Whether the clock divides into the rate as well as the link wants it."""
    try:
        divisor(clock_hz, baud)
    except ValueError:
        return False
    return True


def best_below(settings: Sequence[Pll], fmax_mhz: float, baud_max: int, spare: float = 0.03) -> Pll:
    """The setting for a design that reaches `fmax_mhz`: the fastest one not above it, or a slightly
    slower one where the link is faster with that.

    spare: the share of speed that may be given for it. Raises ValueError where all are above.
    """
    below = [setting for setting in settings if setting.output <= fmax_mhz]
    if not below:
        slowest = settings[-1].mhz
        raise ValueError(
            f"the slowest clock is {slowest:g} MHz, but the design reaches {fmax_mhz:g} MHz"
        )
    near = [
        setting for setting in below if setting.output >= below[0].output * (1 - Fraction(spare))
    ]
    return max(near, key=lambda s: (baud_of(float(s.output) * 1e6, baud_max) or 0, s.output))
