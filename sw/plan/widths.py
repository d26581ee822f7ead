"""Proven bounds of every accumulator and membrane: nobody types a width in, nothing saturates.

Counts are taken as independent and in 0..in_count, so a bound is reached exactly in two_phase (by
the input that turns on every positive, or every negative, weight of one neuron) and never passed in
time_stepped (interval arithmetic).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.network import Network
from polyrhythm.sw.network.align import bias_at, source_ticks
from polyrhythm.sw.network.synapse import current, skipped

Array = npt.NDArray[np.int64]
Interval = tuple[Array, Array]


@dataclass(frozen=True)
class Bounds:
    """Lowest and highest value over all neurons of a layer and all legal frames.

    acc    every partial sum, in any order of events: in two_phase and event_driven of v0 + B + sum
           w*n; in time_stepped of the sum w*n of one of the layer's ticks (all merged source
           ticks), from 0, without the bias
    v      the membrane after leak, + sum w*n, + b, and reset, over the whole frame; on the readout
           the sum Y
    """

    acc: tuple[int, int]
    v: tuple[int, int]


def signed_width(lo: int, hi: int) -> int:
    """Give the bits of the two's complement that hold both lo and hi (at least 1)."""
    if lo > hi:
        raise ValueError(f"lo must not pass hi, not {lo} and {hi}")
    return max((value if value >= 0 else ~value).bit_length() for value in (lo, hi)) + 1


def bounds(network: Network, i: int) -> Bounds:
    """Prove the bounds of layer i from its contents."""
    if network.schedule == "time_stepped":
        return _time_stepped(network, i)
    if network.schedule == "two_phase":
        return _two_phase(network, i)
    return _event_driven(network, i)


def drive(network: Network, i: int) -> Interval:
    """Give each neuron's least and greatest sum w*n over one source tick: negative weights alone,
    positive alone."""
    layer = network.layers[i]
    most = np.full((1, *network.in_shape(i)), network.in_count(i), dtype=np.int64)
    low = current(layer, most, np.minimum(layer.weight, 0))[0]
    high = current(layer, most, np.maximum(layer.weight, 0))[0]
    source = network.skip_source(i)
    if layer.skip is not None and source is not None:
        most = np.full((1, *network.out_shape(source)), network.layers[source].T, dtype=np.int64)
        low = low + skipped(layer.skip, most, np.minimum(layer.skip.weight, 0))[0]
        high = high + skipped(layer.skip, most, np.maximum(layer.skip.weight, 0))[0]
    return low, high  # (N,), (N,)


def _start(network: Network, i: int) -> Array:
    layer = network.layers[i]
    return network.per_neuron(i, layer.v0 + layer.bias)


def _threshold(network: Network, i: int) -> Array | None:
    threshold = network.layers[i].threshold
    return None if threshold is None else network.per_neuron(i, threshold)


def _hull(*intervals: Interval) -> tuple[int, int]:
    return min(int(low.min()) for low, _ in intervals), max(
        int(high.max()) for _, high in intervals
    )


def _two_phase(network: Network, i: int) -> Bounds:
    low, high = drive(network, i)
    start = _start(network, i)
    full = (start + low, start + high)
    threshold = _threshold(network, i)
    if threshold is None:
        return Bounds(_hull(full), _hull(full))
    # A neuron that fires ends at v - n*Th >= 0, which can lie below the least v it had.
    rest = np.where(full[1] >= threshold, np.minimum(full[0], 0), full[0])
    return Bounds(_hull(full), _hull(full, (rest, full[1])))


def _event_driven(network: Network, i: int) -> Bounds:
    """Bound v = v0 + B + sum w*n - Th*S while unit events come and go.

    Every prefix of a source keeps 0 <= n <= T, so v0 + B + sum w*n stays in the two_phase interval,
    and S >= 0 keeps v below its top. A neuron that has fired stands at 0 or above: from there a
    signed one is back at 0 after each event, so a single weight is all it can fall; an unsigned one
    can fall by all its negative input.
    """
    layer = network.layers[i]
    low, high = drive(network, i)
    start = _start(network, i)
    total = (start + low, start + high)
    threshold = _threshold(network, i)
    if threshold is None:
        return Bounds(_hull(total), _hull(total))
    largest = np.abs(layer.weight.astype(np.int64)).reshape(len(layer.weight), -1).max(axis=1)
    fall = low if layer.neuron == "unsigned" else -network.per_neuron(i, largest)
    least = np.where(total[1] >= threshold, np.minimum(total[0], fall), total[0])
    return Bounds(_hull(total), _hull((least, total[1])))


def _time_stepped(network: Network, i: int) -> Bounds:
    layer = network.layers[i]
    low, high = drive(network, i)
    groups = [len(group) for group in source_ticks(network.t_in(i), layer.T)]
    shares = network.per_neuron(i, bias_at(layer.bias, layer.T, layer.bias_mode))  # (T, N)
    threshold = _threshold(network, i)
    v = (start := network.per_neuron(i, layer.v0), start)
    seen = [_hull(v)]
    for merged, share in zip(groups, shares, strict=True):
        leaked = _leak(v, layer.leak_shift)
        charged = (leaked[0] + merged * low, leaked[1] + merged * high)
        biased = (charged[0] + share, charged[1] + share)
        v = biased if threshold is None else _fire(biased, threshold, layer.reset)
        seen.append(_hull(leaked, charged, biased, v))
    most = max(groups)
    return Bounds(
        _hull((most * low, most * high)), (min(a for a, _ in seen), max(b for _, b in seen))
    )


def _leak(v: Interval, shift: int | None) -> Interval:
    """Leak both ends: v - (v >> shift) never falls when v rises."""
    if shift is None:
        return v
    return v[0] - (v[0] >> shift), v[1] - (v[1] >> shift)


def _fire(v: Interval, threshold: Array, reset: str) -> Interval:
    """Join what stays below the threshold with what the reset leaves of the rest."""
    low, high = v
    silent, loud = low < threshold, high >= threshold
    after_low = (
        np.maximum(low, threshold) - threshold if reset == "subtract" else np.zeros_like(low)
    )
    after_high = high - threshold if reset == "subtract" else np.zeros_like(high)
    quiet_high = np.minimum(high, threshold - 1)
    joined_low = np.where(silent & loud, np.minimum(low, after_low), np.where(loud, after_low, low))
    joined_high = np.where(
        silent & loud, np.maximum(quiet_high, after_high), np.where(loud, after_high, quiet_high)
    )
    return joined_low, joined_high
