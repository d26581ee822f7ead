"""Circuits whose contents may be swapped: one Verilog for all networks of a shape, and golden's
answers with each network's contents."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import random_cases
from amaranth.sim import Simulator
from networks import random_network
from shapes import planned_for, sibling

from polyrhythm.hw.export import texts
from polyrhythm.hw.lib.loading import Loader
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.top import Top
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.shape import Shape
from polyrhythm.sw.plan.table import Table

CHECK_SUM = re.compile(r"(found !== 32'h)[0-9a-f]{8}")


def without_contents(text: str) -> str:
    """Verilog without its header, and without the check sums of memories for simulators."""
    body = "".join(line for line in text.splitlines(True) if not line.startswith("//"))
    return CHECK_SUM.sub(r"\1", body)


@pytest.mark.parametrize("seed", range(12))
def test_two_networks_of_one_shape_have_one_verilog(seed: int) -> None:
    case, rng = random_cases.draw(seed), np.random.default_rng([23, seed])
    shape = Shape.of(case.network)
    pair = (case.network, sibling(rng, shape, case.network, "other"))
    first, second = (
        texts(Top(plan(network, case.lanes, case.coding, shape=shape), name="same"))
        for network in pair
    )
    assert first.keys() == second.keys()
    assert without_contents(first["same.v"]) == without_contents(second["same.v"])
    assert any(first[name] != second[name] for name in first if name.endswith(".hex"))
    memories = [name for name in first if name.endswith(".hex")]
    assert all(len(first[name].splitlines()) in (256, 512, 1024, 2048, 4096) for name in memories)
    assert first["same.v"].count('rom_style = "block", swappable = 1') == len(memories)


def test_without_a_shape_the_verilog_hangs_on_contents() -> None:
    """The comparison above can fail: it does without a shape."""
    rng = np.random.default_rng(9)
    network = random_network(rng, "time_stepped", ("dense",), shape=(6,), sizes=(5,))
    other = sibling(rng, Shape.of(network), network)
    first, second = (texts(Top(plan(each), name="same"))["same.v"] for each in (network, other))
    assert without_contents(first) != without_contents(second)


def answers_are_goldens(seed: int, folder: Path) -> str:
    """Put the contents of another network into the circuit of a random case's shape; "" or what is
    wrong then."""
    case, rng = random_cases.draw(seed), np.random.default_rng([77, seed])
    shape = Shape.of(case.network)
    case = replace(case, network=sibling(rng, shape, case.network))
    with planned_for(shape):
        found = random_cases.find(case, folder)
    random_cases.forget(case, folder)
    return "" if found is None else f"{case}: {found.text}"


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_swapped_contents_give_goldens_answers(seed: int, tmp_path: Path) -> None:
    """One seed of each schedule, dense."""
    assert answers_are_goldens(seed, tmp_path) == ""


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5, 25))
def test_swapped_contents_of_all_kinds_give_goldens_answers(seed: int, tmp_path: Path) -> None:
    """Convolutions, strides, banks, held currents, hesitant queues, all bias modes."""
    assert answers_are_goldens(seed, tmp_path) == ""


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_a_row_is_loaded_lane_after_lane(lanes: int) -> None:
    values = np.arange(1, lanes + 1)[None]
    table = Table("start", values, 4, "", swappable=True)
    dut = Loader(Rom, table)
    seen = run_free(dut, lanes + 2)
    want = sum(int(value) << (4 * k) for k, value in enumerate(values[0]))
    assert seen[lanes + 1] == want


def run_free(dut: Loader, cycles: int) -> list[int]:
    """What `row` is in each cycle behind the start."""
    seen: list[int] = []

    async def watch(ctx: object) -> None:
        for _ in range(cycles):
            seen.append(ctx.get(dut.row))  # type: ignore[attr-defined]
            await ctx.tick()  # type: ignore[attr-defined]

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(watch)
    simulator.run()
    return seen
