"""run: what it refuses before it runs, files of any integer layout, slices that change nothing,
traces that are kept."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import REPO, call, digits_network

from polyrhythm.cli import counts, executors
from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network
from polyrhythm.sw.trace import Trace
from polyrhythm.sw.trace.file import TraceFile


def run(
    capsys: pytest.CaptureFixture[str], *words: str, file: str = "x.npy", executor: str = "golden"
) -> tuple[int, str, str]:
    return call(capsys, "run", "tiny.safetensors", "--input", file, "--executor", executor, *words)


# Layouts of the input file


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "uint8": lambda x: x.astype("u1"), "int64": lambda x: x.astype("i8"), "big-endian": lambda x: x.astype(">i4"),
    "uint64, big-endian": lambda x: x.astype(">u8"), "Fortran": lambda x: np.asfortranarray(x.astype("i2")),
    "a view": lambda x: x.astype("i4")[::-1][::-1], "with its tick": lambda x: x[:, None],
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("step", [1, 3, 100])
def test_integers_of_any_layout_are_read_in_any_slices(layout: str, step: int, here: Path) -> None:
    x = np.load("x.npy")
    np.save("y.npy", LAYOUTS[layout](x))
    file, network = counts.Counts.open("y.npy"), digits_network()
    parts = [file.legal(network, first, end) for first, end in file.slices(step)]
    assert len(parts) == -(-4 // step)
    assert np.array_equal(np.concatenate(parts), x[:, None])


def test_bool_is_0_and_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.load("x.npy") > 7
    np.save("b.npy", x)
    assert run(capsys, "--trace", "t.npz", file="b.npy")[0] == 0
    assert golden.run(digits_network(), x.astype(int)).first_difference(Trace.load("t.npz")) is None


def test_one_frame(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("one.npy", np.load("x.npy")[:1])
    code, out, _ = run(capsys, "--json", file="one.npy")
    assert (code, json.loads(out)["frames"]) == (0, 1)


def test_other_time_steps(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = Network.load("tiny.safetensors")
    for T in ((1, 1), (5, 2)):
        code, out, _ = run(capsys, "--json", "--T", ",".join(map(str, T)))
        expected = golden.run(network.at(T), np.load("x.npy"))
        assert (code, json.loads(out)["logits"]) == (0, expected.logits.tolist())
    code, _, err = run(capsys, "--T", "1")
    assert (code, err) == (2, "polyrhythm: T must list 2 values, one per layer, not 1\n")
    code, _, err = run(capsys, "--T", "1,0")
    assert code == 2 and "argument --T: must be a whole number of at least 1, not '0'" in err


def header(text: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    line = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + len(line).to_bytes(2, "little") + line + data


PETA = "{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000, 1, 8, 8), }"
SHAPES = "(B, 1, 1, 8, 8) or (B, 1, 8, 8)"
READ = "must be a .npy array of integer counts, but cannot be read"
WRONG: dict[str, tuple[np.ndarray | bytes, str]] = {
    "float": (np.zeros((1, 1, 8, 8)), "must hold integer counts, not float64; round and cast them first"),
    "half": (np.zeros((1, 1, 8, 8), "f2"), "must hold integer counts, not float16; round and cast them first"),
    "complex": (np.zeros(3, complex), "must hold integer counts, not complex128"),
    "text": (np.array(["a"]), "must hold integer counts, not <U1"),
    "record": (np.zeros(3, [("a", "i4")]), "must hold integer counts, not [('a', '<i4')]"),
    "0-d": (np.array(5), f"inputs must have shape {SHAPES}, not ()"),
    "flat": (np.zeros((4, 64), int), f"inputs must have shape {SHAPES}, not (4, 64)"),
    "empty": (np.zeros((0, 1, 8, 8), int), "must hold at least one frame, not (0, 1, 8, 8)"),
    "negative": (np.full((2, 1, 8, 8), -1), "inputs must lie in 0..15, not -1 at [0, 0, 0, 0]"),
    "huge value": (np.full((2, 1, 8, 8), 1 << 63, "u8"), f"inputs must lie in 0..15, not {1 << 63} at [0, 0, 0, 0]"),
    "petabyte": (header(PETA), "its header tells of (1000000000000, 1, 8, 8) int64, 512,000,000,000,000 bytes, but 0 follow"),
    "overflow": (
        header(PETA.replace("(1000000000000, 1, 8, 8)", "(4294967296, 4294967296)")),
        f"its header tells of (4294967296, 4294967296) int64, {1 << 67:,} bytes, but 0 follow",
    ),
    "negative size": (
        header(PETA.replace("1000000000000", "-1")), "its header tells of (-1, 1, 8, 8) int64, -512 bytes, but 0 follow",
    ),
    "cut off": (header(PETA.replace("1000000000000", "1"), b"123"), "its header tells of (1, 1, 8, 8) int64, 512 bytes, but 3 follow"),
    "more": (header(PETA.replace("1000000000000", "0"), b"123"), "its header tells of (0, 1, 8, 8) int64, 0 bytes, but 3 follow"),
    "version": (header(PETA, version=b"\x09\x00"), f"{READ}: its format must be 1.0, 2.0 or 3.0, not 9.0"),
    "nothing": (b"", f"{READ}: EOF: reading magic string, expected 8 bytes got 0"),
    "unhashable": (header("{[]: 1}"), f"{READ}: Cannot parse header: {'{[]: 1}'.ljust(117)!r}"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_array_of_counts_is_one_line(
    case: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, text = WRONG[case]
    if isinstance(content, bytes):
        Path("w.npy").write_bytes(content)
    else:
        np.save("w.npy", content)
    code, out, err = run(capsys, "--trace", "t.npz", file="w.npy")
    assert (code, out) == (2, "")
    if case == "unhashable":  # in numpy's words
        assert err.startswith(f"polyrhythm: w.npy: {READ}: ") and err.count("\n") == 1
    else:
        assert err == f"polyrhythm: w.npy: {text}\n"
    assert not Path("t.npz").exists()


def test_a_pipe_and_a_folder_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe.npy")
    text = "pipe.npy: must be a file that can be read in parts, and is none; write the array to a file first"
    assert run(capsys, file="pipe.npy")[::2] == (2, f"polyrhythm: {text}\n")
    code, _, err = run(capsys, file=".")
    assert code == 2 and err.startswith("polyrhythm: .: must hold CLASS/FILE, images (.png, ")


def test_a_count_out_of_range_is_told_before_the_first_slice(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.load("x.npy")
    x[3, 0, 7, 1] = 16
    np.save("x.npy", x)
    monkeypatch.setattr(counts, "CHECKED", 64)  # one frame at a time
    monkeypatch.setattr(golden, "run", None)
    assert run(capsys)[::2] == (
        2,
        "polyrhythm: x.npy: inputs must lie in 0..15, not 16 at [3, 0, 7, 1]\n",
    )


# What is wrong is told at once


def test_everything_that_is_wrong_is_told_at_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "run tinny.safetensors --input y.npy --executor rlt --trace none/t.npz --json"
    code, out, err = call(capsys, *words.split())
    text = (
        "4 things are wrong:\n"
        "  executor must be one of golden, rtl, cocotb, board, not 'rlt'; did you mean rtl?\n"
        "  tinny.safetensors: no such network file; did you mean tiny.safetensors?\n"
        "  y.npy: no such file or directory\n"
        "  none/t.npz: no such file or directory"
    )
    assert (code, err, json.loads(out)) == (2, f"polyrhythm: {text}\n", {"error": text, "exit": 2})


def test_hardware_and_tools_are_looked_at_before_anything_is_written(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from polyrhythm.sim import verilator
    from polyrhythm.sw.lib import fix

    np.save("y.npy", np.zeros((1, 8, 8)))
    monkeypatch.setattr(
        verilator.shutil,
        "which",
        lambda name: None if name in ("g++", "perl") else f"/usr/bin/{name}",
    )
    code, _, err = run(capsys, "--lanes", "6,11", file="y.npy", executor="rtl")
    lost = "is needed to build the simulator and was not found on PATH; install it with:"
    assert err.splitlines() == [
        "polyrhythm: 4 things are wrong:",
        "  y.npy: must hold integer counts, not float64; round and cast them first",
        f"  g++ {lost} {fix.debian('g++')}", f"  perl {lost} {fix.debian('perl')}",
        "  layer 1 (out): lanes must be 1..10, not 11",
    ]  # fmt: skip
    assert code == 2 and not Path("build").exists()


BAD_TRACES = {
    "none/t.npz": "none/t.npz: no such file or directory", "folder": "folder: is a directory",
    "x.npy": "x.npy: must be another file than the input", "tiny.safetensors": "tiny.safetensors: must be another file than the network",
    "x.npy/t.npz": "x.npy/t.npz: not a directory",
}  # fmt: skip


@pytest.mark.parametrize("path", BAD_TRACES)
def test_a_trace_that_cannot_be_written_is_told_before_the_run(
    path: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("folder").mkdir()
    monkeypatch.setattr(golden, "run", None)
    before = Path("x.npy").read_bytes()
    assert run(capsys, "--trace", path)[::2] == (2, f"polyrhythm: {BAD_TRACES[path]}\n")
    assert Path("x.npy").read_bytes() == before


# Slices and the trace file


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped"])
@pytest.mark.parametrize("as_json", [False, True])
def test_slices_change_no_byte(
    schedule: str,
    as_json: bool,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digits_network(schedule).save("tiny.safetensors")
    np.save("x.npy", np.random.default_rng(3).integers(0, 16, (57, 1, 8, 8)))
    told = ["--json"] if as_json else []
    _, whole, _ = run(capsys, "--trace", "t.npz", *told)
    wanted = Path("t.npz").read_bytes()
    for step in (1, 5, 56):
        monkeypatch.setattr(executors.Executor, "frames", lambda self, step=step: step)
        assert run(capsys, "--trace", "t.npz", *told)[1] == whole
        assert Path("t.npz").read_bytes() == wanted
    trace = golden.run(
        digits_network(schedule), np.load("x.npy"), spikes=schedule == "time_stepped"
    )
    np.savez_compressed(
        "numpy.npz", **{name: array.astype(np.int32) for name, array in trace.arrays().items()}
    )
    assert wanted == Path("numpy.npz").read_bytes()
    assert sorted(path.name for path in here.iterdir()) == [
        "numpy.npz",
        "t.npz",
        "tiny.safetensors",
        "x.npy",
    ]


def test_slices_of_the_verilog_change_no_array(
    here: Path,
    shared_build: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(capsys, "--trace", "whole.npz", executor="rtl")
    monkeypatch.setattr(executors, "SLICE_VALUES", 3 * 70)  # 70 values a frame: 3 frames
    assert run(capsys, "--trace", "parts.npz", executor="rtl")[0] == 0
    assert Path("whole.npz").read_bytes() == Path("parts.npz").read_bytes()


def test_a_fault_in_a_later_slice_has_its_frames_number(
    here: Path,
    shared_build: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from polyrhythm.sim import bulk
    from polyrhythm.sim.job import Outcome, SimulationError

    numbers: list[tuple[int, int]] = []

    def broken(
        design: object, frames: np.ndarray, mode: object, *, first: int, **_: object
    ) -> Outcome:
        numbers.append((first, len(frames)))
        if first:
            raise SimulationError(f"frame {first}: wrong")
        return Outcome(golden.run(digits_network(), frames), {})

    monkeypatch.setattr(bulk, "simulate", broken)
    monkeypatch.setattr(executors, "SLICE_VALUES", 3 * 70)
    assert run(capsys, executor="rtl")[::2] == (1, "polyrhythm: frame 3: wrong\n")
    assert numbers == [(0, 3), (3, 1)]


@pytest.mark.parametrize("moment", ["add", "finish"])
def test_a_trace_that_fails_on_the_way_does_not_lose_the_answer(
    moment: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, wanted, _ = run(capsys, "--json")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TraceFile, moment, full)
    monkeypatch.setattr(executors.Executor, "frames", lambda self: 1)
    code, out, err = run(capsys, "--trace", "t.npz", "--json")
    text = "the trace is lost, and the answer is not: t.npz: [Errno 28] No space left on device"
    assert json.loads(out) == json.loads(wanted) | {"error": text, "exit": 2}
    assert code == 2 and err.splitlines()[-1] == f"polyrhythm: {text}"
    assert not Path("t.npz").exists()


def test_a_run_that_fails_leaves_the_old_trace(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("t.npz").write_text("old")

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(golden, "run", stop)
    assert run(capsys, "--trace", "t.npz")[0] == 130
    assert sorted(path.name for path in here.iterdir()) == ["t.npz", "tiny.safetensors", "x.npy"]
    assert Path("t.npz").read_text() == "old"


@pytest.mark.long
def test_a_frame_of_the_input_is_not_kept(here: Path) -> None:
    """Ten times the frames, and the same memory within a few MB: 400 frames of the wide network are
    33 MB of counts."""
    rng = np.random.default_rng(2)
    layers = (
        Layer(
            "wide",
            "dense",
            rng.integers(-8, 8, (20000, 4)),
            np.zeros(20000, int),
            np.full(20000, 9),
            4,
            T=3,
        ),
        Layer(
            "out",
            "readout",
            rng.integers(-1, 2, (2, 20000)),
            np.zeros(2, int),
            None,
            4,
            T=1,
            v_init="zero",
        ),
    )
    Network("wide", "two_phase", Input((4,), 1, 15), layers).save("wide.safetensors")
    peaks = []
    for frames in (400, 4000):
        np.save("w.npy", rng.integers(0, 16, (frames, 4)))
        script = "import resource, sys; from polyrhythm.cli.main import main; code = main(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"
        words = [
            "run",
            "wide.safetensors",
            "--input",
            "w.npy",
            "--executor",
            "golden",
            "--trace",
            "t.npz",
        ]
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            env=os.environ | {"PYTHONPATH": str(REPO)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.splitlines()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 40, peaks  # MB; all counts of 4,000 frames are 320 MB
