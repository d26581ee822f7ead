"""Stages that tell how far they are: after two seconds, paced, on one line of a terminal."""

import io
import sys
import time
from collections.abc import Callable

import pytest

from polyrhythm.cli import progress
from polyrhythm.cli.progress import Stage, clock
from polyrhythm.cli.report import say


class Screen(io.StringIO):
    """A terminal, or a file, that remembers."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Screen]:
    """Progress at twenty times its pace."""
    for name in ("QUIET_S", "LIVE_S", "LONGEST_S"):
        monkeypatch.setattr(progress, name, getattr(progress, name) / 20)

    def show(terminal: bool) -> Screen:
        made = Screen(terminal)
        monkeypatch.setattr(sys, "stderr", made)
        return made

    return show


def test_a_short_stage_says_nothing(screen: Callable[[bool], Screen]) -> None:
    seen = screen(False)
    with Stage("golden", 10) as stage:
        stage(10)
    assert seen.getvalue() == ""


def test_a_file_gets_lines_at_growing_times(screen: Callable[[bool], Screen]) -> None:
    seen = screen(False)
    with Stage("golden", 4000) as stage:
        stage(1000)
        time.sleep(0.9)
    *lines, last = seen.getvalue().splitlines()
    assert 2 <= len(lines) <= 4  # at 0.1, 0.3, 0.7 s
    assert lines[0] == "golden: 1,000 of 4,000 frames, 0 s, about 0 s to go"
    assert last == "golden: 4,000 frames, done after 1 s"


def test_a_terminal_has_one_line_that_is_taken_away(screen: Callable[[bool], Screen]) -> None:
    seen = screen(True)
    with Stage("writing the Verilog of net"):
        time.sleep(0.4)
        say("a note")
    assert seen.getvalue().startswith("\r\x1b[Kwriting the Verilog of net: 0 s\r\x1b[K")
    assert "\r\x1b[Ka note\n" in seen.getvalue()
    assert seen.getvalue().endswith("\r\x1b[Kwriting the Verilog of net: done after 0 s\n")


def test_a_stage_that_fails_says_where_it_stopped(screen: Callable[[bool], Screen]) -> None:
    seen = screen(False)
    with pytest.raises(ZeroDivisionError), Stage("rtl", 9) as stage:
        stage(3)
        time.sleep(0.3)
        raise ZeroDivisionError
    assert seen.getvalue().splitlines()[-1] == "rtl: 3 frames, stopped after 0 s"


def test_the_time_to_go_is_judged_by_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage("rtl", 400)
    stage.start = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    assert stage.line() == "rtl: 0 of 400 frames, 1 min 40 s"
    stage(100)
    assert stage.line() == "rtl: 100 of 400 frames, 1 min 40 s, about 5 min 0 s to go"
    stage(400)
    assert stage.line() == "rtl: 400 of 400 frames, 1 min 40 s"


def test_clock() -> None:
    assert [clock(s) for s in (0, 59.4, 59.6, 3599, 3600, 7512)] == [
        "0 s",
        "59 s",
        "1 min 0 s",
        "59 min 59 s",
        "1 h 0 min",
        "2 h 5 min",
    ]
