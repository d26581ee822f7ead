"""hw.conv.charge: sums in memories, and no operation sees a word without what those before it did to it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from convolutions import Shape
from gateware import Word, bits, drive

from polyrhythm.hw.conv.charge import ConvCharge
from polyrhythm.hw.conv.sequencer import ConvOp
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.rom import pack
from polyrhythm.sw.plan.rom_conv import ConvRom
from polyrhythm.sw.plan.widths import signed_width


@dataclass(frozen=True)
class Case:
    """A convolution, laid out; `latency` of a charge for it."""

    shape: Shape
    lanes: int
    parallel: bool
    latency: int


# Shallow and deep weight memories, counts of one, four and eight bits: two to five operations under way.
CASES = [
    Case(Shape((1, 4, 4), 2, 2), 2, True, 3),
    Case(Shape((1, 4, 4), 3, 2, max_count=15), 2, False, 4),
    Case(Shape((3, 4, 5), 3, 3, max_count=200), 1, True, 6),
    Case(Shape((4, 5, 4), 2, 3, stride=2), 1, True, 4),
]
KINDS = ("integrate", "sweep", "clear", "")


def contents_of(case: Case) -> ConvRom:
    """The layout with random starts, so that a wrong one shows."""
    contents = case.shape.contents(case.lanes, case.parallel)
    starts = np.random.default_rng(2).integers(-40, 40, (contents.channel_groups + 1, case.lanes))
    return replace(contents, starts=tuple(map(tuple, starts.tolist())), phases=(0, 1))  # type: ignore[arg-type]


def operations(case: Case, contents: ConvRom, number: int, rng: random.Random) -> list[Word]:
    """Clear every word, then operations of all kinds on few words; those that ask for nothing carry noise."""
    groups, banks, starts = contents.groups, contents.banks, len(contents.starts)
    clears = [{"clear": 1, "address": [n] * banks, "enabled": (1 << banks) - 1, "following": 0} for n in range(groups)]
    ops = list(clears)
    busy = rng.sample(range(groups), min(groups, 3))
    for _ in range(number):
        kind, near = rng.choices(KINDS, [0.55, 0.25, 0.05, 0.15])[0], rng.random() < 0.8
        words = busy if near else range(groups)
        op: Word = {"row": rng.randrange(len(contents.weights)), "following": rng.randrange(starts)}
        op |= {"address": [rng.choice(words) for _ in range(banks)], "enabled": rng.getrandbits(banks)}
        if kind in ("sweep", "clear"):
            op |= {"address": [rng.choice(words)] * banks, "enabled": (1 << banks) - 1}
        op |= {"count": rng.randint(1, case.shape.max_count)} if case.shape.max_count > 1 else {}
        ops.append(op | ({kind: 1} if kind else {}))
    return ops


def weights_of(contents: ConvRom, row: int) -> list[int]:
    width, word = contents.weight_bits, contents.weights[row]
    raw = [word >> k * width & (1 << width) - 1 for k in range(contents.lanes)]
    return [value - (value >> width - 1 << width) for value in raw]


def reference(ops: list[Word], contents: ConvRom, seen: list[int]) -> Iterator[list[int]]:
    """What each sweep finds, lane by lane; every sum there ever was goes into `seen`."""
    lanes, state = contents.channel_lanes, {}
    for op in ops:
        for bank in range(contents.banks):
            place = bank, op["address"][bank]
            if op.get("sweep") or op.get("clear"):
                found = state.get(place)
                state[place] = list(contents.starts[op["following"]])  # type: ignore[call-overload]
                if op.get("sweep"):
                    yield found  # type: ignore[misc]
            elif op.get("integrate") and op["enabled"] >> bank & 1:
                own = weights_of(contents, op["row"])[bank * lanes :][:lanes]
                state[place] = [v + w * op.get("count", 1) for v, w in zip(state[place], own, strict=True)]
            seen += state.get(place, [])


def near_misses(ops: list[Word], contents: ConvRom) -> set[tuple[int, str, str]]:
    """(distance, kind, kind) of operations that change the same word of a bank."""
    found = set()
    kinds = [next((kind for kind in KINDS[:3] if op.get(kind)), "") for op in ops]
    for k, op in enumerate(ops):
        for distance in range(1, min(k, 6) + 1):
            before = ops[k - distance]
            for bank in range(contents.banks):
                both = before["enabled"] & op["enabled"] & 1 << bank
                if both and before["address"][bank] == op["address"][bank]:
                    found.add((distance, kinds[k - distance], kinds[k]))
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sums_equal_the_reference_at_every_distance(case: Case) -> None:
    contents, rng = contents_of(case), random.Random(case.latency)
    ops, seen = operations(case, contents, 700, rng), [0]
    wanted = list(reference(ops, contents, seen))
    width = signed_width(min(seen), max(seen))  # a bit less would be wrong
    contents = replace(contents, starts=pack(np.array(contents.starts), width), sum_bits=width)
    shape = ConvOp(contents, Event(contents.source, case.shape.max_count))
    dut = ConvCharge(Rom, "c", shape, contents)
    raw = [bits(shape, {name: value for name, value in op.items() if name in shape.members}) for op in ops]
    got = drive(dut, [{"op": op} for op in [*raw, *[0] * (dut.latency + 1)]], ["done", "coming", "swept", "sums"])

    assert dut.latency == case.latency
    sweeps = [cycle for cycle, op in enumerate(ops) if op.get("sweep")]
    assert [cycle - dut.latency for cycle, word in enumerate(got) if word["done"]] == sweeps
    for k, sweep in enumerate(sweeps):
        done = got[sweep + dut.latency]
        assert done["swept"] == got[sweep + dut.latency - 1]["coming"] == raw[sweep]
        fields = [done["sums"] >> lane * width & (1 << width) - 1 for lane in range(contents.lanes)]
        sums = [value - (value >> width - 1 << width) for value in fields]
        want = [value for bank in wanted[k * contents.banks :][: contents.banks] for value in bank]
        assert sums == want, f"sweep {k} in cycle {sweep}"
    met = near_misses(ops, contents)
    pairs = [(a, b) for a in ("integrate", "sweep") for b in ("integrate", "sweep")]
    assert met >= {(distance, *pair) for distance in range(1, 6) for pair in pairs}


@pytest.mark.parametrize("distance", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("enabled", [0, 1])
def test_an_operation_that_is_not_enabled_hides_nothing(distance: int, enabled: int) -> None:
    """integrate; `distance` - 1 operations that name the word, but are not enabled; integrate; sweep."""
    contents = Shape((1, 4, 4), 1, 2).contents(1, parallel=False)
    shape = ConvOp(contents, Event(contents.source, 1))
    row = next(k for k in range(len(contents.weights)) if weights_of(contents, k) != [0])
    quiet = {"integrate": enabled, "sweep": 0, "clear": 0, "row": row, "address": [1], "enabled": 1 - enabled}
    add = {"integrate": 1, "row": row, "address": [1], "enabled": 1}
    ops: list[Word] = [{"clear": 1, "address": [1], "enabled": 1}, *[{"address": [0]}] * 6, add, *[quiet] * (distance - 1), add]
    ops += [*[{"address": [0]}] * 6, {"sweep": 1, "address": [1], "enabled": 1}]
    dut = ConvCharge(Rom, "c", shape, contents)
    seen = drive(dut, [{"op": bits(shape, op)} for op in [*ops, *[{"address": [0]}] * 9]], ["done", "sums"])
    (sums,) = (word["sums"] for word in seen if word["done"])
    mask = (1 << contents.sum_bits) - 1
    assert sums == (contents.starts[0] + 2 * weights_of(contents, row)[0]) & mask
