"""Running one tool as a named stage: its log kept in a file, its progress told, nothing left
running behind it."""

import os
import shutil
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from polyrhythm.sw.lib import fix

FIRST_RUN = "the first call of this tool compiles it, up to 2 minutes"
PERIOD_S = 10.0  # how often a stage says how far it is
STOP_S = 0.2  # how often a stage looks whether it is to stop
Tell = Callable[[object], None]  # takes a line of progress


class ToolMissing(RuntimeError):
    """A program that a stage needs is not installed."""

    def __init__(self, tool: str, extra: str = "synth") -> None:
        super().__init__(f"{tool} is not installed; fix it with: {fix.extra(extra)}")


class ToolFailed(RuntimeError):
    """A tool ended with an error; the message carries its last error line and where the whole log
    lies."""


class Stopped(RuntimeError):
    """A tool was stopped because the work beside it was."""


def find_tool(name: str, extra: str = "synth") -> str:
    """The program's path: beside this Python first, then on PATH; extra: what of ours brings it."""
    beside = Path(sysconfig.get_path("scripts")) / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise ToolMissing(name, extra)
    return found


def run_tool(
    command: Sequence[str],
    stage: str,
    work: Path,
    log_name: str,
    writes_log: bool = False,
    progress: Tell | None = None,
    extra: str = "synth",
    stop: threading.Event | None = None,
) -> None:
    """Run `command` in folder `work`, log into `work/log_name`; raises ToolFailed when it does not
    end with 0, ToolMissing where it is not installed (extra: what of ours brings it), Stopped when
    `stop` is set meanwhile.

    The log is what the tool prints, or what it writes there itself. `progress` is told of the
    stage's begin and end, and every ten seconds what the tool says it is doing.
    """
    program = find_tool(command[0], extra)
    log = work / log_name
    log.write_bytes(b"")
    with open(os.devnull if writes_log else log, "wb") as sink:
        call = [program, *command[1:]]
        process = subprocess.Popen(
            call, cwd=work, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        )
        try:
            with Progress(stage, log, progress, note="" if compiled(command[0]) else FIRST_RUN):
                status = _ended(process, stop)
        finally:
            process.kill()
            process.wait()
    if status != 0:
        raise ToolFailed(
            f"{stage}: {command[0]} ended with status {status}: {last_error(log)}; the whole log: "
            f"{log}"
        )


def _ended(process: "subprocess.Popen[bytes]", stop: threading.Event | None) -> int:
    """The status with which the process ends."""
    while stop is not None:
        if stop.is_set():
            raise Stopped
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            continue
    return process.wait()


def compiled(tool: str) -> bool:
    """Whether this tool starts at once: one that is no yowasp tool, or has been run on this machine
    before."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = os.environ.get("YOWASP_CACHE_DIR") or cache / "YoWASP"
    name = tool.removeprefix("yowasp-")
    return name == tool or any(Path(root).glob(f"*/{name}.wasm/*"))


def last_error(log: Path) -> str:
    """The last line of a log that names an error, else its last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line]
    return (errors or lines or ["no output"])[-1]


class Progress:
    """Tells of a stage while it runs: its begin with the log's path, now and then its elapsed time,
    its end."""

    def __init__(self, stage: str, log: Path, tell: Tell | None, note: str = "") -> None:
        self.stage, self.log, self.tell, self.note = stage, log, tell or (lambda line: None), note
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.show, daemon=True)

    def __enter__(self) -> "Progress":
        self.start = time.monotonic()
        self.tell(f"{self.stage} ..., log: {self.log}" + (f" ({self.note})" if self.note else ""))
        self.thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.done.set()
        self.thread.join()
        self.tell(f"{self.stage} {'done' if kind is None else 'stopped'} [{self.elapsed():.1f} s]")

    def show(self) -> None:
        """Until the stage is done: what the tool says it is doing."""
        while not self.done.wait(PERIOD_S):
            self.tell(
                f"{self.stage} [{self.elapsed():.0f} s] {self.last_line() or self.note}"[
                    :100
                ].rstrip()
            )

    def elapsed(self) -> float:
        """Seconds since the stage began."""
        return time.monotonic() - self.start

    def last_line(self) -> str:
        """The last full line of the tool's log."""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 400))
            lines = file.read().decode(errors="replace").splitlines()
        return lines[-2].strip() if len(lines) > 1 else ""
