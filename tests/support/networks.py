"""Random but seeded networks and inputs for every test: sizes 1, prime, power of two; T from 1;
values at both ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyrhythm.sw.network import Exit, Input, Layer, Network

SIZES = (1, 2, 5, 7, 8, 13, 16)
INT32 = np.iinfo(np.int32)
BIAS_MODES = ("per_tick", "spread", "once")


def pick(rng: np.random.Generator, choices: Sequence[Any]) -> Any:
    return choices[int(rng.integers(len(choices)))]


def random_weights(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> np.ndarray:
    """Integers of `bits` bits; some channels hold only the lowest, only the highest, or only
    zero."""
    half = 1 << (bits - 1)
    weight = rng.integers(-half, half, shape)
    for channel in range(shape[0]):
        if rng.random() < 0.2:
            weight[channel] = pick(rng, (-half, half - 1, 0))
    return weight.astype(np.int8)


def random_thresholds(
    rng: np.random.Generator, drive: int, channels: int, extreme: bool
) -> np.ndarray:
    """Around the drive, 1, and (extreme) the largest int32."""
    threshold = rng.integers(1, max(2, drive), channels)
    threshold[rng.random(channels) < 0.15] = 1
    if extreme:
        threshold[rng.random(channels) < 0.15] = INT32.max
    return threshold.astype(np.int32)


def random_bias(rng: np.random.Generator, drive: int, channels: int, extreme: bool) -> np.ndarray:
    bias = rng.integers(-drive, drive + 1, channels)
    bias[rng.random(channels) < 0.2] = 0
    if extreme:
        bias[rng.random(channels) < 0.1] = pick(rng, (INT32.min, INT32.max))
    return bias.astype(np.int32)


def random_network(
    rng: np.random.Generator,
    schedule: str = "two_phase",
    kinds: Sequence[str] | None = None,
    *,
    shape: tuple[int, ...] | None = None,
    sizes: Sequence[int] = SIZES,
    T: Sequence[int] | None = None,
    t_in: int | None = None,
    max_count: int | None = None,
    max_T: int = 8,
    weight_bits: int | None = None,
    bias_mode: str | None = None,
    neuron: str = "signed",
    extreme: bool = False,
    exit: Exit | None = None,
    name: str = "random",
) -> Network:
    """Make a legal network; what is not given is drawn.

    kinds      of the layers before the readout, "dense" or "conv2d"; T one per layer, the readout's
               last
    extreme    thresholds and biases also at the ends of int32 (accumulators then pass 32 bits)
    """
    hidden = ("dense",) * int(rng.integers(0, 4)) if kinds is None else tuple(kinds)
    stepped = schedule == "time_stepped"
    if shape is None:
        conv = "conv2d" in hidden
        shape = (
            (pick(rng, (1, 2, 3)), *rng.integers(5, 10, 2).tolist())
            if conv
            else (pick(rng, sizes),)
        )
    source = Input(
        shape,
        (t_in or int(rng.integers(1, 7))) if stepped else 1,
        max_count or pick(rng, (1, 3, 15)),
    )
    layers: list[Layer] = []
    carried = source.max_count
    for i, kind in enumerate((*hidden, "readout")):
        ticks = int(rng.integers(1, max_T + 1)) if T is None else T[i]
        bits = weight_bits or int(rng.integers(2, 9))
        pool = pick(rng, (1, 1, 2)) if len(shape) == 3 and min(shape[1:]) >= 2 else 1
        pooled = (shape[0], shape[1] // pool, shape[2] // pool) if pool > 1 else shape
        fields: dict[str, Any] = {"pool": pool, "weight_bits": bits, "T": ticks, "neuron": neuron}
        if kind == "conv2d":
            kernel = pick(rng, [k for k in (1, 2, 3, 5) if k <= min(pooled[1:])])
            fields |= {
                "stride": pick(rng, (1, 1, 2)),
                "padding": int(rng.integers(0, (kernel + 1) // 2 + 1)),
            }
            weight = random_weights(rng, (pick(rng, (1, 3, 4)), pooled[0], kernel, kernel), bits)
            extents = (
                (n + 2 * fields["padding"] - kernel) // fields["stride"] + 1 for n in pooled[1:]
            )
            shape = (len(weight), *extents)
        else:
            weight = random_weights(rng, (pick(rng, sizes), int(np.prod(pooled))), bits)
            shape = (len(weight),)
        drive = max(
            1, int(np.abs(weight.astype(int)).reshape(len(weight), -1).sum(1).mean() * carried / 4)
        )
        fields["bias"] = random_bias(rng, drive, len(weight), extreme)
        fields["bias_mode"] = bias_mode or pick(rng, BIAS_MODES)
        if stepped:
            fields["leak_shift"] = (
                pick(rng, (None, None, 1, 2, 4))
                if kind != "readout"
                else pick(rng, (None, None, 3))
            )
        if kind != "readout":
            fields["threshold"] = random_thresholds(rng, drive, len(weight), extreme)
            fields["v_init"] = pick(rng, ("half_threshold", "zero"))
            fields["reset"] = pick(rng, ("subtract", "zero")) if stepped else "subtract"
        layers.append(Layer(f"l{i}", kind, weight, **fields))
        carried = 1 if stepped else ticks
    return Network(name, schedule, source, tuple(layers), exit=exit)


def random_inputs(rng: np.random.Generator, network: Network, size: int = 6) -> np.ndarray:
    """Counts (B, T_in, *shape): the first frame silent, the second saturating, the rest of random
    density."""
    top = network.input.max_count
    counts = rng.integers(0, top + 1, (size, network.input.T, *network.input.shape))
    density = rng.random((size, *(1,) * (counts.ndim - 1)))
    counts[rng.random(counts.shape) >= density] = 0
    counts[:1] = 0
    counts[1:2] = top
    return counts.astype(np.int32)
