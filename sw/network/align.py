"""Temporal alignment: which source ticks a layer sees when its T differs from the T of the layer
before.

With f = min(t_in, t_out) and m = max(t_in, t_out) the contract's boundaries are B_i = floor((2*i*m
+ f - 1) / (2*f)),
i = 0..f.  They cut m ticks into f groups: groups of source ticks that are summed (t_in >= t_out),
           or groups of
destination ticks for which one source tick is held (t_in < t_out).
"""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

BIAS_MODES = ("per_tick", "spread", "once")


def boundaries(t_in: int, t_out: int) -> list[int]:
    """Give B_0..B_f, f = min(t_in, t_out): from 0 to max(t_in, t_out), strictly rising."""
    for name, ticks in (("t_in", t_in), ("t_out", t_out)):
        if ticks < 1:
            raise ValueError(f"{name} must be at least 1, not {ticks}")
    few, many = min(t_in, t_out), max(t_in, t_out)
    return [(2 * i * many + few - 1) // (2 * few) for i in range(few + 1)]


def source_ticks(t_in: int, t_out: int) -> list[range]:
    """For each of t_out destination ticks the source ticks whose sum it sees, or the single one
    held for it."""
    edges = boundaries(t_in, t_out)
    groups = list(itertools.pairwise(edges))
    if t_in >= t_out:
        return [range(first, last) for first, last in groups]
    return [range(i, i + 1) for i, (first, last) in enumerate(groups) for _ in range(first, last)]


def bias_at(
    bias: npt.NDArray[np.integer] | Sequence[int], T: int, mode: str
) -> npt.NDArray[np.int64]:
    """Give b(t), the share of the bias that tick t adds: (T, *bias.shape), int64.

    `per_tick` adds B in every tick; `spread` floor((t+1)*B/T) - floor(t*B/T), in all B; `once` B in
    tick 0 alone.
    """
    values = np.asarray(bias, dtype=np.int64)
    if T < 1:
        raise ValueError(f"T must be at least 1, not {T}")
    if mode == "per_tick":
        return np.repeat(values[None], T, axis=0)
    if mode == "spread":
        edges = np.stack([t * values // T for t in range(T + 1)])
        return edges[1:] - edges[:-1]
    if mode == "once":
        shares = np.zeros((T, *values.shape), dtype=np.int64)
        shares[0] = values
        return shares
    raise ValueError(f"bias_mode must be one of {', '.join(BIAS_MODES)}, not {mode!r}")
