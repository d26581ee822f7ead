"""hw.neuron.counter in every run: each neuron's count is the quotient, at most T, and every word
comes out once, in its place.

A place of the pipeline is picked as it is filled, with a word or without one; a number of moves
later it must be at the output.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Array, Const, Module, Mux, Signal, Value

from polyrhythm.hw.lib.bits import bits_for
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.neuron.counter import Counter
from polyrhythm.sw.plan.addresses import AddressMap
from polyrhythm.sw.plan.neurons import CountingNeuron
from polyrhythm.sw.plan.table import Table

from .bench import Bench, implies, side_by_side
from .sby import Proof


def counter(m: Module, thresholds: Sequence[int], value_bits: int, T: int) -> None:
    column, bits = np.array(thresholds)[:, None], bits_for(max(thresholds))
    neuron = CountingNeuron(Table("fc_threshold", column, bits, "row = neuron; threshold"), T)
    dut = Counter(Rom, neuron, AddressMap((len(thresholds), 1, 1)), value_bits)
    bench = Bench(dut, m)
    i, o = dut.i, dut.o
    bench.receives(i, "i")
    bench.assume(
        implies(i.valid, (i.payload.address < len(thresholds)) & ~(i.payload.tick & i.payload.end))
    )
    age, moved = Signal(range(dut.latency + 1)), Signal(range(dut.latency + 1))
    valid, word, threshold = Signal(), Signal(i.payload.shape()), Signal(bits)
    m.d.comb += threshold.eq(Array(Const(t) for t in thresholds)[word.address])
    with m.If(i.ready):
        m.d.sync += [
            age.eq(Mux((age == 0) | (age == dut.latency), 0, age + 1)),
            moved.eq(moved + (moved != dut.latency)),
        ]
        with m.If((age == 0) & bench.free(1, "pick")):
            m.d.sync += [age.eq(1), valid.eq(i.valid), word.eq(i.payload)]

    bench.sends(o, "o")
    bench.claim(
        i.ready == (~o.valid | o.ready)
    )  # so a word comes out `latency` cycles after it went in, when nobody stalls
    bench.claim(implies(moved != dut.latency, ~o.valid))
    with m.If(age == dut.latency):
        bench.claim(o.valid == valid)
        with m.If(valid):
            event = o.payload
            bench.claim(
                (event.address == word.address)
                & (event.tick == word.tick)
                & (event.end == word.end)
            )
            bench.claim(implies(word.tick | word.end, event.count == 0))
            bench.claim(word.tick | word.end | _is_quotient(event.count, word.value, threshold, T))
            bench.reach((event.count == T) & (word.value == (T - 1) * threshold))
    _stages(bench, thresholds, T, age, moved, valid, word, threshold)


def _is_quotient(n: Value, value: Value, threshold: Value, T: int) -> Value:
    """n = min(floor(v / threshold), T) for v = value + threshold."""
    return (
        (n >= 1) & (n <= T) & ((n - 1) * threshold <= value) & ((n == T) | (value < n * threshold))
    )


def _stages(
    bench: Bench,
    thresholds: Sequence[int],
    T: int,
    age: Value,
    moved: Value,
    valid: Value,
    word: Value,
    threshold: Value,
) -> None:
    """What is left of v and what is found of the quotient are v together; what is left is small, or
    the quotient large."""
    bits = (T - 1).bit_length()
    stages = [
        bench.inner("first"),
        bench.inner("second"),
        *(bench.inner(f"bit_{k}") for k in reversed(range(bits))),
    ]
    fields = bench.inner("first").shape()
    for number, raw in enumerate(stages, start=1):
        stage, low = (
            fields(Value.cast(raw)),
            bits + 2 - number,
        )  # `low`: bits of the quotient that are still to be found
        bench.invariant(
            implies(moved < number, ~stage.valid) & ((stage.quotient == 0) if number == 1 else 1)
        )
        with bench.m.If(age == number):
            bench.invariant((stage.valid == valid) & (moved >= number))
        with bench.m.If((age == number) & valid):
            bench.invariant(
                (stage.pick.address == word.address)
                & (stage.pick.tick == word.tick)
                & (stage.pick.end == word.end)
            )
            if number == 1:
                bench.invariant(stage.pick.value == word.value)
                if len(set(thresholds)) > 1:
                    bench.invariant(bench.inner("fc_threshold_row") == threshold)
                continue
            bench.invariant(stage.threshold == threshold)
            bench.invariant(stage.pick.value + stage.quotient * threshold == word.value)
            bench.invariant(stage.quotient[:low] == 0)
            bench.invariant((stage.pick.value < threshold << low) | stage.quotient[low:].all())
    bench.invariant(
        (moved <= bits + 2) & implies(valid & (age != 0), word.address < len(thresholds))
    )


PROOFS = [
    Proof(
        "counter",
        side_by_side(counter, ((5,), 6, 2), ((1, 3), 4, 3), ((7, 2, 12), 6, 4), ((3, 5), 6, 7)),
    ),
    Proof("counter-reaches", side_by_side(counter, ((7, 2, 12), 6, 4)), "cover", 12),
]
