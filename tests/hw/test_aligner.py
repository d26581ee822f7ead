"""hw.stream.aligner: of the ticks of a group, only its last one reaches the layer."""

import random
from collections.abc import Iterator, Sequence

import pytest
from gateware import Word, bits, drive, run_stream

from polyrhythm.hw.stream.aligner import Aligner
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.network.align import boundaries, source_ticks

PAIRS = [(t_in, t_out) for t_in in range(1, 17) for t_out in range(1, t_in + 1)]


def spike(address: int, count: int = 1) -> Word:
    return {"address": address, "count": count, "tick": 0, "end": 0}


def closing(last: bool) -> Word:
    return {"address": 0, "count": 0, "tick": int(not last), "end": int(last)}


def frame(T: int, neurons: int, rng: random.Random) -> list[list[Word]]:
    """Spikes of each source tick, in which the count tells where they came from."""
    return [[spike(j, t + 1) for j in range(neurons) if rng.random() < 0.6] for t in range(T)]


def flat(ticks: Sequence[Sequence[Word]]) -> Iterator[Word]:
    for t, spikes in enumerate(ticks):
        yield from spikes
        yield closing(t == len(ticks) - 1)


# --- aligner ---


def aligned(ticks: Sequence[Sequence[Word]], t_out: int) -> list[list[Word]]:
    """The reference: the spikes of all source ticks that a destination tick sees."""
    return [[word for t in seen for word in ticks[t]] for seen in source_ticks(len(ticks), t_out)]


@pytest.mark.parametrize("t_in", range(1, 17))
def test_a_step_holds_the_source_ticks_of_the_closed_form(t_in: int) -> None:
    rng, shape = random.Random(t_in), Event(5, 16)
    for t_out in range(1, t_in + 1):
        frames = [frame(t_in, 2, rng) for _ in range(2)]
        ends = boundaries(t_in, t_out)[1:]
        dut = Aligner(shape, [[t + 1 in ends for t in range(t_in)]])
        outputs, _ = run_stream(dut, [word for ticks in frames for word in flat(ticks)], seed=t_out)
        assert outputs == [word for ticks in frames for word in flat(aligned(ticks, t_out))], (
            f"{t_in} to {t_out} ticks"
        )


def test_the_closed_form_is_rounding_half_down_of_equal_parts() -> None:
    """B_i lies nearest to i * m / f, and below where two are as near; so no pair of up to 16 ticks
    is left to chance."""
    for t_in, t_out in PAIRS:
        for i, edge in enumerate(boundaries(t_in, t_out)):
            assert -t_out < 2 * (i * t_in - edge * t_out) <= t_out, (
                f"{t_in} to {t_out} ticks: B_{i} = {edge}"
            )


def test_a_dropped_tick_costs_its_cycle_and_nothing_more() -> None:
    ticks = frame(4, 3, random.Random(1))
    words = list(flat(ticks))
    kept = [
        cycle
        for cycle, word in enumerate(words)
        if word != closing(False) or cycle == len(ticks[0] + ticks[1]) + 1
    ]
    _, cycles = run_stream(
        Aligner(Event(3, 16), [[False, True, False, True]]), words, i_stall=0, o_stall=0
    )
    assert cycles == kept and len(kept) == len(words) - 2


def test_a_dropped_tick_waits_for_nobody() -> None:
    shape = Event(3, 1)
    steps = [{"i.payload": bits(shape, {"tick": 1}), "i.valid": 1, "o.ready": 0}] * 3
    seen = drive(Aligner(shape, [[False, True]]), steps, ["i.ready", "o.valid"])
    assert [(word["i.ready"], word["o.valid"]) for word in seen] == [(1, 0), (0, 1), (0, 1)]
