"""Random accelerators: a seed names a network, frames, lanes and stalls; golden model, cycle model
and Verilog must agree on it.

Even seeds build the accelerator as it is and hold its cycles to the law; odd ones build it with
hesitant queues, so that every stream inside stalls. Both are also run with pauses at the input and
at the output.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import numpy as np
from networks import pick, random_inputs, random_network
from stalling import stalls

from polyrhythm.hw import export
from polyrhythm.sim import bulk, verilator
from polyrhythm.sim.design import Design
from polyrhythm.sim.job import Mode, SimulationError
from polyrhythm.sw import golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.conv import parallel_banks
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.timing import cycles
from polyrhythm.sw.trace import Trace

SCHEDULES = ("two_phase", "time_stepped", "event_driven")
KINDS = (
    (), ("dense",), ("dense", "dense"), ("dense", "dense", "dense"),
    ("conv2d",), ("conv2d", "dense"), ("conv2d", "conv2d"), ("conv2d", "conv2d", "dense"),
)  # fmt: skip
SIZES = (1, 2, 3, 5, 8, 13, 17)
FRAMES = 6
# A design runs for some thousand cycles only, so compiling it fast counts and running it fast does
# not.
QUICK = partial(mock.patch.object, verilator, "OPTIMISE", "-O0")


@dataclass(frozen=True)
class Case:
    """What a seed names; hesitant: built with hesitant queues; coding: as of `sw.plan.network`."""

    seed: int
    network: Network
    inputs: np.ndarray  # (B, T_in, *shape)
    lanes: list[Any]
    hesitant: bool
    coding: Coding

    def __str__(self) -> str:
        layers = ", ".join(
            f"{layer.kind} {'x'.join(map(str, layer.weight.shape))}"
            for layer in self.network.layers
        )
        return f"seed {self.seed}: {self.network.schedule} {self.network.input.shape} {layers}; lanes {self.lanes}, {self.coding}"


def draw(seed: int) -> Case:
    """Shapes, kernels, strides, paddings, pools, T of one and coprime, values at both ends, lanes,
    banks."""
    rng = np.random.default_rng([2024, seed])
    schedule, kinds = SCHEDULES[seed // 2 % len(SCHEDULES)], pick(rng, KINDS)
    shape = None
    if "conv2d" in kinds or rng.random() < 0.3:
        shape = (pick(rng, (1, 2, 3)), *(pick(rng, (1, 3, 5, 6, 7, 8)) for _ in "yx"))
    T = [pick(rng, (1, 1, 2, 3, 4, 5, 7)) for _ in (*kinds, "readout")]
    network = random_network(
        rng,
        schedule,
        kinds,
        shape=shape,
        sizes=SIZES,
        T=T,
        t_in=pick(rng, (1, 2, 3, 4, 5, 7)),
        extreme=rng.random() < 0.25,
    )
    if schedule == "event_driven":
        # Signed neurons rest where the order of their events does not matter, so only behind them
        # may it be any.
        ordered = int(rng.integers(len(network.layers) + 1))
        neurons = ["unsigned"] * ordered + ["signed"] * (len(network.layers) - ordered)
        network = replace(
            network,
            layers=tuple(
                replace(layer, neuron=n) for layer, n in zip(network.layers, neurons, strict=True)
            ),
        )
    return Case(
        seed,
        network,
        random_inputs(rng, network, FRAMES),
        lanes_of(rng, network),
        bool(seed % 2),
        pick(rng, get_args(Coding)),
    )


def lanes_of(rng: np.random.Generator, network: Network) -> list[Any]:
    """One lane, all of them, or any number; one bank or all."""
    lanes: list[Any] = []
    for i, layer in enumerate(network.layers):
        n = len(layer.weight)
        some = pick(rng, (1, n, int(rng.integers(1, n + 1))))
        if network.schedule == "event_driven" and layer.kind == "readout":
            lanes.append(n)  # its sums can be read at any moment
        elif layer.kind != "conv2d":
            lanes.append(some)
        elif network.schedule == "event_driven" and layer.neuron == "unsigned":
            lanes.append((1, 1))  # these emit in the order of their neurons
        else:
            lanes.append((some, pick(rng, (1, parallel_banks(network, i)))))
    return lanes


@dataclass(frozen=True)
class Finding:
    """The first thing that is not as it must be, and the frame in which it is seen."""

    mode: Mode
    frame: int
    text: str


def build(case: Case, folder: Path) -> Design:
    """The Verilog of a case."""
    if case.hesitant:
        with stalls(case.seed):
            export.export(case.network, folder, case.lanes, case.coding)
    else:
        export.export(case.network, folder, case.lanes, case.coding)
    return Design.load(folder)


def modes(case: Case) -> Iterator[Mode]:
    """Frame by frame, back to back, and both with pauses."""
    rng, stepped = np.random.default_rng(case.seed), case.network.schedule == "time_stepped"
    recorded = {"spikes": stepped, "logits_t": stepped}
    yield Mode(back_to_back=False, **recorded)
    yield Mode(**recorded)
    for back_to_back in (True, False):
        i_stall, o_stall = (float(pick(rng, (0.0, 0.2, 0.5, 0.9))) for _ in "io")
        yield Mode(back_to_back, i_stall, o_stall, case.seed, **recorded)


def find(case: Case, folder: Path) -> Finding | None:
    """Build a case below `folder` and run it in all modes; give the first finding."""
    trace = golden.run(case.network, case.inputs, spikes=case.network.schedule == "time_stepped")
    design = build(case, folder / "rtl")
    for mode in modes(case):
        if found := _compare(case, trace, design, mode):
            return found
    return None


def _compare(case: Case, trace: Trace, design: Design, mode: Mode) -> Finding | None:
    try:
        with QUICK():
            seen = bulk.simulate(design, case.inputs, mode, jobs=1).trace
    except SimulationError as error:
        return Finding(mode, len(case.inputs) - 1, f"the contract is broken: {error}")
    if difference := trace.first_difference(seen):
        return Finding(mode, difference.frame, str(difference))
    if case.hesitant or mode.i_stall or mode.o_stall:
        return None
    law = cycles.timing(
        plan(case.network, case.lanes, case.coding), trace, case.inputs, mode.back_to_back
    )
    name, want = ("interval", law.interval) if mode.back_to_back else ("cycles", law.cycles)
    got = seen.interval if mode.back_to_back else seen.cycles
    assert got is not None
    wrong = np.flatnonzero(got != want)
    if not len(wrong):
        return None
    frame = int(wrong[0])
    return Finding(
        mode,
        frame,
        f"frame {frame}: {name} expected {want[frame]} by the cycle model, got {got[frame]}",
    )


def waveform(case: Case, finding: Finding, folder: Path) -> Path:
    """Run the case again up to the finding's frame, and write every signal into a VCD file."""
    path = folder / f"seed-{case.seed}.vcd"
    design = Design.load(folder / "rtl")
    try:
        with QUICK():
            bulk.simulate(design, case.inputs[: finding.frame + 2], finding.mode, waveform=path)
    except SimulationError:
        pass  # it is what the waveform is to show
    return path


def forget(case: Case, folder: Path) -> None:
    """Remove what a case has built."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(verilator.build_root() / case.network.digest[:16], ignore_errors=True)


def run(seed: int, root: Path, waves: bool = False) -> str:
    """Draw and check a case; "" or what is wrong with it, as told in one line. What it built is
    kept only then."""
    case = draw(seed)
    folder = root / f"seed-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if (finding := find(case, folder)) is None:
        forget(case, folder)
        return ""
    where = f"; waveform {waveform(case, finding, folder)}" if waves else ""
    return f"{case}; {_words(finding.mode)}: {finding.text}{where}"


def _words(mode: Mode) -> str:
    order = "back to back" if mode.back_to_back else "one by one"
    return f"frames {order}, stalls {mode.i_stall} in and {mode.o_stall} out"


def covered(seeds: Sequence[int]) -> set[str]:
    """What the cases of these seeds have in them, in words."""
    found = set()
    for case in map(draw, seeds):
        found |= {case.network.schedule, "hesitant" if case.hesitant else "as it is", case.coding}
        for i, (layer, lanes) in enumerate(zip(case.network.layers, case.lanes, strict=True)):
            t_in = case.network.t_in(i)
            found |= {
                layer.kind,
                f"pool {layer.pool}",
                f"T {min(layer.T, t_in)} of {max(layer.T, t_in)}",
            }
            if layer.kind == "conv2d":
                found |= {
                    f"kernel {layer.weight.shape[-1]}",
                    f"stride {layer.stride}",
                    f"padding {layer.padding}",
                }
                found.add("one bank" if lanes[1] == 1 else "many banks")
            found |= (
                {f"{layer.neuron} neurons"} if case.network.schedule == "event_driven" else set()
            )
    return found
