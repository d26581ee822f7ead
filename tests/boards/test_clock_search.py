"""boards.flow.search with a placer that only pretends: which clocks are tried, with which seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from polyrhythm.boards.catalog.rows import BOARDS
from polyrhythm.boards.flow import search
from polyrhythm.boards.flow.place import NoPlacement, Placement
from polyrhythm.boards.flow.search import Built, ClockMissed, build_design
from polyrhythm.boards.flow.timing import Clock

ULX3S = BOARDS["ulx3s-25f"]
NOWHERE = Path("nowhere")


class Placer:
    """Placements that reach what `reach` makes of the clock [whole MHz] and the seed; None: they
    come to no end. `made` has the netlists' clocks, `placed` what was placed, each once."""

    def __init__(self, reach: Callable[[int, int], float | None]) -> None:
        self.reach = reach
        self.made: list[int] = []
        self.placed: list[tuple[int, int]] = []
        self.told: list[str] = []

    def use(self, monkeypatch: pytest.MonkeyPatch) -> Placer:
        """Take the place of the tools."""
        monkeypatch.setattr(search, "netlist", self.netlist)
        monkeypatch.setattr(search, "fitting", lambda *_: {})
        monkeypatch.setattr(search, "placements", self.placements)
        return self

    def build(self, seeds: Sequence[int] = (1,), **changes: Any) -> Built:
        """The whole search."""
        tell = lambda line: self.told.append(str(line))  # noqa: E731
        return build_design(ULX3S, lambda *_: None, seeds=seeds, progress=tell, **changes)

    def netlist(self, board: object, make: object, target: Any, progress: object) -> Path:
        assert round(target.mhz) not in self.made, "a netlist is made, and told, once"
        self.made.append(round(target.mhz))
        return NOWHERE

    def placements(
        self, part: object, work: Path, top: str, mhz: float, seeds: Sequence[int], *_: object
    ) -> list[Placement]:
        runs = []
        for seed in seeds:
            if (round(mhz), seed) not in self.placed:
                self.placed.append((round(mhz), seed))
            reached = self.reach(round(mhz), seed)
            if reached is not None:
                runs.append(Placement(seed, (Clock("clk", reached, mhz),), work, work))
        if not runs:
            raise NoPlacement("no room")
        return runs


def test_one_placement_is_enough_where_the_usual_clock_is_what_is_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    placer = Placer(lambda mhz, seed: 123.0).use(monkeypatch)
    assert placer.build().target.mhz == 120.0
    assert placer.placed == [(120, 1)]


def test_one_seed_searches_and_the_others_are_placed_at_what_it_finds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reach = {(120, 1): 101.0, (100, 1): 100.5, (100, 2): 97.0, (100, 3): 103.0, (100, 4): 99.0}
    placer = Placer(lambda mhz, seed: reach[mhz, seed]).use(monkeypatch)
    made = placer.build((1, 2, 3, 4))
    assert placer.placed == [(120, 1), (100, 1), (100, 2), (100, 3), (100, 4)]
    assert (made.best.seed, made.best.mhz, made.median_mhz) == (3, 103.0, 99.0)
    assert placer.told == ["120.00 MHz asked, 101.00 MHz reached (seed 1, the best of 1)"]


def test_the_clock_falls_again_where_the_next_placement_misses_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    placer = Placer(lambda mhz, seed: {120: 113.0, 112: 110.9}.get(mhz, mhz)).use(monkeypatch)
    assert round(placer.build().target.mhz) == 111
    assert placer.placed == [(120, 1), (112, 1), (111, 1)]


@pytest.mark.parametrize(("again", "clocks", "kept"), [
    (151.0, [120, 150], 150.0),
    (141.0, [120, 150, 141], 140.625),
    (122.0, [120, 150], 120.0),
])  # fmt: skip
def test_the_clock_rises_to_what_is_reached_and_is_kept_where_that_is_missed(
    again: float, clocks: list[int], kept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    placer = Placer(lambda mhz, seed: {120: 150.4, 150: again}.get(mhz, mhz)).use(monkeypatch)
    made = placer.build()
    assert ([mhz for mhz, _ in placer.placed], made.target.mhz) == (clocks, kept)
    assert made.best.met


@pytest.mark.parametrize(("again", "clock", "placed"), [
    (131.0, 130.0, [(130, 2), (130, 1), (130, 3)]),
    (129.0, 120.0, [(130, 2)]),
])  # fmt: skip
def test_the_best_of_several_seeds_raises_the_clock_where_it_meets_it_again(
    again: float, clock: float, placed: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reach = {(120, 2): 130.5, (130, 2): again}
    placer = Placer(lambda mhz, seed: reach.get((mhz, seed), 121.0)).use(monkeypatch)
    made = placer.build((1, 2, 3))
    assert placer.placed == [(120, 1), (120, 2), (120, 3), *placed]
    assert (made.target.mhz, len(made.runs), made.best.met) == (clock, 3, True)


def test_where_the_first_seed_meets_no_clock_another_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are placed at the clock below what the first one has reached last."""
    placer = Placer(lambda mhz, seed: mhz * (0.93 if seed == 1 else 1.02)).use(monkeypatch)
    made = placer.build((1, 2))
    assert len(placer.made) == search.ROUNDS + 1
    assert placer.placed[-2:] == [(placer.made[-1], 1), (placer.made[-1], 2)]
    assert made.best.seed == 2 and made.best.met
    placer.made.clear()
    with pytest.raises(ClockMissed, match="of 1 placements the best reaches .*, so there is no"):
        placer.build()


def test_a_design_that_is_too_slow_for_every_clock_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="the slowest clock is .* but the design reaches 1 MHz"):
        Placer(lambda mhz, seed: 1.0).use(monkeypatch).build()


def test_the_first_seed_that_comes_to_an_end_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    placer = Placer(lambda mhz, seed: None if seed == 1 else 110.5).use(monkeypatch)
    made = placer.build((1, 2, 3))
    assert placer.placed == [(120, 1), (120, 2), (110, 2), (110, 1), (110, 3)]
    assert [run.seed for run in made.runs] == [2, 3]


def test_a_clock_that_is_asked_for_is_placed_with_all_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    placer = Placer(lambda mhz, seed: 140.0).use(monkeypatch)
    assert placer.build((1, 2), freq=100.0).target.mhz == 100.0
    assert placer.placed == [(100, 1), (100, 2)]
