"""How many neurons each layer serves at a time: what its user chose, checked, or a default."""

import operator
from collections.abc import Sequence
from typing import Any

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.conv import parallel_banks

# Of a layer: neurons at a time; of a convolution: channels at a time, and banks.
Lanes = int | tuple[int, int]


def split(network: Network, i: int, lanes: Lanes) -> tuple[int, int]:
    """Channels (dense: neurons) and banks at a time; a convolution has all its banks unless
    told."""
    layer = network.layers[i]
    if layer.kind != "conv2d" and isinstance(lanes, tuple):
        raise ValueError(
            f"layer {i} ({layer.name}): a {layer.kind} layer has no banks: lanes must be one "
            f"number, not {lanes}"
        )
    return lanes if isinstance(lanes, tuple) else (lanes, default_banks(network, i))


def default_banks(network: Network, i: int) -> int:
    """As many banks as serve an event's whole neighbourhood at once; one where there is none, or
    where order matters."""
    layer = network.layers[i]
    return parallel_banks(network, i) if layer.kind == "conv2d" and not _ordered(network, i) else 1


def _ordered(network: Network, i: int) -> bool:
    """Whether the layer's neurons emit in an order that is part of the contract."""
    return network.schedule == "event_driven" and network.layers[i].neuron == "unsigned"


def default_lanes(network: Network) -> list[Lanes]:
    """Lanes of each layer where the user names none: as many as neurons, at most 64; in a
    convolution all banks, at most 72."""
    lanes: list[Lanes] = []
    for i, layer in enumerate(network.layers):
        banks = default_banks(network, i)
        if network.schedule == "event_driven" and layer.kind == "readout":
            lanes.append(network.n_out(i))  # its sums can be read at any moment
        elif layer.kind != "conv2d":
            lanes.append(min(64, network.n_out(i)))
        elif _ordered(network, i):
            lanes.append((1, 1))
        else:
            lanes.append((min(max(1, 72 // banks), len(layer.weight)), banks))
    return lanes


def checked_lanes(network: Network, lanes: Sequence[Any]) -> tuple[Lanes, ...]:
    """Lanes of every layer as Python's own integers.

    Raises ValueError for another number of layers, and for an event_driven readout that cannot show
    all its sums; TypeError for lanes that are no integers.
    """
    if len(lanes) != len(network.layers):
        raise ValueError(
            f"lanes must name one number for each of the {len(network.layers)} layers, "
            f"not {len(lanes)}"
        )
    whole = tuple(_whole(network, i, n) for i, n in enumerate(lanes))
    i = len(whole) - 1
    if network.schedule == "event_driven" and whole[i] != network.n_out(i):
        raise ValueError(
            f"layer {i} ({network.layers[i].name}): the readout of an event_driven network shows "
            f"its sums at any moment, so lanes must be {network.n_out(i)}, not {whole[i]}"
        )
    return whole


def _whole(network: Network, i: int, lanes: Any) -> Lanes:
    try:
        if isinstance(lanes, tuple):
            return operator.index(lanes[0]), operator.index(lanes[1])
        return operator.index(lanes)
    except TypeError:
        name = network.layers[i].name
        raise TypeError(f"layer {i} ({name}): lanes must be integers, not {lanes!r}") from None
