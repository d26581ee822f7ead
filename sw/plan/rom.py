"""What the accelerator's memories hold: a layer's integers, cut into groups of `lanes` neurons and packed into words.

A word has lane k in bits [k * bits, (k + 1) * bits), two's complement. Neuron n is lane n % lanes of group n // lanes; lanes
behind the last neuron have no weights and never spike.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.network import Network
from polyrhythm.sw.network.align import bias_at, boundaries
from polyrhythm.sw.plan.addresses import Layout, Map, dense_layout, pooled_wire, wire
from polyrhythm.sw.plan.widths import bounds, drive, signed_width

Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NeuronTables:
    """Per-neuron constants of a time_stepped layer: a row for each group, or, where groups share them, for each group of channels.

    reach: b(t) - threshold (b(t) on the readout), row phase * rows + row; it starts a step's sum, or, where the current is
    held for several ticks, is added in each of them
    thresholds; rest: potential at the start of a frame
    y, above, v: proven bits of current + reach, v - threshold before the reset, and v after it
    """

    lanes: int
    groups: int
    reach: tuple[int, ...]
    reach_bits: int
    thresholds: tuple[int, ...]
    threshold_bits: int
    rest: tuple[int, ...]
    y_bits: int
    above_bits: int
    v_bits: int


@dataclass(frozen=True)
class Contents:
    """What every layer's gateware needs to know of its network, whatever its kind.

    weights: rows of weights; starts: what a sum begins with, row phase * rows + row, for the `rows` rows of neuron constants;
    repeats: ticks that each step's current is held for; kept_ticks: which source ticks end a step (T_in > T); phases: bias row
    of each tick; thresholds: two_phase only, one for each output channel; layout: where the neurons stand
    """

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
    layout: Layout

    @property
    def banks(self) -> int:
        """Output positions that one operation serves; 1 where there are no maps."""
        return 1


@dataclass(frozen=True)
class DenseRom(Contents):
    """A dense layer's or readout's. weights: row group * places + address behind the pooling (`places` of its `Map`)."""

    lanes: int
    groups: int
    source: Map  # of events, before pooling
    pooled: Map
    n_out: int

    @property
    def n_in(self) -> int:
        return self.pooled.neurons

    @property
    def capacity(self) -> int:
        """Most events of one step: every input once in each source tick that the step merges."""
        return self.source.neurons * _most_merged(self.kept_ticks)


def dense(network: Network, i: int, lanes: int) -> DenseRom:
    """Lay out layer i (dense or readout) for `lanes` neurons at a time, 1 <= lanes <= N_out."""
    layer, n_out = network.layers[i], network.n_out(i)
    if not 1 <= lanes <= n_out:
        raise ValueError(f"layer {i} ({layer.name}): lanes must be 1..{n_out}, not {lanes}")
    groups, pooled = -(-n_out // lanes), pooled_wire(network, i)
    return DenseRom(
        weight_bits=layer.weight_bits,
        weights=_weights(layer.weight, pooled, lanes, groups, layer.weight_bits),
        **accumulation(network, i, drive(network, i), lanes, words=groups),
        thresholds=thresholds_of(network, i),
        layout=dense_layout(n_out, lanes),
        lanes=lanes,
        groups=groups,
        source=wire(network, i),
        pooled=pooled,
        n_out=n_out,
    )


def thresholds_of(network: Network, i: int) -> tuple[int, ...] | None:
    """Thresholds of a two_phase layer's channels, from which its counts follow."""
    threshold = network.layers[i].threshold
    return None if network.schedule == "time_stepped" or threshold is None else tuple(int(t) for t in threshold)


def accumulation(
    network: Network, i: int, driven: tuple[Array, Array], lanes: int, *, words: int, copies: int = 1
) -> dict[str, Any]:
    """Sums of layer i and the neuron constants: the fields of `Contents` that do not hang on the layer's kind.

    driven: least and greatest sum w*n of a source tick, per channel; lanes: channels at a time; words: sweeps in a tick;
    copies: how often each channel stands in a word
    """
    layer = network.layers[i]
    repeats, kept = _steps(network, i)
    rows, (low, high), tables = -(-len(layer.bias) // lanes), driven, None
    if network.schedule == "time_stepped":
        tables, starts, phases = _time_stepped(network, i, (lanes, rows, copies, words), held=max(repeats) > 1)
        idle, merged = -1 if max(repeats) == 1 and layer.threshold is not None else 0, _most_merged(kept)
    else:
        start = layer.v0 + layer.bias
        if layer.threshold is not None:
            start = start - layer.threshold  # so that the sign of a finished sum says whether the neuron fires
        starts, phases, idle, merged = start[None], (0,), 0 if layer.threshold is None else -1, 1
    sums = _hull(starts, starts + merged * low, starts + merged * high)
    sum_bits = signed_width(min(*sums, idle), max(*sums, idle))
    return {
        "sum_bounds": sums,
        "sum_bits": sum_bits,
        "starts": pack(_grouped(starts, lanes, rows, idle), sum_bits),
        "repeats": repeats,
        "kept_ticks": kept,
        "phases": phases,
        "tables": tables,
    }


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


def _grouped(values: Array, lanes: int, rows: int, idle: int, copies: int = 1) -> Array:
    """(..., channels) -> (... * rows, copies * lanes), lanes behind the last channel filled with `idle`."""
    spare = rows * lanes - values.shape[-1]
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, spare)], constant_values=idle)
    return np.tile(padded.reshape(-1, lanes), copies)


def _weights(weight: npt.NDArray[np.integer], source: Map, lanes: int, groups: int, bits: int) -> tuple[int, ...]:
    padded = np.zeros((groups * lanes, source.places), np.int64)
    padded[: len(weight), source.addresses()] = weight
    return pack(padded.reshape(groups, lanes, -1).transpose(0, 2, 1).reshape(-1, lanes), bits)


def _steps(network: Network, i: int) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Ticks that each step is held for, and the source ticks that end a step (docs/contract.md 1.2); one step without ticks."""
    if network.schedule != "time_stepped":
        return (1,), (True,)
    t_in, t_out = network.t_in(i), network.layers[i].T
    edges = boundaries(t_in, t_out)
    if t_in >= t_out:
        return (1,) * t_out, tuple(tick + 1 in edges for tick in range(t_in))
    return tuple(b - a for a, b in itertools.pairwise(edges)), (True,) * t_in


def _time_stepped(
    network: Network, i: int, shape: tuple[int, int, int, int], held: bool
) -> tuple[NeuronTables, Array, tuple[int, ...]]:
    """The tables for `shape` (lanes, rows, copies, words), what sums start with (phases, channels), bias phases of the ticks."""
    layer, (lanes, rows, copies, words) = network.layers[i], shape
    by_tick = bias_at(layer.bias, layer.T, layer.bias_mode)  # (T, channels)
    kinds: dict[bytes, int] = {}
    phases = tuple(kinds.setdefault(share.tobytes(), len(kinds)) for share in by_tick)  # tick 0 has phase 0
    shares = np.stack([by_tick[phases.index(phase)] for phase in range(len(kinds))])  # (phases, channels)
    threshold = np.zeros(len(layer.bias), np.int64) if layer.threshold is None else layer.threshold.astype(np.int64)
    reach = shares - threshold
    idle, idle_threshold = (0, 0) if layer.threshold is None else (-1, 1)  # lanes without a neuron stay at v = 0 and never fire
    proved = bounds(network, i)
    v = (min(proved.v[0], 0), max(proved.v[1], 0))
    reach_bits = signed_width(min(idle, int(reach.min())), max(idle, int(reach.max())))
    threshold_bits, v_bits = int(threshold.max()).bit_length() or 1, signed_width(*v)
    tables = NeuronTables(
        lanes * copies,
        words,
        pack(_grouped(reach, lanes, rows, idle, copies), reach_bits),
        reach_bits,
        pack(_grouped(threshold[None], lanes, rows, idle_threshold, copies), threshold_bits),
        threshold_bits,
        pack(_grouped(layer.v0[None], lanes, rows, 0, copies), v_bits),
        y_bits=signed_width(proved.acc[0] + min(idle, int(reach.min())), proved.acc[1] + max(idle, int(reach.max()))),
        above_bits=signed_width(v[0] - max(int(threshold.max()), idle_threshold), v[1]),
        v_bits=v_bits,
    )
    return tables, np.zeros_like(reach[:1]) if held else reach, phases


def _most_merged(kept: Sequence[bool]) -> int:
    """Most source ticks that one step sums up."""
    ends = [k for k, keep in enumerate(kept) if keep]
    return max(end - before for before, end in zip([-1, *ends], ends, strict=False))


def _hull(*arrays: Array) -> tuple[int, int]:
    return min(int(a.min()) for a in arrays), max(int(a.max()) for a in arrays)


def hex_lines(rows: Sequence[int], bits: int) -> str:
    """The text of a `$readmemh` file: one word a line, all of the same length."""
    digits = -(-bits // 4)
    return "".join(f"{row:0{digits}x}\n" for row in rows)
