"""hw.verilog: every operator, with operands of every width and sign, no bits at all included, means
in Verilog what it means to Amaranth."""

import itertools
import random
import subprocess
from pathlib import Path

import gateware
from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.verilog import verilog
from polyrhythm.sim import bulk, verilator

SHAPES = [unsigned(0), unsigned(1), unsigned(3), signed(1), signed(3), unsigned(5), signed(5)]
WORDS = 200


def expressions(a: Value, b: Value) -> list[Value]:
    """Everything that gateware says of two values."""
    same = [
        a + b,
        a - b,
        a * b,
        a & b,
        a | b,
        a ^ b,
        a == b,
        a != b,
        a < b,
        a <= b,
        a > b,
        a >= b,
        Mux(a, b, a),
    ]
    alone = [~a, -a, abs(a), a.bool(), a.any(), a.all(), a.xor(), a << 2, a >> 1, Cat(a, b).all()]
    by = Cat(b)[:3]  # how far is never negative
    # Bits past the end of a signed value are its sign to Amaranth's simulator and 0 in its Verilog,
    # behind as_unsigned() too (findings/amaranth-bits-past-a-signed-value.sh): none of our gateware
    # asks for them.
    cut = Cat(a)
    return [
        *same,
        *alone,
        a << by,
        a >> by,
        cut.bit_select(by, 2) if len(a) else a,
        cut.word_select(by[:1], 1) if len(a) else a,
    ]


class Operators(wiring.Component):
    """One wide word in, cut into a value of each shape; one wide word out, made of what
    `expressions` says of each pair."""

    def __init__(self) -> None:
        parts = [Signal(shape, name=f"part{k}") for k, shape in enumerate(SHAPES)]
        self._parts = parts
        self._out = [e for a, b in itertools.product(parts, repeat=2) for e in expressions(a, b)]
        super().__init__({"i": In(len(Cat(parts))), "o": Out(len(Cat(self._out)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [Cat(self._parts).eq(self.i), self.o.eq(Cat(self._out))]
        # An empty process is no clock: the simulator wants one register.
        beat = Signal(name="beat")
        m.d.sync += beat.eq(~beat)
        return m

    def told(self, bit: int) -> str:
        """Which operation makes a bit of `o`."""
        for k, out in enumerate(self._out):
            if bit < len(out):
                pairs = list(itertools.product(SHAPES, repeat=2))
                pair, which = divmod(k, len(self._out) // len(pairs))
                return f"operation {which} of {pairs[pair]}"
            bit -= len(out)
        raise IndexError(bit)


MAIN = """
#include <cinttypes>
#include <cstdio>
#include "Vtop.h"

int main() {
    VerilatedContext context;
    Vtop top{&context};
    for (uint32_t word; std::scanf("%" SCNx32, &word) == 1;) {
        top.i = word;
        top.eval();
        for (int k = sizeof(top.o) / 4 - 1; k >= 0; k--) std::printf("%08" PRIx32, top.o[k]);
        std::puts("");
    }
}
"""


def in_verilog(top: Operators, words: list[int], place: Path) -> list[int]:
    """What the Verilog answers to each word, in Verilator."""
    source, main = place / "operators.v", place / "main.cpp"
    source.write_text(verilog(top, "operators"))
    main.write_text(MAIN)
    program = verilator.program(
        place, verilator.Program("operators", main, bulk.FAST), source, "operators", {}
    )
    asked = "".join(f"{word:x}\n" for word in words)
    return [
        int(line, 16)
        for line in subprocess.run(
            [program], input=asked, check=True, capture_output=True, text=True
        ).stdout.split()
    ]


def test_every_operator_means_what_it_means_to_amaranth(tmp_path: Path) -> None:
    rng = random.Random(15)
    bits = sum(Shape.cast(shape).width for shape in SHAPES)
    words = [0, (1 << bits) - 1] + [rng.getrandbits(bits) for _ in range(WORDS)]
    right = [
        row["o"] for row in gateware.drive(Operators(), [{"i": word} for word in words], ["o"])
    ]
    found = in_verilog(top := Operators(), words, tmp_path)
    assert len(found) == len(right)
    wrong = {
        top.told(bit)
        for ours, theirs in zip(found, right, strict=True)
        for bit in range(len(top.o))
        if (ours ^ theirs) >> bit & 1
    }
    assert sorted(wrong) == []
