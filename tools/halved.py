"""A network of SYNtzulu's size, 32-64-128-64-12, learned from digits of half the width: the recipe
and its data.

    polyrhythm train --recipe tools/halved.py:HALVED --data-module tools/halved.py:splits \
        --peak 32 --out models/digits-halved.safetensors
    python tools/halved.py models/digits-halved.safetensors

The second command counts the synaptic operations of a test image. The readout has twelve outputs;
the ten digits are the first of them.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from polyrhythm.sw import golden
from polyrhythm.sw.data.datasets import read_digits
from polyrhythm.sw.data.preprocess import encode
from polyrhythm.sw.network import Network
from polyrhythm.sw.training.recipe import Augment, LayerSpec
from polyrhythm.sw.training.recipes import DIGITS

HALVED = replace(
    DIGITS,
    name="digits-halved",
    dataset="digits-halved",
    layers=(
        LayerSpec("fc1", 64, T=1),
        LayerSpec("fc2", 128, T=1),
        LayerSpec("fc3", 64, T=1),
        LayerSpec("out", 12, "readout"),
    ),
    lr=5e-3,
    quantized_lr=3e-3,
    snapped_lr=1e-3,
    augment=Augment(),
)


def splits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The splits of `digits`, (B, 8, 8) with pixels 0..16, as (B, 32): two pixels of a row added
    are one of 0..32."""
    return {split: _halved(*read_digits(Path(), split)) for split in ("train", "test")}


def _halved(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pairs = images.reshape(len(images), 32, 2)
    return pairs.sum(axis=2, dtype=np.uint8), labels


def operations(network: Network) -> float:
    """Synaptic operations of a test image, the mean: each event reaches all neurons behind it."""
    images, _ = splits()["test"]
    counts = encode(images, HALVED.preprocess, 32)
    trace = golden.run(network, counts)
    sent = [np.count_nonzero(counts.reshape(len(counts), -1), axis=1)]
    sent += [np.count_nonzero(trace.counts[layer.name], axis=1) for layer in network.hidden]
    fans = [network.n_out(i) for i in range(len(network.layers))]
    return float(sum(events.mean() * fan for events, fan in zip(sent, fans, strict=True)))


if __name__ == "__main__":
    print(f"{operations(Network.load(sys.argv[1])):,.0f} synaptic operations a test image")
