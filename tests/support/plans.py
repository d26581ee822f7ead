"""Plans of single layers and tables, for tests of what is made from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import Lanes, default_lanes
from polyrhythm.sw.plan.layer import LayerPlan
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.neurons import CountingNeuron, Sums
from polyrhythm.sw.plan.table import Table


def layer_plan(network: Network, i: int, lanes: Lanes) -> LayerPlan:
    """The plan of layer i, with the default lanes elsewhere."""
    chosen = default_lanes(network)
    chosen[i] = lanes
    return plan(network, chosen).layers[i]


def table(name: str, values: Any, bits: int) -> Table:
    """A memory of (rows, lanes) values, or of (rows,)."""
    rows = np.array(values, np.int64)
    return Table(name, rows if rows.ndim == 2 else rows[:, None], bits, "")


def counting(thresholds: list[int], T: int) -> CountingNeuron:
    """A neuron with a threshold for each channel."""
    return CountingNeuron(table("fc_threshold", thresholds, max(thresholds).bit_length()), T)


def with_starts(sums: Sums, starts: Any, bits: int) -> Sums:
    """The same sums, as wide as `bits`, with other starts."""
    return replace(sums, bits=bits, start=table(sums.start.name, starts, bits))
