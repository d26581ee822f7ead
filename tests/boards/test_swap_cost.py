"""boards.bitstream.cost: what being swappable costs is told only of two builds of one network."""

from pathlib import Path
from typing import Any

import pytest

from polyrhythm.boards.bitstream.cost import direct_of, earlier, seconds_of
from polyrhythm.cli.board import cost

DIRECT: dict[str, Any] = {
    "board": "ulx3s-25f", "digest": "d1", "lanes": [2, 2], "coding": "count", "tools": {"y": "1"},
    "use": {"lut4": 3000, "bram": 3}, "fmax_mhz_median": 126.5, "clock_hz": 120_000_000,
    "files": {"a.bit": "1"}, "seconds": 300.0,
}  # fmt: skip
SWAPPABLE = DIRECT | {
    "use": {"lut4": 3500, "bram": 8}, "fmax_mhz_median": 110.0, "swappable": ["..."]
}  # fmt: skip


def test_the_cost_is_told_beside_the_direct_build() -> None:
    result = SWAPPABLE | {"direct": direct_of(SWAPPABLE, DIRECT)}
    assert cost(result) == (
        "What being swappable costs: LUT4 3,000 -> 3,500, block RAM 3 -> 8, "
        "Fmax 126.50 -> 110.00 MHz"
    )


@pytest.mark.parametrize(
    "other", [{}, SWAPPABLE, DIRECT | {"digest": "d2"}, DIRECT | {"lanes": [4, 2]}]
)
def test_builds_that_cannot_be_compared_are_not(other: dict[str, Any]) -> None:
    found = direct_of(SWAPPABLE, other)
    assert found is None
    assert "not known" in cost(SWAPPABLE | {"direct": found})


def test_a_build_out_of_the_cache_keeps_the_seconds_of_the_first() -> None:
    assert seconds_of(DIRECT, DIRECT, 4.0) == 300.0
    assert seconds_of(DIRECT, DIRECT | {"files": {"a.bit": "2"}}, 4.04) == 4.0
    assert seconds_of(DIRECT, {}, 4.0) == 4.0


def test_a_folder_without_a_build_has_none_before(tmp_path: Path) -> None:
    assert earlier(tmp_path) == {}
    (tmp_path / "build.json").write_text("[")
    assert earlier(tmp_path) == {}
