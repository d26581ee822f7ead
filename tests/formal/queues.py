"""hw.events.Queue, in every run: every word comes out once, in its place, unchanged."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data

from hw.events import Event, Queue

from .bench import Bench, implies, side_by_side
from .sby import Proof

EVENT = Event(4, 3)  # a queue does not look at its words: 6 bits stand for any


def queue(m: Module, depth: int) -> None:
    """A word is picked at any time when it goes in; it must come out when all words before it have."""
    bench = Bench(Queue(EVENT, depth), m)
    dut = bench.dut
    enters, leaves = dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready
    level = Signal(range(depth + 1))
    m.d.sync += level.eq(level + enters - leaves)
    inside, done, ahead, word = Signal(), Signal(), Signal(range(depth)), Signal(EVENT)
    with m.If(enters & ~inside & bench.free(1, "pick")):
        m.d.sync += [inside.eq(1), word.eq(dut.i.payload), ahead.eq(level - leaves)]
    with m.Elif(inside & leaves):
        m.d.sync += [inside.eq(ahead != 0), done.eq(ahead == 0), ahead.eq(ahead - 1)]

    bench.sends(dut.o, "o")
    bench.claim(dut.o.valid == (level != 0))  # so a cycle after a word went in, one stands at the output
    bench.claim(dut.i.ready == (level != depth))
    bench.claim(implies(inside & (ahead == 0), dut.o.payload == word))
    bench.reach(done & (level == depth))

    kept = contents(bench, dut, "", depth)
    bench.invariant(implies(inside, ahead < level))
    bench.invariant(level == sum(valid for valid, _ in kept))
    for k, (_, other) in enumerate(kept):
        bench.invariant(implies(inside & (ahead == k), other == word))


def contents(bench: Bench, queue: Any, path: str, depth: int) -> list[tuple[Value, data.View]]:
    """The places of the queue at `path` (ending in a dot), the oldest word's first: whether there is a word, and the word.

    States, and so proves, that the words stand in a row in the queue's memory.
    """
    shape = queue.o.payload.shape()
    if depth == 2:
        full = bench.inner(f"{path}full")
        bench.invariant(implies(full, queue.o.valid))
        return [(queue.o.valid, queue.o.payload), (full, shape(bench.inner(f"{path}word")))]
    rows = depth - 1
    level, produce, consume = (bench.inner(f"{path}behind.{name}") for name in ("level", "produce", "consume"))
    bench.invariant((consume < rows) & (level <= rows) & (produce == _wrapped(consume + level, rows)))
    some, room = (bench.inner(f"{path}behind.{name}") for name in ("some", "room"))
    bench.invariant((some == (level != 0)) & (room == (level != rows)))
    bench.invariant(implies(level != 0, queue.o.valid))
    waiting = [bench.row(f"{path}behind.storage", _wrapped(consume + k, rows), f"row_{k}") for k in range(rows)]
    return [(queue.o.valid, queue.o.payload), *((level > k, shape(row)) for k, row in enumerate(waiting))]


def _wrapped(place: Value, rows: int) -> Value:
    return Mux(place >= rows, place - rows, place)


PROOFS = [
    Proof("queue", side_by_side(queue, (2,), (3,), (8,), (17,))),
    Proof("queue-reaches", side_by_side(queue, (2,), (3,)), "cover", 12),
]
