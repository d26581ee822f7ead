"""Neuron constants of a layer: made for a set of profiles, which differ in T, thresholds and
biases.

Rows stand profile after profile; within one, phase after phase; within a phase one row for each
group of channels that the layer serves at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polyrhythm.sw.network import Layer, Network
from polyrhythm.sw.network.align import bias_at
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.dense import DenseSynapses, fields
from polyrhythm.sw.plan.table import Array, Table, grouped
from polyrhythm.sw.plan.widths import drive

Profiles = tuple[Network, ...]  # one network at its working points
Synapses = DenseSynapses | ConvSynapses


@dataclass(frozen=True)
class Rows:
    """Lays a layer's constants out in tables, as its synapses ask for them."""

    synapses: Synapses
    stem: str
    swappable: bool = False  # see `Table`

    def table(
        self, what: str, values: Sequence[Array], idle: int, bits: int, text: str, copies: int = 1
    ) -> Table:
        """A memory of constants: of each profile (phases, channels); lanes without a neuron hold
        `idle`; `copies`: how often a word holds each channel."""
        lanes, rows = self.synapses.channel_lanes, self.synapses.channel_groups
        laid = [grouped(v, lanes, rows, idle, copies) for v in values]
        text = f"{text}; {fields(bits, self.synapses.neuron)}"
        name = f"{self.stem}_{what}"
        return Table(name, np.concatenate(laid), bits, text, copies, self.swappable)

    def of_ticks(self, phases: Sequence[int]) -> str:
        """In words: the row of constants that differ from tick to tick."""
        rows, row = self.synapses.channel_groups, self.synapses.row
        return f"row = phase * {rows} + {row}, phase of tick t: {list(phases)}[t]"

    @property
    def of_frames(self) -> str:
        """In words: the row of constants that hold for the whole frame."""
        return f"row = {self.synapses.row}"


def thresholds_of(layer: Layer) -> Array:
    """Thresholds of the channels; 0 on the readout, which never fires."""
    zeros = np.zeros(len(layer.bias), np.int64)
    return zeros if layer.threshold is None else layer.threshold.astype(np.int64)


def shares_of(
    layer: Layer, swappable: bool = False, begins: bool = False
) -> tuple[Array, tuple[int, ...]]:
    """The different biases of a layer's ticks, (phases, channels), and the phase of each tick;
    swappable: as many phases as any biases want; begins: the first tick's has the potential that a
    frame begins with, as one leak leaves it."""
    by_tick = bias_at(layer.bias, layer.T, layer.bias_mode)  # (T, channels)
    if begins:
        by_tick[0] += layer.v0 - (0 if layer.leak_shift is None else layer.v0 >> layer.leak_shift)
    if swappable:
        rows = {"per_tick": 1, "once": min(2, layer.T), "spread": layer.T}[layer.bias_mode]
        return by_tick[:rows], tuple(min(tick, rows - 1) for tick in range(layer.T))
    kinds: dict[bytes, int] = {}
    phases = tuple(kinds.setdefault(share.tobytes(), len(kinds)) for share in by_tick)
    return np.stack([by_tick[phases.index(phase)] for phase in range(len(kinds))]), phases


def driven_channels(network: Network, i: int) -> tuple[Array, Array]:
    """Least and greatest sum w*n of a source tick, over the neurons of each channel."""
    low, high = (bound.reshape(len(network.layers[i].bias), -1) for bound in drive(network, i))
    return low.min(axis=1), high.max(axis=1)


def hull(arrays: Sequence[Array]) -> tuple[int, int]:
    """Least and greatest of all values."""
    return min(int(a.min()) for a in arrays), max(int(a.max()) for a in arrays)
