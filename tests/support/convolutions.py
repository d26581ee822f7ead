"""Convolutions for tests: small networks of one, and what an event at some place is to become on
its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from plans import layer_plan

from polyrhythm.sw.network import Input, Layer, Network
from polyrhythm.sw.plan.conv import ConvSynapses, parallel_banks
from polyrhythm.sw.plan.layer import LayerPlan

Word = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """A convolution's extents; map: (channels, height, width) before pooling."""

    map: tuple[int, int, int]
    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    pool: int = 1
    max_count: int = 1

    def network(
        self, schedule: str = "two_phase", T: tuple[int, int] = (1, 1), t_in: int = 1, **fields: Any
    ) -> Network:
        """This convolution, with random weights, and a readout of three classes; `fields` of the
        convolution."""
        rng = np.random.default_rng(1)
        weight = rng.integers(-8, 8, (self.channels, self.map[0], self.kernel, self.kernel))
        own = {
            "stride": self.stride,
            "padding": self.padding,
            "pool": self.pool,
            "T": T[0],
            "bias_mode": "once",
        }
        own |= {
            "bias": rng.integers(-5, 9, self.channels),
            "threshold": rng.integers(1, 20, self.channels),
        }
        first = Layer("conv", "conv2d", weight, weight_bits=4, **(own | fields))
        rows, columns = (
            (n // self.pool + 2 * self.padding - self.kernel) // self.stride + 1
            for n in self.map[1:]
        )
        last = rng.integers(-8, 8, (3, self.channels * rows * columns))
        out = Layer(
            "out", "readout", last, np.zeros(3, np.int64), weight_bits=4, T=T[1], bias_mode="once"
        )
        return Network("conv", schedule, Input(self.map, t_in, self.max_count), (first, out))

    def plan(
        self, channel_lanes: int = 1, parallel: bool = True, network: Network | None = None
    ) -> LayerPlan:
        network = network or self.network()
        return layer_plan(
            network, 0, (channel_lanes, parallel_banks(network, 0) if parallel else 1)
        )

    def synapses(self, channel_lanes: int = 1, parallel: bool = True) -> ConvSynapses:
        found = self.plan(channel_lanes, parallel).input.synapses
        assert isinstance(found, ConvSynapses)
        return found


# Kernels of 1, 2, 3, 5; strides; paddings to K - 1; blocks that leave rows over; maps of one row;
# channels in groups.
SHAPES = [
    Shape((2, 5, 4), 3, 3, padding=1),
    Shape((1, 7, 6), 4, 5, stride=2, padding=2, max_count=3),
    Shape((3, 4, 4), 2, 1),
    Shape((1, 9, 7), 2, 2, stride=2, padding=1, pool=2, max_count=15),
    Shape((2, 10, 11), 3, 3, stride=2, padding=1, pool=3),
    Shape((1, 5, 6), 2, 1, stride=2),
    Shape((1, 1, 6), 3, 1, padding=1, max_count=200),
    Shape((1, 1, 2), 2, 5, padding=4),
]


def located(
    synapses: ConvSynapses, channel: int, y: int, x: int, max_count: int, count: int
) -> Word:
    """What an event at a place becomes: every dimension's reach, in steps of the state's and the
    weights' addresses."""
    groups, columns, rows = synapses.channel_groups, synapses.columns, synapses.rows

    def side(reach: Any, most: int, word_step: int, weight_step: int) -> Word:
        found = {
            "words": [word * word_step for word in reach.words],
            "enabled": sum(on << bank for bank, on in enumerate(reach.enabled)),
            "weight": reach.phase * weight_step,
        }
        return found | ({"visits": reach.visits} if most > 1 else {})

    most = [max(reach.visits for reach in axis.reaches) for axis in (rows, columns)]
    return {
        "closes": 0,
        "end": 0,
        "y": side(rows.reaches[y], most[0], columns.words * groups, columns.phases * groups),
        "x": side(columns.reaches[x], most[1], groups, groups),
        "weight": channel * rows.phases * columns.phases * groups,
    } | ({"count": count} if max_count > 1 else {})
