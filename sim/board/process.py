"""A board top as a process behind a pseudo-terminal: whoever opens its path by a serial port
library talks to the UART pins of the circuit.

The process ends when the last one who has the terminal open closes it, and so also when the program
that started it dies: a closed terminal is all that it is told.
"""

import contextlib
import json
import os
import subprocess
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from polyrhythm.sim import verilator
from polyrhythm.sim.job import SimulationError

HARNESS = Path(__file__).with_name("harness.cpp")
FAST = ("--x-assign", "fast", "--x-initial", "fast")
BOARD = verilator.Program("board", HARNESS, FAST)
WAVES = verilator.Program("board-waves", HARNESS, (*FAST, "--trace-vcd"))
ENDS_S = 10.0  # how long the process may take to see that its terminal was closed


@dataclass(frozen=True)
class Figures:
    """What went through the pins of a board that has ended.

    cycles          simulated, waits included
    received, sent  bytes, as the board sees them
    first, last     the cycle in which the first byte began to come in, and the one in which the
                    last one had gone out
    """

    cycles: int
    received: int
    sent: int
    first: int
    last: int


class BoardProcess:
    """One simulated board; `port` is the path that a serial port library opens.

    program: of `compile`. clocks: of a bit on the UART, as the circuit has them. quiet: clocks
    without a byte after which nothing can be going on in the circuit, so that it need not be
    clocked. wave: VCD file to write, by a program that was compiled for it.
    """

    def __init__(self, program: Path, clocks: int, quiet: int, wave: Path | None = None) -> None:
        if clocks < 2:
            raise ValueError(f"clocks must be at least 2 for each bit, not {clocks}")
        master, self._held = os.openpty()
        tty.setraw(self._held)  # no echo, no translation, whatever is done before the port is set
        self.port = os.ttyname(self._held)
        words = {"terminal": master, "bit": clocks, "quiet": quiet}
        if wave is not None:
            words["wave"] = wave.absolute()  # type: ignore[assignment]
        self._process: subprocess.Popen[str] | None = None
        try:
            self._process = subprocess.Popen(
                [str(program), *(f"{key}={value}" for key, value in words.items())],
                pass_fds=(master,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # an interrupt at the keyboard is for the driver alone
            )
        except BaseException:
            os.close(self._held)
            raise
        finally:
            os.close(master)

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    def opened(self) -> None:
        """Somebody else has the port open now; from here on the board ends when they close it."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def close(self) -> Figures:
        """Wait for the end of the process, whose port is closed by now. SimulationError where the
        board broke the rules of its pins."""
        assert self._process is not None
        self.opened()
        try:
            out, err = self._process.communicate(timeout=ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise SimulationError(
                f"the simulated board must end when its port {self.port} is closed, but did not "
                f"within {ENDS_S:g} s: somebody else has the port open"
            ) from None
        if self._process.returncode != 0:
            raise SimulationError(f"the simulated board: {err.strip() or self._process.returncode}")
        return Figures(**json.loads(out))

    def kill(self) -> None:
        """End it at once, whoever has the port open."""
        assert self._process is not None
        self.opened()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            _close(pipe)


def _close(pipe: IO[str] | None) -> None:
    with contextlib.suppress(OSError):
        if pipe is not None:
            pipe.close()


def compile(source: Path, top: str, programs: Path, *, waves: bool = False) -> Path:
    """The program of a board top in Verilog, with the pins clk, rst, rx and tx; built below
    `programs` where it does not lie there yet. Raises ToolMissing, BuildError."""
    return verilator.program(programs, WAVES if waves else BOARD, source, top, {})
