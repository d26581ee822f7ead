"""--profiles all: one circuit of all working points, on the command line."""

import json
from pathlib import Path

import pytest
from commands import REPO, call

from polyrhythm.cli.mixed import dealt

MTT, PLAIN = (str(REPO / "models" / f"{name}.safetensors") for name in ("digits-mtt", "digits-lif"))


def test_every_working_point_goes_through_one_circuit(
    capsys: pytest.CaptureFixture[str], shared_build: None
) -> None:
    words = ["--dataset", "digits", "--profiles", "all", "--limit", "42", "--lanes", "20,10"]
    code, out, _ = call(capsys, "compare", MTT, *words, "--json")
    report = json.loads(out)
    assert code == 0 and report["frames"] == 42
    points = {row["name"]: row for row in report["profiles"]}
    assert {name: row["T"] for name, row in points.items()} == {
        None: [4, 4], "mixed": [8, 3], "t1": [1, 1], "t2": [2, 2], "t8": [8, 8],
    }  # fmt: skip
    assert [row["images"] for row in points.values()] == [9, 9, 8, 8, 8]
    assert not any(sum(row["differences"].values()) for row in points.values())
    assert points["t1"]["cycles"]["mean"] < points["t8"]["cycles"]["mean"]
    code, out, _ = call(capsys, "compare", MTT, *words)
    assert code == 0 and "through one circuit" in out and "its own" in out


def test_images_are_dealt_evenly_in_random_order() -> None:
    order = dealt(3, 11).tolist()
    assert sorted(order) == [0] * 4 + [1] * 4 + [2] * 3 and order != sorted(order)


def test_the_verilog_has_a_port_for_the_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "all"
    code, _, _ = call(capsys, "verilog", MTT, "--profiles", "all", "--out", str(out))
    told = json.loads((out / "interface.json").read_text())
    assert code == 0 and [row["name"] for row in told["profiles"]] == [
        None,
        "mixed",
        "t1",
        "t2",
        "t8",
    ]
    (port,) = [port for port in told["ports"] if port["name"] == "i_profile"]
    assert port["bits"] == 3 and "0 its own, T 4, 4; 1 mixed, T 8, 3; " in port["doc"]
    assert port["doc"] in (out / "digits_mtt.v").read_text()


WRONG = {
    ("compare", PLAIN, "--dataset", "digits", "--profiles", "all"): f"{PLAIN}: --profiles needs working points, but it has none",
    ("compare", MTT, "--dataset", "digits", "--profiles", "all", "--T", "1,1"): "--profiles all has every working point: leave --profile and --T out",
    ("compare", MTT, "--dataset", "digits", "--profiles", "all", "--executor", "board", "--port", "sim"): "--profiles is for the RTL: a board's circuit has one profile",
    ("verilog", MTT, "--out", "x", "--profiles", "all", "--testbench"): "--testbench is for a circuit of one profile: leave --profiles out",
    ("synth", MTT, "--part", "up5k", "--profiles", "all", "--swappable"): "digits-mtt: a circuit whose contents are swapped has one profile, not 5; choose one",
}  # fmt: skip


@pytest.mark.parametrize("words", WRONG)
def test_what_cannot_be_is_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, *words)
    assert (code, err) == (2, f"polyrhythm: {WRONG[words]}\n")
