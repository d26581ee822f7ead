"""hw.locate in every run: the positions that a kernel reaches lie in different banks; each bank gets its word and weight."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Signal, Value

from hw.events import Event
from hw.locate import Locate
from sw.rom_conv import axis, banked
from sw.wire import Map

from .bench import Bench, count, implies, side_by_side
from .sby import Proof


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

    def axis(self) -> Any:
        return axis(self.size, self.pooled, self.pool, self.out, self.kernel, self.stride, self.padding, self.banks)

    def hits(self, place: Value) -> Value:
        """How many positions an event at `place` reaches."""
        numbers = []
        for at in range(self.size):
            taps = [at // self.pool + self.padding - o * self.stride for o in range(self.out)]
            numbers.append(sum(0 <= tap < self.kernel for tap in taps) if at // self.pool < self.pooled else 0)
        return Array(Const(n, range(self.banks + 1)) for n in numbers)[place]


def located(m: Module, height: int, width: int, pool: int, kernel: int, stride: int, padding: int) -> None:
    """A word comes out a move after it went in; an event, with all that it reaches in either dimension, and else it is dropped."""
    windows = [Window(size, pool, kernel, stride, padding) for size in (height, width)]
    y, x = windows
    weight = np.ones((1, 1, kernel, kernel), np.int64)
    source, target = Map((1, height, width)), Map((1, y.out, x.out))
    contents: Any = SimpleNamespace(**banked(weight, source, target, y.axis(), x.axis(), 1, 2))
    bench = Bench(Locate(Event(source, 1), contents), m)
    i, o = bench.dut.i, bench.dut.o
    word, found = i.payload, o.payload
    column, row = word.address[: source.column_bits], word.address[source.column_bits :]
    bench.receives(i, "i")
    bench.assume(implies(i.valid, (row < height) & (column < width)))
    taken, closes, end = Signal(), Signal(), Signal()
    places = [Signal(range(window.size), name=f"place_{k}") for k, window in enumerate(windows)]
    with m.If(i.ready):
        m.d.sync += [taken.eq(i.valid), closes.eq(word.tick | word.end), end.eq(word.end), places[0].eq(row), places[1].eq(column)]

    bench.sends(o, "o")
    bench.claim(i.ready == (~o.valid | o.ready))
    reaches = (y.hits(places[0]) != 0) & (x.hits(places[1]) != 0)
    bench.claim(o.valid == (taken & (closes | reaches)))
    with m.If(o.valid):
        bench.claim((found.closes == closes) & implies(closes, found.end == end))
    sides = (found.y, found.shape().y, contents.rows), (found.x, found.shape().x, contents.columns)
    with m.If(o.valid & ~closes):
        for window, place, (side, steps, made) in zip(windows, places, sides, strict=True):
            _claim_side(bench, window, place, side, steps, made.taps)
    bench.reach(o.valid & ~closes & found.y.enabled.all() & found.x.enabled.all())
    bench.invariant(implies(taken, (places[0] < height) & (places[1] < width)))


def _claim_side(bench: Bench, window: Window, place: Value, side: Any, steps: Any, taps: Any) -> None:
    """Any position that the kernel covers, it alone, stands in bank o % banks at word o // banks, with the weight of its distance.

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
            fits = [(side.weight == p * steps.weight_step) & (tap == t[bank]) for p, t in enumerate(taps) if t[bank] is not None]
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
