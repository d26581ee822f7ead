"""A trace file that is written part by part: the bytes of numpy's own archive, whatever the
parts."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from polyrhythm.sw.trace.file import TraceFile


def arrays(frames: int, top: int = 300) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "class": rng.integers(0, 10, frames), "logits": rng.integers(-top, top, (frames, 10)),
        "layers.a.count": rng.integers(0, 4, (frames, 7000)).astype(np.int32),
        "layers.a.spikes": rng.integers(0, 2, (frames, 5, 30)).astype(np.uint8), "events": np.zeros((frames, 0), np.int64),
    }  # fmt: skip


def written(path: Path, whole: dict[str, np.ndarray], edges: list[int]) -> bytes:
    with TraceFile(path) as file:
        for first, end in itertools.pairwise(edges):
            file.add({name: array[first:end] for name, array in whole.items()})
    return path.read_bytes()


@pytest.mark.parametrize(
    "edges", [[0, 700], [0, 1, 2, 700], [0, 0, 350, 350, 700], [*range(0, 700, 9), 700]]
)
def test_the_bytes_are_numpys(edges: list[int], tmp_path: Path) -> None:
    whole = arrays(700)
    np.savez_compressed(
        tmp_path / "numpy.npz", **{name: array.astype(np.int32) for name, array in whole.items()}
    )  # type: ignore[arg-type]
    assert written(tmp_path / "t.npz", whole, edges) == (tmp_path / "numpy.npz").read_bytes()


def test_one_large_value_in_a_late_part_widens_the_whole_array(tmp_path: Path) -> None:
    whole = arrays(20)
    whole["logits"][15, 3] = 1 << 40
    with (
        np.load(tmp_path / "t.npz")
        if written(tmp_path / "t.npz", whole, [0, 10, 20])
        else None as file
    ):  # type: ignore[union-attr]
        assert file["logits"].dtype == np.int64 and file["class"].dtype == np.int32
        assert all(np.array_equal(file[name], array) for name, array in whole.items())


def test_an_array_in_fortran_order_is_written_as_it_reads(tmp_path: Path) -> None:
    written(
        tmp_path / "t.npz", {"logits": np.asfortranarray(np.arange(6).reshape(3, 2))}, [0, 2, 3]
    )
    with np.load(tmp_path / "t.npz") as file:
        assert file["logits"].tolist() == [[0, 1], [2, 3], [4, 5]]


def test_parts_have_the_same_arrays(tmp_path: Path) -> None:
    with pytest.raises(ValueError) as caught, TraceFile(tmp_path / "t.npz") as file:
        file.add({"class": np.zeros(2, int)})
        file.add({"class": np.zeros((2, 1), int)})
    assert (
        str(caught.value)
        == "every part of a trace must have the arrays {'class': ()}, not {'class': (1,)}"
    )
    assert list(tmp_path.iterdir()) == []
