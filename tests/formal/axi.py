"""hw.bus behind AXI in every run: what is offered stays, answers come behind their requests, one
for each, and packets have their length."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.bus.axi_lite import OKAY, SLVERR, AxiLite, lite_ports
from polyrhythm.hw.bus.axi_stream import BeatsOut
from polyrhythm.hw.bus.bank import Bank
from polyrhythm.hw.bus.registers import Register
from polyrhythm.hw.output.readout import Result

from .bench import Bench, implies, side_by_side
from .sby import Proof

ROWS = (
    Register("fixed", 0x00, "constant", 32, "", 0x12345678),
    Register("scratch", 0x0C, "control", 8, ""),
)


class Slave(wiring.Component):
    """`AxiLite` with a small bank behind it."""

    def __init__(self) -> None:
        ways = {"input": In, "output": Out}
        super().__init__({name: ways[way](bits) for name, (way, bits) in lite_ports().items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.lite = lite = AxiLite()
        m.submodules.bank = bank = Bank(ROWS)
        wiring.connect(m, lite.port, bank.port)
        for name, (way, _) in lite_ports().items():
            ours, theirs = getattr(self, name), getattr(lite, name)
            m.d.comb += theirs.eq(ours) if way == "input" else ours.eq(theirs)
        return m


def lite(m: Module) -> None:
    """Any master, even one that keeps no rule."""
    bench = Bench(Slave(), m)
    dut: Any = bench.dut
    answers = {"b": (dut.bresp,), "r": (dut.rresp, dut.rdata)}
    owed = {channel: bench.register(2, f"owed_{channel}", 0) for channel in ("aw", "w", "ar")}
    for channel, count in owed.items():
        answer = "r" if channel == "ar" else "b"
        begins, ends = _moves(dut, channel), _moves(dut, answer)
        m.d.sync += count.eq(count + begins - ends)
    for channel, fields in answers.items():
        valid, ready = getattr(dut, f"{channel}valid"), getattr(dut, f"{channel}ready")
        bench.sends(SimpleNamespace(payload=Cat(*fields), valid=valid, ready=ready), channel)
        bench.claim(implies(valid, (fields[0] == OKAY) | (fields[0] == SLVERR)))
    bench.claim(implies(dut.bvalid, (owed["aw"] != 0) & (owed["w"] != 0)))
    bench.claim(implies(dut.rvalid, owed["ar"] != 0))
    bench.reach(_moves(dut, "b") & (dut.bresp == OKAY))
    bench.reach(_moves(dut, "r") & (dut.rresp == SLVERR) & (owed["ar"] == 2))

    full = {channel: bench.inner(f"lite.{channel}_full") for channel in owed}
    busy, writes, begun = (bench.inner(f"lite.{name}") for name in ("busy", "writes", "begun"))
    asked, done = bench.inner("bank.asked"), bench.inner("bank.port__done")
    for channel, count in owed.items():
        bench.invariant(count == full[channel] + (dut.rvalid if channel == "ar" else dut.bvalid))
    bench.invariant(busy == (begun | asked | done))
    bench.invariant(~((begun & asked) | (begun & done) | (asked & done)))
    bench.invariant(implies(busy & writes, full["aw"] & full["w"] & ~dut.bvalid))
    bench.invariant(implies(busy & ~writes, full["ar"] & ~dut.rvalid))
    bench.invariant(
        implies((asked | done) & writes, bench.inner("lite.w_strb").all())
    )  # of fewer bytes nobody is asked


def _moves(dut: Any, channel: str) -> Value:
    valid: Value = getattr(dut, f"{channel}valid")
    return valid & getattr(dut, f"{channel}ready")


def beats(m: Module, classes: int, bits: int) -> None:
    """An answer that waits, and any receiver."""
    bench = Bench(BeatsOut(Result(classes, bits)), m)
    dut: Any = bench.dut
    bench.receives(dut.i, "i")
    bench.sends(dut.o, "o")
    beat = bench.register(range(classes + 1), "beat", 0)
    moves, following = dut.o.valid & dut.o.ready, Mux(beat == classes, 0, beat + 1)
    m.d.sync += beat.eq(Mux(moves, following, beat))
    bench.claim(implies(dut.o.valid, dut.o.payload.last == (beat == classes)))
    # The answer leaves when its last beat is put into the register.
    bench.claim(
        implies(dut.i.valid & dut.i.ready, ~dut.o.valid | (dut.o.ready & ~dut.o.payload.last))
    )
    bench.reach(moves & dut.o.payload.last)

    index = bench.inner("index")
    bench.invariant((beat <= classes) & (index == Mux(dut.o.valid, following, beat)))


PROOFS = [
    Proof("axi-lite", side_by_side(lite, ())),
    Proof("axi-lite-reaches", side_by_side(lite, ()), "cover", 20),
    Proof("axi-beats", side_by_side(beats, (1, 3), (2, 40), (10, 8))),
    Proof("axi-beats-reaches", side_by_side(beats, (2, 5)), "cover", 12),
]
