"""The line between driver and board damages what passes: no wrong answer is taken, nothing hangs,
and the frame behind a damaged one goes through as if nothing had been.

After each fault up to three frames are sent, which must be answered right, however often they have
to be sent; then one more, which must be answered right when it is sent once, without a pause.

    pytest -n 0 -s -m long tests/board/test_damaged_line.py    # counts them, and prints what it saw
"""

import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
from faulty import FAULTS, FROM, TO, Faulty
from onboard import Linked

from polyrhythm.boards.driver.device import Device
from polyrhythm.boards.driver.port import Transport
from polyrhythm.sw import golden
from polyrhythm.sw.trace import Trace

pytestmark = pytest.mark.xdist_group("board")
QUICK_S = 0.02  # silence after which damaged frames are looked after
SLOW_S = 20.0  # the clean one must come without such a silence
TRIES = 200  # a machine that has much else to do is no fault of the line
WITHIN = 120  # bytes until the fault: somewhere in the exchange of the frames
CASES = [(kind, direction) for direction in (TO, FROM) for kind in FAULTS]


@dataclass
class Bench:
    """A device behind a line that does faults, and frames whose answers are known."""

    device: Device
    line: Faulty
    rng: np.random.Generator
    inputs: np.ndarray
    expected: Trace
    slowest_s: float = 0.0
    repeated: Counter[tuple[str, str]] = field(default_factory=Counter)

    def fault(self, kind: str, direction: str) -> None:
        """Do one fault, and see that all is well behind it."""
        traffic = self.device.traffic
        done = self.line.fired[kind, direction]
        while self.line.fired[kind, direction] == done:
            self.line.arm(kind, direction, int(self.rng.integers(WITHIN)))
            first, many = int(self.rng.integers(len(self.inputs) - 4)), int(self.rng.integers(1, 4))
            start, before = time.monotonic(), traffic.repeated
            self.send(first, many, QUICK_S)
            self.line.disarm()
            self.slowest_s = max(self.slowest_s, time.monotonic() - start)
            assert self.slowest_s < SLOW_S, (kind, direction)
            self.repeated[kind, direction] += traffic.repeated - before
            before, start = traffic.repeated, time.monotonic()
            self.send(first + many, 1, SLOW_S)
            assert traffic.repeated == before, (kind, direction)
            assert time.monotonic() - start < SLOW_S, (kind, direction)

    def send(self, first: int, many: int, timeout_s: float) -> None:
        """Send frames, whose answers must be golden's."""
        self.device._connection.timeout_s = timeout_s
        trace = self.device.run(self.inputs[first : first + many])
        assert np.array_equal(trace.answer, self.expected.answer[first : first + many])
        assert np.array_equal(trace.logits, self.expected.logits[first : first + many])


def send_through(linked: Linked, faults: int, seed: int) -> Bench:
    """So many faults, evenly of all kinds in both directions."""
    rng = np.random.default_rng(seed)
    lines: list[Faulty] = []

    def damaged(transport: Transport) -> Faulty:
        lines.append(Faulty(transport, rng))
        return lines[0]

    inputs = linked.inputs(rng, 64)
    start = time.monotonic()
    with linked.open(through=damaged) as device:
        device._connection.tries = TRIES
        bench = Bench(device, lines[0], rng, inputs, golden.run(linked.network, inputs))
        for k in range(faults):
            bench.fault(*CASES[k % len(CASES)])
        status = device.status()
    print(f"\n{faults:,} faults, seed {seed}, {time.monotonic() - start:.0f} s, {device.traffic}")
    print(f"slowest frames behind a fault: {bench.slowest_s:.2f} s; the board says {status}")
    for case in CASES:
        count, again = bench.line.fired[case], bench.repeated[case]
        print(f"{case[0]:10} {case[1]:15} {count:6,} faults, {again:6,} frames sent again")
    return bench


def test_faults_of_every_kind(linked: Linked) -> None:
    bench = send_through(linked, 98, seed=1)
    assert set(bench.line.fired.values()) == {7} and len(bench.line.fired) == len(CASES)
    # Damage to what goes out must have led to frames that were sent again, else nothing was damaged.
    assert all(bench.repeated[kind, TO] > 0 for kind in FAULTS)


@pytest.mark.long
def test_ten_thousand_faults(linked: Linked) -> None:
    bench = send_through(linked, 10_000, seed=2)
    assert bench.line.fired.total() == 10_000
