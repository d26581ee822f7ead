"""The boards, one row each. docs/boards.md tells how to add one."""

from dataclasses import replace

from polyrhythm.boards.catalog.row import Board, Pad
from polyrhythm.sw.lib.check import near

# The highest rates of the USB bridges, from their data sheets: FT231X 3 Mbaud, FT2232H 12 Mbaud.
# A bridge whose data sheet or board says nothing, and a serial adapter of the user's own, is taken
# for 1 Mbaud.
FT231X, FT2232H, UNTOLD = 3_000_000, 12_000_000, 1_000_000

ULX3S = Board(
    "ulx3s-85f",
    "ULX3S, ECP5 85F",
    "ecp5-85k",
    "amaranth_boards.ulx3s:ULX3S_85F_Platform",
    Pad("clk25"),
    25.0,
    "FT231X on US1",
    FT231X,
    reset=Pad("button_fire", 0),
    loader="ulx3s",
    note="button F1 resets",
)
ECPIX5 = Board(
    "ecpix5-85",
    "ECPIX-5, ECP5-5G 85F",
    "ecp5-5g-85k",
    "amaranth_boards.ecpix5:ECPIX585Platform",
    Pad("clk100"),
    100.0,
    "FT2232H, second port",
    FT2232H,
    alive=Pad("rgb_led", 0, "g"),
    error=Pad("rgb_led", 1, "r"),
    reset=Pad("rst"),
    loader="ecpix5",
)
ARTY = Board(
    "arty-a7-35",
    "Arty A7-35T",
    "xc7a35t",
    "amaranth_boards.arty_a7:ArtyA7_35Platform",
    Pad("clk100"),
    100.0,
    "FT2232H, second port",
    FT2232H,
    reset=Pad("rst"),
    loader="arty_a7_35t",
)

ROWS = (
    replace(
        ULX3S,
        name="ulx3s-12f",
        title="ULX3S, ECP5 12F",
        part_name="ecp5-12k",
        platform="amaranth_boards.ulx3s:ULX3S_12F_Platform",
    ),
    replace(
        ULX3S,
        name="ulx3s-25f",
        title="ULX3S, ECP5 25F",
        part_name="ecp5-25k",
        platform="amaranth_boards.ulx3s:ULX3S_25F_Platform",
    ),
    replace(
        ULX3S,
        name="ulx3s-45f",
        title="ULX3S, ECP5 45F",
        part_name="ecp5-45k",
        platform="amaranth_boards.ulx3s:ULX3S_45F_Platform",
    ),
    ULX3S,
    Board(
        "icebreaker",
        "iCEBreaker",
        "up5k",
        "amaranth_boards.icebreaker:ICEBreakerPlatform",
        Pad("clk12"),
        12.0,
        "FT2232H, second port",
        FT2232H,
        alive=Pad("led_g", 0),
        error=Pad("led_r", 0),
        reset=Pad("button", 0),
        loader="ice40_generic",
        note="button UBTN resets",
    ),
    replace(
        ECPIX5,
        name="ecpix5-45",
        title="ECPIX-5, ECP5-5G 45F",
        part_name="ecp5-5g-45k",
        platform="amaranth_boards.ecpix5:ECPIX545Platform",
    ),
    ECPIX5,
    # Its UART pins are its LED and its button, so it has neither of them.
    Board(
        "colorlight-5a-75b",
        "Colorlight 5A-75B 7.0",
        "ecp5-25k-bg256",
        "amaranth_boards.colorlight_5a75b_r7_0:Colorlight_5A75B_R70Platform",
        Pad("clk25"),
        25.0,
        "serial adapter of 3.3 V on J19: its TX to KEY+ (pin 2), its RX to DATA_LED- (pin 5)",
        UNTOLD,
        alive=None,
        error=None,
        cable="ft232",
        note="LED and button are the UART; to reset, load again",
    ),
    Board(
        "colorlight-i5",
        "Colorlight i5 7.0 on its extension board",
        "ecp5-25k",
        "polyrhythm.boards.catalog.colorlight_i5:ColorlightI5Platform",
        Pad("clk25"),
        25.0,
        "DAPLink of the extension board",
        UNTOLD,
        error=None,
        reset=Pad("button", 0),
        loader="colorlight-i5",
        note="one LED: alive",
    ),
    Board(
        "tangnano9k",
        "Tang Nano 9K",
        "gw1nr-9c",
        "amaranth_boards.tang_nano_9k:TangNano9kPlatform",
        Pad("clk27"),
        27.0,
        "BL702, second port",
        UNTOLD,
        error=Pad("led", 5),
        reset=Pad("button", 0),
        loader="tangnano9k",
        packing=("--sspi_as_gpio", "--mspi_as_gpio"),
        note="the button on pin 3 resets",
    ),
    ARTY,
    replace(
        ARTY,
        name="arty-a7-100",
        title="Arty A7-100T",
        part_name="xc7a100t",
        platform="amaranth_boards.arty_a7:ArtyA7_100Platform",
        loader="arty_a7_100t",
    ),
    Board(
        "de10-nano",
        "DE10-Nano",
        "5cseba6",
        "amaranth_boards.de10_nano:DE10NanoPlatform",
        Pad("clk50"),
        50.0,
        "serial adapter of 3.3 V on the Arduino header: its TX to D0, its RX to D1",
        UNTOLD,
        reset=Pad("button", 0),
        note="button KEY0 resets",
    ),
)
BOARDS = {board.name: board for board in ROWS}


def board_named(name: str) -> Board:
    """The board's row; ValueError names the boards there are."""
    if name not in BOARDS:
        close = near(name, BOARDS)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(f"board must be one of {', '.join(BOARDS)}, not {name!r}{hint}")
    return BOARDS[name]
