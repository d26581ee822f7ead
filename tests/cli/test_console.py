"""The streams of the command line: closed, full, without a reader, of few letters. And what stands
before a verb."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commands import REPO, call, digits_network

from polyrhythm.sw.network import Network

VERSION = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["version"]
PROGRAM = f"{sys.executable} -m polyrhythm"
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def shell(line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A command line of a shell; `polyrhythm` in it is ours."""
    return subprocess.run(
        ["bash", "-c", f'polyrhythm() {{ {PROGRAM} "$@"; }}; {line}'],
        env=os.environ | variables,
        capture_output=True,
    )


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--version") == (0, f"polyrhythm {VERSION}\n", "")
    for words in (("--version", "--json"), ("--json", "--version")):
        code, out, err = call(capsys, *words)
        assert (code, json.loads(out), err) == (0, {"version": VERSION}, "")


# Full and closed


FULL = "polyrhythm: the answer cannot be written to stdout: no space left on device; here it is:\n"
CLOSED = "polyrhythm: the answer cannot be written to stdout: it is closed; here it is:\n"
LINES = [
    "--version",
    "info tiny.safetensors",
    "info tiny.safetensors --json",
    "--help",
    "info --help",
]


@needs_full
@pytest.mark.parametrize("line", LINES)
def test_an_answer_that_finds_no_room_is_given_on_stderr(line: str, here: Path) -> None:
    wanted = shell(f"polyrhythm {line}").stdout.decode()
    done = shell(f"polyrhythm {line} >/dev/full")
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (
        2,
        "",
        FULL + wanted + ("\n" if "help" in line else ""),
    )


@pytest.mark.parametrize("line", LINES)
def test_a_closed_stdout_loses_no_answer(line: str, here: Path) -> None:
    wanted = shell(f"polyrhythm {line}").stdout.decode()
    done = shell(f"polyrhythm {line} >&-")
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (
        2,
        "",
        CLOSED + wanted + ("\n" if "help" in line else ""),
    )


@needs_full
def test_an_error_that_finds_no_room_is_told_all_the_same(here: Path) -> None:
    done = shell("polyrhythm info none.safetensors --json >/dev/full")
    text = "none.safetensors: no such network file"
    assert done.returncode == 2
    assert (
        done.stderr.decode()
        == f"polyrhythm: {text}\n{FULL}" + json.dumps({"error": text, "exit": 2}) + "\n"
    )


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_a_lost_stderr_spoils_neither_answer_nor_code(stderr: str, here: Path) -> None:
    line = "polyrhythm run tiny.safetensors --input x.npy --executor golden --json"
    done = shell(f"{line} {stderr}")
    assert done.returncode == 0 and json.loads(done.stdout)["frames"] == 4
    assert shell(f"polyrhythm info none.safetensors {stderr}").returncode == 2


def test_a_closed_descriptor_is_not_given_to_a_file(here: Path) -> None:
    """What a child prints would go into a file that got number 1."""
    script = "import os, sys; sys.path.insert(0, sys.argv[1]); from polyrhythm.cli import console; console.prepare(); print(open('f', 'w').fileno(), file=sys.stderr)"
    done = shell(f'{sys.executable} -c "{script}" {REPO} >&- <&-')
    assert int(done.stderr) > 2


def test_a_progress_whose_reader_has_gone_stops_no_work(here: Path) -> None:
    done = shell(
        "{ polyrhythm run tiny.safetensors --input x.npy --executor golden --trace t.npz 2>&3 >out; echo $? >code; } 3> >(true)"
    )
    assert done.returncode == 0
    assert (
        Path("code").read_text() == "0\n"
        and Path("t.npz").is_file()
        and "its logit" in Path("out").read_text()
    )


# Few letters


@pytest.mark.parametrize("variables", [
    {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "cp1252"},
    {"PYTHONIOENCODING": "latin-1"},
])  # fmt: skip
def test_names_that_the_terminal_cannot_show_are_escaped(
    variables: dict[str, str], here: Path
) -> None:
    from dataclasses import replace

    named: Network = replace(digits_network(), name="ζ × 3", labels=tuple("àβ×дễ字🙂abc"))
    named.save("named.safetensors")
    wanted = shell("polyrhythm info named.safetensors", PYTHONIOENCODING="utf-8").stdout.decode()
    done = shell("polyrhythm info named.safetensors", **variables)
    encoding = variables.get("PYTHONIOENCODING", "ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == wanted.encode(encoding, "backslashreplace")
    for line in (
        "run named.safetensors --input x.npy --executor golden",
        "info ζ.safetensors",
        "verilog named.safetensors --out ζ",
    ):
        done = shell(f"polyrhythm {line}", **variables)
        assert b"Traceback" not in done.stderr and done.returncode in (0, 2), done.stderr
    assert (
        json.loads(shell("polyrhythm info named.safetensors --json", **variables).stdout)["name"]
        == "ζ × 3"
    )
