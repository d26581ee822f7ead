"""hw.bus: the register map, its printers, its bank, and the counters behind it."""

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gateware import simulate, words_of
from networks import random_inputs, random_network

from polyrhythm.hw.bus.bank import LATENCY, Bank
from polyrhythm.hw.bus.counted import Counted
from polyrhythm.hw.bus.map import accelerator_map
from polyrhythm.hw.bus.printers import c_header, registers_json, table
from polyrhythm.hw.bus.registers import Register, checked, constants
from polyrhythm.sw.plan.network import plan

ROWS = [
    *constants("name", 0, b"polyrhythm", "who it is"),
    Register("level", 0x20, "status", 7, "how full it is"),
    Register("gain", 0x24, "control", 12, "how loud it is", 5),
    Register("far", 0x1004, "control", 32, "far away"),
]


def test_bank_answers_as_its_rows_say() -> None:
    rng, dut = random.Random(1), Bank(ROWS)
    held = {row.address: row.value for row in ROWS}
    rows = {row.address: row for row in ROWS}

    async def bench(ctx: Any, _: Any) -> None:
        for _ in range(400):
            level = rng.randrange(128)
            held[0x20] = level
            ctx.set(dut.s_level, level)
            address = rng.choice(list(held))
            # Near it, at an address that shares all bits but one with it, or anywhere
            address = rng.choice(
                (address, address, address ^ 1 << rng.randrange(16), rng.randrange(1 << 16))
            )
            write, data = rng.randrange(2), rng.getrandbits(32)
            for name, value in (("address", address), ("write", write), ("data", data)):
                ctx.set(getattr(dut.port, name), value)
            ctx.set(dut.port.ask, 1)
            for cycle in range(LATENCY):
                assert not ctx.get(dut.port.done)
                await ctx.tick()
                ctx.set(dut.port.ask, 0)
                assert cycle == LATENCY - 1 or not ctx.get(dut.port.done)
            assert ctx.get(dut.port.done)
            row = rows.get(address)
            assert ctx.get(dut.port.value) == (held[address] if row else 0)
            allowed = row is not None and (not write or row.access == "control")
            assert ctx.get(dut.port.refused) == (not allowed)
            if write and allowed and row is not None:
                held[address] = data & (1 << row.bits) - 1
            await ctx.tick()
            assert (ctx.get(dut.c_gain), ctx.get(dut.c_far)) == (held[0x24], held[0x1004])

    simulate(dut, bench)
    assert held[0x24] != 5 and held[0x1004] != 0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (Register("a", 2, "status", 8, ""), "register a: the address must be a multiple of 4 below 65536, not 0x2"),
        (Register("a", 1 << 16, "status", 8, ""), "register a: the address must be a multiple of 4 below 65536, not 0x10000"),
        (Register("a", 0, "constant", 3, "", 8), "register a: 8 must fit its 3 bits, 1 to 32 of them"),
        (Register("far", 8, "status", 8, ""), "registers must differ in name, but two have 'far'"),
        (Register("a", 0x20, "status", 8, ""), "registers must differ in address, but two have 32"),
    ],
)  # fmt: skip
def test_refuses_a_map_that_cannot_be(wrong: Register, told: str) -> None:
    with pytest.raises(ValueError) as error:
        checked([*ROWS, wrong])
    assert str(error.value) == told


def test_json_has_every_register() -> None:
    found = json.loads(registers_json(ROWS))["registers"]
    assert [row["address"] for row in found] == [0, 4, 8, 0x20, 0x24, 0x1004]
    assert found[0]["value"] == int.from_bytes(b"poly", "little") and "value" not in found[3]


def test_a_c_compiler_takes_the_header(tmp_path: Path) -> None:
    (tmp_path / "registers.h").write_text(c_header(accelerator_map(None, bytes(8))))
    rows = accelerator_map(None, bytes(8))
    lines = [f'_Static_assert(POLYRHYTHM_{row.name.upper()} == {row.address}, "");' for row in rows]
    source = ['#include "registers.h"', '#include "registers.h"', *lines]
    source.append('_Static_assert(POLYRHYTHM_SCRATCH_MASK == 255, "");')
    (tmp_path / "try.c").write_text("\n".join(source) + "\n")
    subprocess.run(["gcc", "-std=c11", "-Wall", "-Werror", "-c", "try.c"], cwd=tmp_path, check=True)


def test_table_joins_rows_of_one_text() -> None:
    lines = table(ROWS).splitlines()
    assert lines[2] == "| 0x0000 .. 0x0008 | `name0` .. `name2` | 32 | read | who it is |"
    assert lines[4] == "| 0x0024 | `gain` | 12 | read, write | how loud it is |" and len(lines) == 6


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped"])
@pytest.mark.parametrize("back_to_back", [False, True])
def test_counts_what_passes(schedule: str, back_to_back: bool) -> None:
    seed = 3
    rng = np.random.default_rng(seed)
    network = random_network(rng, schedule, ("dense",), sizes=(3, 5), T=[2, 2], t_in=2, max_count=3)
    inputs = random_inputs(rng, network, 40)
    dut, random_ = Counted(plan(network)), random.Random(seed)
    frames, seen = [words_of(network, frame) for frame in inputs], dict[str, Any]()
    begun, shown, told, stalls = list[int](), list[int](), list[int](), 0
    at_once = 0  # frames that begin in the cycle in which another one is answered

    async def bench(ctx: Any, _: Any) -> None:
        nonlocal stalls, at_once
        clock, todo, answered, valid = 0, [], 0, False
        while answered < len(frames):
            if not todo and len(begun) < len(frames) and (back_to_back or answered == len(begun)):
                todo = [*frames[len(begun)]]
                fresh = True
            valid = valid or bool(todo and random_.random() < 0.7)
            if valid:
                ctx.set(dut.i.payload, dut.i.payload.shape().const(todo[0]))
            ctx.set(dut.i.valid, valid)
            ready = random_.random() < 0.2
            ctx.set(dut.o.ready, ready)
            if ctx.get(dut.o.valid) and len(shown) == answered:
                shown.append(clock)
            if valid and ctx.get(dut.i.ready):
                if fresh:
                    begun.append(clock)
                    at_once += ready and ctx.get(dut.o.valid)
                fresh, valid = False, False
                todo.pop(0)
            else:
                stalls += valid
            if ready and ctx.get(dut.o.valid):
                answered += 1
            if len(told) < len(shown) and clock >= shown[len(told)] + 2:
                told.append(ctx.get(dut.counts.cycles))
            await ctx.tick()
            clock += 1
        ctx.set(dut.i.valid, 0)
        for _ in range(4):
            await ctx.tick()
        told.append(ctx.get(dut.counts.cycles))
        seen.update({name: ctx.get(dut.counts[name]) for name in dut.counts.shape().members})
        ctx.set(dut.turn, 1)
        await ctx.tick()
        ctx.set(dut.turn, 0)
        seen["turned"] = ctx.get(dut.counts.cycles)

    simulate(dut, bench)
    assert at_once or not back_to_back, "frames begin while others end"
    least = [max(b, before) for b, before in zip(begun, [0, *shown], strict=False)]
    took = [end - start for start, end in zip(least, shown, strict=True)]
    assert told[-1] == took[-1] and told[: len(took) - 1] == took[:-1]
    assert seen["turned"] == took[-1] >> 8 | (took[-1] & 255) << 24
    assert (seen["answered"], seen["in_flight"]) == (len(frames), 0)
    assert seen["events"] == np.count_nonzero(inputs) and seen["stalls"] == stalls
