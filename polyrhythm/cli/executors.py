"""What `run` sends frames through: what each executor needs, how many frames it takes at a time,
and how it is called."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.errors import Problems
from polyrhythm.cli.progress import Stage

if TYPE_CHECKING:
    import numpy as np

    from polyrhythm.boards.driver.device import Device
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.trace import Trace

# Counts of all layers that are in memory at a time: 64 MB, and a few times that while they are
# joined
SLICE_VALUES = 1 << 24
SIMULATED = "sim"  # the port of a board that is simulated
STEPS = 8  # processes that a core starts for a slice: a word of its progress from each


@dataclass
class Executor:
    """Golden model, Verilog in bulk, Verilog under cocotb, or a board.

    hardware: lanes and coding of the Verilog. spikes: record them. port: of the board, or sim.
    design, device: what `begin` made.
    """

    name: str
    network: "Network"
    hardware: dict[str, Any]
    spikes: bool
    port: str | None = None
    design: Any = None
    device: "Device | None" = None

    def frames(self) -> int:
        """How many frames go through at a time, so that memory stays bounded."""
        from polyrhythm.sw import golden

        if self.name == "golden":
            # A word of its progress more often
            return max(1, golden.chunk_frames(self.network) // 4)
        network = self.network
        kept = sum(
            network.n_out(i) * (1 + (layer.T if self.spikes else 0))
            for i, layer in enumerate(network.hidden)
        )
        return max(1, SLICE_VALUES // max(1, kept + network.input.T * network.input.size))

    def begin(self) -> None:
        """Open the board, or write the Verilog and build the simulator, where they do not lie there
        from the last time."""
        if self.name == "golden":
            return
        if self.name == "board":
            self.device = open_board(self.port, self.network, self.hardware)
            return
        from polyrhythm.sim import bench, bulk
        from polyrhythm.sim.design import export

        with Stage(f"writing the Verilog of {self.network.name}"):
            self.design = export(self.network, **self.hardware)
        with Stage("building the simulator (kept for the next time)"):
            (bulk if self.name == "rtl" else bench).compile(self.design)

    def run(self, counts: "np.ndarray", first: int, stage: Callable[[int], None]) -> "Trace":
        """Legal counts (B, T_in, *shape), numbered from `first`; `stage` is told how many of all
        frames are done."""
        from polyrhythm.sim.job import Mode, SimulationError

        def step(done: int, _: int = 0) -> None:
            stage(first + done)

        if self.name == "golden":
            return self.golden(counts, self.spikes)
        if self.device is not None:
            return self.device.run(counts, step)
        if self.name == "rtl":
            from polyrhythm.sim import bulk, verilator

            mode = Mode(back_to_back=False, spikes=self.spikes)
            part = max(1, min(bulk.PART, len(counts) // (STEPS * verilator.cores())))
            return bulk.simulate(
                self.design, counts, mode, progress=step, first=first, part=part
            ).trace
        from polyrhythm.sim import bench

        expected = self.golden(counts, self.network.schedule == "time_stepped")
        mode = Mode(True, i_stall=0.5, o_stall=0.5, seed=first, spikes=self.spikes)
        try:
            return bench.simulate(self.design, counts, mode, expected, progress=step).trace
        except SimulationError as error:
            where = (
                f"{error}; these frames are counted from frame {first} of the input"
                if first
                else str(error)
            )
            raise SimulationError(where) from None

    def close(self) -> None:
        """Let the board go."""
        if self.device is not None:
            self.device.close()

    def golden(self, counts: "np.ndarray", spikes: bool) -> "Trace":
        from polyrhythm.sw import golden

        return golden.run(self.network, counts, spikes=spikes)


def open_board(port: str | None, network: "Network", hardware: dict[str, Any]) -> "Device":
    """The board on a port, which holds the network; or a simulated one of it."""
    from polyrhythm.boards.driver.device import Device

    assert port is not None
    if not is_simulated(port):
        return Device.open(port, network)
    from polyrhythm.boards.driver import simulated
    from polyrhythm.boards.driver.opening import hardware_of

    wanted = hardware_of(network, build_of(port), **hardware)
    with Stage(f"writing the Verilog of the board of {network.name}"):
        folder = simulated.design(network, wanted)
    with Stage("building the simulated board (kept for the next time)"):
        simulated.compile(folder)
    return Device.open(port, network, **hardware)


def is_simulated(port: str) -> bool:
    """Whether the port is that of a simulated board: sim, or sim:BUILD."""
    return port.partition(":")[0] == SIMULATED


def build_of(port: str) -> Path | None:
    """The folder of the build whose board a simulated port names."""
    folder = port.partition(":")[2]
    return Path(folder) if folder else None


def check_port(name: str, port: str | None, lanes: Any, coding: str) -> None:
    """Refuse a port without a board, a board without one, and lanes for a finished bitstream."""
    if name != "board":
        if port is not None:
            raise ValueError(
                f"port belongs to --executor board, not {name}; leave --port out, or say "
                "--executor board"
            )
        return
    if port is None:
        raise ValueError(
            "executor board needs a port: --port /dev/ttyUSB0, or --port sim for a simulated board"
        )
    if is_simulated(port) and (build := build_of(port)) is not None and not build.is_dir():
        raise ValueError(f"port sim:BUILD must name the folder of a build, not {build}")
    if port != SIMULATED and (lanes or coding != "count"):
        raise ValueError(
            "lanes and coding belong to the board's bitstream; leave --lanes and --coding out with "
            f"--port {port}"
        )


def check_tools(problems: Problems, name: str, port: str | None = None) -> None:
    """What an executor needs on this machine."""
    if name == "golden":
        return
    if name == "board":
        problems.of(importlib.import_module, "serial")
        problems.of(importlib.import_module, "cobs")
        if port is None or not is_simulated(port):
            return
    from polyrhythm.sim import bench, verilator

    problems.of(verilator.find)
    for command in verilator.SYSTEM_TOOLS:
        problems.of(verilator.require, command)
    if name == "cocotb":
        problems.of(importlib.import_module, "cocotb_tools.runner")
        problems.of(bench.libpython)
