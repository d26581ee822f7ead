"""hw.lib.state in every run: whatever operations follow one another, each finds its word as those
before it have left it."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from operator import or_

from amaranth.hdl import Const, Module, Signal, Value

from polyrhythm.hw.lib.state import AHEAD, State

from .bench import Bench, implies, side_by_side
from .sby import Proof

FINDS = State.latency  # how many cycles ago the operation came that finds its word now


def state(m: Module, words: int) -> None:
    """A word is picked, any one; `kept` is what the operations have left in it, one after the
    other, and `known` that one has."""
    bench = Bench(State(2, words), m)
    dut = bench.dut
    word = bench.constant(dut.address.shape(), "word")
    bench.assume((word < words) & implies(dut.writes, dut.address < words))
    address, writes = _past(m, dut.address, "address"), _past(m, dut.writes, "writes")
    names = [number == word for number in address]
    changed = [
        is_it & write for is_it, write in zip(names, writes, strict=True)
    ]  # by the operation that came k cycles ago
    kept, known = Signal.like(dut.result, name="kept"), Signal(name="known")
    with m.If(changed[FINDS]):
        m.d.sync += [kept.eq(dut.result), known.eq(1)]
    found_from = [names[FINDS] & newest for newest in _newest(changed[FINDS + 1 :])]

    bench.claim(implies(names[FINDS] & known, dut.found == kept))
    for distance, source in enumerate(found_from[:AHEAD], 1):
        bench.reach(source & (kept == distance))
    bench.reach(found_from[AHEAD] & known & (kept != 0))

    for k in range(1, FINDS + AHEAD):
        bench.invariant(
            (bench.inner("address")[k] == address[k]) & (bench.inner("writes")[k] == writes[k])
        )
        bench.invariant(implies(writes[k], address[k] < words))
    for k in range(1, AHEAD + 1):
        bench.invariant(
            bench.inner("fresh")[k - 1]
            == (address[FINDS] == address[FINDS + k]) & writes[FINDS + k]
        )
    *results, older = _newest(changed[FINDS + 1 :])
    for newest, result in zip(results, bench.inner("recent"), strict=True):
        bench.invariant(implies(newest, known & (result == kept)))
    bench.invariant(implies(known & ~changed[FINDS + 1], bench.row("memory", word, "row") == kept))
    bench.invariant(
        implies(known & names[1] & _newest(changed[2:5])[AHEAD], bench.inner("read").data == kept)
    )
    bench.invariant(implies(known & names[FINDS] & older, bench.inner("stored") == kept))


def _past(m: Module, value: Value, name: str) -> list[Value]:
    """`value` as it was 0, 1, ... cycles ago, since the last reset."""
    past = [value, *(Signal.like(value, name=f"{name}_{k}") for k in range(1, FINDS + AHEAD + 1))]
    m.d.sync += [later.eq(now) for now, later in pairwise(past)]
    return past


def _newest(bits: list[Value]) -> list[Value]:
    """For each bit whether it is the first one that is set; behind them, whether none is."""
    before = [reduce(or_, bits[:k], Const(0, 1)) for k in range(len(bits) + 1)]
    return [bit & ~earlier for bit, earlier in zip([*bits, Const(1, 1)], before, strict=True)]


PROOFS = [
    Proof("state", side_by_side(state, (1,), (2,), (5,), (16,))),
    Proof("state-reaches", side_by_side(state, (2,), (5,)), "cover", 12),
]
