"""The cocotb test module of `sim.bench`: it runs inside the simulator, drives one design and
watches every port.

A cycle: inputs change after the falling edge, everything is read once it has settled, then the
clock rises. So whatever is read is what the rising edge acts on, in every simulator.
"""

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from polyrhythm.sim.design import Design, Tap
from polyrhythm.sim.job import DONE, Mode
from polyrhythm.sim.monitors import (
    ContractError,
    InputDriver,
    Progress,
    StreamMonitor,
    SumsMonitor,
    TapMonitor,
    compare,
    fields,
)
from polyrhythm.sw.trace import Difference, Trace

TELL_S = 0.5  # between two words on how far it is


class Bench:
    """Driver, consumer, monitors and scoreboard around one design.

    golden: what has to come out; None: the contract alone is checked
    """

    def __init__(
        self, dut: Any, design: Design, mode: Mode, words: np.ndarray, golden: Trace | None
    ):
        self.dut, self.design, self.mode, self.golden = dut, design, mode, golden
        self.progress = Progress()
        self.driver = InputDriver(
            dut, words, mode.i_stall, random.Random(f"{mode.seed} i"), self.progress
        )
        self.consumer = random.Random(f"{mode.seed} o")
        self.frames = int(np.count_nonzero(self.driver.words["end"]))
        self.bits = design.interface["output"]["logit_bits"]
        self.i = StreamMonitor(dut, "i", [f"i_{name}" for name in self.driver.words], self.progress)
        self.o = StreamMonitor(dut, "o", ["o_class", "o_logits"], self.progress)
        self.taps = [
            TapMonitor(dut, k, tap, self._expected(tap), self.frames, self.progress)
            for k, tap in enumerate(design.hidden)
        ]
        k, sums = len(self.taps), self._expected_sums()
        self.sums = SumsMonitor(dut, k, design.readout, sums, self.bits, self.frames, self.progress)
        self.answers: list[int] = []
        self.logits: list[list[int]] = []
        self.arrivals: list[int] = []  # cycle in which each result was first seen
        self.told = time.monotonic()

    def _expected(self, tap: Tap) -> tuple[np.ndarray | None, str]:
        if self.golden is None:
            return None, "count"
        if self.golden.spikes is not None:
            return self.golden.spikes[tap.layer], "spikes"
        return self.golden.counts[tap.layer][:, None], "count"  # (B, 1, N)

    def _expected_sums(self) -> np.ndarray | None:
        if self.golden is None:
            return None
        # (B, T, C)
        return self.golden.logits[:, None] if self.golden.logits_t is None else self.golden.logits_t

    async def run(self) -> None:
        """Send every frame and take every result; ContractError names the first thing that is
        wrong."""
        await self._reset()
        quiet = self.mode.quiet_cycles(self.design)
        while len(self.answers) < self.frames:
            await self._cycle()
            if self.progress.cycle - self.progress.moved > quiet:
                raise ContractError(f"nothing moved for {quiet} cycles: {self._outstanding()}")
        for _ in range(self.design.settle_cycles):
            await self._cycle()
        for tap in self.taps:
            if tap.frame != self.frames:
                raise ContractError(
                    f"layer {tap.tap.layer} must have closed {self.frames} frames, not {tap.frame}"
                )

    async def _reset(self) -> None:
        self.dut.rst.value, self.dut.i_valid.value, self.dut.o_ready.value = 1, 0, 0
        Clock(self.dut.clk, 10, unit="ns").start()
        for _ in range(4):
            await FallingEdge(self.dut.clk)
        self.dut.rst.value = 0

    async def _cycle(self) -> None:
        await FallingEdge(self.dut.clk)
        self.driver.drive()
        self.dut.o_ready.value = int(self.consumer.random() >= self.mode.o_stall)
        await ReadOnly()
        if int(self.dut.error.value):
            raise ContractError("the error port is high: an event broke the input's contract")
        if self.i.sample()[1]:
            self.driver.taken()
        for tap in self.taps:
            tap.sample()
        self.sums.sample()
        self._result(*self.o.sample())
        self.progress.cycle += 1

    def _result(self, payload: dict[str, int] | None, taken: bool) -> None:
        if payload is None:
            return
        frame = len(self.answers)
        if len(self.arrivals) == frame:
            self._arrive(frame, payload)
        if taken:
            self.answers.append(payload.get("o_class", 0))
            self.logits.append(fields(payload["o_logits"], self.design.readout.size, self.bits))
            self._tell()

    def _tell(self) -> None:
        """Write down how many results have come, for whoever waits outside; once in a while."""
        if time.monotonic() - self.told >= TELL_S:
            self.told = time.monotonic()
            Path(os.environ["POLYRHYTHM_BENCH"], DONE).write_text(str(len(self.answers)))

    def _arrive(self, frame: int, payload: dict[str, int]) -> None:
        """Check a result in the first cycle in which it is seen."""
        if frame == self.driver.sent:
            raise ContractError(f"frame {frame}: a result came before the frame's last word")
        self.arrivals.append(self.progress.cycle)
        logits = np.array(fields(payload["o_logits"], self.design.readout.size, self.bits))
        compare(frame, "", "logits", None, self.sums.final(frame), logits)
        if self.golden is not None:
            right, answer = int(self.golden.answer[frame]), payload.get("o_class", 0)
            if answer != right:
                raise ContractError(str(Difference(frame, "", "class", None, None, right, answer)))

    def _outstanding(self) -> str:
        taps = [f"layer {tap.tap.layer} in frame {tap.frame}, tick {tap.tick}" for tap in self.taps]
        waits = "waits for i_ready" if self.driver.offered else "idle"
        head = (
            f"input {waits}, {self.driver.sent} frames sent, {len(self.answers)} results received"
        )
        return "; ".join([head, *taps, f"readout after {self.sums.seen} ticks"])

    def trace(self) -> Trace:
        """Give what was seen."""
        counts = {tap.tap.layer: tap.counts.sum(axis=1, dtype=np.int32) for tap in self.taps}
        events = (
            np.array([tap.events for tap in self.taps], np.int32)
            .reshape(len(self.taps), self.frames)
            .T
        )
        trace = Trace(
            np.array(self.answers, np.int32), np.array(self.logits, np.int64), counts, events
        )
        trace.interval = np.diff(self.arrivals, prepend=self.arrivals[:1])
        if self.mode.spikes:
            trace.spikes = {tap.tap.layer: tap.counts for tap in self.taps}
        if self.mode.logits_t:
            trace.logits_t = self.sums.sums
        if self.design.interface["schedule"] == "time_stepped":
            trace.ticks = np.full(self.frames, self.design.readout.ticks, np.int32)
        return trace


@cocotb.test()
async def accelerator(dut: Any) -> None:
    """Every frame of the job goes through, and everything seen is as the contract and the golden
    model say.

    $POLYRHYTHM_BENCH is the folder of the job: job.json, words.npy, golden.npz (optional) in;
    failure.txt, or seen.npz and stalls.json out, and meanwhile the number of results in the file
    DONE.
    """
    folder = Path(os.environ["POLYRHYTHM_BENCH"])
    job = json.loads((folder / "job.json").read_text())
    golden = Trace.load(folder / "golden.npz") if (folder / "golden.npz").exists() else None
    words = np.load(folder / "words.npy")
    bench = Bench(dut, Design.load(Path(job["design"])), Mode(**job["mode"]), words, golden)
    try:
        await bench.run()
    except ContractError as error:
        where = (
            f"cycle {bench.progress.cycle}, after {len(bench.answers)} results, seed "
            f"{bench.mode.seed}"
        )
        (folder / "failure.txt").write_text(f"{error} ({where})")
        raise
    bench.trace().save(folder / "seen.npz")
    (folder / "stalls.json").write_text(json.dumps(bench.progress.stalls))
