"""Temporal alignment for all pairs of T up to MOST: ticks that the aligner drops, currents that the
sequencer holds.

In two halves. The circuits follow their tables, whatever stands in them: the tables are free
constants of the proof. And for each pair the table that the generator makes is the closed form,
which is checked one by one (`wrong_tables`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
from amaranth.hdl import Array, Const, Module, Mux, Signal, Value

from polyrhythm.hw.dense.sequencer import Sequencer
from polyrhythm.hw.lib import ticks
from polyrhythm.hw.stream import aligner
from polyrhythm.hw.stream.aligner import Aligner
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.network import Input, Layer, Network
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.steps import Steps

from .bench import Bench, implies, side_by_side
from .sby import Proof

MOST = 32  # of T, on both sides
EVENT = Event(2, 3)
CREDITS = 2


def drops(m: Module, T: int) -> None:
    """Every word passes unchanged in its cycle, but ticks that end no group; these wait for nobody.
    Any table, T source ticks."""
    keep = Signal(T)
    with mock.patch.object(aligner, "constant_in", lambda _, tick, *rest: Array(keep)[tick]):
        bench = Bench(Aligner(EVENT, [[True] * T]), m)
    m.d.comb += keep.eq(bench.constant(T, "table"))
    i, o = bench.dut.i, bench.dut.o
    closes, tick = i.payload.tick | i.payload.end, Signal(range(T))
    last = tick == T - 1
    with m.If(i.valid & i.ready & closes):
        m.d.sync += tick.eq(Mux(last, 0, tick + 1))
    bench.receives(i, "i")
    bench.assume(implies(i.valid & closes, (i.payload.end == last) & (i.payload.tick == ~last)))
    dropped = closes & ~last & ~keep.bit_select(tick, 1)

    bench.sends(o, "o")
    bench.claim(o.valid == (i.valid & ~dropped))
    bench.claim(implies(i.valid, i.ready == (o.ready | dropped)))
    bench.claim(implies(o.valid, o.payload == i.payload))
    bench.reach(o.valid & o.payload.end & (keep == 0b101))
    bench.invariant((bench.inner("tick") == tick) & (tick < T))


def holds(m: Module, T: int, held: bool = True) -> None:
    """Each of T source ticks is swept as often as its table says, first with its events' sum, then
    held; no cycle is lost, what comes meanwhile waits, and no more results are under way than there
    are places for. Not `held`: a table of ones alone."""
    places: list[Any] = [
        Signal(range(MOST), name=f"further_{k}") if held else Const(0, range(MOST))
        for k in range(T)
    ]
    # Numbers that stand for the free ones, and that make registers wide enough.
    repeats = [MOST, *[2] * (T - 1)] if held else [1] * T
    steps = Steps(sum(repeats), tuple(repeats), (True,) * T, tuple(range(MOST)))
    with _entries([r - 1 for r in repeats], places):
        dut = Sequencer(EVENT, groups=1, capacity=2, steps=(steps,), credits=CREDITS)
        bench = Bench(dut, m)
    op = dut.ops.payload
    m.d.comb += [place.eq(bench.constant(range(MOST), "table")) for place in places if held]
    i, waiting = dut.i, Signal(range(CREDITS + 2))
    step, swept, tick = Signal(range(T)), Signal(range(MOST)), Signal(range(MOST))
    closes, first, last, free = (
        i.payload.tick | i.payload.end,
        swept == 0,
        step == T - 1,
        waiting != CREDITS,
    )
    further = Array(places)[step]
    done = swept == further
    with m.If(op.sweep):
        m.d.sync += [swept.eq(Mux(done, 0, swept + 1)), tick.eq(Mux(done & last, 0, tick + 1))]
        with m.If(done):
            m.d.sync += step.eq(Mux(last, 0, step + 1))
    m.d.sync += waiting.eq(waiting + op.sweep - dut.returned)
    bench.receives(i, "i")
    bench.assume(implies(i.valid & closes, (i.payload.end == last) & (i.payload.tick == ~last)))
    bench.assume(implies(dut.returned, waiting != 0))

    bench.claim(waiting <= CREDITS)
    bench.claim(op.sweep == (free & (~first | (i.valid & closes))))
    bench.claim(i.ready == (first & (~closes | free)))
    bench.claim(op.integrate == (i.valid & i.ready & ~closes))
    bench.claim(
        implies(op.integrate, (op.row == i.payload.address) & (op.count == i.payload.count))
    )
    bench.claim(
        implies(op.sweep, (op.held == ~first) & (op.closing == (done & last)) & (op.table == tick))
    )
    bench.reach(op.sweep & op.closing & (tick == T - 1 + 2 * held))

    bench.invariant(
        (step < T) & (bench.inner("ticks.step") == step) & (bench.inner("ticks.tick") == tick)
    )
    bench.invariant(swept <= further)
    bench.invariant(
        (bench.inner("credits.count") + waiting == CREDITS) & (bench.inner("credits.free") == free)
    )
    if held:
        bench.invariant((bench.inner("fsm_state") == ~first) & (bench.inner("group") == 0))
        bench.invariant(
            first | ((bench.inner("left") == further - swept) & (bench.inner("was_ended") == last))
        )


@contextmanager
def _entries(values: list[int], places: list[Any]) -> Iterator[None]:
    """Give `hw.lib.ticks` free constants for the table that holds `values`."""
    plain, found = ticks.constant_in, []

    def entry(profile: Value, index: Value, table: list[list[int]], width: int) -> Value:
        if table != [values]:
            return plain(profile, index, table, width)
        found.append(table)
        return Array(places)[index]

    with mock.patch.object(ticks, "constant_in", entry):
        yield
    assert len(found) == 1, f"{len(found)} tables of the circuit, not one, became free"


def closed_form(f: int, m: int) -> list[bool]:
    """Which of m ticks end one of f groups: those at B_i = floor((2*i*m + f - 1) / (2*f)), without
    a quotient or a product.

    B_i is i*m/f rounded, halves down. So tick b (from 1) ends a group where a multiple of 2*m lies
    in (2*b*f - f, 2*b*f + f]: where a phase that starts at f and grows by 2*f in each tick passes
    2*m.
    """
    phase, ends = f, []
    for _ in range(m):
        phase += 2 * f
        ends.append(phase >= 2 * m)
        phase %= 2 * m
    return ends


def wrong_tables() -> list[str]:
    """Pairs whose tables are not the closed form."""
    wrong = []
    for t_in in range(1, MOST + 1):
        for t_out in range(1, MOST + 1):
            made, ends = _steps(t_in, t_out), closed_form(min(t_in, t_out), max(t_in, t_out))
            held = [n == r - 1 for r in made.repeats for n in range(r)]
            dropped = list(made.kept_ticks)
            expected = (ends, [True] * t_out) if t_in >= t_out else ([True] * t_in, ends)
            if (dropped, held) != expected:
                wrong.append(
                    f"{t_in} to {t_out} ticks: source ticks {dropped}, destination ticks {held}, not {expected}"
                )
    return wrong


def _steps(t_in: int, t_out: int) -> Steps:
    """What the generator plans for a layer of one neuron."""
    one = np.ones(1, np.int64)
    layer = Layer(
        "out", "readout", one[None], one, None, 2, T=t_out, v_init="zero", bias_mode="per_tick"
    )
    network = Network("pair", "time_stepped", Input((1,), t_in, 1), (layer,))
    return plan(network, (1,)).layers[0].rhythm


def _lengths(first: int, last: int) -> list[tuple[int]]:
    return [(T,) for T in range(first, last + 1)]


PROOFS = [
    Proof("aligner", side_by_side(drops, *_lengths(1, MOST))),
    Proof("held-1-8", side_by_side(holds, *_lengths(1, 8))),
    Proof("held-9-24", side_by_side(holds, *_lengths(9, 24)), long=True),
    Proof("held-25-32", side_by_side(holds, *_lengths(25, MOST)), long=True),
    Proof("unheld", side_by_side(holds, *((T, False) for T in range(1, MOST + 1)))),
    Proof("aligner-reaches", side_by_side(drops, (5,)), "cover", 12),
    Proof("held-reaches", side_by_side(holds, (3,)), "cover", 12),
]
