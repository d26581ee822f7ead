"""The cycle law: what a frame costs in the accelerator, to the cycle.

The work of a layer is one cycle for each event and each sweep, in each group of neurons (`work`). What a frame takes from its
first input word to its answer adds the pipelines it passes and the waits of layers for each other; `timing` follows every word
through queues, sequencers, serializers and credits (see the gateware's files of these names) and is held equal to the circuit.
Times are numbers of clock cycles; a word written into a queue in cycle w can be read in cycle w + 1.
"""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sw.align import boundaries
from sw.architecture import BLOCK, MASK_SLOTS, QUEUE_DEPTH, VALUE_SLOTS, fetch_stages, gather_stages, multiply_stages, winner_stages
from sw.network import Network
from sw.trace import Trace

Array = npt.NDArray[np.int64]
Word = tuple[int, bool]  # cycle in which it was written into a queue; whether it closes a step


@dataclass(frozen=True)
class Timing:
    """cycles: first input word accepted to answer valid, (B,); interval: answer to answer, (B,), 0 for the first frame."""

    cycles: Array
    interval: Array


def work(network: Network, trace: Trace, inputs: Array, lanes: Sequence[int]) -> Array:
    """Cycles that each layer is busy with each frame, (B, layers): (events + ticks) * ceil(N_out / lanes)."""
    received = [
        np.count_nonzero(inputs.reshape(len(inputs), -1), axis=1),
        *(spikes.sum(axis=(1, 2)) for spikes in _spikes(network, trace)),
    ]
    columns = []
    for i, layer in enumerate(network.layers):
        sweeps = layer.T if network.schedule == "time_stepped" else 1
        columns.append((received[i] + sweeps) * -(-network.n_out(i) // lanes[i]))
    return np.stack(columns, axis=1)


def timing(network: Network, trace: Trace, inputs: Array, lanes: Sequence[int], back_to_back: bool) -> Timing:
    """Follow frames through the accelerator, one at a time or back to back, with a source and a sink that never wait.

    inputs: (B, *shape) or (B, T_in, *shape) counts; trace: of the same frames, with spikes where time_stepped.
    """
    steps = inputs.reshape(len(inputs), network.input.T, network.input.size)
    events = np.count_nonzero(steps, axis=2)  # (B, T_in)
    fired = [_blocks(spikes, n) for spikes, n in zip(_spikes(network, trace), lanes[:-1], strict=True)]
    if back_to_back:
        return _follow(network, lanes, events, fired)
    alone = [_follow(network, lanes, events[b : b + 1], [blocks[b : b + 1] for blocks in fired]) for b in range(len(events))]
    cycles = np.concatenate([frame.cycles for frame in alone]) if alone else np.zeros(0, np.int64)
    return Timing(cycles, np.zeros_like(cycles))


def _spikes(network: Network, trace: Trace) -> list[npt.NDArray[np.integer]]:
    """Who spiked in each tick of each hidden layer, (B, T, N); one tick where there are none."""
    hidden = network.layers[:-1]
    if network.schedule == "time_stepped":
        if trace.spikes is None:
            raise ValueError("the cycles of a time_stepped network follow from its spikes: run the golden model with spikes=True")
        return [trace.spikes[layer.name] for layer in hidden]
    return [(trace.counts[layer.name] > 0)[:, None].astype(np.int64) for layer in hidden]


def _blocks(spikes: npt.NDArray[np.integer], lanes: int) -> Array:
    """Spikes in each serializer block, (B, T, groups, blocks)."""
    b, t, n = spikes.shape
    groups, blocks = -(-n // lanes), -(-lanes // BLOCK)
    padded = np.pad(spikes.astype(np.int64), [(0, 0), (0, 0), (0, groups * lanes - n)]).reshape(b, t, groups, lanes)
    return np.pad(padded, [(0, 0), (0, 0), (0, 0), (0, blocks * BLOCK - lanes)]).reshape(b, t, groups, blocks, BLOCK).sum(axis=4)


def _follow(network: Network, lanes: Sequence[int], events: Array, fired: Sequence[Array]) -> Timing:
    kept = [_kept_ticks(network, i) for i in range(len(network.layers))]
    queue = _Queue(kept[0])
    starts: list[int] = []
    words = _source(events, queue, starts)
    for i in range(len(network.layers) - 1):
        following = _Queue(kept[i + 1])
        words = _Serializer(_Sequencer(network, i, lanes[i], queue), following, _counter_stages(network, i)).send(words, fired[i])
        queue = following
    answers = _answers(_Sequencer(network, len(network.layers) - 1, lanes[-1], queue), words, lanes[-1])
    valid = np.array(answers, np.int64)
    return Timing(valid - np.array(starts, np.int64), np.diff(valid, prepend=valid[:1]))


def _kept_ticks(network: Network, i: int) -> list[bool]:
    t_in, t_out = (network.t_in(i), network.layers[i].T) if network.schedule == "time_stepped" else (1, 1)
    edges = boundaries(t_in, t_out) if t_in > t_out else range(t_in + 1)
    return [tick + 1 in edges for tick in range(t_in)]


class _Places:
    """A store of limited size: `take` gives the cycle in which the next one has room, once the earlier ones have left."""

    def __init__(self, size: int):
        self._size, self._taken = size, 0
        self.left: deque[int] = deque()  # when the oldest ones left that somebody may still wait for

    def take(self, cycle: int) -> int:
        self._taken += 1
        return max(cycle, self.left.popleft() + 1) if self._taken > self._size else cycle


class _Queue(_Places):
    """A layer's input: ticks that end no group are dropped at once, other words wait until the layer takes them."""

    def __init__(self, kept: Sequence[bool]):
        super().__init__(QUEUE_DEPTH)
        self._kept, self._tick = kept, 0

    def enters(self, closes: bool) -> bool:
        """Whether the next word goes into the queue; to be asked once for each word."""
        if not closes:
            return True
        keep = self._kept[self._tick]
        self._tick = (self._tick + 1) % len(self._kept)
        return keep


def _source(events: Array, queue: _Queue, starts: list[int]) -> Iterator[Word]:
    """The input's words, offered without a gap; notes when each frame's first one is accepted."""
    cycle = -1
    for frame in events.tolist():
        first = True
        for spikes in frame:
            for closes in [False] * spikes + [True]:
                cycle += 1
                entering = queue.enters(closes)
                if entering:
                    cycle = queue.take(cycle)
                if first:
                    starts.append(cycle)
                    first = False
                if entering:
                    yield cycle, closes


@dataclass(frozen=True)
class _Sweep:
    """A swept group: the cycle in which its result stands, which group, and whether it is the frame's last tick."""

    done: int
    group: int
    closing: bool


class _Sequencer:
    """Issues one operation per cycle: events as they come, replays for further groups, and sweeps where they have a place to go."""

    def __init__(self, network: Network, i: int, lanes: int, queue: _Queue):
        layer, stepped = network.layers[i], network.schedule == "time_stepped"
        self._readout = layer.kind == "readout"
        self.groups = -(-network.n_out(i) // lanes)
        self._queue = queue
        t_in, t_out = (network.t_in(i), layer.T) if stepped else (1, 1)
        edges = boundaries(t_in, t_out)
        self._repeats = [b - a for a, b in itertools.pairwise(edges)] if t_in < t_out else [1] * t_out
        membrane = 0 if not stepped else 2 if max(self._repeats) > 1 else 1
        fetch = fetch_stages(self.groups * network.n_in(i))
        gather = 0 if self._readout else gather_stages(lanes)
        self._latency = gather + fetch + multiply_stages(network.in_count(i)) + membrane + (2 if self.groups > 1 else 0)
        counted = not stepped and not self._readout and layer.T > 1
        self.places = _Places(1 if self._readout else VALUE_SLOTS if counted else MASK_SLOTS)

    def sweeps(self, words: Iterator[Word]) -> Iterator[_Sweep]:
        """All sweeps in their order; whoever takes one says in `places.left` when its place is free again."""
        issue, step = -1, 0
        while (events := self._step(words, issue)) is not None:
            spikes, issue = events
            last_step = step == len(self._repeats) - 1
            for repeat in range(self._repeats[step]):
                closing = last_step and repeat == self._repeats[step] - 1
                for group in range(self.groups):
                    if repeat or group:
                        issue += 1 + (spikes if not repeat else 0)
                    if not self._readout or (closing and group == self.groups - 1):
                        issue = self.places.take(issue)
                    if not repeat and not group:
                        self._queue.left.append(issue)
                    yield _Sweep(issue + self._latency, group, closing)
            step = 0 if last_step else step + 1

    def _step(self, words: Iterator[Word], issue: int) -> tuple[int, int] | None:
        """Take a step's words as they come: its number of spikes and the first cycle in which it can be swept; None at the end."""
        for spikes, (written, closes) in enumerate(words):
            issue = max(issue, written) + 1
            if closes:
                return spikes, issue
            self._queue.left.append(issue)
        return None


def _counter_stages(network: Network, i: int) -> int:
    """Stages that a two_phase layer's events pass to get their counts."""
    T = network.layers[i].T
    return 0 if network.schedule != "two_phase" or T == 1 else 2 + (T - 1).bit_length()


class _Serializer:
    """Sends each swept group's spikes, block by block, then the tick that it closes; one word per cycle."""

    def __init__(self, sequencer: _Sequencer, queue: _Queue, counter_stages: int):
        self._sequencer, self._queue, self._stages = sequencer, queue, counter_stages
        self._stalls: deque[tuple[int, int]] = deque()  # cycles in which the counter's last stage waits: from, until

    def send(self, words: Iterator[Word], fired: Array) -> Iterator[Word]:
        """Per block: when the chooser takes it up, when the sender loads it, when its last word is accepted (`leaves`)."""
        groups = (blocks for frame in fired.tolist() for tick in frame for blocks in tick)
        chosen = load = before = leaves = -1  # before: the load before `load`
        between = 1 if self._stages else 0  # a queue of two, in which a choice reaches the values
        for sweep in self._sequencer.sweeps(words):
            last = sweep.group == self._sequencer.groups - 1
            blocks = [n for n in next(groups) if n] or [0]
            chosen = max(sweep.done, chosen)
            for k, n in enumerate(blocks):
                chosen = max(chosen + 1, before + 1 if between else 0)
                speaks = n or last
                before, load = load, max(chosen + between, load + 1, leaves if speaks else 0)
                if not between:
                    chosen = load
                if not speaks:
                    continue
                leaves = load
                for closes in [False] * n + [True] * (last and k == len(blocks) - 1):
                    leaves, written = self._accept(leaves + 1, closes)
                    if written is not None:
                        yield written, closes
            self._sequencer.places.left.append(load)

    def _accept(self, cycle: int, closes: bool) -> tuple[int, int | None]:
        """When the next stage takes a word offered from `cycle` on, and when it enters the queue (None: it is dropped)."""
        enters = self._queue.enters(closes)
        if not self._stages:
            written = self._queue.take(cycle) if enters else None
            return cycle if written is None else written, written
        # The counter moves as a whole: a word that waits in its last stage stops all words behind it, and the door.
        for begin, end in self._stalls:
            if begin <= cycle < end:
                cycle = end
        while self._stalls and self._stalls[0][1] <= cycle:
            self._stalls.popleft()
        coming = sum(end - begin for begin, end in self._stalls)
        arrives = cycle + self._stages + coming
        written = self._queue.take(arrives) if enters else arrives
        if written > arrives:
            self._stalls.append((arrives, written))
        return cycle, written if enters else None


def _answers(sequencer: _Sequencer, words: Iterator[Word], lanes: int) -> list[int]:
    """When each frame's answer is valid; it is taken in the same cycle."""
    valid = []
    for sweep in sequencer.sweeps(words):
        if sweep.closing and sweep.group == sequencer.groups - 1:
            valid.append(sweep.done + winner_stages(lanes) + 1)
            sequencer.places.left.append(valid[-1])
    return valid
