"""hw.conv.charge: sums in memories, and no operation sees a word without what those before it did
to it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from convolutions import Shape
from gateware import Word, bits, drive
from plans import with_starts

from polyrhythm.hw.conv.charge import ConvCharge
from polyrhythm.hw.conv.operation import ConvOp
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.steps import Steps
from polyrhythm.sw.plan.widths import signed_width


@dataclass(frozen=True)
class Case:
    """A convolution, laid out; `latency` of a charge for it."""

    shape: Shape
    lanes: int
    parallel: bool
    latency: int


# Shallow and deep weight memories, counts of one, four and eight bits: two to five operations under
# way.
CASES = [
    Case(Shape((1, 4, 4), 2, 2), 2, True, 3),
    Case(Shape((1, 4, 4), 3, 2, max_count=15), 2, False, 4),
    Case(Shape((3, 4, 5), 3, 3, max_count=200), 1, True, 6),
    Case(Shape((4, 5, 4), 2, 3, stride=2), 1, True, 4),
]
KINDS = ("integrate", "sweep", "clear", "")


STEPS = Steps(2, (1, 1), (True, True), (0, 1))


def starts_of(case: Case, synapses: ConvSynapses) -> np.ndarray:
    """Random starts, (rows, lanes), so that a wrong one shows."""
    return np.random.default_rng(2).integers(-40, 40, (synapses.channel_groups + 1, case.lanes))


def operations(
    case: Case, synapses: ConvSynapses, starts: int, number: int, rng: random.Random
) -> list[Word]:
    """Clear every word, then operations of all kinds on few words; those that ask for nothing carry
    noise."""
    groups, banks = synapses.groups, synapses.banks
    clears = [
        {"clear": 1, "address": [n] * banks, "enabled": (1 << banks) - 1, "following": 0}
        for n in range(groups)
    ]
    ops = list(clears)
    busy = rng.sample(range(groups), min(groups, 3))
    for _ in range(number):
        kind, near = rng.choices(KINDS, [0.55, 0.25, 0.05, 0.15])[0], rng.random() < 0.8
        words = busy if near else range(groups)
        op: Word = {
            "row": rng.randrange(len(synapses.weights.rows)),
            "following": rng.randrange(starts),
        }
        op |= {
            "address": [rng.choice(words) for _ in range(banks)],
            "enabled": rng.getrandbits(banks),
        }
        if kind in ("sweep", "clear"):
            op |= {"address": [rng.choice(words)] * banks, "enabled": (1 << banks) - 1}
        op |= {"count": rng.randint(1, case.shape.max_count)} if case.shape.max_count > 1 else {}
        ops.append(op | ({kind: 1} if kind else {}))
    return ops


def weights_of(synapses: ConvSynapses, row: int) -> list[int]:
    width, word = synapses.weights.bits, synapses.weights.rows[row]
    raw = [word >> k * width & (1 << width) - 1 for k in range(synapses.lanes)]
    return [value - (value >> width - 1 << width) for value in raw]


def reference(
    ops: list[Word], synapses: ConvSynapses, starts: np.ndarray, seen: list[int]
) -> Iterator[list[int]]:
    """What each sweep finds, lane by lane; every sum there ever was goes into `seen`."""
    lanes, state = synapses.channel_lanes, {}
    for op in ops:
        for bank in range(synapses.banks):
            place = bank, op["address"][bank]
            if op.get("sweep") or op.get("clear"):
                found = state.get(place)
                state[place] = starts[op["following"]].tolist()
                if op.get("sweep"):
                    yield found  # type: ignore[misc]
            elif op.get("integrate") and op["enabled"] >> bank & 1:
                own = weights_of(synapses, op["row"])[bank * lanes :][:lanes]
                state[place] = [
                    v + w * op.get("count", 1) for v, w in zip(state[place], own, strict=True)
                ]
            seen += state.get(place, [])


def near_misses(ops: list[Word], synapses: ConvSynapses) -> set[tuple[int, str, str]]:
    """(distance, kind, kind) of operations that change the same word of a bank."""
    found = set()
    kinds = [next((kind for kind in KINDS[:3] if op.get(kind)), "") for op in ops]
    for k, op in enumerate(ops):
        for distance in range(1, min(k, 6) + 1):
            before = ops[k - distance]
            for bank in range(synapses.banks):
                both = before["enabled"] & op["enabled"] & 1 << bank
                if both and before["address"][bank] == op["address"][bank]:
                    found.add((distance, kinds[k - distance], kinds[k]))
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sums_equal_the_reference_at_every_distance(case: Case) -> None:
    plan, rng = case.shape.plan(case.lanes, case.parallel), random.Random(case.latency)
    synapses = case.shape.synapses(case.lanes, case.parallel)
    starts = starts_of(case, synapses)
    ops, seen = operations(case, synapses, len(starts), 700, rng), [0]
    wanted = list(reference(ops, synapses, starts, seen))
    width = signed_width(min(seen), max(seen))  # a bit less would be wrong
    shape = ConvOp(synapses, (STEPS,), Event(synapses.source, case.shape.max_count))
    dut = ConvCharge(Rom, shape, synapses, with_starts(plan.sums, starts, width))
    raw = [
        bits(shape, {name: value for name, value in op.items() if name in shape.members})
        for op in ops
    ]
    outputs = ["o.words.valid", "o.coming.payload", "o.words.payload.op", "o.words.payload.values"]
    got = drive(dut, [{"i.payload": op} for op in [*raw, *[0] * (dut.latency + 1)]], outputs)

    assert dut.latency == case.latency
    sweeps = [cycle for cycle, op in enumerate(ops) if op.get("sweep")]
    assert [
        cycle - dut.latency for cycle, word in enumerate(got) if word["o.words.valid"]
    ] == sweeps
    for k, sweep in enumerate(sweeps):
        done = got[sweep + dut.latency]
        assert (
            done["o.words.payload.op"]
            == got[sweep + dut.latency - 1]["o.coming.payload"]
            == raw[sweep]
        )
        fields = [
            done["o.words.payload.values"] >> lane * width & (1 << width) - 1
            for lane in range(synapses.lanes)
        ]
        sums = [value - (value >> width - 1 << width) for value in fields]
        want = [value for bank in wanted[k * synapses.banks :][: synapses.banks] for value in bank]
        assert sums == want, f"sweep {k} in cycle {sweep}"
    met = near_misses(ops, synapses)
    pairs = [(a, b) for a in ("integrate", "sweep") for b in ("integrate", "sweep")]
    assert met >= {(distance, *pair) for distance in range(1, 6) for pair in pairs}


@pytest.mark.parametrize("distance", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("enabled", [0, 1])
def test_an_operation_that_is_not_enabled_hides_nothing(distance: int, enabled: int) -> None:
    """integrate; `distance` - 1 operations that name the word, but are not enabled; integrate;
    sweep."""
    plan, synapses = (
        Shape((1, 4, 4), 1, 2).plan(1, parallel=False),
        Shape((1, 4, 4), 1, 2).synapses(1, parallel=False),
    )
    shape = ConvOp(synapses, plan.steps, Event(synapses.source, 1))
    row = next(k for k in range(len(synapses.weights.rows)) if weights_of(synapses, k) != [0])
    quiet = {
        "integrate": enabled,
        "sweep": 0,
        "clear": 0,
        "row": row,
        "address": [1],
        "enabled": 1 - enabled,
    }
    add = {"integrate": 1, "row": row, "address": [1], "enabled": 1}
    ops: list[Word] = [
        {"clear": 1, "address": [1], "enabled": 1},
        *[{"address": [0]}] * 6,
        add,
        *[quiet] * (distance - 1),
        add,
    ]
    ops += [*[{"address": [0]}] * 6, {"sweep": 1, "address": [1], "enabled": 1}]
    dut, outputs = (
        ConvCharge(Rom, shape, synapses, plan.sums),
        ["o.words.valid", "o.words.payload.values"],
    )
    seen = drive(
        dut, [{"i.payload": bits(shape, op)} for op in [*ops, *[{"address": [0]}] * 9]], outputs
    )
    (sums,) = (word["o.words.payload.values"] for word in seen if word["o.words.valid"])
    mask = (1 << plan.sums.bits) - 1
    assert sums == (plan.sums.start.rows[0] + 2 * weights_of(synapses, row)[0]) & mask
