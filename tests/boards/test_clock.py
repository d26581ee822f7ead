"""boards.parts.clock: settings that the families' own calculators agree with, and rates that divide."""

import re
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from polyrhythm.boards.flow.stage import find_tool
from polyrhythm.boards.parts import clock
from polyrhythm.boards.parts.clock import Pll, baud_of, best_below, divides, outputs


def nearest(kind: str, source: float, mhz: float) -> Pll:
    return min(outputs(kind, source), key=lambda setting: abs(setting.output - Fraction(mhz)))


def said(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [find_tool(command[0]), *command[1:]], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("source", "mhz"), [(25, 130), (25, 62.5), (100, 146), (12, 48)])
def test_ecp5_is_as_near_as_ecppll(source: float, mhz: float, tmp_path: Path) -> None:
    """Their search has one more output to feed back from; with it (--highres) both are equal."""
    text = said(
        tmp_path, "yowasp-ecppll", "-i", f"{source}", "-o", f"{mhz}", "--highres", "-f", "p.v"
    )
    verilog = (tmp_path / "p.v").read_text()
    theirs = {name: int(value) for name, value in re.findall(r"\.(CLK\w+_DIV)\((\d+)\)", verilog)}
    made = (
        Fraction(source)
        / theirs["CLKI_DIV"]
        * theirs["CLKFB_DIV"]
        * theirs["CLKOP_DIV"]
        / theirs["CLKOS_DIV"]
    )
    assert float(made) == pytest.approx(
        float(re.findall(r"clkout1 frequency: ([\d.]+)", text)[0]), rel=1e-4
    )
    ours = nearest("ecp5", source, mhz)
    assert abs(ours.output - Fraction(mhz)) <= abs(made - Fraction(mhz))
    d = ours.dividers
    if d:
        assert (
            ours.output
            == Fraction(source) / d["CLKI_DIV"] * d["CLKFB_DIV"] * d["CLKOP_DIV"] / d["CLKOS_DIV"]
        )


@pytest.mark.parametrize("mhz", [48, 60, 39, 24, 100])
def test_ice40_is_what_icepll_finds(mhz: float, tmp_path: Path) -> None:
    text = said(tmp_path, "yowasp-icepll", "-i", "12", "-o", f"{mhz}")
    theirs = {
        name: int(value) for name, value in re.findall(r"(DIV[RFQ]|FILTER_RANGE): +(\d+)", text)
    }
    ours = nearest("ice40", 12, mhz)
    assert ours.dividers == theirs
    assert ours.mhz == pytest.approx(float(re.findall(r"([\d.]+) MHz \(achieved\)", text)[0]))


@pytest.mark.parametrize("mhz", [54, 100, 81, 121.5])
def test_gowin_is_as_near_as_gowin_pll(mhz: float, tmp_path: Path) -> None:
    text = said(tmp_path, "gowin_pll", "-i", "27", "-o", f"{mhz}", "-d", "GW1NR-9 C6/I5")
    theirs = {name: int(value) for name, value in re.findall(r"\.(\w+DIV_SEL)\((\d+)\)", text)}
    made = Fraction(27) * (theirs["FBDIV_SEL"] + 1) / (theirs["IDIV_SEL"] + 1)
    ours = nearest("gowin", 27, mhz)
    assert abs(ours.output - Fraction(mhz)) <= abs(made - Fraction(mhz))
    d = ours.dividers
    assert ours.output == Fraction(27) * (d["FBDIV_SEL"] + 1) / (d["IDIV_SEL"] + 1)
    assert 400 <= ours.output * d["ODIV_SEL"] <= 1200


def inside(kind: str, source: int, setting: Pll) -> tuple[Fraction, Fraction]:
    """What the PLL compares, and its inner oscillator [MHz]."""
    d, made, given = setting.dividers, setting.output, Fraction(source)
    match kind:
        case "ecp5":
            return given / d["CLKI_DIV"], made * d["CLKOS_DIV"]
        case "ice40":
            return given / (d["DIVR"] + 1), made * 2 ** d["DIVQ"]
        case "gowin":
            return given / (d["IDIV_SEL"] + 1), made * d["ODIV_SEL"]
    return given / d["DIVCLK_DIVIDE"], made * d["CLKOUT0_DIVIDE"]


@pytest.mark.parametrize(
    ("kind", "source", "limits"),
    [
        ("ecp5", 25, clock.ECP5),
        ("ice40", 12, clock.ICE40),
        ("gowin", 27, clock.GOWIN),
        ("xilinx", 100, clock.XILINX),
    ],
)
def test_every_setting_keeps_the_limits(kind: str, source: int, limits: clock.Limits) -> None:
    made = outputs(kind, source)
    assert [setting.output for setting in made] == sorted(
        {setting.output for setting in made}, reverse=True
    )
    for setting in made:
        if not setting.dividers:
            assert setting.output == source
            continue
        compared, vco = inside(kind, source, setting)
        assert limits.pfd[0] <= compared <= limits.pfd[1], setting
        assert limits.vco[0] <= vco <= limits.vco[1], setting
        assert limits.output[0] <= setting.output <= limits.output[1], setting


def test_the_oscillator_itself_is_one_of_the_clocks() -> None:
    assert Pll(Fraction(12), {}) in outputs("ice40", 12)
    assert outputs(None, 50) == (Pll(Fraction(50), {}),)


def test_a_bit_has_eight_clocks_where_nobody_asks() -> None:
    assert baud_of(48e6, 12_000_000) == 6_000_000
    assert baud_of(118.75e6, 3_000_000) == 3_000_000
    assert baud_of(27e6, 1_000_000) == 1_000_000
    assert baud_of(0.5e6, 12_000_000) is None


def test_a_rate_is_divided_within_one_and_a_half_percent() -> None:
    assert divides(48e6, 12e6) and not divides(36e6, 12e6)
    assert divides(100e6, 3e6) and not divides(50e6, 12e6)


def test_a_slightly_slower_clock_is_taken_for_a_faster_link() -> None:
    """61.5 MHz is nothing that 12 Mbaud divide, nor 6; 60 MHz is."""
    made = [Pll(Fraction(value).limit_denominator(100), {}) for value in (63.0, 61.5, 60.0, 57.0)]
    assert best_below(made, 62.0, 12_000_000).mhz == 60.0
    assert best_below(made, 62.0, 12_000_000, spare=0.0).mhz == 61.5
    with pytest.raises(
        ValueError, match=r"^the slowest clock is 57 MHz, but the design reaches 50 MHz$"
    ):
        best_below(made, 50.0, 12_000_000)
