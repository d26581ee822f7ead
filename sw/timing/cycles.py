"""The cycle law: what a frame costs in the accelerator, to the cycle.

The work of a layer is one cycle for each operation (`work`): in a dense layer an event, and a sweep, in each group of neurons; in a
convolution a visit in each group of channels, and a sweep of each word. What a frame takes from its first input word to its answer
adds the pipelines it passes and the waits of layers for each other; `timing` follows every word through them (`sw.timing.pipeline`) and is
held equal to the circuit. Times are numbers of clock cycles.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import Array, Layout
from polyrhythm.sw.plan.parameters import BLOCK, EVENT_SLOTS, Coding, stored, winner_stages
from polyrhythm.sw.plan.rom import DenseRom
from polyrhythm.sw.plan.rom_conv import ConvRom
from polyrhythm.sw.plan.rom_event import EventRom
from polyrhythm.sw.plan.rom_layers import Lanes, lay_out
from polyrhythm.sw.timing.event_pipeline import EventSequencer
from polyrhythm.sw.timing.pipeline import Queue, Said, Sequencer, Serializer, Word, costs, counter_stages, kept_ticks
from polyrhythm.sw.trace import Trace

Layers = Sequence[DenseRom | ConvRom]
Blocks = list[list[Said]]  # of a swept group, the blocks in which somebody fired: what each of their events costs the next layer


@dataclass(frozen=True)
class Timing:
    """cycles: first input word accepted to answer valid, (B,); interval: answer to answer, (B,), 0 for the first frame.

    ticks: first input word accepted until the class that the readout's sums have after each of its ticks is known, (B, T): what an
    answer costs that does not wait for the last tick, whose column is `cycles`.
    """

    cycles: Array
    interval: Array
    ticks: Array


def work(network: Network, trace: Trace, inputs: Array, lanes: Sequence[Lanes], coding: Coding = "count") -> Array:
    """Cycles that each layer is busy with each frame, (B, layers); not of event_driven networks (ValueError), see `timing`."""
    if network.schedule == "event_driven":
        raise ValueError(f"{network.name}: what an event_driven layer works hangs on the order of its events; see `timing`")
    first = inputs.reshape(len(inputs), -1, network.input.size)
    received: list[npt.NDArray[Any]] = [first > 0, *_words(network, trace, coding)]  # (B, T, N)
    columns = []
    for i, layer in enumerate(network.layers):
        contents = lay_out(network, i, lanes[i])
        sweeps = layer.T if network.schedule == "time_stepped" else 1
        visits = received[i].sum(axis=1, dtype=np.int64) @ costs(contents, layer.pool)
        columns.append(visits * (1 if isinstance(contents, ConvRom) else contents.groups) + sweeps * contents.groups)
    return np.stack(columns, axis=1)


def timing(
    network: Network, trace: Trace, inputs: Array, lanes: Sequence[Lanes], back_to_back: bool, coding: Coding = "count"
) -> Timing:
    """Follow frames through the accelerator, one at a time or back to back, with a source and a sink that never wait.

    inputs: (B, *shape) or (B, T_in, *shape) counts; trace: of the same frames, with spikes where time_stepped; of
    event_driven networks nothing is asked of it, every neuron is followed through its visits. coding: as of `hw.accelerator`.
    """
    steps = inputs.reshape(len(inputs), network.input.T, network.input.size)
    layers = [lay_out(network, i, n) for i, n in enumerate(lanes)]
    follow = _by_events if network.schedule == "event_driven" else _by_trace
    run = follow(network, layers, steps, trace, coding)
    if back_to_back:
        return run(slice(None))
    alone = [run(slice(b, b + 1)) for b in range(len(inputs))]
    ticks = np.concatenate([frame.ticks for frame in alone]) if alone else np.zeros((0, answer_ticks(network)), np.int64)
    return Timing(ticks[:, -1], np.zeros(len(ticks), np.int64), ticks)


def answer_ticks(network: Network) -> int:
    """Ticks of the readout, in which its sums are swept."""
    return network.readout.T if network.schedule == "time_stepped" else 1


def _by_trace(network: Network, layers: Layers, steps: Array, trace: Trace, coding: Coding) -> Callable[[slice], Timing]:
    """Each swept group's events are known from who spiked."""
    each = [costs(contents, layer.pool) for contents, layer in zip(layers, network.layers, strict=True)]
    spikes = _words(network, trace, coding)
    cost_of = each[0]

    def run(frames: slice) -> Timing:
        fired = (_blocks(s[frames], c.layout, cost) for s, c, cost in zip(spikes, layers, each[1:], strict=False))
        source = [[cost_of[np.flatnonzero(tick)].tolist() for tick in frame] for frame in steps[frames]]
        queue, starts = Queue(kept_ticks(network, 0)), list[int]()
        words = _source(source, queue, starts)
        for i, (contents, blocks) in enumerate(zip(layers[:-1], fired, strict=True)):
            following, sequencer = Queue(kept_ticks(network, i + 1)), Sequencer(network, i, contents, queue, coding)
            returned, stages = sequencer.places.left.append, counter_stages(network, i)
            serializer = Serializer(returned, following, stages, valued=sequencer.counted, stored=sequencer.stored)
            words, queue = serializer.send(sequencer.items(words, blocks)), following
        return _answered(network, layers, words, queue, starts, coding)

    return run


def _by_events(network: Network, layers: Layers, steps: Array, _: Trace, coding: Coding) -> Callable[[slice], Timing]:
    """What each visit emits is found on the way."""

    def run(frames: slice) -> Timing:
        source = [[[(int(n), int(tick[n])) for n in np.flatnonzero(tick)] for tick in frame] for frame in steps[frames]]
        queue, starts = Queue([True]), list[int]()
        words = _source(source, queue, starts)
        for i, contents in enumerate(layers[:-1]):
            assert isinstance(contents, EventRom)
            valued = contents.signed or contents.T > 1
            following, sequencer = Queue([True]), EventSequencer(network, i, contents, queue, coding)
            serializer = Serializer(sequencer.returned, following, 0, valued=valued, stored=stored(valued, EVENT_SLOTS))
            words, queue = serializer.send(sequencer.items(words)), following
        cost = costs(layers[-1], network.readout.pool)
        priced = ((written, closes, None if closes else cost[what[0]]) for written, closes, what in words)
        return _answered(network, layers, priced, queue, starts, coding)

    return run


def _answered(
    network: Network, layers: Layers, words: Iterator[Word], queue: Queue, starts: list[int], coding: Coding
) -> Timing:
    answers = _answers(Sequencer(network, len(layers) - 1, layers[-1], queue, coding), words, layers[-1].lanes)
    known = np.array(answers, np.int64).reshape(-1, answer_ticks(network))
    ticks = known - np.array(starts, np.int64)[:, None]
    return Timing(ticks[:, -1], np.diff(known[:, -1], prepend=known[:1, -1]), ticks)


def _words(network: Network, trace: Trace, coding: Coding) -> list[npt.NDArray[Any]]:
    """Words that each neuron of each hidden layer sends in each tick, (B, T, N); one tick where there are none."""
    hidden = network.layers[:-1]
    if network.schedule == "time_stepped":
        if trace.spikes is None:
            raise ValueError("the cycles of a time_stepped network follow from its spikes: run the golden model with spikes=True")
        return [trace.spikes[layer.name] for layer in hidden]
    most = None if coding == "unary" else 1
    return [np.clip(trace.counts[layer.name], 0, most)[:, None] for layer in hidden]


def _blocks(spikes: npt.NDArray[Any], layout: Layout, cost: Array) -> Iterator[Blocks]:
    """Swept group by swept group, frames and ticks in order."""
    lanes, groups = layout.lanes, layout.groups
    block_of = np.concatenate([np.full(len(block), k) for k, block in enumerate(layout.blocks(BLOCK))])
    places = layout.neurons.reshape(-1)
    real = np.flatnonzero(places >= 0)  # (group * lanes + lane) of each neuron, in the order of sweeps
    neurons = places[real]
    for tick in spikes.reshape(-1, spikes.shape[2]):
        found: list[dict[int, list[Said]]] = [{} for _ in range(groups)]
        words = tick[neurons]
        hit = np.flatnonzero(words)
        for place, price, times in zip(real[hit].tolist(), cost[neurons[hit]].tolist(), words[hit].tolist(), strict=True):
            found[place // lanes].setdefault(int(block_of[place % lanes]), []).append((price, times))
        yield from (list(group.values()) for group in found)


def _source(events: list[list[list[Any]]], queue: Queue, starts: list[int]) -> Iterator[Word]:
    """The input's words, offered without a gap; notes when each frame's first one is accepted."""
    cycle = -1
    for frame in events:
        first = True
        for tick in frame:
            for closes, what in [*((False, event) for event in tick), (True, None)]:
                cycle += 1
                entering = queue.enters(closes)
                if entering:
                    cycle = queue.take(cycle)
                if first:
                    starts.append(cycle)
                    first = False
                if entering:
                    yield cycle, closes, what


def _answers(sequencer: Sequencer, words: Iterator[Word], lanes: int) -> list[int]:
    """When the class after each tick of each frame is known; the last one of a frame is its answer, taken in the same cycle."""
    known = []
    for sweep in sequencer.sweeps(words):
        if sweep.group == sequencer.groups - 1:
            known.append(sweep.done + winner_stages(lanes) + 1)
            if sweep.closing:
                sequencer.places.left.append(known[-1])
    return known
