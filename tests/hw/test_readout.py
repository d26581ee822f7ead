"""hw.output.readout: the class with the largest sum, the lowest one on a tie; sums of the answer
and of every tick."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.hdl import ClockDomain
from gateware import QUIET, Watch, Word, fields, simulate

from polyrhythm.hw.output.readout import Readout
from polyrhythm.sw.plan.parameters import STANDARD

BITS = 9
LOWEST, HIGHEST = -(1 << BITS - 1), (1 << BITS - 1) - 1
Frame = list[list[int]]  # sums of all classes after each tick


def reference(frame: Frame) -> Word:
    sums = frame[-1]
    return {"class": sums.index(max(sums)), "logits": sums}


@dataclass
class Seen:
    answers: list[Word] = field(default_factory=list)
    # Cycles from each frame's last word to its answer
    waits: list[int] = field(default_factory=list)
    running: list[list[int]] = field(default_factory=list)  # sums shown after each tick
    waited: int = 0


def run(
    classes: int, lanes: int, frames: list[Frame], pause: float, o_stall: float, seed: int = 1
) -> Seen:
    """Finished groups in their order; a frame's very last one comes after the answer before it was
    taken."""
    dut, rng, watch, seen = Readout(classes, lanes, BITS), random.Random(seed), Watch("o"), Seen()
    groups, shape = -(-classes // lanes), dut.o.payload.shape()
    into, word = dut.i.words, dut.i.words.payload
    words = []
    for frame in frames:
        for tick, sums in enumerate(frame):
            # Lanes without a neuron hold what would win.
            padded = [
                value & (1 << BITS) - 1
                for value in [*sums, *[HIGHEST] * (groups * lanes - classes)]
            ]
            for group in range(groups):
                packed = sum(
                    value << k * BITS for k, value in enumerate(padded[group * lanes :][:lanes])
                )
                words.append((packed, group, tick == len(frame) - 1))

    async def bench(ctx: Any, _: ClockDomain) -> None:
        cycle = idle = sent = 0
        free, last = True, 0
        while idle < QUIET:
            done = sent < len(words) and rng.random() >= pause
            packed, group, closing = words[sent] if sent < len(words) else (0, 0, False)
            final = closing and group == groups - 1
            done = done and (free or not final)
            ready = rng.random() >= o_stall
            ctx.set(into.valid, done)
            ctx.set(word.sums.as_value(), packed if done else rng.getrandbits(BITS * lanes))
            ctx.set(word.group, group if done else rng.randrange(groups))
            ctx.set(word.closing, closing if done else rng.randrange(2))
            ctx.set(dut.o.ready, ready)
            if ctx.get(dut.running.valid):
                seen.running.append(list(ctx.get(dut.running.payload)))
            raw, valid = ctx.get(dut.o.payload.as_value()), ctx.get(dut.o.valid)
            if valid and len(seen.waits) == len(seen.answers):
                seen.waits.append(cycle - last)
            moved = watch.see(cycle, valid, ready, raw)
            assert ctx.get(dut.i.returned) == moved, (
                "the place is given back when the answer is taken"
            )
            if moved:
                seen.answers.append(fields(shape, raw))
            if done and final:
                free, last = False, cycle
            free, sent, idle = free or moved, sent + done, 0 if moved or done else idle + 1
            await ctx.tick()
            cycle += 1

    simulate(dut, bench)
    seen.waited = watch.waited
    return seen


RANGES = [
    (LOWEST, HIGHEST),
    (-1, 0),
    (LOWEST, LOWEST),
    (HIGHEST, HIGHEST),
    (LOWEST, -1),
    (LOWEST, LOWEST + 1),
]


def frames_of(classes: int, ticks: int, number: int, rng: random.Random) -> list[Frame]:
    """Sums from the whole range, from two values (so that they tie), and all at the lowest or the
    highest end."""

    def frame(low: int, high: int) -> Frame:
        return [[rng.randint(low, high) for _ in range(classes)] for _ in range(ticks)]

    return [frame(*RANGES[k % len(RANGES)]) for k in range(number)]


SHAPES = [
    (1, 1),
    (2, 1),
    (2, 2),
    (3, 2),
    (5, 5),
    (7, 3),
    (8, 4),
    (10, 10),
    (10, 4),
    (11, 1),
    (16, 16),
    (17, 16),
]


@pytest.mark.parametrize(("classes", "lanes"), SHAPES)
@pytest.mark.parametrize(
    ("ticks", "pause", "o_stall"), [(1, 0.0, 0.0), (3, 0.0, 0.7), (2, 0.5, 0.7)]
)
def test_answers_and_running_sums_equal_the_reference(
    classes: int, lanes: int, ticks: int, pause: float, o_stall: float
) -> None:
    frames = frames_of(classes, ticks, 24, random.Random(classes * lanes))
    seen = run(classes, lanes, frames, pause, o_stall, seed=ticks)
    assert seen.answers == [reference(frame) for frame in frames]
    assert seen.running == [sums for frame in frames for sums in frame]
    assert seen.waited or not o_stall
    tied = sum(frame[-1].count(max(frame[-1])) > 1 for frame in frames)
    assert tied > 3 or classes == 1, "ties happened"


@pytest.mark.parametrize(("classes", "lanes"), SHAPES)
def test_a_tie_goes_to_the_lowest_class(classes: int, lanes: int) -> None:
    """Each pair of classes shares the lead once."""
    frames = []
    for a in range(classes):
        for b in range(a, classes):
            frames.append([[-3 if k in (a, b) else -4 for k in range(classes)]])
    seen = run(classes, lanes, frames, 0, 0)
    assert [answer["class"] for answer in seen.answers] == [
        a for a in range(classes) for _ in range(a, classes)
    ]


@pytest.mark.parametrize(
    ("lanes", "latency"), [(1, 3), (2, 3), (4, 3), (5, 5), (10, 5), (16, 5), (17, 7)]
)
def test_the_answer_comes_a_cycle_after_the_winners_stages(lanes: int, latency: int) -> None:
    frames = frames_of(lanes, 2, 6, random.Random(1))
    assert (
        set(run(lanes, lanes, frames, 0, 0).waits)
        == {latency}
        == {STANDARD.winner_stages(lanes) + 1}
    )
