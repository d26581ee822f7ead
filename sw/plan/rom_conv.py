"""What a convolution's memories hold, and how an event finds the neurons that it reaches.

Output positions are dealt to `banks` rows by `banks` columns of banks, position o to bank o % banks of word o // banks. With
banks = ceil(K / stride) the positions that a kernel reaches in one dimension lie in different banks, so one operation serves
all K x K of them (parallel); with one bank it takes one operation for each (serial).
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import Array, Map, map_layout, pooled_wire, wire
from polyrhythm.sw.plan.rom import Contents, accumulation, pack, thresholds_of
from polyrhythm.sw.plan.widths import drive


@dataclass(frozen=True)
class Reach:
    """What an event at one row (or column) of the input map reaches in that dimension.

    words: for each bank, the word of the position that it reaches there; enabled: whether it reaches one; phase: which weights
    go to the banks; visits: operations (0: it reaches nothing). From one visit to the next, words grow by 1 and phases fall by
    the stride (serial).
    """

    words: tuple[int, ...]
    enabled: tuple[bool, ...]
    phase: int
    visits: int


@dataclass(frozen=True)
class Axis:
    """One dimension of a convolution: extents of the map in (before pooling) and out, and what each coordinate reaches."""

    size: int
    out: int
    banks: int
    stride: int
    reaches: tuple[Reach, ...]
    taps: tuple[tuple[int | None, ...], ...]  # of each phase and bank: which of the kernel's K weights

    @property
    def words(self) -> int:
        return -(-self.out // self.banks)

    @property
    def phases(self) -> int:
        return len(self.taps)

    @property
    def edge(self) -> int:
        """Banks that the last word uses."""
        return self.out - (self.words - 1) * self.banks


@dataclass(frozen=True)
class ConvRom(Contents):
    """A convolution's.

    weights: row ((channel in * row phases + row phase) * column phases + column phase) * channel groups + channel group, lanes as
    in `map_layout`; starts: one field for each channel lane
    """

    source: Map  # of events, before pooling
    target: Map
    rows: Axis
    columns: Axis
    channel_lanes: int
    channel_groups: int

    @property
    def banks(self) -> int:
        return self.rows.banks * self.columns.banks

    @property
    def lanes(self) -> int:
        """Neurons served per cycle."""
        return self.banks * self.channel_lanes

    @property
    def words(self) -> int:
        """Words of state in each bank, without regard to channels."""
        return self.rows.words * self.columns.words

    @property
    def groups(self) -> int:
        """Sweeps of a tick."""
        return self.words * self.channel_groups

    @property
    def n_in(self) -> int:
        return self.source.neurons

    @property
    def n_out(self) -> int:
        return self.target.neurons


def parallel_banks(network: Network, i: int) -> int:
    """Banks of convolution i with which an event's whole neighbourhood is one operation: ceil(K / stride) squared."""
    layer = network.layers[i]
    return int(-(-layer.weight.shape[-1] // layer.stride)) ** 2


def conv(network: Network, i: int, channel_lanes: int, banks: int) -> ConvRom:
    """Lay out convolution i for `channel_lanes` channels at `banks` positions at a time: 1, or `parallel_banks`."""
    shape = geometry(network, i, channel_lanes, banks)
    low, high = (bound.reshape(len(network.layers[i].bias), -1) for bound in drive(network, i))
    words = len(shape["layout"].neurons)
    return ConvRom(
        weight_bits=network.layers[i].weight_bits,
        **accumulation(network, i, (low.min(axis=1), high.max(axis=1)), channel_lanes, words=words, copies=banks),
        thresholds=thresholds_of(network, i),
        **shape,
    )


def geometry(network: Network, i: int, channel_lanes: int, banks: int) -> dict[str, Any]:
    """Where events go and weights stand in convolution i: the fields of `ConvRom` that do not hang on the neurons."""
    layer, place = network.layers[i], f"layer {i} ({network.layers[i].name})"
    c_out, height, width = network.out_shape(i)
    if not 1 <= channel_lanes <= c_out:
        raise ValueError(f"{place}: channel lanes must be 1..{c_out}, not {channel_lanes}")
    if banks not in (1, parallel_banks(network, i)):
        raise ValueError(f"{place}: banks must be 1 (serial) or {parallel_banks(network, i)} (parallel), not {banks}")
    side = 1 if banks == 1 else round(banks**0.5)
    source, pooled = wire(network, i), pooled_wire(network, i).shape
    kernel = layer.weight.shape[-1]
    rows, columns = (
        axis(source.shape[k], pooled[k], layer.pool, out, kernel, layer.stride, layer.padding, side)
        for k, out in ((1, height), (2, width))
    )
    return banked(layer.weight, source, Map((c_out, height, width)), rows, columns, channel_lanes, layer.weight_bits)


def banked(
    weight: npt.NDArray[np.integer[Any]], source: Map, target: Map, rows: Axis, columns: Axis, lanes: int, bits: int
) -> dict[str, Any]:
    """The same from its parts; weight: (C_out, C_in, K rows, K columns)."""
    groups = -(-len(weight) // lanes)
    return {
        "weights": _weights(weight.astype(np.int64), rows, columns, lanes, groups, bits),
        "layout": map_layout(target, lanes, (rows.banks, columns.banks)),
        "source": source,
        "target": target,
        "rows": rows,
        "columns": columns,
        "channel_lanes": lanes,
        "channel_groups": groups,
    }


def axis(size: int, pooled: int, pool: int, out: int, kernel: int, stride: int, padding: int, banks: int) -> Axis:
    """One dimension; a coordinate that pooling drops, or that no kernel covers, has no visits."""
    reaches = []
    for place in range(size):
        at = place // pool
        hit = [o for o in range(out) if 0 <= at + padding - o * stride < kernel] if at < pooled else []
        reaches.append(_parallel(at, hit, stride, padding, banks) if banks > 1 else _serial(at, hit, stride, padding))
    taps: tuple[tuple[int | None, ...], ...]
    if banks == 1:
        taps = tuple((k,) for k in range(kernel))
    else:
        taps = tuple(tuple(_tap(phase, bank, kernel, stride, banks) for bank in range(banks)) for phase in range(stride * banks))
    return Axis(size, out, banks, stride, tuple(reaches), taps)


def _serial(at: int, hit: list[int], stride: int, padding: int) -> Reach:
    first = min(hit, default=0)
    return Reach((first,), (bool(hit),), at + padding - first * stride if hit else 0, len(hit))


def _parallel(at: int, hit: list[int], stride: int, padding: int, banks: int) -> Reach:
    by_bank = {o % banks: o // banks for o in hit}
    assert len(by_bank) == len(hit), "no two positions of a window share a bank"
    words = tuple(by_bank.get(bank, 0) for bank in range(banks))
    enabled = tuple(bank in by_bank for bank in range(banks))
    return Reach(words, enabled, (at + padding) % (stride * banks), 1 if hit else 0)


def _tap(phase: int, bank: int, kernel: int, stride: int, banks: int) -> int | None:
    """The kernel weight between an input of this phase and the position in this bank; None beyond the kernel."""
    tap = phase % stride + stride * ((phase // stride - bank) % banks)
    return tap if tap < kernel else None


def _weights(weight: Array, rows: Axis, columns: Axis, lanes: int, groups: int, bits: int) -> tuple[int, ...]:
    c_out, c_in = weight.shape[:2]
    padded = np.pad(weight, [(0, groups * lanes - c_out), (0, 0), (0, 0), (0, 0)]).reshape(groups, lanes, *weight.shape[1:])
    words = np.zeros((c_in, rows.phases, columns.phases, groups, rows.banks, columns.banks, lanes), np.int64)
    for (p, row_taps), (q, column_taps) in product(enumerate(rows.taps), enumerate(columns.taps)):
        for (y, ky), (x, kx) in product(enumerate(row_taps), enumerate(column_taps)):
            if ky is not None and kx is not None:
                words[:, p, q, :, y, x] = padded[:, :, :, ky, kx].transpose(2, 0, 1)
    return pack(words.reshape(-1, rows.banks * columns.banks * lanes), bits)
