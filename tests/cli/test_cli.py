"""The command line: what it says and what it writes."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import REPO, call, digits_network, without_torch

from polyrhythm.cli import main as program
from polyrhythm.cli.report import paced, table
from polyrhythm.cli.verbs import VERBS
from polyrhythm.sw import data, golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.trace import Trace

HEAVY = ("torch", "amaranth", "numpy", "cocotb", "safetensors", "sklearn")


# Help


def test_help_imports_nothing_heavy() -> None:
    look = f"import sys\nfrom polyrhythm.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(verb in done.stdout for verb in VERBS)


def test_help_is_quick() -> None:
    """Measured in turns against an interpreter that does nothing, so that a busy machine slows down
    both."""

    def seconds(*words: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], cwd=REPO, capture_output=True, check=True)
        return time.perf_counter() - start

    pairs = [(seconds("-m", "polyrhythm", "--help"), seconds("-c", "pass")) for _ in range(7)]
    assert min(ours for ours, _ in pairs) < 8 * min(bare for _, bare in pairs)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="^0$"):
        program.main([verb, "--help"])
    assert VERBS[verb][1] in capsys.readouterr().out


# Words that do not exist

WRONG = {
    "trian": "there is no verb 'trian'; did you mean train? (verbs: train, check, convert, cutoff, to-events, tune, info, run, verilog, compare, synth, boards, build, swap, program, demo, doctor, completion)",
    "train --recipe digit": "recipe must be one of digits, digits-lif, digits-mtt, mnist-mlp, mnist-lif, mnist-conv, mnist-conv-lif, mnist-mt, fashion-mt, mnist-mtt, mnist-anytime, nmnist-mtt, nmnist-conv, cifar10-mt, cifar10-resnet18, not 'digit'; did you mean digits?",
    "run tiny.safetensors --lane 3 --input x.npy --executor rtl": "run does not know '--lane'; did you mean --lanes?",
    "run tiny.safetensors --input x.npy --executor rlt": "executor must be one of golden, rtl, cocotb, board, not 'rlt'; did you mean rtl?",
    "compare tiny.safetensors --dataset digitz": "dataset must be one of "
    + f"{', '.join(data.DATASETS)}, not 'digitz'; did you mean digits?",
    "compare tiny.safetensors --dataset digits --limit 0": "limit must be at least 1 frame, not 0",
    "compare tiny.safetensors --dataset digits --alone 0": "alone must be at least 1 frame, not 0",
    "synth tiny.safetensors --part ecp5-45k": "part must be one of ecp5-25k, ecp5-85k, up5k, not 'ecp5-45k'; did you mean ecp5-25k or ecp5-85k?",
    "synth tiny.safetensors --part up5k --seeds 0": "seeds must be at least 1 placement, not 0",
    "build tiny.safetensors --board icebreaker --seeds 0": "seeds must be at least 1 placement, not 0",
    "synth tiny.safetensors --part up5k --router ruter2": "router must be one of router1, router2, not 'ruter2'; did you mean router2?",
    "info tinny.safetensors": "tinny.safetensors: no such network file; did you mean tiny.safetensors?",
    "info nix.safetensors": "nix.safetensors: no such network file",
    "--verson": "polyrhythm does not know '--verson' before a verb; did you mean --version?",
    "run tiny.safetensors --input y.npy --executor golden": "y.npy: no such file or directory",
    "run tiny.safetensors --input x.npy --executor golden --lanes 3,10": "lanes and coding belong to the hardware; leave --lanes and --coding out with --executor golden",
    "run tiny.safetensors --input x.npy --executor golden --coding unary": "lanes and coding belong to the hardware; leave --lanes and --coding out with --executor golden",
    "verilog tiny.safetensors --out v --coding binary": "argument --coding: invalid choice: 'binary' (choose from 'count', 'unary'); see polyrhythm verilog --help",
    "verilog tiny.safetensors --out v --lanes 3;4": "argument --lanes: must be one number of at least 1 per layer, such as 20,10, or channels x banks, such as 8x9, not '3;4'; see polyrhythm verilog --help",
    "verilog tiny.safetensors --out v --lanes 3,0": "argument --lanes: must be one number of at least 1 per layer, such as 20,10, or channels x banks, such as 8x9, not '3,0'; see polyrhythm verilog --help",
    "verilog tiny.safetensors --out v --frames 3": "--frames is for the testbench: say --testbench",
    "verilog tiny.safetensors --out v --bus apb": "argument --bus: invalid choice: 'apb' (choose from 'none', 'axi'); see polyrhythm verilog --help",
    "verilog tiny.safetensors --out v --vivado": "Vivado's IP is made of an AXI export: say --bus axi",
    "verilog tiny.safetensors": "the following arguments are required: --out; see polyrhythm verilog --help",
}  # fmt: skip


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_word_is_named_with_the_nearest_right_one(
    line: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, *line.split())
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == f"polyrhythm: {WRONG[line]}"
    assert not (here / "v").exists()


def test_floats_are_refused_as_inputs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("f.npy", np.zeros((1, 1, 8, 8)))
    code, _, err = call(
        capsys, "run", "tiny.safetensors", "--input", "f.npy", "--executor", "golden"
    )
    assert (code, err) == (
        2,
        "polyrhythm: f.npy: must hold integer counts, not float64; round and cast them first\n",
    )


def test_an_input_that_is_no_array_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.npy").write_bytes(b"\x93NUMPY\x01\x00")
    code, _, err = call(
        capsys, "run", "tiny.safetensors", "--input", "bad.npy", "--executor", "golden"
    )
    assert code == 2
    assert err.startswith(
        "polyrhythm: bad.npy: must be a .npy array of integer counts, but cannot be read: "
    )


# One object on stdout


@pytest.mark.parametrize(
    "line",
    ["info tiny.safetensors", "run tiny.safetensors --input x.npy --executor golden", "doctor"],
)
def test_json_is_one_object_on_stdout(
    line: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, *line.split(), "--json")
    assert code == 0
    assert out.count("\n") == 1
    assert isinstance(json.loads(out), dict)


def test_json_of_an_error_is_one_object_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "info", "elsewhere/none.safetensors", "--json")
    text = "elsewhere/none.safetensors: no such network file"
    assert json.loads(out) == {"error": text, "exit": 2}
    assert (code, err) == (2, f"polyrhythm: {text}\n")


def test_what_a_library_prints_does_not_reach_stdout(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = golden.run

    def chatty(*args: object, **options: object) -> Trace:
        print("hello")
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(golden, "run", chatty)
    _, out, err = call(
        capsys, "run", "tiny.safetensors", "--input", "x.npy", "--executor", "golden", "--json"
    )
    assert json.loads(out)["frames"] == 4
    assert "hello" in err


# Verbs


def test_info_tells_layers_and_proven_widths(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = call(capsys, "info", "tiny.safetensors", "--json")
    told = json.loads(out)
    assert [layer["name"] for layer in told["layers"]] == ["fc1", "out"]
    assert [layer["T"] for layer in told["layers"]] == [3, 2]
    assert told["digest"] == digits_network().digest
    for layer in told["layers"]:
        low, high = layer["v_bounds"]
        assert -(1 << layer["v_bits"] - 1) <= low <= high < 1 << layer["v_bits"] - 1
    _, text, _ = call(capsys, "info", "tiny.safetensors")
    assert "input 1x8x8, T 1, counts 0..15" in text


def test_run_writes_the_trace_of_every_frame(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(
        capsys,
        "run",
        "tiny.safetensors",
        "--input",
        "x.npy",
        "--executor",
        "golden",
        "--trace",
        "t.npz",
    )
    assert (code, out.splitlines()[-1]) == (0, "trace: t.npz")
    expected = golden.run(digits_network(), np.load("x.npy"))
    assert expected.first_difference(Trace.load("t.npz")) is None


@pytest.mark.parametrize("executor", ["rtl", "cocotb"])
@pytest.mark.parametrize(
    ("schedule", "coding"),
    [("two_phase", "count"), ("two_phase", "unary"), ("time_stepped", "count")],
)
def test_every_executor_gives_the_same_trace(
    executor: str,
    schedule: str,
    coding: str,
    here: Path,
    shared_build: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    digits_network(schedule).save("n.safetensors")
    for name, options in (("golden", []), (executor, ["--coding", coding])):
        call(
            capsys,
            "run",
            "n.safetensors",
            "--input",
            "x.npy",
            "--executor",
            name,
            "--trace",
            f"{name}.npz",
            *options,
        )
    wanted, got = (Trace.load(f"{name}.npz") for name in ("golden", executor))
    assert wanted.first_difference(got) is None
    assert (wanted.spikes is None) == (schedule == "two_phase")
    if executor == "rtl":
        assert got.cycles is not None
    if coding == "unary":
        assert got.events is not None and wanted.counts["fc1"].max() > 1
        assert (got.events[:, 0] == wanted.counts["fc1"].sum(axis=1)).all()


def test_verilog_is_written_with_its_interface(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(
        capsys, "verilog", "tiny.safetensors", "--out", "v", "--lanes", "3,5", "--json"
    )
    told = json.loads(out)
    assert code == 0
    assert [layer["lanes"] for layer in told["layers"]] == [3, 5]
    assert {f"{told['top']}.v", "interface.json", "manifest.json", "tiny.fc1_weight.hex"} <= set(
        told["files"]
    )
    assert f"module {told['top']}" in Path("v", f"{told['top']}.v").read_text()


def test_wrong_lanes_write_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "verilog", "tiny.safetensors", "--out", "v", "--lanes", "7,10")
    assert code == 2
    assert "7" in err and "fc1" in err
    assert not Path("v").exists()


def test_compare_finds_no_difference(
    here: Path, shared_build: None, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(
        capsys, "compare", "tiny.safetensors", "--dataset", "digits", "--limit", "50", "--json"
    )
    told = json.loads(out)
    none = {"predictions": 0, "logits": 0, "counts": 0}
    assert code == 0 and told["frames"] == 50 and told["first_difference"] is None
    assert told["differences"] == {"torch": none, "RTL": none, "RTL, back to back": none}
    # 50 images are not the split that the file's figure is of
    assert told["accuracy"]["float"] is None
    assert told["accuracy"]["RTL"] == told["accuracy"]["golden"] == told["accuracy"]["torch"]
    assert 0 < told["interval"]["mean"] < told["cycles"]["mean"] <= told["cycles"]["p95"] + 20
    assert told["events_per_frame"]["RTL"] == told["events_per_frame"]["golden"]
    assert Path(told["verilog"], "interface.json").is_file()


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped"])
def test_compare_shows_the_first_difference_and_fails(
    schedule: str,
    here: Path,
    shared_build: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A golden model that is off by one spike in two frames stands in for hardware that is."""
    real, seen = golden.run, data.inputs_for(digits_network(), "digits")[0]

    def wrong(
        network: Network, inputs: np.ndarray, profile: str | None = None, **options: bool
    ) -> Trace:
        trace = real(network, inputs, profile, **options)
        for k, frame in enumerate(inputs):
            if np.array_equal(frame, seen[30]) or np.array_equal(frame, seen[41]):
                trace.counts["fc1"][k, 2] += 1
                if trace.spikes is not None:
                    trace.spikes["fc1"][k, 1, 4] ^= 1
        return trace

    monkeypatch.setattr(golden, "run", wrong)
    digits_network(schedule).save("n.safetensors")
    code, out, _ = call(
        capsys, "compare", "n.safetensors", "--dataset", "digits", "--limit", "50", "--json"
    )
    told = json.loads(out)
    counts = real(digits_network(schedule), seen[30:31], spikes=schedule == "time_stepped")
    if schedule == "two_phase":
        value = int(counts.counts["fc1"][0, 2])
        place = f"frame 30, layer fc1, neuron 2: count expected {value + 1}, got {value}"
    else:
        assert counts.spikes is not None
        value = int(counts.spikes["fc1"][0, 1, 4])
        place = f"frame 30, layer fc1, tick 1, neuron 4: spikes expected {1 - value}, got {value}"
    assert code == 1
    assert told["differences"]["RTL"] == {"predictions": 0, "logits": 0, "counts": 2}
    assert told["first_difference"].split(": ", 1)[0] == "torch"
    without_torch(monkeypatch)
    code, out, _ = call(capsys, "compare", "n.safetensors", "--dataset", "digits", "--limit", "50")
    assert code == 1
    assert f"\nfirst difference: RTL: {place}\n" in out


@pytest.mark.long
def test_demo_ends_with_no_difference(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "demo", "--json")
    told = json.loads(out)
    assert code == 0 and told["first_difference"] is None and told["frames"] == 360
    assert told["accuracy"]["RTL"] > 0.95
    assert told["seconds_total"] < 180
    assert (
        Path(told["verilog"], "interface.json").is_file() and Path(told["network_file"]).is_file()
    )
    assert all(f"[{step}/4]" in err for step in (1, 2, 3, 4))


# Text


def test_a_table_aligns_words_left_and_numbers_right() -> None:
    assert table([("a", 1234, None), ("bcd", 5, "x")], ("name", "n", "more")) == (
        "name      n  more\n----  -----  ----\na     1,234     -\nbcd       5     x"
    )


def test_paced_progress_drops_what_comes_too_fast() -> None:
    seen: list[object] = []
    show = paced(seen.append, period_s=60)
    for k in range(5):
        show(k)
    assert seen == [0]
