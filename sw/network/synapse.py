"""The linear part of a layer: sum pooling and weights, on integer counts, exactly.

Axis order: counts are (B, *map), currents (B, N_out) with conv2d maps flattened as (C, H, W).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.network import Layer, Skip

WINDOW_ELEMENTS = 1 << 24  # a chunk of unfolded convolution windows: 64 MB of float32


def pool(counts: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """Sum size x size blocks of the last two axes; rows and columns that fill no block are
    dropped."""
    if size == 1:
        return counts
    rows, columns = counts.shape[-2] // size, counts.shape[-1] // size
    whole = counts[..., : rows * size, : columns * size]
    blocks = whole.reshape(*counts.shape[:-2], rows, size, columns, size)
    return np.asarray(np.sum(blocks, axis=(-3, -1), dtype=np.int64))


def current(
    layer: Layer, counts: npt.NDArray[Any], weight: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.int64]:
    """Give sum w*n of every neuron: counts before pooling (B, *map) -> (B, N_out) int64.

    `weight` stands in for the layer's own (widths.py asks for its positive and negative parts).
    """
    matrix = layer.weight if weight is None else weight
    inputs = pool(counts, layer.pool)
    kind = _exact_type(matrix, inputs)
    flat = matrix.reshape(len(matrix), -1).T.astype(kind)  # (N_in or C*K*K, N_out or C_out)
    if layer.kind != "conv2d":
        sums: npt.NDArray[Any] = inputs.reshape(len(inputs), len(flat)).astype(kind) @ flat
        return sums.astype(np.int64)
    edge = layer.padding
    padded = np.pad(inputs, ((0, 0), (0, 0), (edge, edge), (edge, edge))).astype(kind)
    return _convolve(padded, flat, matrix.shape[-1], layer.stride)


def skipped(
    skip: Skip, counts: npt.NDArray[Any], weight: npt.NDArray[Any] | None = None
) -> npt.NDArray[np.int64]:
    """Give what a residual addition brings every neuron: counts (B, C, H, W) of its source -> (B,
    N_out) int64.

    `weight` stands in for the skip's own.
    """
    matrix = skip.weight if weight is None else weight  # (C_out, C)
    seen = counts[:, :, :: skip.stride, :: skip.stride]
    kind = _exact_type(matrix, seen)
    sums = seen.transpose(0, 2, 3, 1).astype(kind) @ matrix.T.astype(kind)  # (B, H, W, C_out)
    return sums.transpose(0, 3, 1, 2).reshape(len(counts), -1).astype(np.int64)


def _convolve(
    padded: npt.NDArray[Any], flat: npt.NDArray[Any], kernel: int, stride: int
) -> npt.NDArray[np.int64]:
    """Cross-correlate by unfolding: windows (B, OH, OW, C*K*K) times (C*K*K, C_out), a chunk of
    frames at a time."""
    views = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
    windows = views[:, :, ::stride, ::stride].transpose(0, 2, 3, 1, 4, 5)  # (B, OH, OW, C, K, K)
    frames, height, width = windows.shape[:3]
    maps = np.empty((frames, flat.shape[1], height, width), dtype=np.int64)
    chunk = max(1, WINDOW_ELEMENTS // (height * width * len(flat)))
    for first in range(0, frames, chunk):
        rows = windows[first : first + chunk].reshape(-1, height, width, len(flat)) @ flat
        maps[first : first + chunk] = rows.transpose(0, 3, 1, 2)
    return maps.reshape(frames, flat.shape[1] * height * width)


def _exact_type(weight: npt.NDArray[Any], counts: npt.NDArray[Any]) -> type[Any]:
    """Give the fastest type in which every partial sum, in any order, is an exact integer.

    Products and partial sums are integers of at most max_i(sum_j |w_ij|) * max(n). A float type
    holds every integer up to 2**24 (float32) or 2**53 (float64), so below that no rounding can
    happen and BLAS may add in any order.
    """
    peak = int(np.abs(counts).max(initial=0))
    rows = np.abs(weight.reshape(len(weight), -1).astype(np.int64)).sum(axis=1)
    largest = max(int(rows.max(initial=0)), 1) * max(peak, 1)
    if largest <= 1 << 24:
        return np.float32
    return np.float64 if largest <= 1 << 53 else np.int64
