"""boards.link: registers a byte at a time, and counters of which a memory holds the most."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from gateware import simulate

from polyrhythm.boards.link.ledger import Ledger
from polyrhythm.hw.bus.registers import Register, constants

NAME = b"polyrhythm"
ROWS = [
    *constants("name", 0, NAME, "who it is"),
    Register("events", 0x40, "status", 32, "what happens often"),
    Register("stalls", 0x44, "status", 32, "what happens always"),
    Register("time", 0x4C, "status", 32, "how long it took"),
    Register("level", 0x60, "status", 7, "how full it is"),
    Register("odd", 0x80, "status", 8, "what happens now and then"),
    Register("even", 0x84, "status", 8, "what happens now and then"),
    Register("gain", 0xBC, "control", 6, "how loud it is", 5),
]
WIDE, NARROW = ("events", "stalls"), ("odd", "even")


@pytest.mark.parametrize("seed", [1, 2])
def test_ledger_answers_as_its_rows_say(seed: int) -> None:
    print(f"seed {seed}")
    rng, dut = random.Random(seed), Ledger(ROWS, (*WIDE, *NARROW))
    held = {row.address: row.value for row in ROWS}
    rows = {row.address: row for row in ROWS}
    at = {row.name: row.address for row in ROWS}
    history: list[dict[int, int]] = []  # the registers, cycle by cycle
    pulsed = dict.fromkeys(NARROW, -1000)
    torn = 0

    async def tick(ctx: Any) -> None:
        """A cycle in which things happen."""
        clock = len(history)
        history.append(dict(held))
        for name in WIDE:
            happens = name == "stalls" or rng.random() < 0.4
            ctx.set(getattr(dut, f"n_{name}"), happens)
            held[at[name]] += happens
        for name in NARROW:
            happens = clock >= pulsed[name] + dut.round and rng.random() < 0.5
            ctx.set(getattr(dut, f"n_{name}"), happens)
            if happens:
                pulsed[name], held[at[name]] = clock, (held[at[name]] + 1) % 256
        changes = rng.random() < 0.02
        ctx.set(dut.stale, changes)
        held[at["level"]] = rng.randrange(128)
        ctx.set(dut.s_level, held[at["level"]])
        await ctx.tick()
        if changes:
            held[at["time"]] = rng.getrandbits(32)
            ctx.set(dut.s_time, held[at["time"]])

    async def exchange(ctx: Any, address: int, write: int, data: int) -> None:
        nonlocal torn
        for name, value in (("address", address), ("write", write), ("ask", 1)):
            ctx.set(getattr(dut.port, name), value)
        beats, begin, ends = list[int](), len(history), False
        while not ends:
            assert len(history) < begin + 8 * dut.round
            ctx.set(dut.port.data, data >> 8 * (len(beats) % 4) & 255)
            if ctx.get(dut.port.beat):
                beats.append(ctx.get(dut.port.value))
            ends, refused = ctx.get(dut.port.done), ctx.get(dut.port.refused)
            assert not ends or ctx.get(dut.port.beat)
            await tick(ctx)
            ctx.set(dut.port.ask, 0)
        assert len(beats) % 4 == 0
        torn += len(beats) > 4
        row, value = rows.get(address), int.from_bytes(bytes(beats[-4:]), "little")
        # What was read it was some time since it was asked
        seen = {moment.get(address, 0) for moment in history[max(0, begin - dut.round) :]}
        assert write or value in seen, (hex(address), value, seen)
        allowed = row is not None and (not write or row.access == "control")
        assert refused == (not allowed)
        if write and allowed and row is not None:
            held[address] = data & (1 << row.bits) - 1
        assert ctx.get(dut.c_gain) == held[0xBC]

    async def bench(ctx: Any, _: Any) -> None:
        for k in range(150):
            near = rng.choice(list(held))
            address = rng.choice(
                (near, near, near ^ 1 << rng.randrange(16), rng.randrange(1 << 16))
            )
            await exchange(ctx, address, k % 3 == 0, rng.getrandbits(32))
            for _ in range(rng.randrange(3) * rng.randrange(60)):
                await tick(ctx)

    simulate(dut, bench)
    assert torn and held[0xBC] != 5 and held[at["stalls"]] > 1 << 12


def test_a_reset_empties_what_the_memory_holds() -> None:
    ledger, reset, m = Ledger(ROWS, (*WIDE, *NARROW)), Signal(), Module()
    m.submodules.ledger = ResetInserter(reset)(ledger)
    found = list[int]()

    async def bench(ctx: Any, _: Any) -> None:
        ctx.set(ledger.n_stalls, 1)
        for _ in range(1000):
            await ctx.tick()
        ctx.set(ledger.n_stalls, 0)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        ctx.set(ledger.port.address, 0x44)
        ctx.set(ledger.port.ask, 1)
        while len(found) < 4:
            if ctx.get(ledger.port.beat):
                found.append(ctx.get(ledger.port.value))
            await ctx.tick()
            ctx.set(ledger.port.ask, 0)

    simulate(m, bench)
    assert found == [0, 0, 0, 0]
