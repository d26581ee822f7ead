"""The boards' rows: pins that exist and are used once, text that depends on nothing else."""

from pathlib import Path

import pytest
from boarded import Echo

from polyrhythm.boards.catalog.row import Board
from polyrhythm.boards.catalog.rows import BOARDS, ROWS
from polyrhythm.boards.design.prepare import prepared, rtlil_of, without_read_write_check
from polyrhythm.boards.flow.target import choices, chosen
from polyrhythm.boards.parts.clock import Pll

REPO = Path(__file__).parents[2]


def text_of(board: Board) -> dict[str, str]:
    settings = choices(board, None)
    target = chosen(board, settings, board.part.family.target_mhz, None)
    return prepared(board, target.pll, Echo)


@pytest.mark.parametrize("board", ROWS, ids=lambda board: board.name)
def test_a_row_gives_pins_and_a_clock(board: Board) -> None:
    files = text_of(board)
    (pins,) = (
        text
        for name, text in files.items()
        if name.endswith((".lpf", ".pcf", ".cst", ".xdc", ".qsf"))
    )
    wanted = [
        f"{board.uart.resource}_0__rx__io",
        f"{board.uart.resource}_0__tx__io",
        f"{board.clock.resource}_0__io",
    ]
    wanted += [
        f"{pad.resource}_{pad.number}__{f'{pad.signal}__' if pad.signal else ''}io"
        for pad in (board.alive, board.error, board.reset)
        if pad
    ]
    for name in wanted:
        assert name in pins
    assert str(REPO) not in "".join(files.values())


def test_equal_boards_and_designs_have_equal_text(monkeypatch: pytest.MonkeyPatch) -> None:
    before = text_of(BOARDS["icebreaker"])
    monkeypatch.setenv("AMARANTH_add_constraints", "set_frequency clk 1")
    monkeypatch.setenv("AMARANTH_synth_opts", "-abc2")
    assert text_of(BOARDS["icebreaker"]) == before
    assert set(before) == {"top.il", "top.pcf"}


def test_the_uart_of_a_colorlight_is_its_led_and_its_button() -> None:
    pins = text_of(BOARDS["colorlight-5a-75b"])["top.lpf"]
    assert (
        'LOCATE COMP "uart_0__tx__io" SITE "P11"' in pins
        and 'LOCATE COMP "uart_0__rx__io" SITE "M13"' in pins
    )
    assert "led" not in pins and "button" not in pins


def test_the_pins_of_a_colorlight_i5() -> None:
    pins = text_of(BOARDS["colorlight-i5"])["top.lpf"]
    for name, site in (
        ("clk25_0__io", "P3"),
        ("led_0__io", "U16"),
        ("button_0__io", "K18"),
        ("uart_0__rx__io", "H18"),
        ("uart_0__tx__io", "J17"),
    ):
        assert f'LOCATE COMP "{name}" SITE "{site}"' in pins
    assert 'FREQUENCY PORT "clk25_0__io" 25000000.0 HZ' in pins


def test_the_oscillator_itself_needs_no_pll() -> None:
    board = BOARDS["icebreaker"]
    (slow,) = (setting for setting in choices(board, None) if not setting.dividers)
    assert "SB_PLL40_PAD" not in prepared(board, slow, Echo)["top.il"]
    assert "SB_PLL40_PAD" in text_of(board)["top.il"]


def test_a_board_of_the_makers_tools_is_rtlil_too() -> None:
    board = BOARDS["arty-a7-35"]
    text = rtlil_of(board, Pll(choices(board, None)[0].output, {}), Echo)
    assert "module \\top" in text and "cell $memrd_v2" in text


def test_reads_while_writing_are_free_where_the_memory_says_so() -> None:
    memory = "  attribute \\no_rw_check 1\n  memory width 8 size 64 \\free\n  attribute \\other 1\n  memory width 8 size 64 \\strict\n"
    read = '  cell $memrd_v2 $1\n    parameter \\MEMID "\\\\{}"\n    parameter \\COLLISION_X_MASK 2\'00\n  end\n'
    text = (
        "module \\a\n"
        + memory
        + read.format("free")
        + read.format("strict")
        + "end\nmodule \\b\n"
        + read.format("free")
        + "end\n"
    )
    masks = [
        line.strip() for line in without_read_write_check(text).splitlines() if "COLLISION" in line
    ]
    assert masks == [f"parameter \\COLLISION_X_MASK 2'{mask}" for mask in ("11", "00", "00")]
