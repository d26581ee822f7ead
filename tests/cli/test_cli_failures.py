"""The command line where something is missing, breaks, or is interrupted: what it says, and what it
leaves."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import REPO, call, command, without_torch

from polyrhythm.cli import doctor
from polyrhythm.cli import main as program
from polyrhythm.sw import golden
from polyrhythm.sw.lib import fix
from polyrhythm.sw.trace import Trace

# Missing tools


def test_doctor_finds_every_tool_here(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "doctor")
    assert code == 0
    assert "everything is there" in out.splitlines()


def test_doctor_says_how_to_mend(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [
        doctor.Tool(name, "nothing", doctor.package(name), "pip")
        for name in ("unobtainium", "unobtanium")
    ]
    rare = doctor.Tool("rare", "little", doctor.command("no-such-program"), "debian", optional=True)
    monkeypatch.setattr(doctor, "TOOLS", (*lost, rare))
    code, out, _ = call(capsys, "doctor")
    assert code == 3
    rows = [line.split("  ") for line in out.splitlines()[2:5]]
    words = [[word.strip() for word in row if word] for row in rows]
    assert words == [
        ["unobtainium", "NO", "-", "nothing"],
        ["unobtanium", "NO", "-", "nothing"],
        ["rare", "no, optional", "-", "little"],
    ]
    assert out.splitlines()[5:] == [
        "",
        "2 missing",
        "",
        "This corrects it:",
        "",
        f"    {sys.executable} -m pip install unobtainium unobtanium",
        "",
        "What is optional comes with:",
        "",
        f"    {fix.debian('rare')}",
    ]
    told = json.loads(call(capsys, "doctor", "--json")[1])["tools"]
    assert [row["fix"] for row in told] == [
        fix.install("unobtainium"),
        fix.install("unobtanium"),
        fix.debian("rare"),
    ]


@pytest.mark.parametrize(("module", "extra", "line"), [
    ("torch", "train", "train --recipe digits"),
    ("sklearn", "train", "compare tiny.safetensors --dataset digits"),
    ("cocotb_tools", "sim", "run tiny.safetensors --input x.npy --executor cocotb"),
])  # fmt: skip
def test_a_missing_extra_is_named_with_what_installs_it(
    module: str, extra: str, line: str, here: Path
) -> None:
    hide = f"import sys; sys.modules[{module!r}] = None; from polyrhythm.cli.main import main; sys.exit(main(sys.argv[1:]))"
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    done = subprocess.run(
        [sys.executable, "-c", hide, *line.split()], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 3
    assert (
        done.stderr.splitlines()[-1]
        == f"polyrhythm: {module} is not installed; fix it with: {fix.extra(extra)}"
    )


def test_compare_does_without_torch(
    here: Path,
    shared_build: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_torch(monkeypatch)
    code, out, err = call(
        capsys, "compare", "tiny.safetensors", "--dataset", "digits", "--limit", "9", "--json"
    )
    assert code == 0 and "torch" not in json.loads(out)["accuracy"]
    assert (
        f"torch is not installed, so its row stays empty; fix it with: {fix.extra('train')}" in err
    )


def test_a_defect_of_ours_keeps_its_traceback(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Trace:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(golden, "run", broken)
    with pytest.raises(ZeroDivisionError, match="^ours$"):
        program.main(["run", "tiny.safetensors", "--input", "x.npy", "--executor", "golden"])


def test_programs_beside_python_are_found_without_activating(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verilator's makefiles call `python`; a bare Debian has python3 alone."""
    monkeypatch.setenv("PATH", "/usr/bin")
    for _ in range(2):
        call(capsys, "doctor")
    assert os.environ["PATH"] == f"{Path(sys.executable).parent}{os.pathsep}/usr/bin"


# Interrupted


def test_an_interrupt_ends_with_130_and_leaves_no_file(here: Path) -> None:
    before = set(here.rglob("*"))
    process = command("train", "--recipe", "digits", "--out", "net.safetensors")
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("digits float"), line
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "polyrhythm: interrupted"
    assert set(here.rglob("*")) == before


def test_an_interrupted_export_leaves_no_folder(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = Path.write_text, []

    def interrupted(path: Path, text: str, **options: str) -> int:
        if written:
            raise KeyboardInterrupt
        written.append(path)
        return real(path, text, **options)

    monkeypatch.setattr(Path, "write_text", interrupted)
    before = set(here.rglob("*"))
    assert call(capsys, "verilog", "tiny.safetensors", "--out", "v")[0] == 130
    assert written and set(here.rglob("*")) == before


def test_a_reader_that_leaves_is_no_error(here: Path) -> None:
    with command("info", "tiny.safetensors") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait(30)) == ("", 0)
