"""hw.stream.queue in every run: every word comes out once, in its place, unchanged."""

from __future__ import annotations

from typing import Any, NamedTuple

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data

from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.queue import Queue

from .bench import Bench, implies, side_by_side
from .sby import Proof

EVENT = Event(4, 3)  # a queue does not look at its words: 6 bits stand for any


class Picked(NamedTuple):
    """A word that is picked, at any time, when it goes in, and all that go in and come out.

    level: words that are inside; inside: the picked one is; ahead: so many come out before it;
    word: as it went in; done: one has come out
    """

    level: Signal
    inside: Signal
    ahead: Signal
    word: data.View
    done: Signal


def pick(bench: Bench, enters: Value, leaves: Value, word: data.View, depth: int) -> Picked:
    """Follow one word; enters: `word` goes in, leaves: the oldest word comes out, depth: most words
    that are inside."""
    m = bench.m
    of = Picked(
        Signal(range(depth + 1)), Signal(), Signal(range(depth)), Signal(word.shape()), Signal()
    )
    m.d.sync += of.level.eq(of.level + enters - leaves)
    with m.If(enters & ~of.inside & bench.free(1, "pick")):
        m.d.sync += [of.inside.eq(1), of.word.eq(word), of.ahead.eq(of.level - leaves)]
    with m.Elif(of.inside & leaves):
        m.d.sync += [
            of.inside.eq(of.ahead != 0),
            of.done.eq(of.ahead == 0),
            of.ahead.eq(of.ahead - 1),
        ]
    return of


def queue(m: Module, depth: int) -> None:
    """A word is picked at any time when it goes in; it must come out when all words before it
    have."""
    bench = Bench(Queue(EVENT, depth), m)
    dut = bench.dut
    level, inside, ahead, word, done = pick(
        bench, dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready, dut.i.payload, depth
    )

    bench.sends(dut.o, "o")
    bench.claim(
        dut.o.valid == (level != 0)
    )  # so a cycle after a word went in, one stands at the output
    room = level != depth
    bench.claim(dut.i.ready == ((room | dut.o.ready) if depth == 1 else room))
    bench.claim(implies(inside & (ahead == 0), dut.o.payload == word))
    bench.reach(done & (level == depth))

    kept = contents(bench, dut, "", depth)
    bench.invariant(implies(inside, ahead < level))
    bench.invariant(level == sum(valid for valid, _ in kept))
    for k, (_, other) in enumerate(kept):
        bench.invariant(implies(inside & (ahead == k), other == word))


def contents(bench: Bench, queue: Any, path: str, depth: int) -> list[tuple[Value, data.View]]:
    """The places of the queue at `path` (ending in a dot), the oldest word's first: whether there
    is a word, and the word.

    States, and so proves, that the words stand in a row in the queue's memory.
    """
    shape = queue.o.payload.shape()
    if depth == 1:
        return [(queue.o.valid, queue.o.payload)]
    if depth == 2:
        full = bench.inner(f"{path}full")
        bench.invariant(implies(full, queue.o.valid))
        return [(queue.o.valid, queue.o.payload), (full, shape(bench.inner(f"{path}word")))]
    rows = depth - 1
    level, produce, consume = (
        bench.inner(f"{path}behind.{name}") for name in ("level", "produce", "consume")
    )
    bench.invariant(
        (consume < rows) & (level <= rows) & (produce == _wrapped(consume + level, rows))
    )
    some, room = (bench.inner(f"{path}behind.{name}") for name in ("some", "room"))
    bench.invariant((some == (level != 0)) & (room == (level != rows)))
    bench.invariant(implies(level != 0, queue.o.valid))
    waiting = [
        bench.row(f"{path}behind.memory", _wrapped(consume + k, rows), f"row_{k}")
        for k in range(rows)
    ]
    bench.invariant(implies(level != 0, bench.part(f"{path}behind").o == waiting[0]))
    return [
        (queue.o.valid, queue.o.payload),
        *((level > k, shape(row)) for k, row in enumerate(waiting)),
    ]


def _wrapped(place: Value, rows: int) -> Value:
    return Mux(place >= rows, place - rows, place)


PROOFS = [
    Proof("queue", side_by_side(queue, (1,), (2,), (3,), (8,), (17,))),
    Proof("queue-reaches", side_by_side(queue, (1,), (2,), (3,)), "cover", 12),
]
