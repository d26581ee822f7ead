"""hw.stream.input_checker: whatever comes in, legal frames go out, every fault is counted, and a
whole accelerator answers what was made of it."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import ClockDomain
from gateware import (
    PATIENCE,
    QUIET,
    Source,
    Watch,
    Word,
    bits,
    drive,
    run_stream,
    simulate,
    words_of,
)
from networks import random_inputs, random_network

from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.input_checker import FAULT_DOC, STATUS_BITS, InputChecker, Status
from polyrhythm.hw.top import Top
from polyrhythm.sw import golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import AddressMap, input_addresses
from polyrhythm.sw.plan.network import plan

MOST = (1 << STATUS_BITS) - 1
TICK, END = {"tick": 1, "end": 0}, {"tick": 0, "end": 1}


def corrected(
    words: Sequence[Word], source: AddressMap, most: int, T: int, profiles: int = 1
) -> tuple[list[Word], Counter[str]]:
    """The reference: what passes the door, and how many faults of each kind there were."""
    names = set(source.addresses().tolist())
    passed: list[Word] = []
    found: Counter[str] = Counter()
    left, before, overrun = T - 1, -1, False
    frame: int | None = None  # the profile of the frame that is open
    for word in words:
        said = word.get("profile", 0)
        holds = frame if frame is not None else said if said < profiles else 0
        told = {"profile": holds} if profiles > 1 else {}
        late = word.get("end") and overrun
        found["profile"] += said != holds and not late
        if word.get("end") and overrun:
            found["end_late"] += 1
            overrun = False
        elif word.get("tick") or word.get("end"):
            lacking = left if word.get("end") else 0
            overrun = not word.get("end") and not left
            found.update(tick_missing=lacking, end_missing=overrun)
            closes = lacking == left
            passed += [TICK | told] * lacking + [(END if closes else TICK) | told]
            frame = None if closes else holds
            left, before = T - 1 if lacking == left else left - 1, -1
        else:
            address, count = word["address"], word.get("count", 1)
            wrong = {
                "address": address not in names,
                "order": address <= before,
                "count": not 1 <= count <= most,
            }
            found.update(wrong)
            if not any(wrong.values()):
                passed.append(word | told)
                before, overrun, frame = address, False, holds
    return passed, found


# --- the door alone ---


def any_words(shape: Event, T: int, number: int, rng: random.Random) -> list[Word]:
    """Spikes with all that fits into their fields, legal or not, and up to T + 1 closing words in a
    row, of every kind."""
    words: list[Word] = []
    while len(words) < number:
        spikes, ticks = rng.choice((0, 1, 12)), rng.randrange(T + 1)
        flags = (
            [{"tick": 0}] * spikes
            + [{"tick": 1}] * ticks
            + [rng.choice(({"tick": 1}, {"end": 1}, {"tick": 1, "end": 1}))]
        )
        noise = [{name: rng.getrandbits(field.width) for name, field in shape} for _ in flags]
        words += [
            {**word, "tick": 0, "end": 0, **flag} for word, flag in zip(noise, flags, strict=True)
        ]
    return words


def plain(words: Sequence[Word]) -> list[tuple[int, ...]]:
    """Words without what means nothing in them."""
    spike = [word.get("tick", 0) + word.get("end", 0) == 0 for word in words]
    return [
        (word.get("profile", 0), word["address"], word.get("count", 1))
        if is_spike
        else (word.get("profile", 0), -1, word["tick"], word["end"])
        for word, is_spike in zip(words, spike, strict=True)
    ]


MAPS = [AddressMap((1, 1, 1)), AddressMap((5, 1, 1)), AddressMap((8, 1, 1)), AddressMap((3, 2, 5))]


@pytest.mark.parametrize(
    ("source", "most", "T", "profiles"),
    [
        *itertools.product(MAPS, [1, 5, 7], [1, 2, 5], [1]),
        *itertools.product(MAPS[1:2], [5], [1, 2, 5], [2, 3]),
    ],
)
def test_what_passes_and_what_is_counted_equal_the_reference(
    source: AddressMap, most: int, T: int, profiles: int
) -> None:
    shape, counted = Event(source, most, profiles=profiles), dict[str, int]()
    dut = InputChecker(shape, T)
    words = any_words(shape, T, 300, random.Random(source.neurons * most + T))
    passed, found = corrected(words, source, most, T, profiles)
    outputs, _ = run_stream(
        dut, words, seed=T, at_end=lambda ctx: counted.update(_status(ctx, dut.status))
    )
    assert plain(outputs) == plain(passed)
    assert counted == {name: found[name] for name in dut.status.shape().members}
    assert min(counted.values()) > 0 and +found == Counter(counted), (
        "every possible fault, and no other, happened"
    )


def _status(ctx: Any, status: Any) -> dict[str, int]:
    return {name: ctx.get(status[name]) for name in status.shape().members}


def legal_frames(shape: Event, T: int, number: int, rng: random.Random) -> list[Word]:
    words: list[Word] = []
    for _ in range(number):
        for t in range(T):
            addresses = sorted(rng.sample(range(shape.neurons), rng.randint(0, shape.neurons)))
            words += [
                {"address": a, "count": rng.randint(1, shape.max_count), "tick": 0, "end": 0}
                for a in addresses
            ]
            words.append(
                {
                    "address": rng.randrange(shape.neurons),
                    "count": 0,
                    **(END if t == T - 1 else TICK),
                }
            )
    return words


@pytest.mark.parametrize("T", [1, 3])
def test_legal_frames_pass_in_the_cycle_in_which_they_come(T: int) -> None:
    shape, counted = Event(5, 6), {}
    dut, words = InputChecker(shape, T), legal_frames(shape, T, 12, random.Random(T))
    outputs, cycles = run_stream(
        dut,
        words,
        0,
        0,
        at_end=lambda ctx: counted.update(_status(ctx, dut.status), error=ctx.get(dut.error)),
    )
    assert outputs == words
    assert cycles == list(range(len(words)))
    assert not any(counted.values())


def reported(words: Sequence[Word], T: int = 1) -> list[int]:
    """What the error port shows in the cycle of each word and in two more, with a sink that never
    waits."""
    shape = Event(5, 6)
    steps = [{"i.payload": bits(shape, word), "i.valid": 1, "o.ready": 1} for word in words]
    return [
        seen["error"]
        for seen in drive(InputChecker(shape, T), [*steps, {"i.valid": 0}, {}], ["error"])
    ]


GOOD: list[Word] = [{"address": j, "count": 6} for j in range(5)]
FAULTY = {
    "address": [*GOOD[:2], {"address": 5, "count": 1}, *GOOD[2:], {"end": 1}],
    "count 0": [*GOOD[:2], {"address": 2, "count": 0}, *GOOD[2:], {"end": 1}],
    "count above": [*GOOD[:2], {"address": 2, "count": 7}, *GOOD[2:], {"end": 1}],
    "repeated": [*GOOD[:2], GOOD[1], *GOOD[2:], {"end": 1}],
    "descending": [*GOOD[:2], GOOD[0], *GOOD[2:], {"end": 1}],
    "tick for end": [*GOOD[:2], {"tick": 1}, *GOOD[2:], {"end": 1}],
}


@pytest.mark.parametrize("case", FAULTY)
def test_a_fault_is_reported_from_the_next_cycle_on(case: str) -> None:
    assert reported([*GOOD, {"end": 1}, *GOOD, {"end": 1}]) == [0] * 14
    assert reported(FAULTY[case]) == [0] * 3 + [1] * 6


def test_counters_stay_at_their_largest_value() -> None:
    shape, counted = Event(5, 1), {}
    dut = InputChecker(shape, 2)
    words = [{"address": 7}] * (MOST + 3) + [{"address": 0}] * (MOST + 1) + [{"end": 1}]
    outputs, _ = run_stream(
        dut, words, 0, 0, at_end=lambda ctx: counted.update(_status(ctx, dut.status))
    )
    assert counted == {
        "address": MOST,
        "order": MOST,
        "tick_missing": 1,
        "end_missing": 0,
        "end_late": 0,
    }
    assert plain(outputs) == [(0, 0, 1), (0, -1, 1, 0), (0, -1, 0, 1)]


def test_only_faults_that_can_be_have_a_counter() -> None:
    assert list(Status(Event(5, 6, profiles=2), 2).members) == list(FAULT_DOC)
    assert list(Status(Event(8, 1), 1).members) == ["order", "end_missing", "end_late"]
    assert "address" in Status(Event(1, 1), 1).members, "one neuron has an address bit all the same"


def test_what_is_not_valid_is_not_looked_at() -> None:
    shape = Event(5, 1)
    steps = [
        {"i.payload": bits(shape, {"address": 7}), "i.valid": 0, "o.ready": k % 2}
        for k in range(20)
    ]
    assert not any(
        seen["error"] or seen["o.valid"]
        for seen in drive(InputChecker(shape, 1), steps, ["error", "o.valid"])
    )


# --- what is wrong with a frame ---

Fault = Callable[[list[Word], random.Random], list[Word]]


def at_random(kind: str, change: Callable[[Word], list[Word]]) -> Fault:
    """Replace one word, a closing one or a spike, by those that `change` makes of it."""

    def fault(words: list[Word], rng: random.Random) -> list[Word]:
        places = [
            k
            for k, word in enumerate(words)
            if kind in ("any", *(name for name in ("tick", "end") if word.get(name)))
        ]
        places = places or [len(words) - 1]
        k = rng.choice(places)
        return [*words[:k], *change(words[k]), *words[k + 1 :]]

    return fault


def noise(words: list[Word], rng: random.Random) -> list[Word]:
    return [
        rng.choice(
            [
                {"address": rng.randrange(16), "count": rng.randrange(8)},
                {"tick": 1},
                {"end": 1},
                {"tick": 1, "end": 1},
            ]
        )
        for _ in range(rng.randrange(12))
    ]


FAULTS: dict[str, Fault] = {
    "end lost": at_random("end", lambda word: []),
    "end became tick": at_random("end", lambda word: [TICK]),
    "tick before end": at_random("end", lambda word: [TICK, word]),
    "end twice": at_random("end", lambda word: [word, word]),
    "tick lost": at_random("tick", lambda word: []),
    "tick became end": at_random("tick", lambda word: [END]),
    "tick put in": at_random("any", lambda word: [TICK, word]),
    "word twice": at_random("any", lambda word: [word, word]),
    "address out of range": at_random("any", lambda word: [{"address": 15, "count": 1}, word]),
    "count 0": at_random("any", lambda word: [{"address": 0, "count": 0}, word]),
    "count above": at_random("any", lambda word: [{"address": 0, "count": 7}, word]),
    "addresses descend": lambda words, rng: words[:-1][::-1] + words[-1:],
    "noise": noise,
}


def rough(network: Network, seed: int) -> tuple[list[Word], list[tuple[int, np.ndarray]]]:
    """A stream of legal and malformed frames, and where the legal ones that stand behind an `end`
    begin, each with its counts."""
    rng, frames = (
        random.Random(seed),
        random_inputs(np.random.default_rng(seed), network, 3 * len(FAULTS)),
    )
    words: list[Word] = []
    safe: list[tuple[int, np.ndarray]] = []
    for k, frame in enumerate(frames):
        sent = words_of(network, frame)
        if k % 3 == 1:
            sent = list(FAULTS.values())[k // 3](sent, rng)
        elif not words or words[-1].get("end"):
            safe.append((len(words), frame))
        words += sent
    return words, safe


def frames_of(words: Sequence[Word], network: Network) -> np.ndarray:
    """Legal words as counts (B, T_in, *shape)."""
    numbers = {int(address): n for n, address in enumerate(input_addresses(network, 0).addresses())}
    closings = [k for k, word in enumerate(words) if word.get("tick") or word.get("end")]
    steps = np.zeros((len(closings), network.input.size), np.int32)
    for row, (low, high) in zip(steps, itertools.pairwise([-1, *closings]), strict=True):
        for word in words[low + 1 : high]:
            row[numbers[word["address"]]] = word["count"]
    return steps.reshape(-1, network.input.T, *network.input.shape)


def network_of(kind: str, schedule: str, t_in: int, seed: int) -> Network:
    """A small network of whose input addresses 15 is none."""
    rng, shape = np.random.default_rng(seed), (11,) if kind == "dense" else (1, 3, 5)
    return random_network(
        rng, schedule, (kind,), shape=shape, sizes=(5, 7), T=(2, 3), t_in=t_in, max_count=5
    )


def corrected_for(network: Network, words: Sequence[Word]) -> tuple[list[Word], Counter[str]]:
    return corrected(words, input_addresses(network, 0), network.input.max_count, network.input.T)


SOURCES = [
    ("dense", "two_phase", 1),
    ("dense", "time_stepped", 1),
    ("dense", "time_stepped", 3),
    ("conv2d", "two_phase", 1),
    ("conv2d", "time_stepped", 3),
]


@pytest.mark.parametrize("case", SOURCES)
@pytest.mark.parametrize("seed", range(20))
def test_the_reference_leaves_a_legal_frame_behind_an_end_as_it_is(
    case: tuple[str, str, int], seed: int
) -> None:
    network = network_of(*case, 1)
    words, safe = rough(network, seed)
    assert len(safe) > 2 * len(FAULTS) - 6
    for start, frame in safe:
        before, own = (
            frames_of(corrected_for(network, part)[0], network)
            for part in (words[:start], [*words[:start], *words_of(network, frame)])
        )
        assert len(own) == len(before) + 1 and (own[-1] == frame).all()


@pytest.mark.parametrize("fault", ["end became tick", "tick before end"])
@pytest.mark.parametrize("case", SOURCES)
def test_a_tick_where_the_end_had_to_be_costs_no_frame_anything(
    fault: str, case: tuple[str, str, int]
) -> None:
    network = network_of(*case, 2)
    frames = random_inputs(np.random.default_rng(2), network, 4)[[1, 2, 3]]
    words = [word for frame in frames for word in words_of(network, frame)]
    first = FAULTS[fault](words_of(network, frames[0]), random.Random(1))
    passed, found = corrected_for(network, [*first, *words])
    assert (frames_of(passed, network) == frames[[0, 0, 1, 2]]).all()
    assert +found == Counter(end_missing=1, end_late=int(fault == "tick before end"))


# --- through a whole accelerator ---


def run(
    top: Top, words: Sequence[Word], i_stall: float, o_stall: float, seed: int
) -> tuple[list[dict[str, int]], dict[str, int]]:
    """Send words to the ports of `top`; return its answers and what its status ports show in the
    end."""
    rng, watch, shape = random.Random(seed), Watch("o"), Event.of(top.plan.input)
    source = Source([bits(shape, word) for word in words], shape.size, i_stall, rng)
    answers: list[dict[str, int]] = []
    status: dict[str, int] = {}

    async def bench(ctx: Any, _: ClockDomain) -> None:
        idle = 0
        while not source.done or idle < 20 * QUIET:
            valid, payload = source.offer()
            ready = rng.random() >= o_stall
            ctx.set(top.i_valid, valid)
            ctx.set(top.o_ready, ready)
            for name in shape.members:
                ctx.set(getattr(top, f"i_{name}"), shape.from_bits(payload)[name])
            answer = {name: ctx.get(getattr(top, name)) for name in ("o_class", "o_logits")}
            moved = source.see(ctx.get(top.i_ready))
            if watch.see(len(answers), ctx.get(top.o_valid), ready, answer):
                answers.append(answer)
                moved = True
            idle = 0 if moved else idle + 1
            assert idle < PATIENCE, f"stuck after {source.sent} words in and {len(answers)} answers"
            await ctx.tick()
        status.update(
            {
                port.name: ctx.get(getattr(top, port.name))
                for port in top.ports
                if port.name.startswith(("error", "status"))
            }
        )

    simulate(top, bench)
    return answers, status


@pytest.mark.parametrize(("i_stall", "o_stall"), [(0.0, 0.0), (0.5, 0.3), (0.0, 0.97)])
@pytest.mark.parametrize("case", SOURCES)
def test_an_accelerator_answers_every_corrected_frame_and_counts_its_faults(
    case: tuple[str, str, int], i_stall: float, o_stall: float
) -> None:
    network, t_in = network_of(*case, 3), case[2]
    words, _ = rough(network, int(100 * o_stall))
    passed, found = corrected_for(network, words)
    frames = frames_of(passed, network)
    assert len(frames) * t_in == sum(word.get("tick", 0) + word.get("end", 0) for word in passed), (
        "whole frames"
    )
    top = Top(plan(network, [3, 5]), Rom)
    answers, status = run(top, words, i_stall, o_stall, seed=t_in)
    trace, width = golden.run(network, frames), len(top.o_logits) // network.n_out(1)
    assert [answer["o_class"] for answer in answers] == trace.answer.tolist()
    mask = (1 << width) - 1
    packed = [sum((int(y) & mask) << width * k for k, y in enumerate(row)) for row in trace.logits]
    assert [answer["o_logits"] for answer in answers] == packed
    faults = set(FAULT_DOC) - {"profile"} - ({"tick_missing"} if t_in == 1 else set())
    assert status == {"error": 1, **{f"status_{fault}": found[fault] for fault in faults}}
    assert min(found[fault] for fault in faults) > 0, found
