"""What the accelerator's memories hold: a layer's integers, cut into groups of `lanes` neurons and packed into words.

A word has lane k in bits [k * bits, (k + 1) * bits), two's complement. Neuron n is lane n % lanes of group n // lanes; lanes
behind the last neuron have no weights and never spike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sw.align import bias_at, boundaries
from sw.network import Network
from sw.widths import bounds, drive, signed_width

Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NeuronTables:
    """Per-neuron constants of a time_stepped layer, by group; bias and reach also by bias phase (row phase * groups + group).

    bias: b(t); reach: b(t) - threshold (bias again on the readout); rest: potential at the start of a frame
    x, y, above: proven bits of current + bias, current + reach, and v - threshold
    """

    lanes: int
    groups: int
    bias: tuple[int, ...]
    bias_bits: int
    reach: tuple[int, ...]
    reach_bits: int
    rest: tuple[int, ...]
    v_bits: int
    x_bits: int
    y_bits: int
    above_bits: int


@dataclass(frozen=True)
class DenseRom:
    """Everything that a dense layer or readout needs to know of its network.

    weights: row group * n_in + input; starts: row of each group, what a sum begins with; repeats: ticks that each step's current
    is held for; kept_ticks: which source ticks end a step (T_in > T); phases: bias row of each tick; thresholds: two_phase only
    """

    lanes: int
    groups: int
    n_in: int
    n_out: int
    weight_bits: int
    weights: tuple[int, ...]
    sum_bounds: tuple[int, int]
    sum_bits: int
    starts: tuple[int, ...]
    repeats: tuple[int, ...]
    kept_ticks: tuple[bool, ...]
    phases: tuple[int, ...]
    tables: NeuronTables | None
    thresholds: tuple[int, ...] | None

    @property
    def capacity(self) -> int:
        """Most events of one step: every input once in each source tick that the step merges."""
        steps = sum(self.kept_ticks)
        edges = [0] + [k + 1 for k, kept in enumerate(self.kept_ticks) if kept]
        return self.n_in * max(edges[s + 1] - edges[s] for s in range(steps))


def dense(network: Network, i: int, lanes: int) -> DenseRom:
    """Lay out layer i (dense or readout) for `lanes` neurons at a time, 1 <= lanes <= N_out."""
    layer, n_out = network.layers[i], network.n_out(i)
    if not 1 <= lanes <= n_out:
        raise ValueError(f"layer {i} ({layer.name}): lanes must be 1..{n_out}, not {lanes}")
    groups = -(-n_out // lanes)
    stepped = network.schedule == "time_stepped"
    start = np.zeros(n_out, np.int64) if stepped else layer.v0 + layer.bias
    if not stepped and layer.threshold is not None:
        start = start - layer.threshold  # so that the sign of a finished sum says whether the neuron fires
    low, high = drive(network, i)
    merged = max(1, *np.diff(boundaries(network.t_in(i), layer.T))) if stepped and network.t_in(i) > layer.T else 1
    sums = _hull(start, start + merged * low, start + merged * high)
    idle = -1 if not stepped and layer.threshold is not None else 0
    sum_bits = signed_width(min(*sums, idle), max(*sums, idle))
    repeats, kept = _steps(network, i)
    tables, phases = _neuron_tables(network, i, lanes, groups, sums) if stepped else (None, (0,))
    return DenseRom(
        lanes, groups, network.n_in(i), n_out, layer.weight_bits, _weights(layer.weight, lanes, groups, layer.weight_bits), sums, sum_bits,
        pack(_grouped(start, lanes, groups, idle), sum_bits), repeats, kept, phases, tables,
        None if stepped or layer.threshold is None else tuple(int(t) for t in layer.threshold))


def pack(values: Array, bits: int) -> tuple[int, ...]:
    """(rows, lanes) integers -> one word a row, lane 0 lowest, two's complement fields of `bits`."""
    mask = (1 << bits) - 1
    words = []
    for row in values.tolist():
        word = 0
        for value in reversed(row):
            word = word << bits | (value & mask)
        words.append(word)
    return tuple(words)


def _grouped(values: Array, lanes: int, groups: int, idle: int) -> Array:
    """(..., N_out) -> (... * groups, lanes), lanes behind the last neuron filled with `idle`."""
    spare = groups * lanes - values.shape[-1]
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, spare)], constant_values=idle)
    return padded.reshape(-1, lanes)


def _weights(weight: npt.NDArray[np.integer], lanes: int, groups: int, bits: int) -> tuple[int, ...]:
    n_out, n_in = weight.shape
    padded = np.pad(weight.astype(np.int64), [(0, groups * lanes - n_out), (0, 0)])  # (groups * lanes, N_in)
    return pack(padded.reshape(groups, lanes, n_in).transpose(0, 2, 1).reshape(-1, lanes), bits)


def _steps(network: Network, i: int) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Ticks that each step is held for, and the source ticks that end a step (design.md 1.2); one step where there are no ticks."""
    if network.schedule != "time_stepped":
        return (1,), (True,)
    t_in, t_out = network.t_in(i), network.layers[i].T
    edges = boundaries(t_in, t_out)
    if t_in >= t_out:
        return (1,) * t_out, tuple(tick + 1 in edges for tick in range(t_in))
    return tuple(b - a for a, b in zip(edges, edges[1:], strict=False)), (True,) * t_in


def _neuron_tables(network: Network, i: int, lanes: int, groups: int, sums: tuple[int, int]) -> tuple[NeuronTables, tuple[int, ...]]:
    layer = network.layers[i]
    shares, phases = np.unique(bias_at(layer.bias, layer.T, layer.bias_mode), axis=0, return_inverse=True)  # (phases, N_out), (T,)
    threshold = np.zeros_like(layer.v0) if layer.threshold is None else layer.threshold.astype(np.int64)
    reach, idle_reach = (shares, 0) if layer.threshold is None else (shares - threshold, -1)
    v_low, v_high = bounds(network, i).v
    bias_range, reach_range, rest_range = _hull(shares, np.zeros(1, np.int64)), _hull(reach, np.array([idle_reach])), _hull(layer.v0)
    v_range = (min(v_low, 0, *rest_range), max(v_high, 0, *rest_range))
    tables = NeuronTables(
        lanes, groups,
        pack(_grouped(shares, lanes, groups, 0), bias_bits := signed_width(*bias_range)), bias_bits,
        pack(_grouped(reach, lanes, groups, idle_reach), reach_bits := signed_width(*reach_range)), reach_bits,
        pack(_grouped(layer.v0, lanes, groups, 0), v_bits := signed_width(*v_range)), v_bits,
        x_bits=signed_width(sums[0] + bias_range[0], sums[1] + bias_range[1]),
        y_bits=signed_width(sums[0] + reach_range[0], sums[1] + reach_range[1]),
        above_bits=signed_width(v_range[0] - int(threshold.max()) - 1, v_range[1]))
    return tables, tuple(int(p) for p in phases.reshape(-1))


def _hull(*arrays: Array) -> tuple[int, int]:
    return min(int(a.min()) for a in arrays), max(int(a.max()) for a in arrays)


def hex_lines(rows: Sequence[int], bits: int) -> str:
    """The text of a `$readmemh` file: one word a line, all of the same length."""
    digits = -(-bits // 4)
    return "".join(f"{row:0{digits}x}\n" for row in rows)
