"""The contract's arithmetic, read literally: plain Python integers, one neuron and one event at a
time."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import numpy as np

from polyrhythm.sw.network import Network


def matrix(network: Network, i: int) -> list[list[int]]:
    """Weights of layer i from every place of its unpooled input map to every neuron, by the page's
    words."""
    layer, shape = network.layers[i], network.in_shape(i)
    rows = [[0] * int(np.prod(shape)) for _ in range(network.n_out(i))]
    if len(shape) == 1:
        return [[int(w) for w in row] for row in layer.weight]
    c_in, height, width = shape
    rows_in, columns_in = height // layer.pool, width // layer.pool
    for c, y, x in itertools.product(
        range(c_in), range(rows_in * layer.pool), range(columns_in * layer.pool)
    ):
        source, py, px = (c * height + y) * width + x, y // layer.pool, x // layer.pool
        if layer.kind != "conv2d":
            for n in range(len(rows)):
                rows[n][source] = int(layer.weight[n, (c * rows_in + py) * columns_in + px])
            continue
        c_out, rows_out, columns_out = network.out_shape(i)
        for o, oy, ox in itertools.product(range(c_out), range(rows_out), range(columns_out)):
            ky, kx = py + layer.padding - oy * layer.stride, px + layer.padding - ox * layer.stride
            if 0 <= ky < layer.weight.shape[2] and 0 <= kx < layer.weight.shape[3]:
                rows[(o * rows_out + oy) * columns_out + ox][source] = int(
                    layer.weight[o, c, ky, kx]
                )
    return rows


def constants(network: Network, i: int) -> tuple[list[int], list[int], list[int]]:
    """Bias, threshold and start value (without bias) of each neuron."""
    layer, per = network.layers[i], network.n_out(i) // len(network.layers[i].bias)
    bias = [int(b) for b in layer.bias for _ in range(per)]
    threshold = (
        [] if layer.threshold is None else [int(th) for th in layer.threshold for _ in range(per)]
    )
    return bias, threshold, [th >> 1 if layer.v_init == "half_threshold" else 0 for th in threshold]


def two_phase(network: Network, counts: list[int]) -> tuple[dict[str, list[int]], list[int]]:
    found: dict[str, list[int]] = {}
    for i, layer in enumerate(network.layers):
        bias, threshold, start = constants(network, i)
        sums = [
            b + sum(w * n for w, n in zip(row, counts, strict=True))
            for b, row in zip(bias, matrix(network, i), strict=True)
        ]
        if layer.kind == "readout":
            return found, sums
        counts = [
            min(max((v0 + v) // th, 0), layer.T)
            for v0, v, th in zip(start, sums, threshold, strict=True)
        ]
        found[layer.name] = counts
    raise AssertionError("a network must have a readout")


def share(bias: int, t: int, T: int, mode: str) -> int:
    return {
        "per_tick": bias,
        "spread": (t + 1) * bias // T - t * bias // T,
        "once": bias if t == 0 else 0,
    }[mode]


def aligned(source: list[list[int]], T: int) -> list[list[int]]:
    """What each of T ticks sees of the source ticks, by the page's two sentences."""
    t_in, few, many = len(source), min(len(source), T), max(len(source), T)
    edges = [(2 * i * many + few - 1) // (2 * few) for i in range(few + 1)]
    if t_in >= T:
        return [
            [sum(column) for column in zip(*source[edges[i] : edges[i + 1]], strict=True)]
            for i in range(T)
        ]
    return [next(source[i] for i in range(t_in) if edges[i] <= t < edges[i + 1]) for t in range(T)]


def time_stepped(
    network: Network, source: list[list[int]]
) -> tuple[dict[str, Any], dict[str, Any], list[list[int]]]:
    """Give spikes and potentials by layer, (T, N), and the running sums (T, C)."""
    fired: dict[str, Any] = {}
    left: dict[str, Any] = {}
    for i, layer in enumerate(network.layers):
        rows, (bias, threshold, v) = matrix(network, i), constants(network, i)
        v = v or [0] * len(rows)
        spikes, potentials = [], []
        for t, counts in enumerate(aligned(source, layer.T)):
            if layer.leak_shift is not None:
                v = [x - (x >> layer.leak_shift) for x in v]
            v = [
                x + sum(w * n for w, n in zip(row, counts, strict=True))
                for x, row in zip(v, rows, strict=True)
            ]
            v = [x + share(b, t, layer.T, layer.bias_mode) for x, b in zip(v, bias, strict=True)]
            if threshold:
                spikes.append([int(x >= th) for x, th in zip(v, threshold, strict=True)])
                cut = threshold if layer.reset == "subtract" else v
                v = [x - c if s else x for x, c, s in zip(v, cut, spikes[-1], strict=True)]
            potentials.append(v)
        if layer.kind == "readout":
            return fired, left, potentials
        fired[layer.name], left[layer.name], source = spikes, potentials, spikes
    raise AssertionError("a network must have a readout")


def event_driven(
    network: Network, counts: list[int], newest_first: bool = False
) -> tuple[list[list[int]], list[int]]:
    """Give net counts and events sent of each layer: the decision record's six points, one unit
    event at a time."""
    queue = deque((address, 1) for address, count in enumerate(counts) for _ in range(count))
    found, sent = [], []
    for i, layer in enumerate(network.hidden):
        rows, (bias, threshold, start) = matrix(network, i), constants(network, i)
        v, S = [a + b for a, b in zip(start, bias, strict=True)], [0] * len(rows)
        out: deque[tuple[int, int]] = deque()

        def sign_of(n: int, v=v, S=S, threshold=threshold, layer=layer) -> int:
            if v[n] >= threshold[n] and S[n] < layer.T:
                return 1
            return -1 if layer.neuron == "signed" and v[n] < 0 and S[n] > 0 else 0

        def fire(v=v, S=S, threshold=threshold, out=out, sign_of=sign_of) -> None:
            while (n := next((n for n in range(len(v)) if sign_of(n)), None)) is not None:
                sign = sign_of(n)
                v[n] -= sign * threshold[n]
                S[n] += sign
                out.append((n, sign))

        fire()
        while queue:
            address, sign = queue.pop() if newest_first else queue.popleft()
            for n, row in enumerate(rows):
                v[n] += sign * row[address]
            fire()
        found.append(S)
        sent.append(len(out))
        queue = out
    return found, sent
