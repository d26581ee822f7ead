"""The cycle model: what a frame costs in the accelerator, to the cycle.

The work of a layer is one cycle for each operation (`work`): in a dense layer an event, and a
sweep, in each group of neurons; in a convolution a visit in each group of channels, and a sweep of
each word. What a frame takes from its first input word to its answer adds the pipelines it passes
and the waits of layers for each other; `timing` follows every word through them
(`sw.timing.pipeline`) and is held equal to the circuit. Times are numbers of clock cycles.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.plan.addresses import Array
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.layer import LayerPlan, Spikes
from polyrhythm.sw.plan.network import NetworkPlan
from polyrhythm.sw.plan.neurons import ReactingNeuron, TickingNeuron
from polyrhythm.sw.plan.steps import Steps
from polyrhythm.sw.timing.event_pipeline import EventSequencer
from polyrhythm.sw.timing.pipeline import Emitted, Queue, Sequencer, Serializer, Word, costs
from polyrhythm.sw.trace import Trace

# Of a swept group, the blocks in which somebody fired: what each of their events costs the next
# layer.
Blocks = list[list[Emitted]]
Run = Callable[[slice], "Timing"]


@dataclass(frozen=True)
class Timing:
    """cycles: first input word accepted to answer valid, (B,); interval: answer to answer, (B,), 0
    for the first frame.

    ticks: first input word accepted until the class that the readout's sums have after each of its
    ticks is known, (B, T): what an answer costs that does not wait for the last tick, which costs
    `cycles`; behind a frame's last tick it stays.
    """

    cycles: Array
    interval: Array
    ticks: Array


def work(plan: NetworkPlan, trace: Trace, inputs: Array, profiles: Array | None = None) -> Array:
    """Cycles that each layer is busy with each frame, (B, layers); not of event_driven networks
    (ValueError), see `timing`.

    inputs: (B, *shape) or (B, T_in, *shape) counts; trace: of the same frames; profiles: the number
    of each frame's, (B,).
    """
    numbers = _numbers(inputs, profiles)
    if any(isinstance(layer.neuron, ReactingNeuron) for layer in plan.layers):
        raise ValueError(
            f"{plan.name}: what an event_driven layer works hangs on the order of its events; see "
            "`timing`"
        )
    first = inputs.reshape(len(inputs), -1, plan.input.source.neurons)
    received: list[npt.NDArray[Any]] = [first > 0, *_words(plan, trace)]  # (B, T, N)
    columns = []
    for layer, events in zip(plan.layers, received, strict=True):
        synapses, groups = layer.input.synapses, layer.layout.groups
        visits = events.sum(axis=1, dtype=np.int64) @ costs(synapses)
        each = 1 if isinstance(synapses, ConvSynapses) else groups
        sweeps = np.array([steps.sweeps for steps in layer.steps])[numbers]
        columns.append(visits * each + sweeps * groups)
    return np.stack(columns, axis=1)


def _numbers(inputs: Array, profiles: Array | None) -> Array:
    return np.zeros(len(inputs), np.int64) if profiles is None else profiles


def timing(
    plan: NetworkPlan,
    trace: Trace,
    inputs: Array,
    back_to_back: bool,
    profiles: Array | None = None,
) -> Timing:
    """Follow frames through the accelerator, one at a time or back to back, with a source and a
    sink that never wait.

    inputs: (B, *shape) or (B, T_in, *shape) counts; trace: of the same frames, with spikes where
    time_stepped; of event_driven networks nothing is asked of it, every neuron is followed through
    its visits. profiles: the number of each frame's, (B,).
    """
    numbers = _numbers(inputs, profiles)
    steps = inputs.reshape(len(inputs), plan.ticks, plan.input.source.neurons)
    reacts = any(isinstance(layer.neuron, ReactingNeuron) for layer in plan.layers)
    run = _by_events(plan, steps) if reacts else _by_trace(plan, steps, trace, numbers)
    if back_to_back:
        return run(slice(None))
    alone = [run(slice(b, b + 1)).ticks for b in range(len(inputs))]
    most = plan.readout.ticks
    none = np.zeros((0, most), np.int64)
    ticks = np.concatenate([_stays(one, most) for one in alone]) if alone else none
    return Timing(ticks[:, -1], np.zeros(len(ticks), np.int64), ticks)


def _stays(ticks: Array, most: int) -> Array:
    """(B, T) -> (B, most), the last column again."""
    return np.pad(ticks, ((0, 0), (0, most - ticks.shape[1])), mode="edge")


def _by_trace(plan: NetworkPlan, steps: Array, trace: Trace, numbers: Array) -> Run:
    """Each swept group's events are known from who spiked."""
    each = [costs(layer.input.synapses) for layer in plan.layers]
    spikes = _words(plan, trace)

    def run(frames: slice) -> Timing:
        source = [
            [each[0][np.flatnonzero(tick)].tolist() for tick in frame] for frame in steps[frames]
        ]
        rhythms = [[layer.steps[k] for k in numbers[frames]] for layer in plan.layers]
        queue, starts = Queue(plan.layers[0], rhythms[0]), list[int]()
        words = _source(source, queue, starts)
        for k, layer in enumerate(plan.hidden):
            fired = _blocks(spikes[k][frames], rhythms[k], layer, each[k + 1])
            following = Queue(plan.layers[k + 1], rhythms[k + 1])
            sequencer = Sequencer(layer, queue, rhythms[k])
            serializer = Serializer(layer, sequencer.room.left.append, following)
            words, queue = serializer.send(sequencer.items(words, fired)), following
        return _answered(plan.readout, rhythms[-1], words, queue, starts)

    return run


def _by_events(plan: NetworkPlan, steps: Array) -> Run:
    """What each visit emits is found on the way."""
    cost = costs(plan.readout.input.synapses)

    def run(frames: slice) -> Timing:
        source = [
            [[(int(n), int(tick[n])) for n in np.flatnonzero(tick)] for tick in frame]
            for frame in steps[frames]
        ]
        rhythms = [[layer.rhythm] * len(source) for layer in plan.layers]
        queue, starts = Queue(plan.layers[0], rhythms[0]), list[int]()
        words = _source(source, queue, starts)
        for k, layer in enumerate(plan.hidden):
            following = Queue(plan.layers[k + 1], rhythms[k + 1])
            sequencer = EventSequencer(layer, queue)
            serializer = Serializer(layer, sequencer.returned, following)
            words, queue = serializer.send(sequencer.items(words)), following
        priced = (
            (written, closes, None if closes else cost[what[0]]) for written, closes, what in words
        )
        return _answered(plan.readout, rhythms[-1], priced, queue, starts)

    return run


def _answered(
    readout: LayerPlan,
    rhythms: list[Steps],
    words: Iterator[Word],
    queue: Queue,
    starts: list[int],
) -> Timing:
    answers = np.array(_answers(readout, Sequencer(readout, queue, rhythms), words), np.int64)
    most = max((steps.sweeps for steps in rhythms), default=readout.ticks)
    edges = np.cumsum([steps.sweeps for steps in rhythms])[:-1]
    frames = np.split(answers, edges) if rhythms else []
    known = np.array([_stays(one[None], most)[0] for one in frames], np.int64).reshape(-1, most)
    ticks = known - np.array(starts, np.int64)[:, None]
    return Timing(ticks[:, -1], np.diff(known[:, -1], prepend=known[:1, -1]), ticks)


def _words(plan: NetworkPlan, trace: Trace) -> list[npt.NDArray[Any]]:
    """Words that each neuron of each hidden layer sends in each tick, (B, T, N); one tick where
    there are none."""
    found: list[npt.NDArray[Any]] = []
    for layer in plan.hidden:
        assert isinstance(layer.output, Spikes)
        if not isinstance(layer.neuron, TickingNeuron):
            found.append(np.clip(trace.counts[layer.name], 0, layer.output.wire.each)[:, None])
            continue
        if trace.spikes is None:
            raise ValueError(
                "the cycles of a time_stepped network follow from its spikes: run the golden model "
                "with spikes=True"
            )
        found.append(trace.spikes[layer.name])
    return found


def _blocks(
    spikes: npt.NDArray[Any], rhythms: list[Steps], plan: LayerPlan, cost: Array
) -> Iterator[Blocks]:
    """Swept group by swept group, frames and ticks in order."""
    lanes, groups, blocks = (
        plan.layout.lanes,
        plan.layout.groups,
        plan.layout.blocks(plan.parameters.block),
    )
    block_of = np.concatenate([np.full(len(block), k) for k, block in enumerate(blocks)])
    places = plan.layout.neurons.reshape(-1)
    # (group * lanes + lane) of each neuron, in the order of sweeps
    real = np.flatnonzero(places >= 0)
    neurons = places[real]
    for tick in (
        t for frame, steps in zip(spikes, rhythms, strict=True) for t in frame[: steps.sweeps]
    ):
        found: list[dict[int, list[Emitted]]] = [{} for _ in range(groups)]
        words = tick[neurons]
        hit = np.flatnonzero(words)
        for place, price, times in zip(
            real[hit].tolist(), cost[neurons[hit]].tolist(), words[hit].tolist(), strict=True
        ):
            found[place // lanes].setdefault(int(block_of[place % lanes]), []).append(
                (price, times)
            )
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


def _answers(plan: LayerPlan, sequencer: Sequencer, words: Iterator[Word]) -> list[int]:
    """When the class after each tick of each frame is known; the last one of a frame is its answer,
    taken in the same cycle."""
    known, stages = [], plan.parameters.winner_stages(plan.layout.lanes) + 1
    for sweep in sequencer.sweeps(words):
        if sweep.group == sequencer.groups - 1:
            known.append(sweep.done + stages)
            if sweep.closing:
                sequencer.room.left.append(known[-1])
    return known
