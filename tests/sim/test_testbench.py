"""sim.testbench: what lies beside an export says PASS of it, and FAIL of any other."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import digits_network
from networks import random_network

from polyrhythm.hw.export import export
from polyrhythm.sim import testbench as benches
from polyrhythm.sim import verilator
from polyrhythm.sw.network import Input, Layer, Network
from polyrhythm.sw.plan.lanes import default_lanes

CASES = {
    "two_phase": ("two_phase", ("dense",), "count"),
    "a word for each spike": ("two_phase", ("dense",), "unary"),
    "maps": ("two_phase", ("conv2d", "dense"), "count"),
    "time_stepped": ("time_stepped", ("dense", "dense"), "count"),
    "maps in steps": ("time_stepped", ("conv2d",), "count"),
    "spikes taken back": ("event_driven", ("dense",), "count"),
}


def network_of(case: str) -> tuple[Network, Any]:
    schedule, kinds, coding = CASES[case]
    shape = (1, 4, 3) if "conv2d" in kinds else (7,)
    rng = np.random.default_rng(7)
    network = random_network(
        rng, schedule, kinds, shape=shape, sizes=(5,), max_count=3, max_T=3, t_in=2
    )
    return network, coding


def written(place: Path, network: Network, coding: Any = "count", shown: Any = None) -> Path:
    """The export of `network` with a testbench of the network `shown`, or its own."""
    vectors = benches.vectors(shown or network, 4)
    folder = place / "out"
    lanes = [1] * (len(network.layers) - 1) if network.schedule != "event_driven" else None
    chosen = default_lanes(network)
    if lanes is not None:
        chosen[:-1] = lanes
    return export(network, folder, chosen, coding, beside=benches.beside(vectors))


def make(folder: Path, *words: str) -> tuple[int, str]:
    """Exit code and all that make says."""
    env = verilator.environment() | {"PYTHON": shutil.which("python") or "python3"}
    done = subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, env=env)
    return done.returncode, done.stdout + done.stderr


def icarus(folder: Path, *words: str) -> tuple[int, str]:
    if shutil.which("iverilog") is None:
        pytest.skip("needs Icarus Verilog: sudo apt-get install iverilog")
    return make(folder, "icarus", *words)


def told(network: Network, frames: int = 4) -> str:
    return rf"PASS: {network.name}, {frames} frames, \d+ cycles: every class, logit and spike count is the golden model's"


@pytest.mark.parametrize("stall", ["", "1"], ids=["flowing", "pausing"])
@pytest.mark.parametrize("case", CASES)
def test_icarus_says_that_all_is_golden(case: str, stall: str, tmp_path: Path) -> None:
    network, coding = network_of(case)
    folder = written(tmp_path, network, coding)
    code, said = icarus(folder, f"STALL={stall}")
    assert code == 0 and re.search(f"^{told(network)}$", said, re.MULTILINE), said


def test_pauses_take_cycles(tmp_path: Path) -> None:
    folder = export(
        network := digits_network(),
        tmp_path / "out",
        beside=benches.beside(benches.vectors(network)),
    )
    flowing, pausing = (
        int(re.findall(r"(\d+) cycles", icarus(folder, f"STALL={stall}")[1])[0])
        for stall in ("", "1")
    )
    assert pausing > flowing


def sensitive() -> Network:
    """One whose answers hang on every weight."""
    weight = np.array([[2, 1, 0], [1, 2, -1]])
    layers = (
        Layer("fc", "dense", weight, np.zeros(2, int), np.full(2, 2), 4, T=7),
        Layer("out", "readout", np.array([[3, 1], [-3, 2]]), np.zeros(2, int), None, 4),
    )
    return Network("net", "two_phase", Input((3,), 1, 3), layers)


def with_wrong_weight(network: Network, layer: int) -> Network:
    """One weight of a layer is another."""
    chosen = network.layers[layer]
    weight = chosen.weight.copy()
    weight.flat[0] += 1 if weight.flat[0] <= 0 else -1
    layers = list(network.layers)
    layers[layer] = replace(chosen, weight=weight)
    return replace(network, layers=tuple(layers))


@pytest.mark.parametrize(
    ("layer", "first"),
    [(0, r"frame \d, layer fc, neuron 0: expected \d+, got \d+"), (1, r"frame \d, logit 0: expected -?\d+, got -?\d+")],
)  # fmt: skip
def test_a_wrong_weight_fails(layer: int, first: str, tmp_path: Path) -> None:
    network = sensitive()
    folder = written(tmp_path, with_wrong_weight(network, layer), shown=network)
    code, said = icarus(folder)
    assert code != 0 and re.search(r"^FAIL: net, \d+ differences in \d+ cycles$", said, re.M), said
    lines = [line for line in said.splitlines() if line.startswith("frame")]
    assert re.fullmatch(first, lines[0]), said
    assert "PASS" not in said


def test_a_wrong_word_in_a_memory_fails(tmp_path: Path) -> None:
    folder = written(tmp_path, network_of("two_phase")[0])
    file = sorted(folder.glob("*_weight.hex"))[0]
    rows = file.read_text().splitlines()
    file.write_text("\n".join([f"{int(rows[0], 16) ^ 1:0{len(rows[0])}x}", *rows[1:], ""]))
    code, said = icarus(folder)
    assert code != 0 and f"{file.name} must hold the words" in said and "PASS" not in said


@pytest.mark.parametrize(
    ("file", "row", "bit", "told"),
    [
        ("answers", 2, 0, r"frame 2, logit 0: expected -?\d+, got -?\d+"),
        ("answers", 1, -1, r"frame 1, class: expected \d+, got \d+"),
        ("counts0", 7, 0, r"frame 1, layer l0, neuron 2: expected \d+, got \d+"),
    ],
)
def test_every_expected_number_is_compared(
    file: str, row: int, bit: int, told: str, tmp_path: Path
) -> None:
    network, _ = network_of("two_phase")
    folder = written(tmp_path, network)
    path = folder / f"random_tb.{file}.hex"
    rows = path.read_text().splitlines()
    if bit < 0:
        ports = {
            p["name"]: p["bits"]
            for p in json.loads((folder / "interface.json").read_text())["ports"]
        }
        bit = ports["o_logits"]
    rows[row] = f"{int(rows[row], 16) ^ 1 << bit:0{len(rows[row])}x}"
    path.write_text("\n".join([*rows, ""]))
    code, said = icarus(folder)
    lines = [line for line in said.splitlines() if line.startswith("frame")]
    assert code != 0 and len(lines) == 1 and re.fullmatch(told, lines[0]), said
    assert re.search(r"^FAIL: random, 1 differences", said, re.M)


def test_a_frame_that_never_ends_is_told(tmp_path: Path) -> None:
    folder = written(tmp_path, network_of("two_phase")[0])
    source = folder / "random_tb.v"
    words = len((folder / "random_tb.words.hex").read_text().split())
    source.write_text(source.read_text().replace(f"WORDS = {words};", f"WORDS = {words - 1};"))
    code, said = icarus(folder)
    assert code != 0 and re.search(r"nothing moves; \d+ of \d+ words sent, 3 of 4 answers", said), (
        said
    )


@pytest.mark.long
def test_verilator_says_so_too(tmp_path: Path) -> None:
    network, _ = network_of("maps")
    folder = written(tmp_path, network)
    for stall in ("", "1"):
        code, said = make(folder, f"STALL={stall}")
        assert code == 0 and re.search(f"^{told(network)}$", said, re.MULTILINE), said
        assert "sim_build/verilator" in said


@pytest.mark.long
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_cocotb_says_so_too_and_finds_a_wrong_weight(simulator: str, tmp_path: Path) -> None:
    if simulator == "icarus" and shutil.which("iverilog") is None:
        pytest.skip("needs Icarus Verilog: sudo apt-get install iverilog")
    network = sensitive()
    folder = written(tmp_path / "right", network)
    code, said = make(folder, "cocotb", f"SIM={simulator}", "SEED=3")
    assert code == 0 and f"PASS: net under cocotb in {simulator}, seed 3" in said, said
    # The same circuit beside the numbers of a network with another weight: it is built already.
    wrong = written(tmp_path / "wrong", network, shown=with_wrong_weight(network, 0))
    assert (wrong / "net.v").read_bytes() == (folder / "net.v").read_bytes()
    for numbers in wrong.glob("net_tb.*.hex"):
        shutil.copy(numbers, folder)
    code, said = make(folder, "cocotb", f"SIM={simulator}")
    assert code != 0 and f"FAIL: net under cocotb in {simulator}" in said, said
    assert re.search(r"frame \d+, layer fc, neuron \d+: expected \d+, got \d+", said), said


# --- AXI ---


def written_axi(place: Path, case: str) -> Path:
    network, coding = network_of(case)
    vectors = benches.vectors(network, 4)
    return export(network, place / "out", coding=coding, beside=benches.beside(vectors), bus="axi")


@pytest.mark.parametrize("stall", ["", "1"], ids=["flowing", "pausing"])
@pytest.mark.parametrize("case", ["two_phase", "time_stepped", "maps", "spikes taken back"])
def test_icarus_says_that_all_of_an_axi_export_is_golden(
    case: str, stall: str, tmp_path: Path
) -> None:
    code, said = icarus(written_axi(tmp_path, case), f"STALL={stall}")
    right = (
        r"^PASS: random, 4 frames, \d+ cycles: every class, logit and register is as it must be$"
    )
    assert code == 0 and re.search(right, said, re.MULTILINE), said


@pytest.mark.parametrize(
    ("file", "row", "bit", "told"),
    [
        ("beats", 6, 0, r"frame 1, beat 0: expected -?\d+, TLAST 0, got -?\d+, TLAST 0"),
        ("beats", 5, 32, r"frame 0, beat 5: expected -?\d+, TLAST 0, got -?\d+, TLAST 1"),
        ("registers", 1, 0, r"register 0004: expected [0-9a-f]{8}, got [0-9a-f]{8}, response 0"),
        ("registers", 2, 45, r"register 2008: expected [0-9a-f]{8}, got 00000000, response 2"),
    ],
)
def test_every_expected_number_of_an_axi_export_is_compared(
    file: str, row: int, bit: int, told: str, tmp_path: Path
) -> None:
    folder = written_axi(tmp_path, "two_phase")
    path = folder / f"random_tb.{file}.hex"
    rows = path.read_text().splitlines()
    rows[row] = f"{int(rows[row], 16) ^ 1 << bit:0{len(rows[row])}x}"
    path.write_text("\n".join([*rows, ""]))
    code, said = icarus(folder)
    lines = [line for line in said.splitlines() if line.startswith(("frame", "register"))]
    assert code != 0 and len(lines) == 1 and re.fullmatch(told, lines[0]), said


def test_an_axi_export_has_no_cocotb_testbench(tmp_path: Path) -> None:
    folder = written_axi(tmp_path, "two_phase")
    assert "cocotb" not in (folder / "Makefile").read_text()
    assert not (folder / "random_tb.py").exists() and (folder / "random_tb.v").exists()


# --- frames ---


def test_frames_are_those_of_the_test_split_where_it_is_here() -> None:
    pytest.importorskip("sklearn")
    found = benches.vectors(digits_network(), 3)
    assert found.told == "the first 3 of the test split of digits"
    from polyrhythm.sw import data

    right, _ = data.inputs_for(digits_network(), "digits", "test")
    assert (found.counts[:, 0] == right[:3]).all() and found.counts.shape == (3, 1, 1, 8, 8)


@pytest.mark.parametrize("made", [{}, {"dataset": "mnist", "preprocess": "levels:15"}, {"dataset": "digits", "data": {}}, {"dataset": "digits"}])  # fmt: skip
def test_frames_are_random_where_the_test_split_is_not_here(
    made: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POLYRHYTHM_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network = replace(digits_network(), provenance=made)
    found, again = (benches.vectors(network, 3, seed=4) for _ in range(2))
    assert found.told == "random, seed 4" and (found.counts == again.counts).all()
    assert list(tmp_path.iterdir()) == []


def test_at_least_one_frame() -> None:
    with pytest.raises(ValueError, match=r"^frames must be at least 1, not 0$"):
        benches.vectors(digits_network(), 0)


# --- the folder ---


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_the_export_itself_is_the_same_beside_a_testbench(tmp_path: Path) -> None:
    network, _ = network_of("two_phase")
    plain = contents(export(network, tmp_path / "plain"))
    more = contents(
        export(network, tmp_path / "more", beside=benches.beside(benches.vectors(network)))
    )
    assert {name: more[name] for name in plain if name != "manifest.json"} == {
        name: text for name, text in plain.items() if name != "manifest.json"
    }
    assert sorted({*more} - {*plain}) == [
        "Makefile",
        "random.vlt",
        "random_tb.answers.hex",
        "random_tb.counts0.hex",
        "random_tb.py",
        "random_tb.v",
        "random_tb.words.hex",
    ]
    manifest = json.loads(more["manifest.json"])
    assert sorted(manifest["sha256"]) == sorted({*more} - {"manifest.json"})
    assert manifest["built"] == "sim_build" and "built" not in json.loads(plain["manifest.json"])


def test_what_make_has_built_goes_when_the_export_is_written_again(tmp_path: Path) -> None:
    network, _ = network_of("two_phase")
    folder = written(tmp_path, network)
    (folder / "sim_build").mkdir()
    (folder / "sim_build" / "old").write_text("old")
    written(tmp_path, network)
    assert not (folder / "sim_build").exists()
    export(network, folder)
    assert len(list(folder.glob("*_tb*"))) == 0
    (folder / "sim_build").mkdir()  # beside an export without a testbench nobody builds
    with pytest.raises(ValueError, match="must be new, empty, or an earlier export"):
        export(network, folder)


# --- lint ---


def linted(place: Path, case: str) -> Path:
    try:
        verilator.find()
    except verilator.ToolMissing as missing:
        pytest.skip(str(missing))
    return written(place, *network_of(case))


@pytest.mark.parametrize("case", CASES)
def test_lint_has_nothing_to_say_but_what_is_waived(case: str, tmp_path: Path) -> None:
    code, said = make(linted(tmp_path, case), "lint")
    assert code == 0 and "%Warning" not in said, said


def test_every_waiver_is_needed(tmp_path: Path) -> None:
    folder = linted(tmp_path, "two_phase")
    text = (folder / "random.vlt").read_text()
    rules = re.findall(r"-rule (\w+)", text)
    for rule in rules:
        (folder / "random.vlt").write_text(re.sub(rf"lint_off -rule {rule} .*", "", text))
        code, said = make(folder, "lint")
        assert code != 0 and set(re.findall(r"%Warning-(\w+)", said)) == {rule}, said
    assert len(rules) == 3


def test_the_names_of_a_testbench_can_be_none_of_the_design(tmp_path: Path) -> None:
    """Its module is called as the top with _tb behind it: no module of ours is."""
    folder = written(tmp_path, network_of("two_phase")[0])
    source = (folder / "random.v").read_text()
    names = re.findall(r"^module (\S+?) ?\(", source, re.MULTILINE)
    assert len(names) > 5 and "random_tb" not in names
