"""Every reference network gives what it gave: digest, counts, logits, and the cycles of each
frame."""

import json
from typing import Any

import pytest
import records

KEPT: dict[str, Any] = json.loads(records.KEPT.read_text())


def test_every_reference_is_recorded() -> None:
    assert sorted(KEPT) == records.NAMES


@pytest.mark.parametrize("name", records.NAMES)
def test_a_reference_gives_what_it_gave(name: str) -> None:
    assert records.record(name) == KEPT[name]
