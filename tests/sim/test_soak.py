"""Random accelerators, and the soak that runs as many of them as wanted."""

import dataclasses
import json
import math
import shutil
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import random_cases
import soak
from random_cases import KINDS, SCHEDULES, covered, draw

from polyrhythm.sw import golden

CI = range(48)


@pytest.mark.long
@pytest.mark.parametrize("seed", CI)
def test_golden_law_and_verilog_agree(seed: int, tmp_path: Path) -> None:
    assert not random_cases.run(seed, tmp_path)


# --- what a seed names ---


def test_the_cases_of_every_day_hold_what_they_are_to_hold() -> None:
    found = covered(CI)
    wanted = {
        *SCHEDULES,
        "hesitant",
        "as it is",
        "dense",
        "conv2d",
        "readout",
        "one bank",
        "many banks",
        "pool 1",
        "pool 2",
    }
    wanted |= (
        {f"kernel {k}" for k in (1, 2, 3, 5)}
        | {f"stride {s}" for s in (1, 2)}
        | {f"padding {p}" for p in range(4)}
    )
    wanted |= {"signed neurons", "unsigned neurons", "count", "unary"}
    assert found >= wanted, wanted - found
    ratios = [tuple(map(int, name.split()[1::2])) for name in found if name.startswith("T ")]
    assert any(low > 1 == math.gcd(low, high) for low, high in ratios) and (1, 1) in ratios
    lawful = {draw(seed).network.schedule for seed in CI if not draw(seed).hesitant}
    assert (
        lawful == set(SCHEDULES)
        and len({len(draw(seed).network.layers) for seed in CI}) >= 4 == max(map(len, KINDS)) + 1
    )


def test_a_seed_names_the_same_case_each_time() -> None:
    for seed in (0, 7, 123_456):
        one, other = draw(seed), draw(seed)
        assert one.network.digest == other.network.digest and one.lanes == other.lanes
        assert (one.inputs == other.inputs).all()
    assert draw(0).network.digest != draw(6).network.digest


def test_frames_are_silent_saturating_and_between() -> None:
    for seed in CI:
        case = draw(seed)
        assert not case.inputs[0].any() and (case.inputs[1] == case.network.input.max_count).all()


# --- what is found ---


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1])
def test_the_first_difference_is_named_and_its_waveform_written(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A golden model that is wrong in one logit of frame 3."""
    right = golden.run

    def wrong(*given: Any, **options: Any) -> Any:
        trace = right(*given, **options)
        logits = trace.logits.copy()
        logits[3, 0] += 1
        return dataclasses.replace(trace, logits=logits)

    monkeypatch.setattr(golden, "run", wrong)
    said = random_cases.run(seed, tmp_path, waves=True)
    case, logit = draw(seed), int(right(draw(seed).network, draw(seed).inputs).logits[3, 0])
    path = tmp_path / f"seed-{seed}" / f"seed-{seed}.vcd"
    mode = "frames one by one, stalls 0.0 in and 0.0 out"
    assert (
        said
        == f"{case}; {mode}: frame 3, neuron 0: logits expected {logit + 1}, got {logit}; waveform {path}"
    )
    assert "$enddefinitions" in path.read_text()[:1_000_000]


@pytest.mark.long
def test_cycles_that_are_not_the_laws_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    law = random_cases.cycles.timing

    def late(*given: Any) -> Any:
        timing = law(*given)
        return dataclasses.replace(timing, cycles=timing.cycles + np.array([0, 0, 1, 0, 0, 0]))

    monkeypatch.setattr(random_cases.cycles, "timing", late)
    assert "frame 2: cycles expected" in random_cases.run(0, tmp_path)
    shutil.rmtree(tmp_path / "seed-0")


# --- the soak ---


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    """A log with a good seed, a bad one, and a line that was cut off."""
    path = tmp_path / "done.jsonl"
    path.write_text('{"seed": 3, "found": ""}\n{"seed": 4, "found": "frame 1"}\n{"seed": 5, "fou')
    assert soak.Log(path).done == {3}


def test_a_soak_tells_of_findings_and_ends_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POLYRHYTHM_BUILD", str(tmp_path))
    monkeypatch.setattr(soak, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(
        random_cases, "run", lambda seed, root, waves: "seed 8: frame 1" if seed == 8 else ""
    )
    assert soak.main(["--first", "7", "--seeds", "3"]) == 1
    assert capsys.readouterr().out == "seed 8: frame 1\n"
    (log,) = tmp_path.glob("soak/*/done.jsonl")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert sorted((row["seed"], row["found"]) for row in rows) == [
        (7, ""),
        (8, "seed 8: frame 1"),
        (9, ""),
    ]
    monkeypatch.setattr(random_cases, "run", lambda seed, root, waves: "")
    monkeypatch.setenv("POLYRHYTHM_BUILD", str(tmp_path))
    assert soak.main(["--first", "7", "--seeds", "3"]) == 0
    assert "2 of 3 cases are done already" in capsys.readouterr().err


def test_a_case_that_cannot_be_built_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> str:
        raise ValueError("no such lanes")

    monkeypatch.setattr(random_cases, "run", refuse)
    assert soak.one(0, tmp_path, False) == f"{draw(0)}: ValueError: no such lanes"


class Here:
    """An executor that runs each call at once, in this process."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, call: Any, *given: Any) -> Any:
        future: Any = Future()
        future.set_result(call(*given))
        return future
