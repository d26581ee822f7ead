"""Counts as packets' data: read back bit by bit as the `link` object says."""

from typing import Any

import networks
import numpy as np
import pytest

from polyrhythm.boards.driver.encode import CHUNK, Encoder
from polyrhythm.boards.link.layout import layout
from polyrhythm.boards.link.packets import Kind
from polyrhythm.sw.plan.network import plan

SHAPES: dict[str, dict[str, Any]] = {
    "vector": {"shape": (13,), "max_count": 15},
    "one place": {"shape": (1,), "max_count": 3},
    "no count field": {"shape": (7,), "max_count": 1, "t_in": 3},
    "image, dense": {"shape": (2, 3, 5), "kinds": ("dense",), "max_count": 2},
    "map with gaps": {"shape": (3, 5, 6), "kinds": ("conv2d",), "max_count": 15},
    "wide counts": {"shape": (5,), "max_count": 300, "t_in": 2},
    "long frame": {"shape": (900,), "kinds": (), "max_count": 15},
}


def link_of(case: str, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    options = {"kinds": ("dense",)} | SHAPES[case]
    schedule = "time_stepped" if "t_in" in options else "two_phase"
    return layout(plan(networks.random_network(rng, schedule, **options)))


def read_words(data: bytes, link: dict[str, Any]) -> np.ndarray:
    """Counts (T, C, H, W) of words, one by one; order and closing words are checked."""
    size, counts = link["word_bytes"], np.zeros((link["ticks"], *link["shape"]), int)
    places = {
        sum(at * stride for at, stride in zip(place, link["strides"], strict=True)): place
        for place in np.ndindex(*link["shape"])
    }
    tick, before = 0, -1
    for at in range(0, len(data), size):
        word = int.from_bytes(data[at : at + size], "little")
        field = {
            name: word >> row["low"] & ((1 << row["bits"]) - 1)
            for name, row in link["word"].items()
        }
        assert word < 1 << 8 * size
        if field["tick"] or field["end"]:
            assert bool(field["end"]) == (tick == link["ticks"] - 1)
            tick, before = tick + 1, -1
            continue
        assert field["address"] > before
        before = field["address"]
        counts[(tick, *places[before])] = field.get("count", 1)
    assert tick == link["ticks"]
    return counts


def read_pixels(data: bytes, link: dict[str, Any]) -> np.ndarray:
    """Counts (T, C, H, W) of packed counts, one by one."""
    bits, shape = link["pixel_bits"], link["shape"]
    each = -(-int(np.prod(shape)) * bits // 8)
    assert len(data) == each * link["ticks"]
    counts = np.zeros((link["ticks"], *shape), int)
    by_address = sorted(
        np.ndindex(*shape),
        key=lambda place: sum(a * s for a, s in zip(place, link["strides"], strict=True)),
    )
    for tick in range(link["ticks"]):
        packed = int.from_bytes(data[tick * each : (tick + 1) * each], "little")
        for k, place in enumerate(by_address):
            counts[(tick, *place)] = packed >> k * bits & ((1 << bits) - 1)
    return counts


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 1.0])
def test_both_kinds_are_read_back(case: str, density: float) -> None:
    link, rng = link_of(case, 3), np.random.default_rng(4)
    counts = rng.integers(0, link["max_count"] + 1, (link["ticks"], *link["shape"]))
    counts = counts * (rng.random(counts.shape) < density)
    encoder, flat = Encoder(link), counts.reshape(link["ticks"], -1)
    assert np.array_equal(read_words(encoder.words(flat), link), counts)
    assert np.array_equal(read_pixels(encoder.pixels(flat), link), counts)
    frame = encoder.frame(flat)
    data = b"".join(frame.chunks)
    assert len(data) == min(len(encoder.words(flat)), len(encoder.pixels(flat)))
    assert np.array_equal(
        (read_words if frame.kind == Kind.WORDS else read_pixels)(data, link), counts
    )
    whole = link["word_bytes"] if frame.kind == Kind.WORDS else max(1, link["pixel_bits"] // 8)
    assert all(0 < len(chunk) <= CHUNK and len(chunk) % whole == 0 for chunk in frame.chunks)


def test_a_long_frame_has_several_packets() -> None:
    link = link_of("long frame", 3)
    frame = Encoder(link).frame(np.ones((1, 900), int))
    assert frame.kind == Kind.PIXELS and [len(chunk) for chunk in frame.chunks] == [245, 205]


def test_a_frame_that_no_link_carries_is_refused() -> None:
    link = link_of("long frame", 3) | {"ticks": 200}
    with pytest.raises(ValueError) as caught:
        Encoder(link).frame(np.full((200, 900), 15))
    assert str(caught.value) == (
        "a frame must be sent in at most 256 packets, but this one needs 368 (90,000 bytes); fewer ticks, or fewer events"
    )
