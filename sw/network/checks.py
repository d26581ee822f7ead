"""What must hold for a Network, checked once, when it is made."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from polyrhythm.sw.lib import check
from polyrhythm.sw.lib.check import MAX_SUM, NetworkError
from polyrhythm.sw.network.align import BIAS_MODES, source_ticks
from polyrhythm.sw.network.parts import Fields, Layer

SCHEDULES = ("two_phase", "time_stepped", "event_driven")
KINDS = ("dense", "conv2d", "readout")
MAX_T = 1 << 16  # ticks of a layer
MAX_COUNT = 1 << 24  # spikes of one input neuron in one source tick
MAX_SIZE = 1 << 24  # neurons of a map

Shapes = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


def check_network(network: Fields) -> Shapes:
    """Check input and layers; give (pooled input shape, output shape) of every layer."""
    check.name("name", network.name)
    check.choice("schedule", network.schedule, SCHEDULES)
    _check_input(network)
    _check_layer_list(network)
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    shape = network.input.shape
    for i, layer in enumerate(network.layers):
        where = f"layer {i} ({layer.name})"
        _check_fields(where, layer, network.schedule)
        pooled, shape = _shapes(where, layer, shape)
        shapes.append((pooled, shape))
        _check_arrays(where, layer)
        _check_skip(where, network, i, shapes)
        _check_sums(where, network, i, math.prod(pooled))
    return tuple(shapes)


def _check_input(network: Fields) -> None:
    given = network.input
    if not 1 <= len(given.shape) <= 3:
        raise NetworkError(
            f"input: shape must have 1 to 3 dimensions, not {len(given.shape)}: {given.shape}"
        )
    for extent in given.shape:
        check.integer("input: every dimension of shape", extent, 1, MAX_SIZE)
    if math.prod(given.shape) > MAX_SIZE:
        raise NetworkError(
            f"input: shape must have at most {MAX_SIZE} places, not {math.prod(given.shape)}"
        )
    check.integer("input: T", given.T, 1, MAX_T)
    check.integer("input: max_count", given.max_count, 1, MAX_COUNT)
    if given.T != 1 and network.schedule != "time_stepped":
        raise NetworkError(
            f"input: T must be 1 in a {network.schedule} network (its frames have no ticks), not "
            f"{given.T};"
            " add the ticks up and raise max_count"
        )


def _check_layer_list(network: Fields) -> None:
    if not network.layers:
        raise NetworkError("layers must hold at least the readout, not nothing")
    last = len(network.layers) - 1
    seen: dict[str, int] = {}
    for i, layer in enumerate(network.layers):
        check.name(f"layer {i}: name", layer.name)
        where = f"layer {i} ({layer.name})"
        check.choice(f"{where}: kind", layer.kind, KINDS)
        if (layer.kind == "readout") != (i == last):
            raise NetworkError(
                f"{where}: the last layer, and no other, must be the readout, not kind "
                f"{layer.kind!r}"
            )
        if layer.name in seen:
            raise NetworkError(
                f"{where}: name must differ from the name of layer {seen[layer.name]}"
            )
        seen[layer.name] = i


def _check_fields(where: str, layer: Layer, schedule: str) -> None:
    check.integer(f"{where}: weight_bits", layer.weight_bits, 2, 8)
    check.integer(f"{where}: T", layer.T, 1, MAX_T)
    check.integer(f"{where}: pool", layer.pool, 1, MAX_SIZE)
    check.integer(f"{where}: stride", layer.stride, 1, MAX_SIZE)
    check.integer(f"{where}: padding", layer.padding, 0, MAX_SIZE)
    check.choice(f"{where}: reset", layer.reset, ("subtract", "zero"))
    check.choice(f"{where}: v_init", layer.v_init, ("half_threshold", "zero"))
    check.choice(f"{where}: bias_mode", layer.bias_mode, BIAS_MODES)
    check.choice(f"{where}: neuron", layer.neuron, ("signed", "unsigned"))
    if layer.leak_shift is not None:
        check.integer(f"{where}: leak_shift", layer.leak_shift, 0, 62)
    if schedule != "time_stepped" and layer.leak_shift is not None:
        raise NetworkError(
            f"{where}: leak_shift must be null in a {schedule} network, not {layer.leak_shift}"
        )
    if schedule != "time_stepped" and layer.reset != "subtract":
        raise NetworkError(
            f"{where}: reset must be 'subtract' in a {schedule} network, not {layer.reset!r}"
        )
    if layer.kind != "conv2d" and (layer.stride, layer.padding) != (1, 0):
        raise NetworkError(
            f"{where}: stride and padding belong to conv2d; a {layer.kind} layer must have 1 and 0,"
            f" not {layer.stride} and {layer.padding}"
        )


def _shapes(
    where: str, layer: Layer, shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give the input shape after pooling and the output shape."""
    pooled = shape
    if (layer.pool > 1 or layer.kind == "conv2d") and len(shape) != 3:
        need = "conv2d" if layer.kind == "conv2d" else f"pool {layer.pool}"
        raise NetworkError(
            f"{where}: {need} must have an input map of shape (C, H, W), not {shape}"
        )
    if layer.pool > 1:
        if layer.pool > min(shape[1:]):
            raise NetworkError(
                f"{where}: pool must fit its input map of shape {shape}, not {layer.pool}"
            )
        pooled = (shape[0], shape[1] // layer.pool, shape[2] // layer.pool)
    weight = layer.weight
    if layer.kind != "conv2d":
        n_in = math.prod(pooled)
        if weight.ndim != 2 or weight.shape[0] < 1 or weight.shape[1] != n_in:
            raise NetworkError(
                f"{where}: weight must have shape (N_out, {n_in}), not {weight.shape}"
            )
        return pooled, (weight.shape[0],)
    square = weight.ndim == 4 and weight.shape[0] >= 1 and 1 <= weight.shape[2] == weight.shape[3]
    if not square or weight.shape[1] != pooled[0]:
        raise NetworkError(
            f"{where}: weight must have shape (C_out, {pooled[0]}, K, K), not {weight.shape}"
        )
    kernel = weight.shape[2]
    height, width = (
        (extent + 2 * layer.padding - kernel) // layer.stride + 1 for extent in pooled[1:]
    )
    if height < 1 or width < 1:
        raise NetworkError(
            f"{where}: the {kernel} x {kernel} kernel must fit its padded input map of shape "
            f"{pooled}"
        )
    if weight.shape[0] * height * width > MAX_SIZE:
        raise NetworkError(
            f"{where}: the output map must have at most {MAX_SIZE} neurons, not "
            f"{weight.shape[0] * height * width}"
        )
    return pooled, (weight.shape[0], height, width)


def _check_arrays(where: str, layer: Layer) -> None:
    channels = layer.weight.shape[0]
    half = 1 << (layer.weight_bits - 1)
    bound = f"fit {layer.weight_bits} bits ({-half}..{half - 1})"
    _check_values(f"{where}: weights", layer.weight, -half, half - 1, bound)
    _check_vector(f"{where}: bias", layer.bias, channels)
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    _check_values(f"{where}: bias", layer.bias, low, high, "fit int32")
    if layer.kind == "readout":
        if layer.threshold is not None:
            raise NetworkError(f"{where}: the readout must have no threshold")
        return
    if layer.threshold is None:
        raise NetworkError(f"{where}: threshold must be given; only the readout has none")
    _check_vector(f"{where}: threshold", layer.threshold, channels)
    _check_values(f"{where}: threshold", layer.threshold, 1, high, f"lie in 1..{high}")


def _check_skip(where: str, network: Fields, i: int, shapes: Sequence[Any]) -> None:
    """A residual addition must come from an earlier map, and fit."""
    layer, skip = network.layers[i], network.layers[i].skip
    if skip is None:
        return
    if network.schedule != "two_phase" or layer.kind != "conv2d":
        raise NetworkError(
            f"{where}: skip belongs to conv2d layers of two_phase networks, not to {layer.kind} in "
            f"{network.schedule}"
        )
    earlier = {
        other.name: k for k, other in enumerate(network.layers[:i]) if other.kind == "conv2d"
    }
    check.choice(f"{where}: skip source", skip.source, tuple(earlier))
    check.integer(f"{where}: skip stride", skip.stride, 1, MAX_SIZE)
    check.integer(f"{where}: skip weight_bits", skip.weight_bits, 2, 8)
    channels, height, width = shapes[earlier[skip.source]][1]
    seen = (-(-height // skip.stride), -(-width // skip.stride))
    if seen != shapes[i][1][1:]:
        wanted = shapes[i][1][1:]
        raise NetworkError(
            f"{where}: skip must see a map of {wanted}, but {skip.source} gives {seen} at stride "
            f"{skip.stride}"
        )
    if skip.weight.shape != (len(layer.weight), channels):
        raise NetworkError(
            f"{where}: skip weight must have shape ({len(layer.weight)}, {channels}), not "
            f"{skip.weight.shape}"
        )
    half = 1 << (skip.weight_bits - 1)
    _check_values(
        f"{where}: skip weights",
        skip.weight,
        -half,
        half - 1,
        f"fit {skip.weight_bits} bits ({-half}..{half - 1})",
    )


def _check_vector(what: str, array: Any, channels: int) -> None:
    if array.shape != (channels,):
        raise NetworkError(
            f"{what} must have shape ({channels},), one value per output channel, not {array.shape}"
        )


def _check_values(what: str, array: Any, low: int, high: int, bound: str) -> None:
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what} must be integers, not {array.dtype}")
    wrong = np.argwhere((array < low) | (array > high))
    if len(wrong):
        place = tuple(int(k) for k in wrong[0])
        raise NetworkError(f"{what} must {bound}, not {array[place]} at {list(place)}")


def _check_sums(where: str, network: Fields, i: int, n_in: int) -> None:
    """Refuse what could leave int64: a rough bound in unbounded integers (widths.py proves the
    sharp one)."""
    layer = network.layers[i]
    step = n_in * (1 << (layer.weight_bits - 1)) * network.in_count(i) * layer.pool**2
    ticks = 1
    if layer.skip is not None:
        step += (
            layer.skip.weight.shape[1]
            * (1 << (layer.skip.weight_bits - 1))
            * max(other.T for other in network.layers[:i])
        )
    if network.schedule == "time_stepped":
        step *= max(len(group) for group in source_ticks(network.t_in(i), layer.T))
        ticks = layer.T
    largest = (step + (1 << 31)) * ticks + (1 << 31)
    if largest > MAX_SUM:
        raise NetworkError(
            f"{where}: no sum may pass 2**60; {n_in} inputs, pool {layer.pool}, T "
            f"{network.t_in(i)} to {layer.T}"
            f" and counts up to {network.in_count(i)} could reach {largest}"
        )


def check_labels(network: Fields) -> None:
    """Labels must fit the classes, provenance must be what JSON can hold."""
    for label in network.labels:
        if not isinstance(label, str):
            raise TypeError(f"labels must be strings, not {label!r}")
    classes = network.layers[-1].weight.shape[0]
    if len(network.labels) not in (0, classes):
        raise NetworkError(
            f"labels must be none or {classes}, one per class, not {len(network.labels)}"
        )
    if not isinstance(network.provenance, dict):
        raise TypeError(f"provenance must be a dict, not {type(network.provenance).__name__}")
    try:
        json.dumps(network.provenance, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NetworkError(f"provenance must be what JSON can hold: {error}") from None


def check_profiles(network: Fields) -> None:
    """Check that every profile names layers that exist; its values are checked on the network it
    makes."""
    count = len(network.layers)
    for title, profile in network.profiles.items():
        check.name("profile name", title)
        if len(profile.T) != count:
            raise NetworkError(
                f"profile {title!r}: T must list {count} values, one per layer, not "
                f"{len(profile.T)}"
            )
        for what, arrays in (("threshold", profile.threshold), ("bias", profile.bias)):
            for i in arrays:
                check.integer(f"profile {title!r}: layer index of {what}", i, 0, count - 1)
