"""The synapses of a convolution: how an event finds the neurons that it reaches, and their weights.

Output positions are dealt to `banks` rows by `banks` columns of banks, position o to bank o % banks
of word o // banks. With banks = ceil(K / stride) the positions that a kernel reaches in one
dimension lie in different banks, so one operation serves all K x K of them (parallel); with one
bank it takes one operation for each (serial).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import AddressMap, input_addresses, pooled_addresses
from polyrhythm.sw.plan.dense import check_lanes, fields
from polyrhythm.sw.plan.layout import Layout, map_layout
from polyrhythm.sw.plan.table import Array, Table

# Of each phase and bank: which of the kernel's K weights; None beyond the kernel.
Taps = tuple[tuple[int | None, ...], ...]


@dataclass(frozen=True)
class Reach:
    """What an event at one row (or column) of the input map reaches in that dimension.

    words: for each bank, the word of the position that it reaches there; enabled: whether it
    reaches one; phase: which weights go to the banks; visits: operations (0: it reaches nothing).
    From one visit to the next, words grow by 1 and phases fall by the stride (serial).
    """

    words: tuple[int, ...]
    enabled: tuple[bool, ...]
    phase: int
    visits: int


@dataclass(frozen=True)
class Axis:
    """One dimension of a convolution: extents of the map in (before pooling) and out, and what each
    coordinate reaches."""

    size: int
    out: int
    banks: int
    stride: int
    reaches: tuple[Reach, ...]
    taps: Taps

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


@dataclass(frozen=True, eq=False)
class ConvSynapses:
    """weights: row ((channel in * row phases + row phase) * column phases + column phase) * channel
    groups + channel group, lanes as in `map_layout`.

    source         addresses of events, before pooling
    target         the map of output neurons
    rows, columns  what an event reaches in each dimension
    channel_lanes  channels served at a time, in each bank; they form `channel_groups`
    """

    weights: Table
    source: AddressMap
    target: AddressMap
    rows: Axis
    columns: Axis
    channel_lanes: int
    channel_groups: int

    row = "channel group"

    @property
    def banks(self) -> int:
        """Output positions that one operation serves."""
        return self.rows.banks * self.columns.banks

    @property
    def lanes(self) -> int:
        """Neurons served per cycle."""
        return self.banks * self.channel_lanes

    @property
    def groups(self) -> int:
        """Words of state in each bank: sweeps of a tick."""
        return self.rows.words * self.columns.words * self.channel_groups

    @property
    def n_in(self) -> int:
        """Neurons that events can name, before pooling."""
        return self.source.neurons

    @property
    def neuron(self) -> str:
        """In words: which channel a lane has."""
        return f"channel = channel group * {self.channel_lanes} + channel lane"


def parallel_banks(network: Network, i: int) -> int:
    """Banks of convolution i with which an event's whole neighbourhood is one operation:
    ceil(K / stride) squared."""
    layer = network.layers[i]
    return int(-(-layer.weight.shape[-1] // layer.stride)) ** 2


def conv_synapses(
    network: Network, i: int, stem: str, channel_lanes: int, banks: int
) -> tuple[ConvSynapses, Layout]:
    """Synapses of convolution i and where its neurons stand, for `channel_lanes` channels at
    `banks` positions at a time: 1, or `parallel_banks`."""
    layer, place = network.layers[i], f"layer {i} ({network.layers[i].name})"
    c_out, height, width = network.out_shape(i)
    parallel = parallel_banks(network, i)
    if not 1 <= channel_lanes <= c_out:
        raise ValueError(f"{place}: channel lanes must be 1..{c_out}, not {channel_lanes}")
    if banks not in (1, parallel):
        raise ValueError(f"{place}: banks must be 1 (serial) or {parallel} (parallel), not {banks}")
    side = 1 if banks == 1 else round(banks**0.5)
    source, pooled = input_addresses(network, i), pooled_addresses(network, i).shape
    kernel = layer.weight.shape[-1]
    rows, columns = (
        axis(source.shape[k], pooled[k], layer.pool, out, kernel, layer.stride, layer.padding, side)
        for k, out in ((1, height), (2, width))
    )
    target, weight = AddressMap((c_out, height, width)), layer.weight.astype(np.int64)
    bits = layer.weight_bits
    return banked(stem, weight, source, target, rows, columns, channel_lanes, bits)


def whole_map_synapses(
    network: Network, i: int, stem: str, lanes: int
) -> tuple[ConvSynapses, Layout]:
    """Synapses of dense layer i as a convolution whose kernel covers the whole map."""
    check_lanes(network, i, lanes)
    layer, n_out = network.layers[i], network.n_out(i)
    source, pooled = input_addresses(network, i), pooled_addresses(network, i).shape
    rows, columns = (
        axis(source.shape[k], pooled[k], layer.pool, 1, pooled[k], 1, 0, 1) for k in (1, 2)
    )
    weight, target = layer.weight.reshape(n_out, *pooled), AddressMap((n_out, 1, 1))
    bits = layer.weight_bits
    return banked(stem, weight.astype(np.int64), source, target, rows, columns, lanes, bits)


def banked(
    stem: str,
    weight: Array,
    source: AddressMap,
    target: AddressMap,
    rows: Axis,
    columns: Axis,
    lanes: int,
    bits: int,
) -> tuple[ConvSynapses, Layout]:
    """Both from their parts; weight: (C_out, C_in, K rows, K columns)."""
    groups = -(-len(weight) // lanes)
    lane = f"lane = (bank row * {columns.banks} + bank column) * {lanes} + channel lane"
    row = f"row = ((input channel * {rows.phases} + row phase) * {columns.phases} + column phase)"
    channel = f"channel = channel group * {lanes} + channel lane"
    text = f"{row} * {groups} + channel group; {lane}; {fields(bits, channel)}"
    table = Table(f"{stem}_weight", _rows(weight, rows, columns, lanes, groups), bits, text)
    synapses = ConvSynapses(table, source, target, rows, columns, lanes, groups)
    return synapses, map_layout(target, lanes, (rows.banks, columns.banks))


def axis(
    size: int, pooled: int, pool: int, out: int, kernel: int, stride: int, padding: int, banks: int
) -> Axis:
    """One dimension; a coordinate that pooling drops, or that no kernel covers, has no visits."""
    reaches = []
    for at in (place // pool for place in range(size)):
        covered = [o for o in range(out) if 0 <= at + padding - o * stride < kernel]
        hit = covered if at < pooled else []
        if banks == 1:
            reaches.append(_serial(at, hit, stride, padding))
        else:
            reaches.append(_parallel(at, hit, stride, padding, banks))
    if banks == 1:
        taps: Taps = tuple((k,) for k in range(kernel))
    else:
        phases = range(stride * banks)
        taps = tuple(
            tuple(_tap(phase, bank, kernel, stride, banks) for bank in range(banks))
            for phase in phases
        )
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
    """The kernel weight between an input of this phase and the position in this bank; None beyond
    the kernel."""
    tap = phase % stride + stride * ((phase // stride - bank) % banks)
    return tap if tap < kernel else None


def _rows(weight: Array, rows: Axis, columns: Axis, lanes: int, groups: int) -> Array:
    c_out, c_in = weight.shape[:2]
    spare = [(0, groups * lanes - c_out), (0, 0), (0, 0), (0, 0)]
    padded = np.pad(weight, spare).reshape(groups, lanes, *weight.shape[1:])
    shape = (c_in, rows.phases, columns.phases, groups, rows.banks, columns.banks, lanes)
    words = np.zeros(shape, np.int64)
    for (p, row_taps), (q, column_taps) in product(enumerate(rows.taps), enumerate(columns.taps)):
        for (y, ky), (x, kx) in product(enumerate(row_taps), enumerate(column_taps)):
            if ky is not None and kx is not None:
                words[:, p, q, :, y, x] = padded[:, :, :, ky, kx].transpose(2, 0, 1)
    return words.reshape(-1, rows.banks * columns.banks * lanes)
