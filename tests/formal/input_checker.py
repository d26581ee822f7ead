"""hw.stream.input_checker in every run: whatever comes in, legal frames go out; what is legal
passes unchanged, all else is reported."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal

from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.input_checker import InputChecker

from .bench import Bench, implies, side_by_side
from .sby import Proof


def input_checker(m: Module, neurons: int, most: int, T: int) -> None:
    event = Event(neurons, most)
    bench = Bench(InputChecker(event, T), m)
    i, o = bench.dut.i, bench.dut.o
    word, out = i.payload, o.payload
    bench.receives(i, "i")
    moves = o.valid & o.ready
    step, empty, highest = (
        Signal(range(T)),
        Signal(init=1),
        Signal.like(out.address),
    )  # of what went out
    tick_closed, reported = Signal(), Signal()
    closes, final = word.tick | word.end, step == T - 1
    late = word.end & tick_closed
    with m.If(moves):
        m.d.sync += [empty.eq(out.tick | out.end), highest.eq(out.address)]
        with m.If(out.tick | out.end):
            m.d.sync += step.eq(Mux(final, 0, step + 1))
    with m.If(moves | (i.valid & late)):  # dropped spikes do not count
        m.d.sync += tick_closed.eq(o.valid & out.end & ~word.end)

    bench.sends(o, "o")
    spike = (word.address < neurons) & (empty | (word.address > highest))
    if most > 1:
        spike &= (word.count >= 1) & (word.count <= most)
    with m.If(o.valid):  # a legal frame
        bench.claim(~(out.tick & out.end) & implies(out.end, final) & implies(out.tick, ~final))
        bench.claim(i.valid & implies(~out.tick & ~out.end, spike & (out == word)))
        bench.claim(implies(out.tick | out.end, closes))
    with m.If(
        i.valid
    ):  # all that can pass does, without a delay; an early end waits for the ticks that lack
        bench.claim(o.valid == Mux(closes, ~late, spike))
        bench.claim(i.ready == Mux(o.valid, o.ready & implies(word.end, final), 1))
        bench.claim(
            implies(o.valid & closes & ~final, out.tick)
            & implies(o.valid & closes & final, out.end)
        )
    fault = i.valid & (~o.valid | (o.ready & (word.end != out.end)))
    m.d.sync += reported.eq(reported | fault)
    bench.claim(bench.dut.error == reported)
    bench.reach(moves & out.end & ~word.end & reported)

    bench.invariant(
        (bench.inner("overrun") == tick_closed) & (bench.inner("first") == empty) & (step < T)
    )
    bench.invariant(implies(~empty, bench.inner("before") == highest))
    if T > 1:
        bench.invariant(bench.inner("left") == T - 1 - step)


PROOFS = [
    Proof("input-checker", side_by_side(input_checker, (1, 1, 1), (5, 3, 1), (8, 1, 3), (5, 6, 4))),
    Proof("input-checker-reaches", side_by_side(input_checker, (5, 3, 2)), "cover", 12),
]
