"""hw.dense.charge: sums of weight * count from their starts, a word for every sweep, at widths that
just fit."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from gateware import Word, bits, drive
from plans import table

from polyrhythm.hw.dense.charge import Charge
from polyrhythm.hw.dense.operation import Op
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.sw.plan.neurons import Sums
from polyrhythm.sw.plan.widths import signed_width


@dataclass(frozen=True)
class Case:
    lanes: int
    weight_bits: int
    max_count: int
    rows: int = 6
    tables: int = 3


CASES = [
    Case(1, 2, 1),
    Case(3, 8, 1),
    Case(8, 4, 3),
    Case(5, 5, 15),
    Case(2, 8, 16),
    Case(4, 3, 255),
    Case(1, 8, 4095),
    Case(2, 8, 3, 2100),
]


def operations(case: Case, number: int, pause: float, rng: random.Random) -> list[Word]:
    """Operations of all kinds; those that ask for nothing carry noise."""
    most = rng.choice([case.max_count, 1])
    ops: list[Word] = []
    for k in range(number):
        kind = rng.choices(["", "integrate", "sweep"], [pause, 0.7, 0.3])[0]
        if k > number - 20:
            most = case.max_count
        op = {
            "row": rng.randrange(case.rows),
            "table": rng.randrange(case.tables),
            "following": rng.randrange(case.tables),
        }
        op |= {"count": rng.choice([1, most, rng.randint(1, most)])} if case.max_count > 1 else {}
        ops.append(op | ({kind: 1} if kind else {}))
    return ops


def reference(
    ops: list[Word], weights: np.ndarray, starts: np.ndarray, partial: list[int]
) -> Iterator[list[int]]:
    """The sums that each sweep takes away; all partial sums go into `partial`."""
    sums = starts[0].copy()
    for op in ops:
        if op.get("integrate"):
            sums += op.get("count", 1) * weights[op["row"]]
        partial += sums.tolist()
        if op.get("sweep"):
            yield sums.tolist()
            sums = starts[op["following"]].copy()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("pause", [0.0, 1.0])
@pytest.mark.parametrize("equal_starts", [False, True])
def test_sums_equal_the_reference(case: Case, pause: float, equal_starts: bool) -> None:
    seed = case.lanes * case.weight_bits
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    half = 1 << case.weight_bits - 1
    weights = numbers.choice(
        [-half, half - 1, 0, *numbers.integers(-half, half, 3)], (case.rows, case.lanes)
    )
    starts = numbers.integers(-3 * half, 3 * half, (case.tables, case.lanes))
    starts[1:] = starts[0] if equal_starts else starts[1:]
    ops = operations(case, 250, pause, rng)
    partial: list[int] = starts.ravel().tolist()
    wanted = list(reference(ops, weights, starts, partial))
    width = signed_width(min(partial), max(partial))  # a bit less would be wrong

    shape = Op(case.rows, case.max_count, 1, case.tables)
    sums = Sums((min(partial), max(partial)), width, table("fc_start", starts, width))
    dut = Charge(Rom, shape, table("fc_weight", weights, case.weight_bits), sums)
    raw = [bits(shape, op) for op in ops]
    outputs = ["o.words.valid", "o.coming.payload", "o.words.payload.op", "o.words.payload.values"]
    seen = drive(dut, [{"i.payload": op} for op in [*raw, *[0] * dut.latency]], outputs)
    sweeps = [cycle for cycle, op in enumerate(ops) if op.get("sweep")]
    assert [
        cycle - dut.latency for cycle, word in enumerate(seen) if word["o.words.valid"]
    ] == sweeps
    assert len(sweeps) > 20
    for sweep, want in zip(sweeps, wanted, strict=True):
        done = seen[sweep + dut.latency]
        packed = done["o.words.payload.values"]
        got = [packed >> k * width & (1 << width) - 1 for k in range(case.lanes)]
        assert [value - (value >> width - 1 << width) for value in got] == want, (
            f"sweep in cycle {sweep}"
        )
        assert (
            done["o.words.payload.op"]
            == seen[sweep + dut.latency - 1]["o.coming.payload"]
            == raw[sweep]
        )


@pytest.mark.parametrize(
    ("most", "products"), [(1, 0), (2, 1), (15, 1), (16, 2), (255, 2), (256, 3)]
)
@pytest.mark.parametrize(("rows", "fetch"), [(1, 2), (5000, 3)])
def test_latency_is_that_of_the_memory_and_a_cycle_for_four_bits_of_the_count(
    most: int, products: int, rows: int, fetch: int
) -> None:
    """A large memory, spread over the chip, has a register more behind it."""
    shape = Op(rows, most, 1, 1)
    dut = Charge(
        Rom, shape, table("fc_weight", [0] * rows, 8), Sums((0, 0), 2, table("fc_start", [0], 2))
    )
    steps = [{"i.payload": bits(shape, {"sweep": 1})}, *[{"i.payload": 0}] * 9]
    assert [seen["o.words.valid"] for seen in drive(dut, steps, ["o.words.valid"])].index(
        1
    ) == fetch + products
