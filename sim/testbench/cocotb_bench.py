"""A cocotb testbench of the design beside this file: real frames under random pauses.

    make cocotb                 or: python NAME_tb.py [verilator|icarus] [seed]

Compared are class and logits of each frame, and for each hidden layer how many spikes every neuron
sent in it, with the golden model's numbers in NAME_tb.*.hex. Ports come from interface.json.
"""

import contextlib
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
INTERFACE = json.loads((FOLDER / "interface.json").read_text())
TOP = INTERFACE["top"]
BITS = {port["name"]: port["bits"] for port in INTERFACE["ports"]}
HIDDEN, CLASSES = INTERFACE["taps"][:-1], INTERFACE["output"]["classes"]
LOGIT_BITS = INTERFACE["output"]["logit_bits"]
PAUSE = 0.3  # probability that the input, and the output, pauses in a cycle
QUIET = 1_000_000  # cycles without an answer after which none will come


def numbers(name: str) -> list[int]:
    """The words of a hex file."""
    return [int(line, 16) for line in (FOLDER / f"{TOP}_tb.{name}.hex").read_text().split()]


def signed(value: int, bits: int) -> int:
    """Two's complement."""
    return value - (value >> bits - 1 << bits)


def neuron(tap: dict[str, Any], address: int) -> int:
    """A neuron's number: an address is channel, row and column side by side, the column lowest."""
    _, rows, columns = tap["shape"]
    low, high = (columns - 1).bit_length(), (rows - 1).bit_length()
    row = address >> low & (1 << high) - 1
    return ((address >> low + high) * rows + row) * columns + (address & (1 << low) - 1)


class Bench:
    """Sends every word, takes every answer, and adds up what every layer sends."""

    def __init__(self, dut: Any, seed: int):
        self.dut, self.random = dut, random.Random(seed)
        self.words, self.answers = numbers("words"), numbers("answers")
        self.counts = [numbers(f"counts{k}") for k in range(len(HIDDEN))]
        self.seen = [[0] * tap["size"] for tap in HIDDEN]
        self.closed, self.answered, self.offered = [0] * len(HIDDEN), 0, False

    def port(self, name: str, default: int = 0) -> int:
        """What stands on a port that this design may not have."""
        return int(getattr(self.dut, name).value) if name in BITS else default

    def drive(self) -> None:
        """Before a clock edge: a word that is offered stays until it is taken."""
        if not self.offered and self.words and self.random.random() >= PAUSE:
            self.offered, word = True, self.words[0]
            for name in ("i_address", "i_count", "i_tick", "i_end"):
                if name in BITS:
                    getattr(self.dut, name).value = word & (1 << BITS[name]) - 1
                    word >>= BITS[name]
        self.dut.i_valid.value = int(self.offered)
        self.dut.o_ready.value = int(self.random.random() >= PAUSE)

    def check(self) -> None:
        """At the clock edge, with every value as the design sees it."""
        assert not self.port("error"), "error is high, but the input is well-formed"
        if self.offered and self.port("i_ready"):
            self.offered = False
            self.words.pop(0)
        for k, tap in enumerate(HIDDEN):
            if self.port(f"tap{k}_valid"):
                self.sent(k, tap)
        if self.port("o_valid") and self.port("o_ready"):
            self.answer()

    def sent(self, k: int, tap: dict[str, Any]) -> None:
        """One word of a hidden layer."""
        if self.port(f"tap{k}_end"):
            size, frame = tap["size"], self.closed[k]
            right = [signed(n, 32) for n in self.counts[k][frame * size : frame * size + size]]
            wrong = [n for n in range(size) if self.seen[k][n] != right[n]]
            assert not wrong, (
                f"frame {frame}, layer {tap['layer']}, neuron {wrong[0]}: expected "
                f"{right[wrong[0]]}, got {self.seen[k][wrong[0]]}"
            )
            self.seen[k], self.closed[k] = [0] * size, frame + 1
        elif not self.port(f"tap{k}_tick"):
            sign = -1 if self.port(f"tap{k}_negative") else 1
            place = neuron(tap, self.port(f"tap{k}_address"))
            self.seen[k][place] += sign * self.port(f"tap{k}_count", 1)

    def answer(self) -> None:
        """One frame's class and logits."""
        frame, right = self.answered, self.answers[self.answered]
        got = self.port("o_logits") | self.port("o_class") << BITS["o_logits"]
        parts = [range(k * LOGIT_BITS, (k + 1) * LOGIT_BITS) for k in range(CLASSES)]
        for k, part in enumerate(parts):
            mine, theirs = (
                signed(word >> part.start & (1 << LOGIT_BITS) - 1, LOGIT_BITS)
                for word in (right, got)
            )
            assert mine == theirs, f"frame {frame}, logit {k}: expected {mine}, got {theirs}"
        assert got == right, (
            f"frame {frame}, class: expected {right >> BITS['o_logits']}, "
            f"got {got >> BITS['o_logits']}"
        )
        self.answered += 1


async def frames(dut: Any) -> None:
    """Every frame goes through, and all that comes out is the golden model's."""
    from cocotb.clock import Clock
    from cocotb.triggers import FallingEdge, ReadOnly

    bench = Bench(dut, int(os.environ.get("SEED", "1")))
    dut.rst.value, dut.i_valid.value, dut.o_ready.value = 1, 0, 0
    Clock(dut.clk, 10, unit="ns").start()
    for _ in range(4):
        await FallingEdge(dut.clk)
    dut.rst.value, total, quiet = 0, len(bench.answers), 0
    while bench.answered < total:
        await FallingEdge(dut.clk)
        before = bench.answered
        bench.drive()
        await ReadOnly()
        bench.check()
        quiet = quiet + 1 if bench.answered == before else 0
        assert quiet < QUIET, f"no answer for {QUIET} cycles behind frame {bench.answered}"
    wrong = [tap["layer"] for k, tap in enumerate(HIDDEN) if bench.closed[k] != total]
    assert not wrong, f"layer {wrong[0]} has not closed {total} frames"


def main(simulator: str = "verilator", seed: str = "1") -> int:
    """Build and run in a simulator; 1 where something differs."""
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    # Verilator's makefiles do not know gcc's switch where it was configured without a compiler.
    os.environ["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include CURDIR=."
    os.environ["SEED"] = seed
    runner, build = get_runner(simulator), FOLDER / "sim_build" / f"cocotb-{simulator}"
    quiet = ["-Wno-fatal", "-Wno-lint", "-Wno-UNOPTFLAT"]
    build.mkdir(parents=True, exist_ok=True)
    runner.build(
        sources=[FOLDER / f"{TOP}.v"], hdl_toplevel=TOP, build_dir=build,
        build_args=quiet if simulator == "verilator" else ["-g2005"],
        timescale=("1ns", "1ps"), log_file=build / "build.log",
    )  # fmt: skip
    results = build / "results.xml"
    results.unlink(missing_ok=True)  # of the run before
    # A failed test ends the runner; the results say it too.
    with contextlib.suppress(RuntimeError, SystemExit):
        runner.test(
            test_module=Path(__file__).stem, hdl_toplevel=TOP, build_dir=build, test_dir=FOLDER,
            results_xml=str(results), extra_env={"PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    tests, failed = get_results(results) if results.exists() else (0, 1)
    well = tests == 1 and not failed
    print(f"{'PASS' if well else 'FAIL'}: {TOP} under cocotb in {simulator}, seed {seed}")
    return int(not well)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
else:
    import cocotb

    accelerator = cocotb.test()(frames)
