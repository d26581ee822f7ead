"""How event-driven layers keep pace: every visit as the gateware makes it, and what its neurons emit.

What a layer sends hangs on the order of what reached it, and the order of visits is the hardware's own; so this follows each neuron
through its visits (hw.event_driven.sequencer, hw.event_driven.neuron), which gives the number of events as well.
"""

import heapq
from collections.abc import Generator, Iterator
from itertools import product

import numpy as np

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import Array, pooled_wire
from polyrhythm.sw.plan.parameters import BLOCK, EVENT_SLOTS, Coding, fetch_stages, gather_stages, multiply_stages, stored
from polyrhythm.sw.plan.rom_event import EventRom
from polyrhythm.sw.timing.pipeline import Item, Queue, Said, Word, word_count

Emissions = list[list[Said]]  # block by block, lowest lane first, of (neuron, how many; negative: taken back)


class Neurons:
    """Potentials v and emissions S of one layer's neurons, visited a word of each bank at a time; the last entry is nobody's."""

    def __init__(self, network: Network, i: int, contents: EventRom, coding: Coding):
        layer = network.layers[i]
        self._units = coding == "unary" and not contents.signed  # several spikes leave one by one
        assert layer.threshold is not None
        self._contents = contents
        self._start = np.append(network.per_neuron(i, layer.v0 + layer.bias), 0)
        self._threshold = np.append(network.per_neuron(i, layer.threshold), 1)
        self._block_of = np.concatenate([np.full(len(block), k) for k, block in enumerate(contents.layout.blocks(BLOCK))])
        kernel = layer.weight.shape[1:] if layer.kind == "conv2d" else pooled_wire(network, i).shape  # dense: all of the map
        self._weight = layer.weight.reshape(-1, *kernel).astype(np.int64)  # (C_out, C_in, K rows, K columns)
        self._visits: dict[int, list[tuple[Array, Array]]] = {}
        self.rest()

    def rest(self) -> None:
        """Begin a frame."""
        self.v, self.S = self._start.copy(), np.zeros_like(self._start)

    def visit(self, lanes: Array, change: Array | int) -> Emissions:
        """Add to the neurons in `lanes` (-1: none there) and let them emit."""
        v, S, threshold = self.v[lanes] + change, self.S[lanes], self._threshold[lanes]
        if self._contents.signed:
            delta = ((v >= threshold) & (self._contents.T > S)).astype(np.int64) - ((v < 0) & (S > 0))
        else:
            delta = np.clip(v // threshold, 0, self._contents.T - S)
        real = lanes >= 0
        self.v[lanes[real]], self.S[lanes[real]] = (v - delta * threshold)[real], (S + delta)[real]
        found: dict[int, list[Said]] = {}
        for lane in np.flatnonzero(delta * real).tolist():
            neuron, number = int(lanes[lane]), int(delta[lane])
            said = ((neuron, 1), number) if self._units else ((neuron, number), 1)
            found.setdefault(int(self._block_of[lane]), []).append(said)
        return list(found.values())

    def reached(self, neuron: int) -> list[tuple[Array, Array]]:
        """What an event of an input neuron visits, in order: the lanes' neurons and their weights."""
        if neuron not in self._visits:
            self._visits[neuron] = list(self._reach(neuron))
        return self._visits[neuron]

    def words(self) -> list[Array]:
        """All words in the order of a pass: channels within positions, or positions within channels where order matters."""
        contents = self._contents
        words = contents.layout.neurons.reshape(-1, contents.channel_groups, contents.lanes)
        return list((words if contents.signed else words.swapaxes(0, 1)).reshape(-1, contents.lanes))

    def _reach(self, neuron: int) -> Iterator[tuple[Array, Array]]:
        contents = self._contents
        _, y, x = (int(n) for n in np.unravel_index(neuron, contents.source.shape))
        positions = list(product(range(contents.rows.reaches[y].visits), range(contents.columns.reaches[x].visits)))
        groups = range(contents.channel_groups)
        order = product(positions, groups) if contents.signed else ((at, group) for group in groups for at in positions)
        return (self._word(neuron, at, group) for at, group in order)

    def _word(self, neuron: int, at: tuple[int, int], group: int) -> tuple[Array, Array]:
        """One visit of an event: the neurons in the lanes and the weights to them, 0 beyond the kernel."""
        contents, lanes = self._contents, self._contents.channel_lanes
        c, y, x = (int(n) for n in np.unravel_index(neuron, contents.source.shape))
        rows, columns = contents.rows.reaches[y], contents.columns.reaches[x]
        shape = (contents.rows.words, contents.columns.words, contents.channel_groups, contents.banks, lanes)
        neurons = contents.layout.neurons.reshape(shape)
        found, weights = np.full((contents.banks, lanes), -1, np.int64), np.zeros((contents.banks, lanes), np.int64)
        for by, bx in product(range(contents.rows.banks), range(contents.columns.banks)):
            if not (rows.enabled[by] and columns.enabled[bx]):
                continue
            bank = by * contents.columns.banks + bx
            found[bank] = neurons[rows.words[by] + at[0], columns.words[bx] + at[1], group, bank]
            ky = contents.rows.taps[rows.phase - at[0] * contents.rows.stride][by]
            kx = contents.columns.taps[columns.phase - at[1] * contents.columns.stride][bx]
            if ky is not None and kx is not None:
                real = self._weight[group * lanes : (group + 1) * lanes, c, ky, kx]
                weights[bank, : len(real)] = real
        return found.reshape(-1), weights.reshape(-1)


class EventSequencer:
    """Visits, one per cycle, each with a place for what it emits; words carry (neuron, amount)."""

    def __init__(self, network: Network, i: int, contents: EventRom, queue: Queue, coding: Coding):
        self._contents, self._queue, self._neurons = contents, queue, Neurons(network, i, contents, coding)
        from_signed = i > 0 and network.layers[i - 1].neuron == "signed"
        count = word_count(network, i, coding) if contents.signed else 1  # unsigned neurons take spikes one by one
        reacts = fetch_stages(len(contents.weights)) + max(multiply_stages(count), int(from_signed)) + 2
        self._verdict = 2 + reacts  # from a visit's issue to what it emits
        self._latency, self._drain = self._verdict + gather_stages(contents.lanes, stored(True, EVENT_SLOTS)), reacts + 3
        self._out: list[int] = []  # when places that are taken are free again
        self._taken = 0

    def returned(self, cycle: int) -> None:
        """A place is free again, after this cycle."""
        heapq.heappush(self._out, cycle)

    def items(self, words: Iterator[Word]) -> Iterator[Item]:
        """What visits emit: when it stands before the serializer, its events in blocks, and whether a frame ends."""
        entered = issue = left = -1  # as of a convolution's words in `sw.timing.pipeline`
        opens, begins = self._contents.opens and not self._contents.signed, True
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
            for step in [amount] if self._contents.signed else [1] * amount:
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
        """Passes until nobody emits, then the one that puts the initial state back; issue: when the word that closes was seen."""
        while self._contents.signed:
            S = self._neurons.S.copy()
            issue = yield from self._pass(issue)
            issue += self._drain + 1
            if (S == self._neurons.S).all():
                break
        for k in range(self._contents.groups):
            issue = self._take(issue + 1)
            if k < self._contents.groups - 1:
                self.returned(issue + self._verdict)
        self._neurons.rest()
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
        if self._taken == EVENT_SLOTS:
            cycle = heapq.heappop(self._out) + 1
            self._taken -= 1
        self._taken += 1
        return cycle
