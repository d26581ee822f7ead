"""hw.conv.locate in every run: an event comes out once, in its place, with all positions that its
kernel reaches, each in its own bank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Mux, Value
from amaranth.lib import data

from polyrhythm.hw.conv.locate import Locate
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.addresses import AddressMap
from polyrhythm.sw.plan.conv import Axis, axis, banked

from .bench import Bench, count, implies, side_by_side
from .queues import contents as queued
from .queues import pick
from .sby import Proof

WORDS = 2  # that the circuit's queue holds


@dataclass(frozen=True)
class Window:
    """One dimension of a convolution."""

    size: int
    pool: int
    kernel: int
    stride: int
    padding: int

    @property
    def pooled(self) -> int:
        return self.size // self.pool

    @property
    def out(self) -> int:
        return (self.pooled + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def banks(self) -> int:
        return -(-self.kernel // self.stride)

    def axis(self) -> Axis:
        return axis(
            self.size,
            self.pooled,
            self.pool,
            self.out,
            self.kernel,
            self.stride,
            self.padding,
            self.banks,
        )

    def hits(self, place: Value) -> Value:
        """How many positions an event at `place` reaches."""
        numbers = []
        for at in range(self.size):
            taps = [at // self.pool + self.padding - o * self.stride for o in range(self.out)]
            numbers.append(
                sum(0 <= tap < self.kernel for tap in taps) if at // self.pool < self.pooled else 0
            )
        return Array(Const(n, range(self.banks + 1)) for n in numbers)[place]


def located(
    m: Module, height: int, width: int, pool: int, kernel: int, stride: int, padding: int
) -> None:
    """A word is picked at any time when it goes in. An event takes with it all that it reaches in
    either dimension; one that reaches nothing comes nowhere."""
    windows = [Window(size, pool, kernel, stride, padding) for size in (height, width)]
    y, x = windows
    weight = np.ones((1, 1, kernel, kernel), np.int64)
    source, target = AddressMap((1, height, width)), AddressMap((1, y.out, x.out))
    synapses, _ = banked("conv", weight, source, target, y.axis(), x.axis(), 1, 2)
    bench = Bench(Locate(Event(source, 3), synapses), m)
    i, o = bench.dut.i, bench.dut.o
    bench.receives(i, "i")
    row, column, closes = _parts(i.payload)
    bench.assume(implies(i.valid, (row < height) & (column < width)))
    goes_on = closes | ((y.hits(row) != 0) & (x.hits(column) != 0))
    level, inside, ahead, word, _ = pick(
        bench, i.valid & i.ready & goes_on, o.valid & o.ready, i.payload, WORDS
    )
    (first, _), (second, waiting) = queued(bench, bench.dut, "queue.", WORDS)
    found = o.payload.shape()(
        Mux(ahead == 0, o.payload, waiting)
    )  # the picked word, where it stands

    bench.sends(o, "o")
    bench.claim(
        o.valid == (level != 0)
    )  # so a cycle after a word that is not dropped went in, one stands at the output
    bench.claim(i.ready == (level != WORDS))
    row, column, closes = _parts(word)
    with m.If(inside):
        bench.claim((found.closes == closes) & implies(closes, found.end == word.end))
    with m.If(inside & ~closes):
        bench.claim(found.count == word.count)
        _claim_side(bench, y, row, found.y, found.shape().y, synapses.rows.taps)
        _claim_side(bench, x, column, found.x, found.shape().x, synapses.columns.taps)
    for place in range(WORDS):
        bench.reach(
            inside
            & (ahead == place)
            & (level == WORDS)
            & ~closes
            & found.y.enabled.all()
            & found.x.enabled.all()
        )

    bench.invariant(implies(inside, (ahead < level) & (row < height) & (column < width)))
    bench.invariant(level == first + second)


def _parts(word: data.View) -> tuple[Value, Value, Value]:
    """An event's row and column, or that the word closes a step."""
    low = word.shape().source.column_bits
    return word.address[low:], word.address[:low], word.tick | word.end


def _claim_side(
    bench: Bench, window: Window, place: Value, side: Any, steps: Any, taps: Any
) -> None:
    """Any position that the kernel covers, it alone, stands in bank o % banks at word o // banks,
    with the weight of its distance.

    As many banks are enabled as there are such positions; so no two share one.
    """
    pooled = Array(Const(at // window.pool) for at in range(window.size))[place]
    bench.claim(count(side.enabled) == window.hits(place))
    for o in range(window.out):
        bank, there = o % window.banks, o // window.banks
        tap = pooled + window.padding - o * window.stride
        hit = (pooled < window.pooled) & (tap >= 0) & (tap < window.kernel)
        bench.claim(hit == (side.enabled[bank] & (side.words[bank] == there * steps.word_step)))
        with bench.m.If(hit):
            fits = [
                (side.weight == p * steps.weight_step) & (tap == t[bank])
                for p, t in enumerate(taps)
                if t[bank] is not None
            ]
            bench.claim(Cat(fits).any())


GEOMETRIES = [
    (5, 7, 1, 3, 1, 1),
    (8, 6, 1, 3, 2, 1),
    (9, 10, 2, 3, 1, 0),
    (9, 8, 1, 5, 1, 2),
    (11, 12, 1, 5, 2, 2),
    (7, 9, 1, 5, 3, 1),
    (13, 11, 3, 2, 1, 1),
]
PROOFS = [
    Proof("reach", side_by_side(located, *GEOMETRIES)),
    Proof("reach-reaches", side_by_side(located, (5, 7, 1, 3, 1, 1)), "cover", 6),
]
