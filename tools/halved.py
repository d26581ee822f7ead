"""A network of SYNtzulu's size, 32-64-128-64-12, learned from digits of half the width: the recipe
and its data.

polyrhythm train --recipe tools/halved.py:HALVED --data-module tools/halved.py:splits --peak 32 \
    --out models/digits-halved.safetensors

The readout has twelve outputs; the ten digits are the first of them.
"""

from pathlib import Path

import numpy as np

from polyrhythm.sw.data.datasets import read_digits
from polyrhythm.sw.training.recipe import LayerSpec, Recipe

HALVED = Recipe(
    name="digits-halved",
    dataset="digits-halved",
    preprocess="levels:15",
    schedule="two_phase",
    layers=(
        LayerSpec("fc1", 64, T=1),
        LayerSpec("fc2", 128, T=1),
        LayerSpec("fc3", 64, T=1),
        LayerSpec("out", 12, "readout"),
    ),
    float_epochs=60,
    quantized_epochs=60,
    snapped_epochs=40,
    lr=5e-3,
    quantized_lr=3e-3,
    snapped_lr=1e-3,
    batch=32,
    weight_decay=1e-2,
    label_smoothing=0.05,
)


def splits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The splits of `digits`, (B, 8, 8) with pixels 0..16, as (B, 32): two pixels of a row added
    are one of 0..32."""
    return {split: _halved(*read_digits(Path(), split)) for split in ("train", "test")}


def _halved(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pairs = images.reshape(len(images), 32, 2)
    return pairs.sum(axis=2, dtype=np.uint8), labels
