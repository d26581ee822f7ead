"""Where a layer's neurons stand: which lane of which group each one is."""

from dataclasses import dataclass

import numpy as np

from polyrhythm.sw.plan.addresses import AddressMap, Array


@dataclass(frozen=True)
class Layout:
    """Where a layer's neurons stand: lane k of group g is the neuron at address base(g) +
    offsets[k].

    target: the wire behind the layer; offsets: one for each lane; steps: base is walked through by
    nested counters, innermost first, each (how often, by how much); run: lanes in a row whose
    offsets grow by 1 << target.channel_low; neurons: (groups, lanes) flat numbers, -1 where a lane
    has no neuron
    """

    target: AddressMap
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
    return Layout(
        AddressMap((n_out, 1, 1)),
        tuple(range(lanes)),
        ((groups, lanes),),
        lanes,
        np.where(numbers < n_out, numbers, -1),
    )


def map_layout(target: AddressMap, channel_lanes: int, banks: tuple[int, int]) -> Layout:
    """Lanes (bank row, bank column, channel), channel lowest; groups (word row, word column,
    channel group), likewise."""
    channels, height, width = target.shape
    rows, columns, groups = (
        -(-height // banks[0]),
        -(-width // banks[1]),
        -(-channels // channel_lanes),
    )
    lanes = [
        (y, x, c) for y in range(banks[0]) for x in range(banks[1]) for c in range(channel_lanes)
    ]
    steps = (
        (groups, channel_lanes << target.channel_low),
        (columns, banks[1]),
        (rows, banks[0] << target.column_bits),
    )
    y0, x0, c0 = (
        grid.reshape(-1, 1) for grid in np.indices((rows, columns, groups), dtype=np.int64)
    )
    dy, dx, dc = (np.array(part, np.int64) for part in zip(*lanes, strict=True))
    y, x, c = y0 * banks[0] + dy, x0 * banks[1] + dx, c0 * channel_lanes + dc  # (groups, lanes)
    real = (y < height) & (x < width) & (c < channels)
    numbers = np.where(real, (c * height + y) * width + x, -1)
    offsets = tuple(target.address(c, y, x) for y, x, c in lanes)
    return Layout(target, offsets, steps, channel_lanes, numbers)
