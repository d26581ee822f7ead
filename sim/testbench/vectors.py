"""Frames for a testbench, and what the golden model makes of them.

Axis order: counts (B, T, *shape) with B frames and T source ticks.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyrhythm.sw import data, golden
from polyrhythm.sw.data import DATASETS, DataError
from polyrhythm.sw.network import Network
from polyrhythm.sw.trace import Trace
from polyrhythm.sw.trace.frames import frames

SEED = 1  # of random frames
FRAMES = 5  # unless somebody asks for more


@dataclass(frozen=True)
class Vectors:
    """Frames with their golden answers; told: where the frames come from, in a few words."""

    counts: np.ndarray  # (B, T, *shape)
    golden: Trace
    told: str


def vectors(
    network: Network, number: int = FRAMES, root: str | Path | None = None, seed: int = SEED
) -> Vectors:
    """The first frames of the test split that the network was scored on, where it lies on this
    machine; else random frames of that seed. At least one; fewer than `number` where the split has
    fewer."""
    if number < 1:
        raise ValueError(f"frames must be at least 1, not {number}")
    found = _real(network, number, root)
    counts, told = (_random(network, number, seed), f"random, seed {seed}") if found is None else (
        found
    )  # fmt: skip
    legal = frames(network, counts)
    return Vectors(legal, golden.run(network, legal), told)


def _real(network: Network, number: int, root: str | Path | None) -> tuple[np.ndarray, str] | None:
    """Frames of a data set of ours, without a download."""
    made = network.provenance
    name = made.get("dataset")
    # Where the provenance tells of data, they were a user's own and lie where only they know.
    if not isinstance(name, str) or name not in DATASETS or "data" in made:
        return None
    try:
        if not data.is_here(name, "test", root):
            return None
        counts, _ = data.inputs_for(network, name, "test", root, limit=number)
    except DataError:
        return None
    return counts, f"the first {len(counts)} of the test split of {name}"


def _random(network: Network, number: int, seed: int) -> np.ndarray:
    """Counts of every density from silent to saturated, the densest in the last frame."""
    rng, source = np.random.default_rng(seed), network.input
    counts = rng.integers(0, source.max_count + 1, (number, source.T, *source.shape))
    density = np.linspace(0.1, 0.9, number).reshape(number, *[1] * (counts.ndim - 1))
    return np.where(rng.random(counts.shape) < density, counts, 0)
