"""The golden model of event-driven layers: what each event does, in the order that the contract
fixes.

The order (docs/decisions/0001-unsigned-order.md): a layer starts by letting every neuron that can
fire do so; then it takes its unit events first in, first out, and after each one lets the lowest
neuron that can fire emit, until none can. What a layer sends hangs only on what reached it, so
layers are worked off one after another, and frames side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.network import Network

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Queue:
    """Unit events of B frames in order: address (B, E) and sign (B, E), +1, -1, or 0 behind a
    frame's last event."""

    address: npt.NDArray[np.int64]
    sign: npt.NDArray[np.int64]


def arrivals(counts: Array) -> Queue:
    """Give the input's events: ascending addresses, a count of n as n unit events in a row. counts
    (B, N)."""
    frame, address = np.nonzero(counts)
    return _queue(len(counts), frame, address, counts[frame, address])


def react(network: Network, i: int, queue: Queue) -> tuple[Queue, Array, Array]:
    """Let layer i work off its events; give what it sent, its potentials at rest and net counts,
    both (B, N)."""
    layer = network.layers[i]
    targets, weights = fan_out(network, i)
    size, n_out = len(queue.address), network.n_out(i)
    state = _Neurons(network, i, size)
    sent = [state.fire(None)]
    for address, sign in zip(queue.address.T, queue.sign.T, strict=True):
        reached = None if targets is None else targets[address]  # (B, M)
        state.charge(reached, weights[address] * sign[:, None])
        sent.append(state.fire(reached))
    frame, neuron, delta = (np.concatenate(column) for column in zip(*sent, strict=True))
    order = np.argsort(frame, kind="stable")
    assert layer.threshold is not None
    return (
        _queue(size, frame[order], neuron[order], delta[order]),
        state.v[:, :n_out],
        state.S[:, :n_out],
    )


class _Neurons:
    """Potentials v and emitted net counts S of one layer, (B, N + 1); the last column is
    nobody's."""

    def __init__(self, network: Network, i: int, size: int) -> None:
        layer = network.layers[i]
        assert layer.threshold is not None
        self.T = layer.T
        self.signed = layer.neuron == "signed"
        self.threshold = np.append(network.per_neuron(i, layer.threshold), 1)
        start = np.append(network.per_neuron(i, layer.v0 + layer.bias), 0)
        self.v = np.tile(start, (size, 1))
        self.S = np.zeros_like(self.v)
        self.rows = np.arange(size)[:, None]

    def charge(self, reached: Array | None, amount: Array) -> None:
        """Add to the reached neurons, (B, M), or to all."""
        if reached is None:
            self.v[:, :-1] += amount
        else:
            self.v[self.rows, reached] += amount

    def fire(self, reached: Array | None) -> tuple[Array, Array, Array]:
        """Emit what the reached neurons (or all) can; give frame, neuron and net number of each
        that did, in order.

        A signed neuron goes on until 0 <= v < Th or S stands at its end, so S moves by floor(v /
        Th), clipped; an unsigned one only upward. One visit emits in one direction, so a number and
        its sign are the whole of it.
        """
        at: Any = np.s_[:, :-1] if reached is None else (self.rows, reached)
        v, S = self.v[at], self.S[at]
        can = (v >= self.threshold[:-1] if reached is None else v >= self.threshold[reached]) & (
            self.T > S
        )
        if self.signed:
            can |= (v < 0) & (S > 0)
        frame, place = np.nonzero(can)
        neuron = place if reached is None else reached[frame, place]
        threshold = self.threshold[neuron]
        v, S = self.v[frame, neuron], self.S[frame, neuron]
        delta = np.clip(v // threshold, -S, self.T - S)
        self.v[frame, neuron] = v - delta * threshold
        self.S[frame, neuron] = S + delta
        return frame, neuron, delta


def _queue(size: int, frame: Array, address: Array, number: Array) -> Queue:
    """Put events, sorted by frame, side by side: `number` of them at each address, all of its
    sign."""
    repeats = np.abs(number)
    frame, address, sign = (
        np.repeat(column, repeats) for column in (frame, address, np.sign(number))
    )
    lengths = np.bincount(frame, minlength=size)
    place = np.arange(len(frame)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    longest = int(lengths.max(initial=0))
    addresses, signs = (
        np.zeros((size, longest), dtype=np.int64),
        np.zeros((size, longest), dtype=np.int64),
    )
    addresses[frame, place], signs[frame, place] = address, sign
    return Queue(addresses, signs)


def fan_out(network: Network, i: int) -> tuple[npt.NDArray[np.int64] | None, npt.NDArray[np.int64]]:
    """Give the neurons that an event at each input address reaches, ascending, and its weights
    there: (N, M) each.

    Addresses count the input map before pooling. Unused places name neuron n_out(i), which is
    nobody, with weight 0. In place of the neurons stands None where every event reaches all, in
    order.
    """
    layer = network.layers[i]
    pooled = _pooled_address(network, i)  # (N,), -1 where pooling drops the place
    if layer.kind != "conv2d":
        return None, _blank(layer.weight.T, 0)[pooled]
    targets, weights = _conv_rows(network, i)
    return _blank(targets, network.n_out(i))[pooled], _blank(weights, 0)[pooled]


def _blank(rows: Array, value: int) -> npt.NDArray[np.int64]:
    """Add a last row that holds `value` alone, for the places that pooling drops."""
    return np.concatenate(
        [rows.astype(np.int64), np.full((1, rows.shape[1]), value, dtype=np.int64)]
    )


def _pooled_address(network: Network, i: int) -> npt.NDArray[np.int64]:
    shape, pool = network.in_shape(i), network.layers[i].pool
    if pool == 1:
        return np.arange(int(np.prod(shape)))
    _, rows, columns = network.pooled_shape(i)
    c, y, x = np.indices(shape)
    y, x = y // pool, x // pool
    return np.where((y < rows) & (x < columns), (c * rows + y) * columns + x, -1).reshape(-1)


def _conv_rows(network: Network, i: int) -> tuple[Array, Array]:
    """For each place of the pooled map the output places whose kernel covers it, and the weight
    that does."""
    layer = network.layers[i]
    c_out, height, width = network.out_shape(i)
    kernel = layer.weight.shape[-1]
    c, y, x, o, dy, dx = np.ix_(
        *(np.arange(n) for n in (*network.pooled_shape(i), c_out, kernel, kernel))
    )
    row, off_row = np.divmod(y + layer.padding - dy, layer.stride)
    column, off_column = np.divmod(x + layer.padding - dx, layer.stride)
    hit = (
        (off_row == 0)
        & (off_column == 0)
        & (row >= 0)
        & (row < height)
        & (column >= 0)
        & (column < width)
    )
    nobody = c_out * height * width
    weights = np.where(hit, layer.weight[o, c, dy, dx], 0)  # (C, H, W, C_out, K, K)
    targets = np.broadcast_to(
        np.where(hit, (o * height + row) * width + column, nobody), weights.shape
    )
    targets, weights = (table.reshape(network.n_in(i), -1) for table in (targets, weights))
    order = np.argsort(targets, axis=1, kind="stable")
    most = int(np.count_nonzero(targets < nobody, axis=1).max(initial=0))
    sort = order[:, : max(most, 1)]
    return np.take_along_axis(targets, sort, axis=1), np.take_along_axis(
        weights, sort, axis=1
    ).astype(np.int64)
