"""Gateware as a function: words in, words out, in the Amaranth simulator. Every run watches the
stream contract.

A cycle is what lies between two clock edges, the first one is cycle 0. A word moves in a cycle in
which its stream is valid and ready.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, Module, Value
from amaranth.lib import data
from amaranth.sim import Simulator

from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.top import Top
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import AddressMap, input_addresses
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.trace import Trace

Word = dict[str, Any]
PATIENCE = 2000  # cycles without a moving word after which a design counts as stuck
LONGEST = 200_000  # cycles after which a whole accelerator counts as turning in circles
QUIET = 40  # cycles without a word after which no further one is expected


def simulate(dut: Any, bench: Callable[[Any, ClockDomain], Coroutine[Any, Any, None]]) -> None:
    """Run `bench(ctx, domain)` beside `dut`; `await ctx.tick()` in it goes on by a cycle."""
    top = Module()
    top.domains.sync = domain = ClockDomain("sync")
    top.submodules.dut = dut
    simulator = Simulator(top)
    simulator.add_clock(1e-6)

    async def testbench(ctx: Any) -> None:
        await bench(ctx, domain)

    simulator.add_testbench(testbench)
    simulator.run()


def drive(
    dut: Any, inputs: Sequence[dict[str, int]], outputs: Sequence[str]
) -> list[dict[str, int]]:
    """Set ports of `dut` cycle by cycle; return what the ports `outputs` show in each of these
    cycles, as raw bits."""
    names = {name for word in inputs for name in word} | set(outputs)
    ports = {name: Value.cast(attrgetter(name)(dut)) for name in names}
    seen = []

    async def bench(ctx: Any, _: ClockDomain) -> None:
        for word in inputs:
            for name, value in word.items():
                ctx.set(ports[name], value)
            seen.append({name: ctx.get(ports[name]) for name in outputs})
            await ctx.tick()

    simulate(dut, bench)
    return seen


def bits(shape: data.Layout, word: Word) -> int:
    """A word as the number on its wires."""
    return int(shape.const(word).as_bits())


def fields(shape: data.Layout, raw: int) -> Word:
    """The word that a number on the wires means; arrays as lists, structures as words."""
    return {name: _plain(shape.from_bits(raw)[name]) for name in dict(shape)}


def _plain(value: Any) -> Any:
    if isinstance(value, int):
        return value
    layout = value.shape()
    return (
        {n: _plain(value[n]) for n in dict(layout)}
        if isinstance(layout, data.StructLayout)
        else [_plain(v) for v in value]
    )


class Watch:
    """The contract of a stream, seen at its sender: an offered word is neither withdrawn nor
    changed."""

    def __init__(self, name: str):
        self._name = name
        self._waiting: Any = None
        self.waited = 0  # cycles in which a word waited

    def see(self, cycle: int, valid: int, ready: int, payload: Any) -> bool:
        """Take in a cycle; say whether a word moves."""
        if self._waiting is not None:
            assert valid, f"{self._name}: valid was withdrawn in cycle {cycle}"
            assert payload == self._waiting, (
                f"{self._name}: the payload changed while it waited, in cycle {cycle}"
            )
        self._waiting = payload if valid and not ready else None
        self.waited += self._waiting is not None
        return bool(valid and ready)


class Source:
    """Offers words, each after a random pause and then until it is taken; in the pause its payload
    is noise."""

    def __init__(self, words: Sequence[int], width: int, stall: float, rng: random.Random):
        self._words, self._width, self._stall, self._rng = words, width, stall, rng
        self.sent, self.waited, self._offers = 0, 0, False

    @property
    def done(self) -> bool:
        return self.sent == len(self._words)

    def offer(self) -> tuple[bool, int]:
        """Valid and payload of this cycle."""
        self._offers = self._offers or (not self.done and self._rng.random() >= self._stall)
        return self._offers, self._words[self.sent] if self._offers else self._rng.getrandbits(
            self._width
        )

    def see(self, ready: int) -> bool:
        """End the cycle; say whether the word moved."""
        moves = bool(self._offers and ready)
        self.waited += self._offers and not moves
        self.sent, self._offers = self.sent + moves, self._offers and not moves
        return moves


def run_stream(
    dut: Any,
    inputs: Sequence[Word],
    i_stall: float = 0.5,
    o_stall: float = 0.5,
    seed: int = 1,
    at_end: Callable[[Any], None] | None = None,
) -> tuple[list[Word], list[int]]:
    """Send `inputs` through the streams `i` and `o` of `dut`; return its outputs and the cycle in
    which each moved.

    Ends when all words are taken and none came out for a while; `at_end(ctx)` may then look at
    other ports. Where outputs were to stall, one did.
    """
    rng, watch = random.Random(seed), Watch("o")
    shape, o_shape = dut.i.payload.shape(), dut.o.payload.shape()
    source = Source([bits(shape, word) for word in inputs], shape.size, i_stall, rng)
    outputs: list[Word] = []
    cycles: list[int] = []

    async def bench(ctx: Any, _: ClockDomain) -> None:
        idle = cycle = 0
        while not source.done or idle < QUIET:
            valid, payload = source.offer()
            ready = rng.random() >= o_stall
            ctx.set(dut.i.payload.as_value(), payload)
            ctx.set(dut.i.valid, valid)
            ctx.set(dut.o.ready, not ready)
            offered = ctx.get(dut.o.valid)
            ctx.set(dut.o.ready, ready)
            assert ctx.get(dut.o.valid) == offered, f"o: valid depends on ready, in cycle {cycle}"
            moved = source.see(ctx.get(dut.i.ready))
            raw = ctx.get(dut.o.payload.as_value())
            if watch.see(cycle, offered, ready, raw):
                outputs.append(fields(o_shape, raw))
                cycles.append(cycle)
                moved = True
            idle = 0 if moved else idle + ready
            assert idle < PATIENCE, f"stuck after {source.sent} words in and {len(outputs)} out"
            await ctx.tick()
            cycle += 1
        if at_end is not None:
            at_end(ctx)

    simulate(dut, bench)
    assert watch.waited or not o_stall or len(outputs) < 20, "no output ever waited"
    return outputs, cycles


def words_of(network: Network, frame: np.ndarray) -> list[Word]:
    """A frame's input words."""
    words: list[Word] = []
    steps, places = frame.reshape(network.input.T, -1), input_addresses(network, 0).addresses()
    for tick, step in enumerate(steps):
        spikes: list[Word] = [
            {"address": int(places[j]), "count": int(step[j])} for j in np.flatnonzero(step)
        ]
        closing = tick == network.input.T - 1
        words += [*spikes, {"tick": int(not closing), "end": int(closing)}]
    return words


@dataclass
class Run:
    """What an accelerator did.

    trace     with spikes and logits_t where time_stepped
    cycles, interval      of each frame: from its first word to its answer, and from the answer
                          before to its own
    taps      of each hidden layer, the words it sent, each with its cycle
    i_waited, o_waited    cycles in which an input word, or an answer, waited for the other side
    """

    trace: Trace
    cycles: list[int]
    interval: list[int]
    taps: list[list[tuple[int, Word]]]
    i_waited: int
    o_waited: int


def run_accelerator(
    network: Network,
    inputs: np.ndarray,
    lanes: Sequence[int],
    i_stall: float = 0.0,
    o_stall: float = 0.0,
    seed: int = 1,
    *,
    back_to_back: bool = True,
    cut: int = 0,
    coding: Coding = "count",
) -> Run:
    """Run frames (B, T_in, *shape) through the ports of the top module.

    back_to_back: send a frame before the one before it is answered; cut: first the first frame for
    that many cycles, its answer not taken, and then a reset; coding: as of `sw.plan.network`.
    """
    top = Top(plan(network, lanes, coding), Rom)
    return run_planned(
        network, top, inputs, i_stall, o_stall, seed, back_to_back=back_to_back, cut=cut
    )


def run_planned(
    network: Network,
    top: Top,
    inputs: np.ndarray,
    i_stall: float = 0.0,
    o_stall: float = 0.0,
    seed: int = 1,
    *,
    back_to_back: bool = True,
    cut: int = 0,
) -> Run:
    """The same with a top module that is planned already."""
    rng = random.Random(seed)
    frames = [words_of(network, frame) for frame in inputs]
    bench = _Bench(top, frames, i_stall, o_stall, rng)
    bench.back_to_back, bench.cut = back_to_back, cut
    simulate(bench.top, bench.run)
    trace, seen = _trace(network, bench), np.array(bench.seen)
    cycles, interval = (seen - bench.starts).tolist(), np.diff(seen, prepend=seen[:1]).tolist()
    return Run(trace, cycles, interval, bench.taps, bench.i_waited, bench.watch.waited)


class _Bench:
    """Drives the ports of a top module, and writes down what moves."""

    back_to_back, cut = True, 0

    def __init__(
        self, top: Top, frames: list[list[Word]], i_stall: float, o_stall: float, rng: random.Random
    ):
        self.top, self._o_stall, self._i_stall, self._rng = top, o_stall, i_stall, rng
        self._inputs = [
            p.name
            for p in top.ports
            if p.name.startswith("i_") and p.name not in ("i_valid", "i_ready")
        ]
        # All fields of an input word side by side, each in 64 bits, so that a word is one number.
        self._frames = [
            [sum(w.get(n[2:], 0) << 64 * j for j, n in enumerate(self._inputs)) for w in f]
            for f in frames
        ]
        hidden = len(top.plan.hidden)
        self._tap_ports = [
            [p.name for p in top.ports if p.name.startswith(f"tap{k}_")] for k in range(hidden + 1)
        ]
        self.taps: list[list[tuple[int, Word]]] = [[] for _ in range(hidden)]
        self.sums: list[int] = []  # of each readout tick, packed
        self.starts: list[int] = []  # cycle in which each frame's first word was taken
        self.seen: list[int] = []  # cycle in which each answer was seen first
        self.answers: list[tuple[int, int]] = []  # class, packed logits
        self.watch, self.i_waited, self._cycle = Watch("o"), 0, 0

    async def run(self, ctx: Any, domain: ClockDomain) -> None:
        if self.cut:
            await self._cut_off(ctx, domain)
        begun, idle, source = 0, 0, self._source([])
        while len(self.answers) < len(self._frames) or idle < QUIET:
            if (
                source.done
                and begun < len(self._frames)
                and (self.back_to_back or len(self.answers) == begun)
            ):
                source = self._source(self._frames[begun])
                begun += 1
            moved = self._put(ctx, source) | self._answer(ctx) | self._taps(ctx)
            assert not ctx.get(self.top.error), f"error rose in cycle {self._cycle}"
            idle = 0 if moved else idle + 1
            assert self._cycle < LONGEST, (
                f"no end after {begun} frames begun and {len(self.answers)} answered"
            )
            assert idle < PATIENCE, (
                f"stuck after {begun} frames begun and {len(self.answers)} answered"
            )
            await ctx.tick()
            self._cycle += 1

    def _source(self, words: Sequence[int]) -> Source:
        return Source(words, 64 * len(self._inputs), self._i_stall, self._rng)

    def _put(self, ctx: Any, source: Source) -> bool:
        """Offer the next input word."""
        first = source.sent == 0
        valid, word = source.offer()
        ctx.set(self.top.i_valid, valid)
        for j, name in enumerate(self._inputs):
            port = getattr(self.top, name)
            ctx.set(port, word >> 64 * j & (1 << len(port)) - 1)
        ready = ctx.get(self.top.i_ready)
        self.i_waited += valid and not ready
        moved = source.see(ready)
        if first and moved:
            self.starts.append(self._cycle)
        return moved

    def _answer(self, ctx: Any) -> bool:
        """Take the answer, or let it wait."""
        ready = self._rng.random() >= self._o_stall
        ctx.set(self.top.o_ready, ready)
        valid, answer = (
            ctx.get(self.top.o_valid),
            (ctx.get(self.top.o_class), ctx.get(self.top.o_logits)),
        )
        if valid and len(self.seen) == len(self.answers):
            self.seen.append(self._cycle)
        if moved := self.watch.see(self._cycle, valid, ready, answer):
            self.answers.append(answer)
        return moved

    def _taps(self, ctx: Any) -> bool:
        moved = False
        for k, ports in enumerate(self._tap_ports):
            if not ctx.get(getattr(self.top, ports[0])):
                continue
            word = {name.split("_")[1]: ctx.get(getattr(self.top, name)) for name in ports[1:]}
            moved = True
            if k < len(self.taps):
                self.taps[k].append((self._cycle, word))
            else:
                self.sums.append(word["logits"])
        return moved

    async def _cut_off(self, ctx: Any, domain: ClockDomain) -> None:
        """Work on the first frame, then reset; what was seen until then is forgotten."""
        source = self._source(self._frames[0])
        for _ in range(self.cut):
            self._put(ctx, source)
            await ctx.tick()
        ctx.set(domain.rst, 1)
        await ctx.tick()
        ctx.set(domain.rst, 0)
        self.starts, self.i_waited = [], 0


def _trace(network: Network, bench: _Bench) -> Trace:
    """What was seen, as the golden model would write it; the taps' own contract is checked on the
    way."""
    size, classes, stepped = (
        len(bench.answers),
        network.n_out(len(network.layers) - 1),
        network.schedule == "time_stepped",
    )
    counts, spikes = {}, {}
    reacts = network.schedule == "event_driven" or (
        bench.top.plan.coding == "unary" and not stepped
    )
    for k, layer in enumerate(network.hidden):
        ticks = layer.T if stepped else 1
        words = [word for _, word in bench.taps[k]]
        found = (_reactions if reacts else _frames)(
            words, ticks, input_addresses(network, k + 1), 1 if stepped else layer.T
        )
        assert len(found) == size, f"tap {k}: {len(found)} frames, but {size} answers"
        spikes[layer.name], counts[layer.name] = found, found.sum(axis=1)
    width = len(bench.top.o_logits) // classes
    logits = np.array([_unpack(packed, classes, width) for _, packed in bench.answers])
    ticks = network.readout.T if stepped else 1
    sums = np.array([_unpack(packed, classes, width) for packed in bench.sums]).reshape(
        size, ticks, classes
    )
    assert (sums[:, -1] == logits).all(), "the readout's last sums must be the logits"
    return Trace(
        np.array([answer for answer, _ in bench.answers]),
        logits,
        counts,
        _events(network, spikes, reacts) if spikes else None,
        spikes=spikes if stepped else None,
        logits_t=sums if stepped else None,
    )


def _frames(words: Sequence[Word], T: int, source: AddressMap, most: int) -> np.ndarray:
    """A tap's words as counts (B, T, N); in a tick addresses differ, and ascend where there are no
    maps."""
    neurons, numbers = source.neurons, {int(place): n for n, place in enumerate(source.addresses())}
    frames, steps, before = [], [np.zeros(neurons, np.int64)], -1
    for word in words:
        if not word["tick"] and not word["end"]:
            assert word["address"] in numbers, (
                f"address {word['address']} names no neuron of {source}"
            )
            n = numbers[word["address"]]
            assert not steps[-1][n] and (before < n or source.channel_low), (
                f"neuron {n} after {before}"
            )
            assert 1 <= word.get("count", 1) <= most, f"count {word['count']} must lie in 1..{most}"
            before = n
            steps[-1][before] = word.get("count", 1)
            continue
        assert (word["tick"], word["end"]) == ((0, 1) if len(steps) == T else (1, 0)), (
            f"{word} closes tick {len(steps) - 1}"
        )
        if word["end"]:
            frames.append(np.stack(steps))
        steps, before = ([] if word["end"] else steps) + [np.zeros(neurons, np.int64)], -1
    assert len(steps) == 1 and not steps[0].any(), "words behind the last frame"
    return np.array(frames).reshape(-1, T, neurons)


def _events(network: Network, spikes: dict[str, np.ndarray], reacts: bool) -> np.ndarray | None:
    """Events that each layer sent; how many a signed layer sends hangs on the order in which its
    input came."""
    if not reacts:
        return np.stack([(s > 0).sum(axis=(1, 2)) for s in spikes.values()], axis=1)
    if network.schedule == "event_driven" and any(
        layer.neuron == "signed" for layer in network.hidden
    ):
        return None
    return np.stack([s.sum(axis=(1, 2)) for s in spikes.values()], axis=1)


def _reactions(words: Sequence[Word], T: int, source: AddressMap, most: int) -> np.ndarray:
    """Words of neurons that may speak again, as net counts (B, 1, N), which at no moment leave
    0..most."""
    numbers = {int(place): n for n, place in enumerate(source.addresses())}
    frames, now = [], np.zeros(source.neurons, np.int64)
    for word in words:
        if word["end"]:
            frames.append(now[None].copy())
            now[:] = 0
            continue
        assert not word["tick"] and word["address"] in numbers, word
        n = numbers[word["address"]]
        now[n] += -1 if word.get("negative") else word.get("count", 1)
        assert 0 <= now[n] <= most, f"neuron {n} has {now[n]}"
    assert not now.any(), "words behind the last frame"
    return np.array(frames).reshape(-1, T, source.neurons)


def _unpack(packed: int, count: int, width: int) -> list[int]:
    """Signed fields of `width` bits, the first one lowest."""
    values = [packed >> k * width & (1 << width) - 1 for k in range(count)]
    return [value - (value >> (width - 1) << width) for value in values]
