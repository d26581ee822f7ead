"""A simulated board's pins behind a terminal: bytes come through as they are, and nothing is left
behind, whoever ends first."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import serial

from polyrhythm.sim.board import process
from polyrhythm.sim.job import SimulationError

pytestmark = pytest.mark.xdist_group("echo")
CLOCKS = 5
# What comes in goes out four clocks later; behind eight zeros the stop bit is spoilt.
ECHO = """module echo(input clk, input rst, input rx, output tx);
  reg [3:0] line, spoil; reg [6:0] low;
  always @(posedge clk) begin
    line <= rst ? 4'hf : {line[2:0], rx};
    low <= rst | rx ? 0 : low + (low != 7'h7f);
    spoil <= rst ? 0 : low == 44 ? 15 : spoil - (spoil != 0);
  end
  assign tx = line[3] & (spoil == 0);
endmodule
"""
STARTED = """
import sys, time, serial
from pathlib import Path
from polyrhythm.sim.board import process
board = process.BoardProcess(Path(sys.argv[1]), 5, 10000)
port = serial.Serial(board.port)
board.opened()
print(board.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("echo") / "echo.v"
    source.write_text(ECHO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLYRHYTHM_BUILD", str(Path(__file__).resolve().parents[2] / "build"))
        from polyrhythm.sim.verilator import build_root

        return process.compile(source, "echo", build_root() / "echo")


def opened(program: Path, quiet: int = 10_000) -> tuple[process.BoardProcess, serial.Serial]:
    board = process.BoardProcess(program, CLOCKS, quiet)
    port = serial.Serial(board.port, 3_000_000, timeout=5, exclusive=True)
    board.opened()
    return board, port


def gone(pid: int) -> bool:
    """Whether a process has ended within a few seconds."""
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False


def test_every_byte_comes_through_as_it_is(program: Path) -> None:
    board, port = opened(program)
    sent = bytes(range(1, 256)) * 8 + np.random.default_rng(1).bytes(2000).replace(b"\0", b"\1")
    got = b""
    for low in range(0, len(sent), 500):
        port.write(sent[low : low + 500])
        got += port.read(len(sent[low : low + 500]))
    port.close()
    figures = board.close()
    assert got == sent
    assert figures.received == figures.sent == len(sent)
    assert figures.last - figures.first >= len(sent) * 10 * CLOCKS - CLOCKS
    assert figures.cycles >= figures.last


def test_time_stands_still_while_nothing_comes(program: Path) -> None:
    board, port = opened(program, quiet=1000)
    port.write(b"a")
    assert port.read(1) == b"a"
    time.sleep(0.5)
    before = Path(f"/proc/{board.pid}/stat").read_text().split()[13]
    time.sleep(0.3)
    assert Path(f"/proc/{board.pid}/stat").read_text().split()[13] == before
    port.write(b"b")
    assert port.read(1) == b"b"
    port.close()
    assert board.close().cycles < 10_000


def test_a_board_that_breaks_the_rules_of_its_pins_is_told(program: Path) -> None:
    board, port = opened(program)
    port.write(b"\0")
    assert gone(board.pid)
    port.close()
    with pytest.raises(SimulationError) as caught:
        board.close()
    assert str(caught.value).startswith(
        "the simulated board: pin tx must send whole UART bytes of 5 clocks a bit, but start or stop bit was wrong (byte 0, cycle "
    )


def test_it_ends_when_the_program_that_started_it_is_killed(program: Path) -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", STARTED, str(program)], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    pid = int(started.stdout.readline())
    started.send_signal(signal.SIGKILL)
    started.wait()
    started.stdout.close()
    assert gone(pid)


def test_a_port_that_somebody_else_keeps_open_is_told(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "ENDS_S", 0.3)
    board, port = opened(program)
    with pytest.raises(SimulationError, match="somebody else has the port open$"):
        board.close()
    port.close()
    assert gone(board.pid)


def test_an_interrupt_at_the_keyboard_does_not_reach_it(program: Path) -> None:
    board, port = opened(program)
    assert os.getpgid(board.pid) != os.getpgid(0)
    port.close()
    board.close()


def test_a_bit_has_two_clocks_at_least(program: Path) -> None:
    with pytest.raises(ValueError, match="^clocks must be at least 2 for each bit, not 1$"):
        process.BoardProcess(program, 1, 1000)
