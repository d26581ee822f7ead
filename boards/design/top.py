"""The top of a board: pads, PLL, reset and LEDs around the design that speaks over the UART."""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Const,
    Elaboratable,
    Instance,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib import io

from polyrhythm.boards.catalog.row import Board, Pad
from polyrhythm.boards.parts.clock import Pll

# Clocks for which the design is held in reset after the PLL has locked. An iCE40 needs the first
# microseconds to fill its block RAMs; a button needs as long to come to rest as it takes.
RESET_CLOCKS = 4096

Design = Callable[[], Any]  # makes the component with rx, tx, alive, error


class BoardTop(Elaboratable):
    """What goes into the FPGA of a board.

    Parameters
    ----------
    board : Board
    pll : Pll               what makes its clock
    design : Design         makes a component with members rx: In(1) (of any clock), tx, alive and
                            error: Out(1), clocked by `sync`

    The domain `sync` is in reset until the PLL has locked and the button has been up for
    `RESET_CLOCKS` clocks.
    """

    def __init__(self, board: Board, pll: Pll, design: Design):
        self.board, self.pll, self.design = board, pll, design

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board = self.board
        locked = self._clock(m, platform)
        self._reset(m, platform, locked)
        m.submodules.endpoint = design = self.design()
        uart = platform.request(board.uart.resource, board.uart.number, dir="-")
        m.submodules.rx_pad = rx = io.Buffer("i", uart.rx)
        m.submodules.tx_pad = tx = io.Buffer("o", uart.tx)
        m.d.comb += [design.rx.eq(rx.i), tx.o.eq(design.tx)]
        for name, pad in (("alive", board.alive), ("error", board.error)):
            if pad is not None:
                m.submodules[f"{name}_pad"] = led = io.Buffer("o", port_of(platform, pad))
                m.d.comb += led.o.eq(getattr(design, name))
        return m

    def _clock(self, m: Module, platform: Any) -> Any:
        """The domain `sync`; whether its clock can be used yet."""
        m.domains.sync = ClockDomain("sync")
        pin = port_of(platform, self.board.clock)
        if self.pll.dividers and self.board.part.family.pll == "ice40":
            locked = Signal()
            m.submodules.pll = _ice40_pll(self.pll, pin.io, ClockSignal("sync"), locked)
            return locked
        m.submodules.clock_pad = source = io.Buffer("i", pin)
        if not self.pll.dividers:
            m.d.comb += ClockSignal("sync").eq(source.i)
            return Const(1)
        locked = Signal()
        maker = {"ecp5": _ecp5_pll, "gowin": _gowin_pll, "xilinx": _xilinx_pll}
        made = maker[str(self.board.part.family.pll)](
            self.pll, self.board.clock_mhz, source.i, ClockSignal("sync"), locked
        )
        for name, cell in made.items():
            m.submodules[name] = cell
        return locked

    def _reset(self, m: Module, platform: Any, locked: Any) -> None:
        """Hold `sync` in reset until its clock runs and the button is up.

        The counter lives in a domain without reset on the same clock.
        """
        m.domains.wake = ClockDomain("wake", reset_less=True, local=True)
        m.d.comb += ClockSignal("wake").eq(ClockSignal("sync"))
        held = Signal(init=1)
        asked: Any = ~locked
        if self.board.reset is not None:
            m.submodules.reset_pad = button = io.Buffer("i", port_of(platform, self.board.reset))
            asked = asked | button.i
        # Two registers make it of our clock
        first, stable = Signal(init=1), Signal(init=1)
        m.d.wake += [first.eq(asked), stable.eq(first)]
        count = Signal(range(RESET_CLOCKS))
        with m.If(stable):
            m.d.wake += [count.eq(0), held.eq(1)]
        with m.Elif(count == RESET_CLOCKS - 1):
            m.d.wake += held.eq(0)
        with m.Else():
            m.d.wake += count.eq(count + 1)
        m.d.comb += ResetSignal("sync").eq(held)


def port_of(platform: Any, pad: Pad) -> Any:
    """The port of a pad, requested once."""
    port = platform.request(pad.resource, pad.number, dir="-")
    return port if pad.signal is None else getattr(port, pad.signal)


def _ice40_pll(pll: Pll, pin: Any, clock: Any, locked: Any) -> Instance:
    """The PLL behind its own pad: the oscillator's pin goes into it and nowhere else."""
    widths = {"DIVR": 4, "DIVF": 7, "DIVQ": 3, "FILTER_RANGE": 3}
    return Instance(
        "SB_PLL40_PAD",
        ("p", "FEEDBACK_PATH", "SIMPLE"),
        *(("p", name, Const(value, widths[name])) for name, value in pll.dividers.items()),
        ("i", "PACKAGEPIN", pin),
        ("i", "RESETB", Const(1)),
        ("i", "BYPASS", Const(0)),
        ("o", "PLLOUTGLOBAL", clock),
        ("o", "LOCK", locked),
    )


def _ecp5_pll(
    pll: Pll, source_mhz: float, source: Any, clock: Any, locked: Any
) -> dict[str, Instance]:
    """CLKOP is fed back, CLKOS is the design's clock; both begin their cycles together.

    The attributes set the loop's analog side as ecppll does.
    """
    fed_back = Signal()
    d = pll.dividers
    cell = Instance(
        "EHXPLLL",
        ("a", "FREQUENCY_PIN_CLKI", f"{source_mhz:g}"),
        ("a", "FREQUENCY_PIN_CLKOS", f"{pll.mhz:g}"),
        ("a", "ICP_CURRENT", "12"),
        ("a", "LPF_RESISTOR", "8"),
        ("a", "MFG_ENABLE_FILTEROPAMP", "1"),
        ("a", "MFG_GMCREF_SEL", "2"),
        ("p", "FEEDBK_PATH", "CLKOP"),
        ("p", "CLKI_DIV", d["CLKI_DIV"]),
        ("p", "CLKFB_DIV", d["CLKFB_DIV"]),
        ("p", "CLKOP_ENABLE", "ENABLED"),
        ("p", "CLKOP_DIV", d["CLKOP_DIV"]),
        ("p", "CLKOP_CPHASE", d["CLKOP_DIV"] - 1),
        ("p", "CLKOP_FPHASE", 0),
        ("p", "CLKOS_ENABLE", "ENABLED"),
        ("p", "CLKOS_DIV", d["CLKOS_DIV"]),
        ("p", "CLKOS_CPHASE", d["CLKOS_DIV"] - 1),
        ("p", "CLKOS_FPHASE", 0),
        ("p", "OUTDIVIDER_MUXA", "DIVA"),
        ("p", "OUTDIVIDER_MUXB", "DIVB"),
        ("p", "PLLRST_ENA", "DISABLED"),
        ("p", "INTFB_WAKE", "DISABLED"),
        ("p", "STDBY_ENABLE", "DISABLED"),
        ("p", "DPHASE_SOURCE", "DISABLED"),
        *(("i", name, Const(0)) for name in ("RST", "STDBY", "PHASESEL0", "PHASESEL1")),
        *(("i", name, Const(1)) for name in ("PHASEDIR", "PHASESTEP", "PHASELOADREG")),
        ("i", "PLLWAKESYNC", Const(0)),
        ("i", "CLKI", source),
        ("i", "CLKFB", fed_back),
        ("o", "CLKOP", fed_back),
        ("o", "CLKOS", clock),
        ("o", "LOCK", locked),
    )
    return {"pll": cell}


def _gowin_pll(
    pll: Pll, source_mhz: float, source: Any, clock: Any, locked: Any
) -> dict[str, Instance]:
    d = pll.dividers
    cell = Instance(
        "rPLL",
        ("p", "FCLKIN", f"{source_mhz:g}"),
        ("p", "DEVICE", "GW1NR-9C"),
        *(("p", name, value) for name, value in d.items()),
        ("p", "DYN_IDIV_SEL", "false"),
        ("p", "DYN_FBDIV_SEL", "false"),
        ("p", "DYN_ODIV_SEL", "false"),
        ("p", "CLKFB_SEL", "internal"),
        *(
            ("i", name, Const(0, bits))
            for name, bits in (
                ("RESET", 1),
                ("RESET_P", 1),
                ("CLKFB", 1),
                ("FBDSEL", 6),
                ("IDSEL", 6),
                ("ODSEL", 6),
                ("PSDA", 4),
                ("DUTYDA", 4),
                ("FDLY", 4),
            )
        ),
        ("i", "CLKIN", source),
        ("o", "CLKOUT", clock),
        ("o", "LOCK", locked),
    )
    return {"pll": cell}


def _xilinx_pll(
    pll: Pll, source_mhz: float, source: Any, clock: Any, locked: Any
) -> dict[str, Instance]:
    fed_back, made = Signal(), Signal()
    cell = Instance(
        "PLLE2_BASE",
        *(("p", name, value) for name, value in pll.dividers.items()),
        ("p", "CLKIN1_PERIOD", 1000 / source_mhz),
        ("i", "CLKIN1", source),
        ("i", "CLKFBIN", fed_back),
        ("i", "RST", Const(0)),
        ("i", "PWRDWN", Const(0)),
        ("o", "CLKFBOUT", fed_back),
        ("o", "CLKOUT0", made),
        ("o", "LOCKED", locked),
    )
    return {"pll": cell, "clock_net": Instance("BUFG", ("i", "I", made), ("o", "O", clock))}
