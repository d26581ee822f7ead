"""The pins of a Colorlight i5 (7.0) on the extension board that is sold with it.

Pins as two public files have them: litex-boards `platforms/colorlight_i5.py`, and the extension
board's pinout in github.com/wuxx/Colorlight-FPGA-Projects. K18 goes to a connector: a button to
ground there resets.
"""

from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.resources import ButtonResources, LEDResources, UARTResource

VOLTAGE = Attrs(IO_TYPE="LVCMOS33")
PULLED_UP = Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP")


class ColorlightI5Platform(LatticeECP5Platform):  # type: ignore[misc]
    """LFE5U-25F-6BG381C, a clock of 25 MHz, an LED, and the UART of the extension board."""

    device = "LFE5U-25F"
    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources = [  # noqa: RUF012
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), VOLTAGE),
        *LEDResources(pins="U16", invert=True, attrs=VOLTAGE),
        *ButtonResources(pins="K18", invert=True, attrs=PULLED_UP),
        UARTResource(0, rx="H18", tx="J17", attrs=PULLED_UP),
    ]
    connectors: list[object] = []  # noqa: RUF012
