"""Addresses on the wire: how an event between two layers says which neuron spiked, and in which order a layer's neurons stand."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.network import Network

Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Map:
    """The neurons that a wire names: shape (C, H, W), (N, 1, 1) where there are no maps.

    An address is column, row and channel side by side, the column lowest, each in as many bits as it needs; so halving a map or
    cutting it into banks is taking bits, and where there are no maps the address is the neuron's number.
    """

    shape: tuple[int, int, int]

    @property
    def column_bits(self) -> int:
        return (self.shape[2] - 1).bit_length()

    @property
    def row_bits(self) -> int:
        return (self.shape[1] - 1).bit_length()

    @property
    def channel_low(self) -> int:
        """Lowest bit of the channel."""
        return self.column_bits + self.row_bits

    @property
    def neurons(self) -> int:
        return int(np.prod(self.shape))

    @property
    def places(self) -> int:
        """Addresses there are room for, used or not."""
        return self.shape[0] << self.channel_low

    def address(self, channel: int, row: int, column: int) -> int:
        return channel << self.channel_low | row << self.column_bits | column

    def addresses(self) -> Array:
        """Address of each neuron, by its flat (C, H, W) number."""
        channel, row, column = np.indices(self.shape, dtype=np.int64)
        return (channel << self.channel_low | row << self.column_bits | column).reshape(-1)


def wire(network: Network, i: int) -> Map:
    """The wire into layer i, before its pooling: a map where layer i or the one before it works on maps, else plain numbers."""
    shape, layer = network.in_shape(i), network.layers[i]
    maps = layer.kind == "conv2d" or layer.pool > 1 or (i > 0 and network.layers[i - 1].kind == "conv2d")
    return Map(tuple(shape) if maps else (int(np.prod(shape)), 1, 1))  # type: ignore[arg-type]


def pooled_wire(network: Network, i: int) -> Map:
    """The same behind layer i's pooling."""
    source, pool = wire(network, i), network.layers[i].pool
    return Map((source.shape[0], source.shape[1] // pool, source.shape[2] // pool)) if pool > 1 else source


@dataclass(frozen=True)
class Layout:
    """Where a layer's neurons stand: lane k of group g is the neuron at address base(g) + offsets[k].

    target: the wire behind the layer; offsets: one for each lane; steps: base is walked through by nested counters, innermost
    first, each (how often, by how much); run: lanes in a row whose offsets grow by 1 << target.channel_low; neurons: (groups,
    lanes) flat numbers, -1 where a lane has no neuron
    """

    target: Map
    offsets: tuple[int, ...]
    steps: tuple[tuple[int, int], ...]
    run: int
    neurons: Array

    @property
    def lanes(self) -> int:
        return len(self.offsets)

    @property
    def groups(self) -> int:
        return len(self.neurons)

    def blocks(self, size: int) -> list[range]:
        """The lanes cut into blocks of at most `size`, none across two runs."""
        return [
            range(first, min(first + size, run + self.run))
            for run in range(0, self.lanes, self.run)
            for first in range(run, run + self.run, size)
        ]


def dense_layout(n_out: int, lanes: int) -> Layout:
    """Neuron n is lane n % lanes of group n // lanes."""
    groups = -(-n_out // lanes)
    numbers = np.arange(groups * lanes).reshape(groups, lanes)
    return Layout(Map((n_out, 1, 1)), tuple(range(lanes)), ((groups, lanes),), lanes, np.where(numbers < n_out, numbers, -1))


def map_layout(target: Map, channel_lanes: int, banks: tuple[int, int]) -> Layout:
    """Lanes (bank row, bank column, channel), channel lowest; groups (word row, word column, channel group), likewise."""
    channels, height, width = target.shape
    rows, columns, groups = -(-height // banks[0]), -(-width // banks[1]), -(-channels // channel_lanes)
    lanes = [(y, x, c) for y in range(banks[0]) for x in range(banks[1]) for c in range(channel_lanes)]
    steps = (
        (groups, channel_lanes << target.channel_low),
        (columns, banks[1]),
        (rows, banks[0] << target.column_bits),
    )
    y0, x0, c0 = (grid.reshape(-1, 1) for grid in np.indices((rows, columns, groups), dtype=np.int64))
    dy, dx, dc = (np.array(part, np.int64) for part in zip(*lanes, strict=True))
    y, x, c = y0 * banks[0] + dy, x0 * banks[1] + dx, c0 * channel_lanes + dc  # (groups, lanes)
    real = (y < height) & (x < width) & (c < channels)
    numbers = np.where(real, (c * height + y) * width + x, -1)
    offsets = tuple(target.address(c, y, x) for y, x, c in lanes)
    return Layout(target, offsets, steps, channel_lanes, numbers)
