"""The behavioural accelerator of fixtures/tiny: the network it computes, and copies of it with a
fault switched on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from polyrhythm.sim.design import Design
from polyrhythm.sw.network import Input, Layer, Network

FOLDER = Path(__file__).parents[1] / "fixtures" / "tiny"
# Numbers as in tiny.v; each shows in the second frame.
FAULTS = (
    "none", "hang", "error", "count", "twice", "withdraw", "change", "sum", "no end", "tick", "order", "early", "more",
    "answer",
)  # fmt: skip


def network() -> Network:
    """The network that tiny.v computes, from the same weight files."""
    weight, readout = (
        _matrix(name, shape) for name, shape in (("weight", (4, 5)), ("readout", (3, 4)))
    )
    hidden = Layer(
        "fc", "dense", weight, np.full(4, 1), np.full(4, 4), weight_bits=4, T=3, bias_mode="once"
    )
    # The first class starts far below, at a bias that the format cannot hold: see BIAS.
    last = Layer("out", "readout", readout, np.array([0, 3, -2]), weight_bits=4, bias_mode="once")
    return Network("tiny", "two_phase", Input((5,), 1, 3), (hidden, last))


# What tiny.v adds to the logits, so that they need all of their 40 bits
BIAS = np.array([-300_000_000_000, 0, 0])


def inputs(frames: int, seed: int = 0) -> np.ndarray:
    """Random counts (B, 1, 5); about every fourth frame is silent."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, (frames, 1, 5)) * (rng.random((frames, 1, 1)) < 0.75)


def design_of() -> Design:
    """The design as it stands."""
    return Design.load(FOLDER)


def design(
    folder: Path, fault: str = "none", change: Callable[[dict[str, Any]], object] | None = None
) -> Design:
    """A copy with a fault, and with `change` applied to its interface."""
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    (folder / "fault.hex").write_text(f"{FAULTS.index(fault):02x}\n")
    interface = json.loads((FOLDER / "interface.json").read_text())
    if change is not None:
        change(interface)
    (folder / "interface.json").write_text(json.dumps(interface))
    return Design.load(folder)


def _matrix(name: str, shape: tuple[int, int]) -> np.ndarray:
    rows = [int(line, 16) for line in (FOLDER / f"{name}.hex").read_text().split()]
    return np.array(rows, np.uint8).astype(np.int8).reshape(shape)
