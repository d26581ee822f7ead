"""Event-driven layers in the cycle model: every visit as the gateware makes it, and what its
neurons emit.

What a layer sends hangs on the order of what reached it, and the order of visits is the hardware's
own; so this follows each neuron through its visits, which gives the number of events as well.
"""

import heapq
from collections.abc import Generator, Iterator
from itertools import product

import numpy as np

from polyrhythm.sw.plan.addresses import Array
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.layer import LayerPlan, Spikes
from polyrhythm.sw.plan.neurons import ReactingNeuron
from polyrhythm.sw.plan.table import Table
from polyrhythm.sw.timing.pipeline import Emitted, Item, Queue, Word

# Block by block, lowest lane first, of (neuron, how many; negative: taken back).
Emissions = list[list[Emitted]]


def reacting(plan: LayerPlan) -> tuple[ConvSynapses, ReactingNeuron]:
    """The parts of an event-driven layer's plan."""
    synapses, neuron = plan.input.synapses, plan.neuron
    assert isinstance(synapses, ConvSynapses) and isinstance(neuron, ReactingNeuron)
    return synapses, neuron


class Neurons:
    """Potentials v and emissions S of one layer's neurons, visited a word of each bank at a time;
    the last entry is nobody's."""

    def __init__(self, plan: LayerPlan):
        self._synapses, self._neuron = reacting(plan)
        assert isinstance(plan.output, Spikes)
        self._units = plan.output.wire.each > 1  # several spikes leave one by one
        self._numbers = plan.layout.neurons
        self._start = self._of_neurons(plan.sums.start, nobody=0)
        self._threshold = self._of_neurons(self._neuron.thresholds, nobody=1)
        blocks = plan.layout.blocks(plan.parameters.block)
        self._block_of = np.concatenate([np.full(len(b), k) for k, b in enumerate(blocks)])
        self._visits: dict[int, list[tuple[Array, Array]]] = {}
        self.begin()

    def _of_neurons(self, table: Table, nobody: int) -> Array:
        """A table's constants by neuron: its rows are groups of channels, its lanes channel
        lanes."""
        groups, lanes = self._numbers.shape
        rows = np.arange(groups)[:, None] % self._synapses.channel_groups
        columns = np.arange(lanes)[None] % self._synapses.channel_lanes
        found = np.full(int(self._numbers.max()) + 2, nobody, np.int64)
        real = self._numbers >= 0
        found[self._numbers[real]] = table.values[rows, columns][real]
        return found

    def begin(self) -> None:
        """Begin a frame."""
        self.v, self.S = self._start.copy(), np.zeros_like(self._start)

    def visit(self, lanes: Array, change: Array | int) -> Emissions:
        """Add to the neurons in `lanes` (-1: none there) and let them emit."""
        v, S, threshold = self.v[lanes] + change, self.S[lanes], self._threshold[lanes]
        if self._neuron.signed:
            delta = ((v >= threshold) & (self._neuron.T > S)).astype(np.int64) - ((v < 0) & (S > 0))
        else:
            delta = np.clip(v // threshold, 0, self._neuron.T - S)
        real = lanes >= 0
        self.v[lanes[real]], self.S[lanes[real]] = (v - delta * threshold)[real], (S + delta)[real]
        found: dict[int, list[Emitted]] = {}
        for lane in np.flatnonzero(delta * real).tolist():
            neuron, number = int(lanes[lane]), int(delta[lane])
            emitted = ((neuron, 1), number) if self._units else ((neuron, number), 1)
            found.setdefault(int(self._block_of[lane]), []).append(emitted)
        return list(found.values())

    def reached(self, neuron: int) -> list[tuple[Array, Array]]:
        """What an event of an input neuron visits, in order: the lanes' neurons and their
        weights."""
        if neuron not in self._visits:
            self._visits[neuron] = list(self._reach(neuron))
        return self._visits[neuron]

    def words(self) -> list[Array]:
        """All words in the order of a pass: channels within positions, or positions within channels
        where order matters."""
        lanes = self._numbers.shape[1]
        words = self._numbers.reshape(-1, self._synapses.channel_groups, lanes)
        return list((words if self._neuron.signed else words.swapaxes(0, 1)).reshape(-1, lanes))

    def _reach(self, neuron: int) -> Iterator[tuple[Array, Array]]:
        synapses = self._synapses
        _, y, x = (int(n) for n in np.unravel_index(neuron, synapses.source.shape))
        rows, columns = synapses.rows.reaches[y].visits, synapses.columns.reaches[x].visits
        positions, groups = (
            list(product(range(rows), range(columns))),
            range(synapses.channel_groups),
        )
        if self._neuron.signed:
            return (self._word(neuron, at, group) for at in positions for group in groups)
        return (self._word(neuron, at, group) for group in groups for at in positions)

    def _word(self, neuron: int, at: tuple[int, int], group: int) -> tuple[Array, Array]:
        """One visit of an event: the neurons in the lanes, and the weights to them."""
        synapses = self._synapses
        c, y, x = (int(n) for n in np.unravel_index(neuron, synapses.source.shape))
        rows, columns = synapses.rows, synapses.columns
        ry, rx = rows.reaches[y], columns.reaches[x]
        shape = (rows.words, columns.words, synapses.channel_groups, synapses.banks, -1)
        numbers = self._numbers.reshape(shape)
        found = np.full((synapses.banks, synapses.channel_lanes), -1, np.int64)
        for by, bx in product(range(rows.banks), range(columns.banks)):
            if ry.enabled[by] and rx.enabled[bx]:
                bank = by * columns.banks + bx
                found[bank] = numbers[ry.words[by] + at[0], rx.words[bx] + at[1], group, bank]
        p, q = ry.phase - at[0] * rows.stride, rx.phase - at[1] * columns.stride
        row = ((c * rows.phases + p) * columns.phases + q) * synapses.channel_groups + group
        return found.reshape(-1), synapses.weights.values[row]


class EventSequencer:
    """Visits, one per cycle, each with a place for what it emits; words carry (neuron, amount)."""

    def __init__(self, plan: LayerPlan, queue: Queue):
        _, neuron = reacting(plan)
        word, self._slots, self._groups = plan.input.word, plan.slots, plan.layout.groups
        self._neuron, self._queue, self._neurons = neuron, queue, Neurons(plan)
        count = word.max_count if neuron.signed else 1  # unsigned neurons take spikes one by one
        multiply = plan.parameters.multiply_stages(count)
        reacts = plan.fetch_stages + max(multiply, int(word.signed)) + 2
        self._verdict = 2 + reacts  # from a visit's issue to what it emits
        self._latency, self._drain = self._verdict + plan.gather_stages, reacts + 3
        self._out: list[int] = []  # when places that are taken are free again
        self._taken = 0

    def returned(self, cycle: int) -> None:
        """A place is free again, after this cycle."""
        heapq.heappush(self._out, cycle)

    def items(self, words: Iterator[Word]) -> Iterator[Item]:
        """What visits emit: when it stands before the serializer, its events in blocks, and whether
        a frame ends."""
        entered = issue = left = -1  # as of a convolution's words in `sw.timing.pipeline`
        opens, begins = self._neuron.opens and not self._neuron.signed, True
        for written, closes, what in words:
            entered = max(entered, written, left) + 1
            self._queue.left.append(entered)
            neuron, amount = what if what else (0, 0)
            reached = [] if closes else self._neurons.reached(neuron)
            if not closes and not reached:
                continue
            left, issue = issue, max(issue, entered)
            if opens and begins:
                issue = yield from self._pass(issue)
                begins = False
            if closes:
                issue = yield from self._close(issue + 1)
                begins = True
                continue
            for step in [amount] if self._neuron.signed else [1] * amount:
                for lanes, weights in reached:
                    issue = self._take(issue + 1)
                    yield from self._visit(issue, lanes, weights * step)

    def _pass(self, issue: int) -> Generator[Item, None, int]:
        """Visit all words once; return when the last one was issued."""
        for lanes in self._neurons.words():
            issue = self._take(issue + 1)
            yield from self._visit(issue, lanes, 0)
        return issue

    def _close(self, issue: int) -> Generator[Item, None, int]:
        """Passes until nobody emits, then the one that puts the initial state back; issue: when the
        word that closes was seen."""
        while self._neuron.signed:
            S = self._neurons.S.copy()
            issue = yield from self._pass(issue)
            issue += self._drain + 1
            if (S == self._neurons.S).all():
                break
        for k in range(self._groups):
            issue = self._take(issue + 1)
            if k < self._groups - 1:
                self.returned(issue + self._verdict)
        self._neurons.begin()
        yield issue + self._latency, [[]], True
        return issue

    def _visit(self, issue: int, lanes: Array, change: Array | int) -> Iterator[Item]:
        emissions = self._neurons.visit(lanes, change)
        if emissions:
            yield issue + self._latency, emissions, False
        else:
            self.returned(issue + self._verdict)

    def _take(self, cycle: int) -> int:
        """The cycle in which there is a place."""
        while self._out and self._out[0] < cycle:
            heapq.heappop(self._out)
            self._taken -= 1
        if self._taken == self._slots:
            cycle = heapq.heappop(self._out) + 1
            self._taken -= 1
        self._taken += 1
        return cycle
