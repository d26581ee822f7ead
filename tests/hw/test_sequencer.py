"""hw.dense.sequencer: which operations a layer does, in which order, and that none waits for
anything but a place to go."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from amaranth.hdl import ClockDomain
from gateware import Source, Word, bits, drive, fields, simulate

from polyrhythm.hw.dense.sequencer import Sequencer
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.steps import Steps


@dataclass(frozen=True)
class Case:
    """A layer: `repeats` are the ticks that each step is held for, `phases` the bias row of each
    tick."""

    neurons: int
    groups: int
    repeats: tuple[int, ...] = (1,)
    phases: tuple[int, ...] = (0,)
    max_count: int = 1
    merged: int = 1  # source ticks of a step
    credits: int = 8
    closing_only: bool = False

    @property
    def event(self) -> Event:
        return Event(self.neurons, self.max_count)

    def sequencer(self) -> Sequencer:
        return Sequencer(
            self.event, groups=self.groups, capacity=self.neurons * self.merged,
            steps=(Steps(len(self.phases), self.repeats, (True,), self.phases),), credits=self.credits, closing_only=self.closing_only,
        )  # fmt: skip


Frame = list[list[Word]]  # spikes of each step


def frames_of(case: Case, number: int, rng: random.Random) -> list[Frame]:
    """Steps that are empty, full, and between."""

    def step() -> list[Word]:
        size = rng.choice(
            [0, case.neurons * case.merged, rng.randrange(case.neurons * case.merged + 1)]
        )
        return [
            {"address": rng.randrange(case.neurons), "count": rng.randint(1, case.max_count)}
            for _ in range(size)
        ]

    return [[step() for _ in case.repeats] for _ in range(number)]


def reference(case: Case, frames: Sequence[Frame]) -> Iterator[Word]:
    """All operations in their order; `following` is put in below, because it is of the sweep
    behind."""
    for frame in frames:
        tick = 0
        for step, repeat in zip(frame, case.repeats, strict=True):
            for held in range(repeat):
                for group in range(case.groups):
                    for event in [] if held else step:
                        yield {
                            "row": group * case.neurons + event["address"],
                            "count": event["count"],
                        }
                    table = case.phases[tick] * case.groups + group
                    closing = tick == sum(case.repeats) - 1
                    yield {
                        "held": int(held > 0),
                        "last": int(group == case.groups - 1),
                        "group": group,
                        "table": table,
                        "closing": int(closing),
                    }
                tick += 1


def expected(case: Case, frames: Sequence[Frame]) -> list[Word]:
    """The reference, where each sweep knows the table row of the next one; behind the last one
    comes a frame's first."""
    ops = list(reference(case, frames))
    following = case.phases[0] * case.groups
    for op in reversed(ops):
        if "table" in op:
            op["following"], following = following, op["table"]
    return ops


@dataclass
class Seen:
    """What a sequencer did: its operations, each with its cycle; the cycles in which words moved;
    the most places taken."""

    ops: list[tuple[int, Word]]
    moved: list[int]
    places: int


def run(
    case: Case,
    frames: Sequence[Frame],
    i_stall: float,
    keep: float,
    seed: int = 1,
    cycles: int = 10_000,
) -> Seen:
    """Send frames; a place is given back with probability 1 - keep in each cycle."""
    dut, rng, shape = case.sequencer(), random.Random(seed), case.event
    words = [
        bits(shape, {name: value for name, value in word.items() if name in shape.members})
        for frame in frames
        for k, step in enumerate(frame)
        for word in [*step, {"tick": int(k < len(frame) - 1), "end": int(k == len(frame) - 1)}]
    ]
    source, seen, total = (
        Source(words, shape.size, i_stall, rng),
        Seen([], [], 0),
        len(expected(case, frames)),
    )

    async def bench(ctx: Any, _: ClockDomain) -> None:
        taken = idle = 0
        for cycle in range(cycles):
            valid, payload = source.offer()
            ctx.set(dut.i.valid, valid)
            ctx.set(dut.i.payload.as_value(), payload)
            returned = taken > 0 and rng.random() >= keep
            ctx.set(dut.returned, returned)
            if source.see(ctx.get(dut.i.ready)):
                seen.moved.append(cycle)
            op = fields(dut.ops.payload.shape(), ctx.get(dut.ops.payload.as_value()))
            assert not (op["integrate"] and op["sweep"])
            if op["integrate"]:
                seen.ops.append((cycle, {"row": op["row"], "count": op.get("count", 1)}))
            if op["sweep"]:
                names = ("held", "last", "group", "table", "closing", "following")
                seen.ops.append((cycle, {n: op[n] for n in names}))
            last = op["closing"] and op["group"] == case.groups - 1
            taken += int(op["sweep"] and (last or not case.closing_only)) - returned
            seen.places = max(seen.places, taken)
            idle = 0 if len(seen.ops) < total else idle + 1
            if idle > 20:
                break
            await ctx.tick()

    simulate(dut, bench)
    return seen


def random_case(rng: random.Random) -> Case:
    repeats = rng.choice([(1,), (1,) * 5, (3,), (2, 1, 2), (2, 3)])
    phases = rng.choice(
        [(0,) * sum(repeats), (0, *[1] * (sum(repeats) - 1)), tuple(range(sum(repeats)))]
    )
    return Case(
        neurons=rng.choice([1, 2, 7, 8]), groups=rng.choice([1, 1, 2, 3, 4, 7]), repeats=repeats, phases=phases,
        max_count=rng.choice([1, 1, 3, 15]), merged=rng.choice([1, 3]), credits=rng.choice([1, 2, 8]),
        closing_only=rng.random() < 0.3,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(16))
def test_operations_equal_the_reference_under_stalls(seed: int) -> None:
    rng = random.Random(seed)
    case = random_case(rng)
    frames = frames_of(case, 4, rng)
    seen = run(case, frames, i_stall=rng.choice([0.0, 0.5]), keep=rng.choice([0.3, 0.8]), seed=seed)
    wanted = expected(case, frames)
    for place, ((cycle, got), want) in enumerate(zip(seen.ops, wanted, strict=False)):
        assert got == want, f"operation {place} in cycle {cycle}"
    assert len(seen.ops) == len(wanted)
    assert 1 <= seen.places <= case.credits


CASES = [
    Case(7, 1),
    Case(7, 1, repeats=(3, 2), phases=(0, 1, 1, 1, 1)),
    Case(8, 3, repeats=(1, 1, 1), phases=(0, 0, 0), max_count=15),
    Case(5, 4, repeats=(2, 3), phases=(0, 1, 2, 3, 4)),
    Case(1, 2, repeats=(1, 1), phases=(0, 0), merged=3),
]


@pytest.mark.parametrize("case", CASES)
def test_an_operation_in_every_cycle_as_long_as_words_come(case: Case) -> None:
    """(E + 1) * groups cycles for a step of E events and groups more for each further tick, over
    frames too."""
    frames = frames_of(case, 6, random.Random(3))
    seen = run(case, frames, i_stall=0, keep=0)
    work = sum(
        (len(step) + held) * case.groups
        for frame in frames
        for step, held in zip(frame, case.repeats, strict=True)
    )
    start = 0 if case.groups == 1 else 2
    assert seen.moved[0] == 0
    assert [cycle for cycle, _ in seen.ops] == list(range(start, start + work))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("credits", [1, 3])
def test_sweeps_end_where_places_do(case: Case, credits: int) -> None:
    frames = frames_of(case, 6, random.Random(4))
    seen = run(replace(case, credits=credits), frames, i_stall=0, keep=1, cycles=600)
    assert sum("table" in op for _, op in seen.ops) == credits
    assert seen.ops[-1][0] < 500, "it has been waiting for long"


@pytest.mark.parametrize("case", CASES)
def test_a_readout_waits_for_a_place_only_with_its_very_last_sweep(case: Case) -> None:
    frames = frames_of(case, 3, random.Random(5))
    seen = run(replace(case, credits=1, closing_only=True), frames, i_stall=0, keep=1, cycles=600)
    sweeps = sum(case.repeats) * case.groups
    assert sum("table" in op for _, op in seen.ops) == 2 * sweeps - 1
    assert seen.places == 1


def test_what_is_not_valid_is_no_operation() -> None:
    rng, dut = random.Random(6), CASES[1].sequencer()
    steps = [
        {"i.valid": 0, "i.payload": rng.getrandbits(dut.i.payload.shape().size)} for _ in range(50)
    ]
    for seen in drive(dut, steps, ["ops.payload"]):
        op = fields(dut.ops.payload.shape(), seen["ops.payload"])
        assert not op["integrate"] and not op["sweep"]
