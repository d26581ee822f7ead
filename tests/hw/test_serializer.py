"""hw.output.serializer: every fired neuron once, lowest first, then the tick; one per cycle,
without a bubble while busy."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.hdl import ClockDomain
from gateware import QUIET, Watch, Word, bits, fields, simulate

from polyrhythm.hw.output.serializer import Serializer
from polyrhythm.sw.plan.layout import dense_layout
from polyrhythm.sw.plan.parameters import STANDARD

BLOCK, FAR_LANES, STORED_WORDS = STANDARD.block, STANDARD.far_lanes, STANDARD.stored_words


@dataclass(frozen=True)
class Group:
    """A swept group: fired lanes with their values, and what the word closes."""

    fired: dict[int, int]
    last: bool = True
    closing: bool = False

    def blocks(self, lanes: int) -> list[list[int]]:
        return [[k for k in self.fired if k // BLOCK == b] for b in range(-(-lanes // BLOCK))]

    def word(self, lanes: int) -> Word:
        return {
            "fire": sum(1 << k for k in self.fired),
            "last": int(self.last),
            "closing": int(self.closing),
        }


def reference(groups: Sequence[Group], lanes: int, value_bits: int) -> Iterator[Word]:
    """All picks in their order."""
    base = 0
    for group in groups:
        for k in sorted(group.fired):
            yield {"address": base + k, "tick": 0, "end": 0} | (
                {"value": group.fired[k]} if value_bits else {}
            )
        base += lanes
        if group.last:
            yield {"tick": int(not group.closing), "end": int(group.closing)}
            base = 0


def law(
    groups: Sequence[Group], puts: Sequence[int], lanes: int, value_bits: int, slots: int
) -> Iterator[int]:
    """The cycle of each pick where nobody stalls.

    A word's first block can be loaded in the cycle behind its put (one later where lanes lie far
    away or values stand in a memory), where there are values one cycle later, and then a block per
    cycle; values from a memory come three cycles after the word before has left. It speaks from the
    next cycle on, and the next one can be loaded in the cycle of its last pick. A word that has
    nothing to say passes like a block, but need wait neither for values nor for the one that
    speaks.
    """
    load = leaves = 0
    stored, free = bool(value_bits) and slots > STORED_WORDS, -3
    for group, put in zip(groups, puts, strict=True):
        put += 1 if lanes > FAR_LANES or stored else 0
        fired = [len(block) for block in group.blocks(lanes) if block] or [0]
        for k, number in enumerate(fired, 1):
            size = number + (group.last and k == len(fired))
            waits = leaves if size else 0, free + 3 if stored and number else 0
            load = max(load + 1, put + (2 if value_bits else 1), *waits)
            yield from range(load + 1, load + 1 + size)
            leaves = load + size if size else leaves
        free = load


@dataclass
class Seen:
    picks: list[Word] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)
    puts: list[int] = field(default_factory=list)
    full: int = 0  # cycles in which all places were taken


def run(
    groups: Sequence[Group], size: int, lanes: int, value_bits: int, slots: int,
    i_stall: float = 0.5, o_stall: float = 0.5, seed: int = 1,
) -> Seen:  # fmt: skip
    """Put words while there are places for them."""
    dut, rng, watch, seen = (
        Serializer(dense_layout(size, lanes), value_bits, slots),
        random.Random(seed),
        Watch("o"),
        Seen(),
    )
    fired, into = dut.i.words.payload.fired, dut.i.words
    words = [bits(fired.shape(), group.word(lanes)) for group in groups]
    values = [sum(value << k * value_bits for k, value in group.fired.items()) for group in groups]
    shape = dut.o.payload.shape()

    async def bench(ctx: Any, _: ClockDomain) -> None:
        cycle = idle = taken = 0
        while idle < QUIET:
            put = len(seen.puts) < len(words) and taken < slots and rng.random() >= i_stall
            ready = rng.random() >= o_stall
            ctx.set(into.valid, put)
            ctx.set(
                fired.as_value(),
                words[len(seen.puts)] if put else rng.getrandbits(fired.shape().size),
            )
            if value_bits:
                ctx.set(
                    into.payload["values"].as_value(),
                    values[len(seen.puts)] if put else rng.getrandbits(value_bits * lanes),
                )
            ctx.set(dut.o.ready, ready)
            seen.full += taken == slots
            taken += put - ctx.get(dut.i.returned)
            assert 0 <= taken <= slots
            if put:
                seen.puts.append(cycle)
            raw = ctx.get(dut.o.payload.as_value())
            moved = watch.see(cycle, ctx.get(dut.o.valid), ready, raw)
            if moved:
                seen.picks.append(fields(shape, raw))
                seen.cycles.append(cycle)
            idle = 0 if moved or put else idle + ready
            await ctx.tick()
            cycle += 1
        assert taken == 0, "every place was given back"

    simulate(dut, bench)
    return seen


def groups_of(
    size: int, lanes: int, value_bits: int, ticks: int, rng: random.Random
) -> list[Group]:
    """Ticks of silent, full and mixed groups; lanes behind the last neuron never fire."""
    groups = []
    for tick in range(ticks):
        density = rng.choice([0.0, 0.1, 0.3, 0.6, 1.0])
        for base in range(0, size, lanes):
            used = range(min(lanes, size - base))
            fired = {k: rng.getrandbits(value_bits or 1) for k in used if rng.random() < density}
            groups.append(Group(fired, base + lanes >= size, tick % 3 == 2))
    return groups


SHAPES = [(1, 1), (5, 1), (7, 7), (8, 8), (9, 9), (16, 8), (20, 20), (23, 9), (19, 16), (64, 64)]


def agree(seen: Seen, groups: Sequence[Group], lanes: int, value_bits: int) -> None:
    """Compare with the reference; the address of a tick means nothing."""
    wanted = list(reference(groups, lanes, value_bits))
    for place, (got, want) in enumerate(zip(seen.picks, wanted, strict=False)):
        assert {name: got[name] for name in want} == want, f"pick {place}"
    assert len(seen.picks) == len(wanted)


@pytest.mark.parametrize(("size", "lanes"), SHAPES)
@pytest.mark.parametrize(("value_bits", "slots"), [(0, 8), (6, 2), (6, 5)])
def test_picks_equal_the_reference_under_stalls(
    size: int, lanes: int, value_bits: int, slots: int
) -> None:
    rng = random.Random(size * lanes)
    groups = groups_of(size, lanes, value_bits, 24, rng)
    seen = run(groups, size, lanes, value_bits, slots, i_stall=0.1, seed=size)
    agree(seen, groups, lanes, value_bits)
    assert seen.full, "all places were taken at some time"
    assert any(not group.fired and group.last for group in groups), "a silent tick"


@pytest.mark.parametrize(("size", "lanes"), SHAPES)
@pytest.mark.parametrize(("value_bits", "slots"), [(0, 8), (6, 2), (6, 5), (6, 40)])
@pytest.mark.parametrize("i_stall", [0.0, 0.8])
def test_every_pick_comes_in_the_cycle_that_the_law_says(
    size: int, lanes: int, value_bits: int, slots: int, i_stall: float
) -> None:
    groups = groups_of(size, lanes, value_bits, 12, random.Random(size + lanes))
    seen = run(groups, size, lanes, value_bits, slots, i_stall, o_stall=0)
    agree(seen, groups, lanes, value_bits)
    assert seen.cycles == list(law(groups, seen.puts, lanes, value_bits, slots))


@pytest.mark.parametrize(("value_bits", "first"), [(0, 2), (6, 3)])
def test_the_first_pick_comes_two_cycles_after_the_put_and_three_where_there_are_values(
    value_bits: int, first: int
) -> None:
    seen = run([Group({3: 0})], 5, 5, value_bits, 2, i_stall=0, o_stall=0)
    assert (seen.puts, seen.cycles) == ([0], [first, first + 1])


@pytest.mark.parametrize(("value_bits", "slots", "first"), [(0, 8, 2), (6, 2, 3)])
def test_no_bubble_where_every_word_speaks(value_bits: int, slots: int, first: int) -> None:
    """Not even where each word, and each block, has one neuron only."""
    groups = [Group(dict.fromkeys(range(0, 24, BLOCK), 0), tick % 2 == 1) for tick in range(12)]
    seen = run(groups, 48, 24, value_bits, slots, i_stall=0, o_stall=0)
    assert seen.cycles == list(range(first, first + 12 * 3 + 6))


def test_silent_blocks_and_words_cost_nothing_while_picks_wait() -> None:
    """A block of eight neurons covers the eight silent words behind it, and a silent block costs
    nothing at all."""
    full = dict.fromkeys(range(BLOCK), 0)
    groups = [Group(full, last=False), *[Group({}, last=False)] * 7, Group({3 * BLOCK: 0})]
    seen = run(groups, 9 * 32, 32, 0, 9, i_stall=0, o_stall=0)
    assert seen.cycles == list(range(2, 2 + BLOCK + 2))
    assert seen.picks[-2]["address"] == 8 * 32 + 3 * BLOCK
