"""How layers keep up with each other: queues, sequencers and serializers as the cycle model sees
them.

Each class follows the gateware's of its name word by word. A word is the cycle in which it was
written into a queue, whether it closes a step, and what it costs the layer that reads it; a word
written in cycle w can be read in cycle w + 1.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from polyrhythm.sw.plan.addresses import Array
from polyrhythm.sw.plan.constants import Synapses
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.layer import Classes, LayerPlan
from polyrhythm.sw.plan.neurons import CountingNeuron, TickingNeuron
from polyrhythm.sw.plan.steps import Steps

# Written, closes, and of an event its cost, or (neuron, amount) where layers are event_driven.
Word = tuple[int, bool, Any]
# An event as of `Word`, and how many of it the wire carries.
Emitted = tuple[Any, int]
# When it stands before the serializer, its events in blocks, whether it closes a tick.
Item = tuple[int, list[list[Emitted]], bool]


def costs(synapses: Synapses) -> Array:
    """Operations that an event of each input neuron takes, (N_in,), in a dense layer for each
    group; 0: it is dropped."""
    if isinstance(synapses, ConvSynapses):
        axes = (synapses.rows, synapses.columns)
        y, x = (np.array([reach.visits for reach in axis.reaches]) for axis in axes)
        each = np.outer(y, x).reshape(-1) * synapses.channel_groups
        return np.tile(each, synapses.source.shape[0])
    channels, rows, columns = synapses.source.shape
    inside, pool = np.zeros((channels, rows, columns), np.int64), synapses.pool
    inside[:, : rows // pool * pool, : columns // pool * pool] = 1
    return inside.reshape(-1)


class Room:
    """A store of limited size: `take` gives the cycle in which the next one has room, once the
    earlier ones have left."""

    def __init__(self, size: int):
        self._size, self._taken = size, 0
        # When the oldest ones left that somebody may still wait for
        self.left: deque[int] = deque()

    def take(self, cycle: int) -> int:
        """The cycle, from `cycle` on, in which there is room for one more."""
        self._taken += 1
        return max(cycle, self.left.popleft() + 1) if self._taken > self._size else cycle


class Queue(Room):
    """A layer's input: ticks that end no group are dropped at once, other words wait until the
    layer takes them. rhythms: of each frame."""

    def __init__(self, plan: LayerPlan, rhythms: Iterable[Steps]):
        super().__init__(plan.parameters.queue_depth)
        self._kept = (keep for steps in rhythms for keep in steps.kept_ticks)

    def enters(self, closes: bool) -> bool:
        """Whether the next word goes into the queue; to be asked once for each word."""
        return not closes or next(self._kept)


@dataclass(frozen=True)
class Sweep:
    """A swept group: the cycle in which its result stands, which group, and whether it is the
    frame's last tick."""

    done: int
    group: int
    closing: bool


class Sequencer:
    """Issues one operation per cycle: events as they come and sweeps where they have room for their
    result.

    A dense layer replays a step's events for its further groups; a convolution's events have their
    visits at once. rhythms: of each frame.
    """

    def __init__(self, plan: LayerPlan, queue: Queue, rhythms: Iterable[Steps]):
        synapses, neuron, parameters = plan.input.synapses, plan.neuron, plan.parameters
        self.readout = isinstance(plan.output, Classes)
        self.groups = plan.layout.groups
        self._queue, self._conv = queue, isinstance(synapses, ConvSynapses)
        # Of each step, the ticks that it is held for, and whether it is its frame's last
        self._steps = (
            (repeats, step == len(frame.repeats) - 1)
            for frame in rhythms
            for step, repeats in enumerate(frame.repeats)
        )
        membrane = 0
        if isinstance(neuron, TickingNeuron):
            membrane = 2 if neuron.held else 1
        charge = plan.fetch_stages + parameters.multiply_stages(plan.input.word.max_count)
        # A convolution's: two of its sequencer, one of its sums.
        before = 3 if self._conv else 2 if self.groups > 1 else 0
        gather = 0 if self.readout else plan.gather_stages
        self._latency = before + charge + membrane + gather
        self.room = Room(plan.slots)

    def sweeps(self, words: Iterator[Word]) -> Iterator[Sweep]:
        """All sweeps in their order; whoever takes one says in `room.left` when its place is free
        again."""
        return self._visited(words) if self._conv else self._replayed(words)

    def items(self, words: Iterator[Word], groups: Iterator[list[list[Emitted]]]) -> Iterator[Item]:
        """The sweeps with their events, `groups`: block by block, silent blocks left out."""
        for sweep in self.sweeps(words):
            yield sweep.done, next(groups) or [[]], sweep.group == self.groups - 1

    def _replayed(self, words: Iterator[Word]) -> Iterator[Sweep]:
        issue, left = -1, -1
        while (events := self._step(words, issue, left)) is not None:
            spikes, issue = events
            for sweep, (repeat, group, closing) in enumerate(self._ticks()):
                if sweep:
                    issue += 1 + (spikes if not repeat else 0)
                if not self.readout or (closing and group == self.groups - 1):
                    issue = self.room.take(issue)
                if not sweep:
                    self._queue.left.append(left := issue)
                yield Sweep(issue + self._latency, group, closing)

    def _step(self, words: Iterator[Word], issue: int, left: int) -> tuple[int, int] | None:
        """Take a step's words as they come: its number of spikes and the first cycle in which it
        can be swept; None at the end.

        left: when the last word left the queue; one that pooling drops leaves it while the
        sequencer is busy.
        """
        spikes = 0
        for written, closes, cost in words:
            left = max(left, written) + 1
            if not closes and not cost:
                self._queue.left.append(left)
                continue
            issue = left = max(issue + 1, left)
            if closes:
                return spikes, issue
            spikes += 1
            self._queue.left.append(issue)
        return None

    def _visited(self, words: Iterator[Word]) -> Iterator[Sweep]:
        """Two words wait located; entered: when the word at hand enters, issue: its last operation,
        left: the word's before it."""
        entered, issue, left = -1, -1, -1
        for written, closes, cost in words:
            entered = max(entered, written, left) + 1
            self._queue.left.append(entered)
            if not closes and not cost:
                continue
            left, issue = issue, max(issue, entered)
            if not closes:
                issue += cost
                continue
            for _, group, closing in self._ticks():
                issue = self.room.take(issue + 1)
                yield Sweep(issue + self._latency, group, closing)

    def _ticks(self) -> Iterator[tuple[int, int, bool]]:
        """The sweeps of the next step: repeat, group, whether in the frame's last tick."""
        repeats, last_step = next(self._steps)
        for repeat in range(repeats):
            closing = last_step and repeat == repeats - 1
            for group in range(self.groups):
                yield repeat, group, closing


def counter_stages(plan: LayerPlan) -> int:
    """Stages that a layer's events pass to get their counts."""
    neuron = plan.neuron
    if isinstance(neuron, CountingNeuron) and neuron.counts:
        return 2 + (neuron.T - 1).bit_length()
    return 0


class Serializer:
    """Sends words of emissions, block by block, then the tick or end that they close; one event per
    cycle.

    A choice among lanes with values waits a cycle for them; from a memory they come three cycles
    after the word before has left. returned: told when a word leaves; queue: of the layer behind
    it.
    """

    def __init__(self, plan: LayerPlan, returned: Callable[[int], None], queue: Queue):
        self._returned, self._queue, self._stages = returned, queue, counter_stages(plan)
        self._valued, self._stored = plan.value_bits > 0, plan.stored
        # Cycles in which the counter's last stage waits: from, until
        self._stalls: deque[tuple[int, int]] = deque()

    def send(self, items: Iterator[Item]) -> Iterator[Word]:
        """Per block: when the chooser takes it up, when the sender loads it, when its last word is
        accepted (`leaves`)."""
        # Before: the load before `load`; free: the word before was loaded
        chosen = load = before = leaves = free = -1
        between = 1 if self._valued else 0  # a queue, in which a choice reaches the values
        for done, blocks, last in items:
            chosen = max(done, chosen)
            for k, events in enumerate(blocks):
                chosen = max(chosen + 1, before + 1 if between else 0)
                speaks = bool(events) or last
                settled = free + 3 if self._stored and events else 0
                before, load = (
                    load,
                    max(chosen + between, load + 1, leaves if speaks else 0, settled),
                )
                if not between:
                    chosen = load
                if not speaks:
                    continue
                leaves = load
                for what, times in events:
                    leaves = yield from self._accept(leaves + 1, False, what, times)
                if last and k == len(blocks) - 1:
                    leaves = yield from self._accept(leaves + 1, True, None, 1)
            self._returned(load)
            free = load

    def _accept(
        self, cycle: int, closes: bool, what: Any, times: int
    ) -> Generator[Word, None, int]:
        """When the next stage takes a word offered from `cycle` on; the words that enter the queue,
        `times` of them."""
        enters = self._queue.enters(closes)
        if not self._stages:
            return (yield from self._enter(cycle, closes, what, times * enters))
        # The counter moves as a whole: a word that waits in its last stage stops all words behind
        # it, and the door.
        for begin, end in self._stalls:
            if begin <= cycle < end:
                cycle = end
        while self._stalls and self._stalls[0][1] <= cycle:
            self._stalls.popleft()
        coming = sum(end - begin for begin, end in self._stalls)
        arrives = cycle + self._stages + coming
        left = yield from self._enter(arrives, closes, what, times * enters)
        if left > arrives:
            self._stalls.append((arrives, left))
        return cycle

    def _enter(self, cycle: int, closes: bool, what: Any, times: int) -> Generator[Word, None, int]:
        """Write a word, from `cycle` on, as often as `times` says; when that is done."""
        for again in range(times):
            cycle = self._queue.take(cycle + bool(again))
            yield cycle, closes, what
        return cycle
