"""The side of tests/sim/test_axi.py that runs in the simulator: cocotbext-axi drives, our checkers
watch, and what comes out is compared with what the job says."""

from __future__ import annotations

import itertools
import json
import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
from axi_checker import LITE, OKAY, SLVERR, STREAM, LiteChecker, StreamChecker
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

CHECKERS: dict[str, Any] = {}


def pauses(seed: str, stall: float) -> Iterator[bool]:
    rng = random.Random(seed)
    return (rng.random() < stall for _ in itertools.count())


async def watch(dut: Any) -> None:
    """Half a cycle before each rising edge everything stands as that edge will see it."""
    while True:
        await FallingEdge(dut.aclk)
        await ReadOnly()
        reset = not int(dut.aresetn.value)
        for prefix, checker in CHECKERS.items():
            channels = LITE if prefix == "s_axi" else STREAM
            names = [
                name
                for channel, fields in channels.items()
                for name in (*fields, f"{channel}valid", f"{channel}ready")
            ]
            values = {name: getattr(dut, f"{prefix}_{name}").value for name in names}
            checker.see(
                {name: int(v) if v.is_resolvable else 0 for name, v in values.items()}, reset
            )


class Registers:
    """Random reads and writes, legal and refused, as long as frames pass."""

    def __init__(self, dut: Any, job: dict[str, Any]):
        logging.getLogger("cocotb.axi_inside").setLevel(logging.WARNING)
        self.bus = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, dut.aresetn, reset_active_level=False
        )
        self.rows = {row["name"]: row for row in job["registers"]}
        self.rng, self.scratch = random.Random(job["seed"]), 0
        write, read = self.bus.write_if, self.bus.read_if
        channels = (
            write.aw_channel,
            write.w_channel,
            write.b_channel,
            read.ar_channel,
            read.r_channel,
        )
        for k, channel in enumerate(channels):
            channel.set_pause_generator(pauses(f"{job['seed']} lite {k}", job["stall"]))

    async def read(self, name: str) -> int:
        found = await self.bus.read(self.rows[name]["address"], 4)
        assert int(found.resp) == OKAY, name
        return int.from_bytes(found.data, "little")

    async def one(self) -> None:
        """Something at random, and whether it is as the map says."""
        what = self.rng.choice(("constant", "scratch", "write", "fixed", "hole", "part"))
        if what == "constant":
            row = self.rng.choice([r for r in self.rows.values() if r["access"] == "constant"])
            assert await self.read(row["name"]) == row["value"], row["name"]
        elif what == "scratch":
            assert await self.read("scratch") == self.scratch
        elif what == "write":
            self.scratch = self.rng.getrandbits(8)
            data = (self.scratch | self.rng.getrandbits(24) << 8).to_bytes(4, "little")
            done = await self.bus.write(self.rows["scratch"]["address"], data)
            assert int(done.resp) == OKAY
        else:
            address, size = {
                "fixed": (self.rows["answered"]["address"], 4),
                "hole": (self.rng.randrange(0x400, 0x10000, 4), 4),
                "part": (self.rows["scratch"]["address"], self.rng.randrange(1, 4)),
            }[what]
            done = await self.bus.write(address, self.rng.randbytes(size))
            assert int(done.resp) == SLVERR, what
            if what == "hole":
                found = await self.bus.read(address, 4)
                assert int(found.resp) == SLVERR


@cocotb.test()
async def frames(dut: Any) -> None:
    """All frames through, all answers as the job says, every rule kept."""
    job = json.loads(Path(os.environ["AXI_JOB"]).read_text())
    Clock(dut.aclk, 10, unit="ns").start()
    reads = [row["address"] for row in job["registers"]]
    writes = [row["address"] for row in job["registers"] if row["access"] == "control"]
    CHECKERS.update(
        s_axi=LiteChecker("s_axi", reads, writes), s_axis=StreamChecker("s_axis"),
        m_axis=StreamChecker("m_axis"),
    )  # fmt: skip
    cocotb.start_soon(watch(dut))
    dut.aresetn.value = 0
    registers = Registers(dut, job)
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, dut.aresetn, False)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, dut.aresetn, False)
    source.set_pause_generator(pauses(f"{job['seed']} i", job["stall"]))
    sink.set_pause_generator(pauses(f"{job['seed']} o", job["stall"]))
    for _ in range(4):
        await FallingEdge(dut.aclk)
    dut.aresetn.value = 1
    for frame in job["frames"]:
        data = b"".join(word.to_bytes(job["word_bytes"], "little") for word in frame)
        source.send_nowait(AxiStreamFrame(data))
    for right in job["answers"]:
        for _ in range(3):
            await registers.one()
        got = await with_timeout(sink.recv(), 2, "ms")
        size = job["beat_bytes"]
        beats = [
            int.from_bytes(got.tdata[k : k + size], "little")
            for k in range(0, len(got.tdata), size)
        ]
        assert beats == right, f"{beats} must be {right}"
    for name, right in job["counts"].items():
        assert await registers.read(name) == right, name
    checked: StreamChecker = CHECKERS["m_axis"]
    assert checked.packets == job["answers"]
    assert [len(packet) for packet in CHECKERS["s_axis"].packets] == [len(f) for f in job["frames"]]
    seen = {name: checker.stalls for name, checker in CHECKERS.items()}
    Path(os.environ["AXI_JOB"]).with_name("seen.json").write_text(
        json.dumps(
            {"stalls": seen, "answers": [[*k, n] for k, n in CHECKERS["s_axi"].answers.items()]}
        )
    )
