"""What the memories of an event-driven layer hold; a dense layer is a convolution whose kernel covers the whole map."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import Array, Map, pooled_wire, wire
from polyrhythm.sw.plan.rom import pack
from polyrhythm.sw.plan.rom_conv import ConvRom, axis, banked, geometry
from polyrhythm.sw.plan.widths import bounds, drive, signed_width


@dataclass(frozen=True)
class EventRom(ConvRom):
    """An event-driven layer's: `ConvRom` with `sum_bits` for a potential at rest, and what its neurons need to fire.

    v_thresholds: a row for each group of channels, a field for each lane (1 where it has no neuron, which never gets there);
    T: most that a neuron has emitted; signed: whether it takes emissions back; opens: whether some neuron can fire before its
    first event; above_bits: of a potential with its event, less any number of thresholds tried
    """

    v_thresholds: tuple[int, ...]
    threshold_bits: int
    T: int
    signed: bool
    opens: bool
    above_bits: int

    @property
    def tries(self) -> range:
        """Net emissions that one visit may find: one up or down (signed, the rest follows), or all that there is (unsigned)."""
        return range(-1, 2) if self.signed else range(self.T + 1)


def reaction(network: Network, i: int, channel_lanes: int, banks: int) -> EventRom:
    """Lay out event-driven layer i for `channel_lanes` channels (dense: neurons) at `banks` positions at a time."""
    layer, place = network.layers[i], f"layer {i} ({network.layers[i].name})"
    assert layer.threshold is not None
    signed = layer.neuron == "signed"
    if layer.kind == "conv2d":
        shape = geometry(network, i, channel_lanes, banks)
        if not signed and (channel_lanes, banks) != (1, 1):
            raise ValueError(
                f"{place}: unsigned neurons emit in the order channel, row, column, so a convolution of them must have one lane "
                f"and one bank, (1, 1), not ({channel_lanes}, {banks}); signed neurons may have more"
            )
    else:
        shape = _dense(network, i, channel_lanes)
    start, threshold = layer.v0 + layer.bias, layer.threshold.astype(np.int64)
    lowest, highest = _range(network, i, start, threshold)
    groups = -(-len(start) // channel_lanes)

    def spread(values: Array, idle: int) -> Array:
        padded = np.full(groups * channel_lanes, idle, np.int64)
        padded[: len(values)] = values
        return padded.reshape(groups, channel_lanes)

    above = (lowest - int(threshold.max()) * (1 if signed else layer.T), highest + int(threshold.max()))
    v_bits = signed_width(min(lowest, 0), max(highest, 0))
    return EventRom(
        weight_bits=layer.weight_bits,
        sum_bounds=(lowest, highest),
        sum_bits=v_bits,
        starts=pack(spread(start, 0), v_bits),
        repeats=(1,),
        kept_ticks=(True,),
        phases=(0,),
        tables=None,
        thresholds=None,
        v_thresholds=pack(spread(threshold, 1), threshold_bits := int(threshold.max()).bit_length()),
        threshold_bits=threshold_bits,
        T=layer.T,
        signed=signed,
        opens=bool((start >= threshold).any()),
        above_bits=signed_width(*above),
        **shape,
    )


def _range(network: Network, i: int, start: Array, threshold: Array) -> tuple[int, int]:
    """Least and greatest potential between visits.

    v = start + sum w*n - Th*S. An unsigned neuron fires all that it can at each visit (`sw.plan.widths`); a signed one moves S by one a
    visit, so S may lag behind, but never passes what the greatest sum allows.
    """
    layer = network.layers[i]
    if layer.neuron != "signed":
        low, high = bounds(network, i).v
        return min(low, int(start.min())), max(high, int(start.max()))
    least, greatest = (network.per_neuron(i, start) + side for side in drive(network, i))
    wide = network.per_neuron(i, threshold)
    most = np.clip(greatest // wide, 0, layer.T)
    return int((least - most * wide).min()), int(greatest.max())


def _dense(network: Network, i: int, lanes: int) -> dict[str, Any]:
    layer, n_out = network.layers[i], network.n_out(i)
    if not 1 <= lanes <= n_out:
        raise ValueError(f"layer {i} ({layer.name}): lanes must be 1..{n_out}, not {lanes}")
    source, pooled, target = wire(network, i), pooled_wire(network, i).shape, Map((n_out, 1, 1))
    rows, columns = (axis(source.shape[k], pooled[k], layer.pool, 1, pooled[k], 1, 0, 1) for k in (1, 2))
    return banked(layer.weight.reshape(n_out, *pooled), source, target, rows, columns, lanes, layer.weight_bits)
