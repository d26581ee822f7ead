"""The golden model: what a network means, on integers, for every schedule of the contract.

Derived from the contract's pages and nothing else; every other executor is held to it.
Axis order: B frames, T ticks, N neurons (maps flattened as C, H, W), C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.golden import event_driven
from polyrhythm.sw.golden.cutoff import safe_margins, softmax_table
from polyrhythm.sw.network import Exit, MarginExit, Network, SafeExit
from polyrhythm.sw.network.align import bias_at, boundaries, source_ticks
from polyrhythm.sw.network.synapse import current, skipped
from polyrhythm.sw.trace import Trace, lengthened, merge
from polyrhythm.sw.trace.frames import frames

Array = npt.NDArray[Any]

CHUNK_VALUES = 1 << 22  # potentials or counts of one layer that are in memory at a time


def run(
    network: Network,
    inputs: Array,
    profile: str | Sequence[str | None] | None = None,
    *,
    spikes: bool = False,
    potentials: bool = False,
) -> Trace:
    """Run integer counts (B, *shape) or (B, T_in, *shape) through the network.

    profile: a working point for all frames, or one for each; None is the network's own. Then arrays
    have as many ticks as any working point has: behind a frame's last tick there are no spikes, and
    logits_t and potentials stay as that tick left them.

    Always: class, logits, counts, events; in time_stepped also ticks and logits_t. `spikes` and
    `potentials` ask for the spikes (time_stepped) and the potentials after the last reset. Counts,
    spikes, potentials and logits_t are those of the whole frame, also where an early exit gave the
    answer before its end.
    """
    if profile is not None and not isinstance(profile, str):
        return _mixed(network, inputs, profile, spikes, potentials)
    chosen = network.profile(profile)
    legal = frames(chosen, inputs)
    step = chunk_frames(chosen)
    parts = [
        _run_chunk(chosen, legal[first : first + step], spikes, potentials)
        for first in range(0, max(len(legal), 1), step)
    ]
    return merge(parts)


def _mixed(
    network: Network,
    inputs: Array,
    profiles: Sequence[str | None],
    spikes: bool,
    potentials: bool,
) -> Trace:
    """Each frame under its own profile; the frames of one profile go through together."""
    legal = frames(network, inputs)
    if len(profiles) != len(legal):
        raise ValueError(
            f"profile must be one name, or one for each of {len(legal)} frames, not {len(profiles)}"
        )
    if not profiles:
        return run(network, legal, None, spikes=spikes, potentials=potentials)
    places = {
        name: [k for k, mine in enumerate(profiles) if mine == name]
        for name in dict.fromkeys(profiles)
    }
    parts = [
        run(network, legal[own], name, spikes=spikes, potentials=potentials)
        for name, own in places.items()
    ]
    order = np.argsort(np.concatenate([np.array(own) for own in places.values()]))
    most = np.max([network.T, *(profile.T for profile in network.profiles.values())], axis=0)
    names = [layer.name for layer in network.hidden]
    ticks = dict(zip(names, most.tolist(), strict=False))
    return merge([lengthened(part, ticks, int(most[-1])) for part in parts])[order]


def chunk_frames(network: Network) -> int:
    """Give how many frames go through at a time, so that memory stays bounded."""
    largest = network.input.T * network.input.size
    for i, layer in enumerate(network.layers):
        ticks = layer.T if network.schedule == "time_stepped" else 1
        largest = max(largest, network.n_out(i) * max(ticks, 1))
    return max(1, CHUNK_VALUES // largest)


def _run_chunk(network: Network, counts: Array, spikes: bool, potentials: bool) -> Trace:
    if network.schedule == "time_stepped":
        return _time_stepped(network, counts, spikes, potentials)
    if network.schedule == "two_phase":
        return _two_phase(network, counts[:, 0], potentials)
    return _event_driven(network, counts[:, 0], potentials)


def _answer(logits: Array) -> npt.NDArray[np.int32]:
    """Give the class: the lowest index among the largest logits."""
    return np.asarray(np.argmax(logits, axis=-1), dtype=np.int32)


def _two_phase(network: Network, counts: Array, potentials: bool) -> Trace:
    """Integrate everything, then emit: n = clip(floor(v / Th), 0, T)."""
    found: dict[str, Array] = {}
    maps: dict[str, Array] = {}  # the same counts, for those that add them up later
    left: dict[str, Array] = {}
    sent = []
    for i, layer in enumerate(network.hidden):
        assert layer.threshold is not None
        threshold = network.per_neuron(i, layer.threshold)
        v = network.per_neuron(i, layer.v0 + layer.bias) + current(layer, counts)  # (B, N)
        if layer.skip is not None:
            v = v + skipped(layer.skip, maps[layer.skip.source])
        n = np.clip(v // threshold, 0, layer.T)
        found[layer.name] = n.astype(np.int32)
        left[layer.name] = v - n * threshold
        sent.append(np.count_nonzero(n, axis=1))
        counts = maps[layer.name] = found[layer.name].reshape(-1, *network.out_shape(i))
    logits = network.readout.bias + current(network.readout, counts)
    return Trace(
        _answer(logits), logits, found, _columns(sent, len(logits)), v=left if potentials else None
    )


def _columns(sent: list[Array], size: int) -> npt.NDArray[np.int64]:
    """Put one column of events per spiking layer side by side: (B, L)."""
    return np.stack(sent, axis=1).astype(np.int64) if sent else np.zeros((size, 0), dtype=np.int64)


def _event_driven(network: Network, counts: Array, potentials: bool) -> Trace:
    """Let every layer work off its events in their order; the readout needs only what came in
    all."""
    size = len(counts)
    found: dict[str, Array] = {}
    left: dict[str, Array] = {}
    sent = []
    queue = event_driven.arrivals(counts.reshape(size, network.input.size))
    for i, layer in enumerate(network.hidden):
        queue, left[layer.name], count = event_driven.react(network, i, queue)
        found[layer.name] = count.astype(np.int32)
        sent.append(np.count_nonzero(queue.sign, axis=1))
        counts = count.reshape(size, *network.out_shape(i))
    logits = network.readout.bias + current(network.readout, counts)
    return Trace(
        _answer(logits), logits, found, _columns(sent, size), v=left if potentials else None
    )


def _time_stepped(network: Network, counts: Array, spikes: bool, potentials: bool) -> Trace:
    """Run every layer on its own ticks: counts (B, T_in, *map) -> spikes (B, T, N)."""
    size = len(counts)
    fired: dict[str, Array] = {}
    found: dict[str, Array] = {}
    left: dict[str, Array] = {}
    for i, layer in enumerate(network.hidden):
        fired[layer.name], v = _ticks(network, i, counts, potentials)
        if v is not None:
            left[layer.name] = v
        found[layer.name] = fired[layer.name].sum(axis=1, dtype=np.int32)
        counts = fired[layer.name].reshape(size, layer.T, *network.out_shape(i))
    logits_t = _readout(network, counts)
    ticks = exit_ticks(network, logits_t)
    logits = logits_t[np.arange(size), ticks - 1]
    sent = [count.sum(axis=1) for count in found.values()]
    return Trace(
        _answer(logits),
        logits,
        found,
        _columns(sent, size),
        ticks=ticks,
        spikes=fired if spikes else None,
        v=left if potentials else None,
        logits_t=logits_t,
    )


def _currents(network: Network, i: int, counts: Array) -> npt.NDArray[np.int64]:
    """Give sum w*n of each of layer i's ticks: counts (B, T_in, *map) -> (B, T, N)."""
    layer = network.layers[i]
    t_in = counts.shape[1]
    if t_in > layer.T:  # what a layer sums before it fires, the weights may see as one count
        counts = np.add.reduceat(counts.astype(np.int64), boundaries(t_in, layer.T)[:-1], axis=1)
    sums = current(layer, counts.reshape(-1, *counts.shape[2:]))
    seen = sums.reshape(*counts.shape[:2], network.n_out(i))
    if t_in < layer.T:
        seen = seen[:, [held.start for held in source_ticks(t_in, layer.T)]]
    return seen


def _ticks(network: Network, i: int, counts: Array, potentials: bool) -> tuple[Array, Array | None]:
    """Charge, fire and reset in every tick of layer i; give spikes (B, T, N) and v after each
    reset."""
    layer = network.layers[i]
    assert layer.threshold is not None
    threshold = network.per_neuron(i, layer.threshold)  # (N,)
    drive = _currents(network, i, counts)
    shares = network.per_neuron(i, bias_at(layer.bias, layer.T, layer.bias_mode))  # (T, N)
    fired = np.empty(drive.shape, dtype=np.uint8)
    left = np.empty(drive.shape, dtype=np.int64) if potentials else None
    v = np.broadcast_to(network.per_neuron(i, layer.v0), drive[:, 0].shape)
    for t in range(layer.T):
        v = _leak(v, layer.leak_shift) + drive[:, t] + shares[t]
        fires = v >= threshold
        v = np.where(fires, v - threshold if layer.reset == "subtract" else 0, v)
        fired[:, t] = fires
        if left is not None:
            left[:, t] = v
    return fired, left


def _leak(v: Array, shift: int | None) -> Array:
    return v if shift is None else v - (v >> shift)


def _readout(network: Network, counts: Array) -> npt.NDArray[np.int64]:
    """Give the running sums after each readout tick: (B, T, C)."""
    layer = network.readout
    steps = _currents(network, len(network.layers) - 1, counts) + bias_at(
        layer.bias, layer.T, layer.bias_mode
    )
    logits_t = np.empty(steps.shape, dtype=np.int64)
    total = np.zeros_like(steps[:, 0])
    for t in range(layer.T):
        total = _leak(total, layer.leak_shift) + steps[:, t]
        logits_t[:, t] = total
    return logits_t


def exit_ticks(network: Network, logits_t: Array) -> npt.NDArray[np.int32]:
    """Give the readout ticks used, (B,): up to the first at which the exit rule holds, else all;
    logits_t (B, T, C)."""
    T = logits_t.shape[1]
    leaves = np.zeros(logits_t.shape[:2], dtype=bool)  # (B, T)
    if network.exit is not None:
        leaves = _leaves(network, network.exit, logits_t)
    leaves[:, T - 1] = True
    return np.asarray(np.argmax(leaves, axis=1) + 1, dtype=np.int32)


def _leaves(network: Network, rule: Exit, logits_t: Array) -> npt.NDArray[np.bool_]:
    """Say after which ticks the rule would let the frame go: (B, T). Without a rival, after any."""
    leader = np.argmax(logits_t, axis=2)  # (B, T)
    # (B, T, C), 0 at the leader
    lead = np.take_along_axis(logits_t, leader[..., None], axis=2) - logits_t
    rival = np.arange(logits_t.shape[2]) != leader[..., None]
    if isinstance(rule, MarginExit):
        wanted = np.array(rule.thresholds, dtype=np.int64)[:, None]  # (T, 1)
        return np.asarray(np.all((lead >= wanted) | ~rival, axis=2))
    if isinstance(rule, SafeExit):
        wanted = safe_margins(network)[np.arange(logits_t.shape[1]), leader]  # (B, T, C)
        return np.asarray(np.all((lead >= wanted) | ~rival, axis=2))
    table = softmax_table(rule.epsilon, rule.scale)
    entries = np.array(table.entries, dtype=np.int64)
    parts = entries[np.minimum(lead >> table.shift, len(entries) - 1)]
    return np.asarray(np.sum(parts, axis=2, where=rival) < table.limit)
