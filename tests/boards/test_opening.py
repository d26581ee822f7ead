"""What a board is to hold: from a network, its file, a build's record, or the builds that lie
there."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from commands import digits_network

from polyrhythm.boards.driver.errors import WrongBitstream
from polyrhythm.boards.driver.identity import check_same
from polyrhythm.boards.driver.opening import Wanted, hardware_of, looked_up, wanted_of
from polyrhythm.boards.driver.simulated import Hardware
from polyrhythm.boards.link.identity import Identity
from polyrhythm.boards.link.layout import layout
from polyrhythm.sw.network import NetworkError
from polyrhythm.sw.plan.network import plan

NETWORK = digits_network()
LINK = layout(plan(NETWORK))


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a build, below the build folder."""
    monkeypatch.setenv("POLYRHYTHM_BUILD", str(tmp_path))
    folder = tmp_path / "tiny-icebreaker"
    folder.mkdir()
    (folder / "build.json").write_text(json.dumps({"link": LINK, "baud": 4_000_000}))
    return folder


def test_a_network_and_its_file_say_the_same(tmp_path: Path) -> None:
    NETWORK.save(tmp_path / "n.safetensors")
    for given in (NETWORK, tmp_path / "n.safetensors", str(tmp_path / "n.safetensors")):
        wanted = wanted_of(given)
        assert wanted.layout == LINK and wanted.network is not None and wanted.baud is None


def test_a_build_knows_its_baud(build: Path) -> None:
    for given in (build, str(build), build / "build.json"):
        assert wanted_of(given) == Wanted(LINK, None, 4_000_000)


def test_a_folder_that_is_no_build_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="build.json"):
        wanted_of(tmp_path)
    (tmp_path / "build.json").write_text("{}")
    with pytest.raises(ValueError) as caught:
        wanted_of(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/build.json: must be the build.json that `polyrhythm build` writes, but reading it failed at "
        "KeyError('link')"
    )


def test_a_file_that_is_no_network_is_told(tmp_path: Path) -> None:
    (tmp_path / "n.safetensors").write_bytes(b"no")
    with pytest.raises(NetworkError):
        wanted_of(tmp_path / "n.safetensors")


def test_a_board_is_known_by_a_build_of_its_network(build: Path) -> None:
    (build.parent / "other").mkdir()
    (build.parent / "other" / "build.json").write_text("[]")
    found = looked_up(Wanted(), SimpleNamespace(digest=NETWORK.digest))  # type: ignore[arg-type]
    assert found.layout == LINK
    unknown = looked_up(Wanted(), SimpleNamespace(digest="0" * 64))  # type: ignore[arg-type]
    assert unknown == Wanted()


def test_a_board_that_lays_words_out_otherwise_is_refused() -> None:
    told = Identity.of(plan(NETWORK), 12e6, 1000)
    check_same("port", told, LINK)
    with pytest.raises(WrongBitstream) as caught:
        check_same("port", told, LINK | {"pixel_bits": 8})
    assert str(caught.value) == (
        "port: the board has pixel_bits 4, but this version lays network tiny out with 8; build its bitstream again with "
        "this version"
    )


def test_counts_are_flat_and_checked_without_a_network_too() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 16, (3, 1, 8, 8))
    for wanted in (Wanted(LINK), Wanted(LINK, NETWORK)):
        for given in (counts, counts[:, None], counts.astype(np.uint8)):
            assert np.array_equal(wanted.counts(given), counts.reshape(3, 1, 64))
        for wrong, error in (
            (counts + 1, ValueError),
            (counts[..., 1:], ValueError),
            (counts / 2, TypeError),
        ):
            with pytest.raises(error, match="^inputs must "):
                wanted.counts(wrong)


def test_images_become_counts_by_their_word() -> None:
    images = np.array([[[0] * 8, [255] * 8] * 4], np.uint8)
    counts = Wanted(LINK, NETWORK).counts(images, "levels:15")
    assert counts.reshape(8, 8)[:, 0].tolist() == [0, 15] * 4
    bright = Wanted(LINK, NETWORK).counts(images // 255 * 10, "levels:15", peak=10)
    assert np.array_equal(bright, counts)


def test_the_board_of_a_build_is_simulated_as_it_was_built(build: Path) -> None:
    told = {
        "format": 1,
        "network": "tiny",
        "digest": NETWORK.digest,
        "lanes": [3, 2],
        "coding": "count",
    }
    told |= {"clock_hz": 30_000_000, "baud": 3_000_000, "link": LINK}
    (build / "build.json").write_text(json.dumps(told))
    assert hardware_of(NETWORK, build, None, "count") == Hardware(
        [3, 2], "count", 30_000_000, 3_000_000
    )
    with pytest.raises(ValueError) as caught:
        hardware_of(NETWORK, build, [4, 2], "count")
    assert str(caught.value) == f"{build}: lanes and coding are those of the build; leave them out"
    (build / "build.json").write_text(json.dumps(told | {"network": "other", "digest": "0" * 64}))
    with pytest.raises(ValueError) as caught:
        hardware_of(NETWORK, build, None, "count")
    assert str(caught.value) == (
        f"{build} is the build of network other (0000000000000000), not of tiny ({NETWORK.digest[:16]})"
    )
    (build / "build.json").unlink()
    with pytest.raises(ValueError) as caught:
        hardware_of(NETWORK, build, None, "count")
    assert str(caught.value) == f"{build}/build.json must be what `polyrhythm build` writes"
