"""Arrays of users: each of their many forms is right, or one line says what to do."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from polyrhythm.sw.data.arrayfile import read_npy, read_npz
from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events.files import Reading
from polyrhythm.sw.data.own.dataset import Wanted, own_dataset
from polyrhythm.sw.data.own.given import Given, class_names, read_archive
from polyrhythm.sw.data.own.labels import numbered, read_labels, sorted_names
from polyrhythm.sw.data.own.module import array_of, splits_of
from polyrhythm.sw.data.own.pixels import check_counts, check_pixels
from polyrhythm.sw.data.preprocess import encode, parse_preprocess


def message(call: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- files


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def with_header(**changes: object) -> bytes:
    header = (
        str({"descr": "|u1", "fortran_order": False, "shape": (2, 3)} | changes) + "\n"
    ).encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.arange(6, dtype=">i4"), np.zeros((0, 4)),
        np.array(3.5), np.array(["a", "bc"]), np.array([True, False]), np.zeros(2, [("t", "i8"), ("x", "u2")]),
    ],
    ids=str,
)  # fmt: skip
def test_arrays_come_back(tmp_path: Path, array: np.ndarray) -> None:
    (tmp_path / "a.npy").write_bytes(npy(array))
    np.savez_compressed(tmp_path / "a.npz", a=array)
    for found in (read_npy(tmp_path / "a.npy"), read_npz(tmp_path / "a.npz")["a"]):
        assert found.dtype == array.dtype and found.shape == array.shape and (found == array).all()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (npy(np.array([{}, None], object)), "holds Python objects, which are never unpickled; save it as numbers, or as strings of one length"),
        (with_header(shape=(1 << 50,)), "its header says (1125899906842624,) uint8, 1125899906842624 bytes, but 0 follow: the file is damaged"),
        (with_header(shape=(1 << 40, 1 << 40)), "its header says (1099511627776, 1099511627776) uint8, 1208925819614629174706176 bytes, but 0 follow: the file is damaged"),
        (npy(np.arange(6))[:-3], "its header says (6,) int64, 48 bytes, but 45 follow: the file is damaged"),
        (npy(np.arange(6)) + b"x", "its header says (6,) int64, 48 bytes, but 49 follow: the file is damaged"),
        (with_header(shape=(-1,)), "must be an array of numbers or strings, not (-1,) uint8"),
        (with_header(descr="|U0"), "must be an array of numbers or strings, not (2, 3) <U0"),
        (b"", "must be a .npy array, but its header cannot be read: "),
        (b"PK\x03\x04", "must be a .npy array, but its header cannot be read: "),
        (with_header()[:20], "must be a .npy array, but its header cannot be read: "),
        (with_header(descr="nonsense"), "must be a .npy array, but its header cannot be read: "),
    ],
    ids=range(11),
)  # fmt: skip
def test_what_is_no_array_is_one_line(tmp_path: Path, data: bytes, expected: str) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    assert message(lambda: read_npy(tmp_path / "a.npy")).startswith(
        f"{tmp_path / 'a.npy'}: {expected}"
    )


def test_archives_that_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", with_header(shape=(1 << 50,)))
    assert (
        message(lambda: read_npz(path))
        == f"{path}: x: its header says (1125899906842624,) uint8, 1125899906842624 bytes, but 0 follow"
    )
    np.savez(path, x=np.array([None]))
    assert message(lambda: read_npz(path)).startswith(
        f"{path}: x: holds Python objects, which are never unpickled"
    )
    path.write_bytes(b"PK\x03\x04 no archive")
    assert (
        message(lambda: read_npz(path))
        == f"{path}: must be a whole .npz file, but cannot be read: File is not a zip file"
    )


def test_damaged_arrays_are_read_or_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.arange(50), y=np.arange(9))
    originals = {
        "a.npy": npy(np.arange(20).reshape(4, 5)),
        "a.npz": (tmp_path / "a.npz").read_bytes(),
    }
    rng, read, refused = np.random.default_rng(0), 0, 0
    for name, original in originals.items():
        for _ in range(600):
            data = bytearray(original)
            for _ in range(int(rng.integers(0, 3))):
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
            (tmp_path / name).write_bytes(
                data[: int(rng.integers(len(data)))] if rng.random() < 0.4 else data
            )
            try:
                read_npy(tmp_path / name) if name == "a.npy" else read_npz(tmp_path / name)
                read += 1
            except DataError:
                refused += 1
    assert read > 200 and refused > 200


# ---- pixels

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("given", "peak", "shape", "white"),
    [
        (IMAGES, None, (2, 1, 3, 4), 255),
        (IMAGES[:, None], None, (2, 1, 3, 4), 255),
        (IMAGES.reshape(2, 12), None, (2, 12), 255),
        (IMAGES[:1], 23, (1, 1, 3, 4), 23),
        (IMAGES.astype(">u2"), 300, (2, 1, 3, 4), 300),
        (np.asfortranarray(IMAGES), None, (2, 1, 3, 4), 255),
        (IMAGES > 5, None, (2, 1, 3, 4), 1),
        (IMAGES / 255, None, (2, 1, 3, 4), 1),
        ((IMAGES / 255).astype(">f4"), None, (2, 1, 3, 4), 1),
        (IMAGES.astype(float), 255, (2, 1, 3, 4), 255),
        (IMAGES.astype(np.longdouble) / 255, None, (2, 1, 3, 4), 1),
        (IMAGES.repeat(3, 2).reshape(2, 3, 3, 4), None, (2, 3, 3, 4), 255),
    ],
    ids=range(12),
)  # fmt: skip
def test_images_in_their_many_forms(
    given: np.ndarray, peak: float | None, shape: tuple[int, ...], white: float
) -> None:
    found = check_pixels("x", given, peak)
    assert (
        found.array.shape == shape
        and found.peak == white
        and found.array.dtype.isnative
        and found.array.flags.c_contiguous
    )
    levels = encode(found.array, "levels:15", found.peak)
    assert (levels.ravel() == np.floor(np.asarray(given, float).ravel() * 15 / white + 0.5)).all()


SHAPES = "must be a batch, (B, N), (B, H, W) or (B, C, H, W), not "


@pytest.mark.parametrize(
    ("given", "peak", "expected"),
    [
        (np.float32(3), None, SHAPES + "(); one sample is x[None]"),
        (np.zeros(5), None, SHAPES + "(5,); one sample is x[None]"),
        (np.zeros((0, 5)), None, "must hold at least one sample of at least one value, not (0, 5)"),
        (np.zeros((5, 0)), None, "must hold at least one sample of at least one value, not (5, 0)"),
        (np.full((2, 3), "a"), None, "samples must be integers, floats or booleans, not <U1"),
        (np.zeros((2, 3), complex), None, "samples must be integers, floats or booleans, not complex128"),
        (np.zeros((2, 3), object), None, "samples must be integers, floats or booleans, not object"),
        (np.zeros(3, [("t", "i8"), ("x", "i4")]), None, "is an array of t, x: one recording; samples must be numbers"),
        (np.array([[0, np.nan]]), None, "every value must be finite, not nan at [0, 1]"),
        (np.array([[0, np.inf]]), None, "every value must be finite, not inf at [0, 1]"),
        (np.array([[0, -0.5]]), None, "no value may be negative, but it is (1, 2) float64 -0.5..0, the first at [0, 1]; undo what made it so, such as (x - mean) / std"),
        (np.array([[0, -5]]), 9, "no value may be negative, but it is (1, 2) int64 -5..0, the first at [0, 1]; black is 0"),
        (np.array([[0, 255.0]]), None, "floats must be 0..1, but it is (1, 2) float64 0..255; say --peak 255 if that is white, or divide by it"),
        (np.array([[0, 1023.5]]), None, "floats must be 0..1, but it is (1, 2) float64 0..1023.5; say --peak 1024 if that is white, or divide by it"),
        (np.array([[0, 17.0]]), 16, "floats must be 0..16, but it is (1, 2) float64 0..17; say a higher --peak"),
        (np.array([[0, 200]]), None, "what is white? It is (1, 2) int64 0..200: say --peak N for what is white, such as --peak 255, or save it as uint8"),
        (np.array([[0, 17]]), 16, "integers must be 0..16, a whole number, but it is (1, 2) int64 0..17; say a higher --peak"),
        (np.array([[0, 1]]), 1.5, "integers must be 0..1.5, a whole number, but it is (1, 2) int64 0..1; say a higher --peak"),
        (np.zeros((5, 8, 8, 3)), None, "channels must come first, (B, C, H, W), not (5, 8, 8, 3): np.moveaxis(x, -1, 1) puts them there"),
        (np.zeros((5, 8, 1, 8, 8)), None, "images must be (B, N), (B, H, W) or (B, C, H, W), not (5, 8, 1, 8, 8); with time steps say counts:T:N"),
    ],
    ids=range(20),
)  # fmt: skip
def test_images_that_cannot_be(given: np.ndarray, peak: float | None, expected: str) -> None:
    assert message(lambda: check_pixels("x", given, peak)) == f"x: {expected}"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 8, 8), None),
        ((5, 1, 8, 8), None),
        ((5, 8, 8, 1), "images must have shape (B, 1, 8, 8) or (B, 8, 8), not (5, 8, 8, 1): channels must come first, np.moveaxis(x, -1, 1) puts them there"),
        ((5, 64), "images must have shape (B, 1, 8, 8) or (B, 8, 8), not (5, 64); it has as many values: x.reshape(-1, 1, 8, 8)"),
        ((5, 28, 28), "images must have shape (B, 1, 8, 8) or (B, 8, 8), not (5, 28, 28)"),
    ],
)  # fmt: skip
def test_images_for_a_network(shape: tuple[int, ...], expected: str | None) -> None:
    given = np.zeros(shape, np.uint8)
    if expected is None:
        assert check_pixels("x", given, None, (1, 8, 8)).array.shape == (5, 1, 8, 8)
    else:
        assert message(lambda: check_pixels("x", given, None, (1, 8, 8))) == f"x: {expected}"


def test_a_network_knows_what_was_white() -> None:
    assert (
        check_pixels("x", IMAGES, None, None, {"i": 23}).peak == 23
        and check_pixels("x", IMAGES / 255, None, None, {"i": 23}).peak == 1
    )
    assert check_pixels("x", IMAGES, 200, None, {"i": 23}).peak == 200


def test_what_is_taken_for_granted_is_said() -> None:
    assert (
        check_pixels("x", IMAGES).note
        == "255 is taken as white; the largest is 23: say --peak 23 if that is"
    )
    assert check_pixels("x", IMAGES, 23).note == "23 is taken as white"


# ---- counts


@pytest.mark.parametrize(
    ("given", "word", "shape"),
    [
        ((5, 93), "counts:15", (5, 1, 93)), ((5, 1, 93), "counts:15", (5, 1, 93)), ((5, 4, 93), "counts:4:15", (5, 4, 93)),
        ((5, 8, 8), "counts:15", (5, 1, 1, 8, 8)), ((5, 2, 8, 8), "counts:15", (5, 1, 2, 8, 8)), ((5, 4, 8, 8), "counts:4:15", (5, 4, 1, 8, 8)),
        ((5, 4, 2, 8, 8), "counts:4:15", (5, 4, 2, 8, 8)),
    ],
)  # fmt: skip
def test_counts_in_their_many_forms(
    given: tuple[int, ...], word: str, shape: tuple[int, ...]
) -> None:
    array = np.random.default_rng(0).integers(0, 16, given)
    found = check_counts("x", array, parse_preprocess(word))
    assert found.array.shape == shape and (found.array.ravel() == array.ravel()).all()
    assert check_counts("x", array, parse_preprocess(word), shape[2:]).array.shape == shape
    assert (encode(found.array, word) == found.array).all()


@pytest.mark.parametrize(
    ("given", "word", "wanted", "expected"),
    [
        (np.full((2, 3), 16), "counts:15", None, "counts must be 0..15, but it is (2, 3) int64 16..16, as (B, T, ..) first at [0, 0, 0]; say counts:1:16 to keep them"),
        (np.full((2, 3), -1), "counts:15", None, "counts must be 0..15, but it is (2, 3) int64 -1..-1, as (B, T, ..) first at [0, 0, 0]"),
        (np.full((2, 3), 0.5), "counts:15", None, "counts:15 needs integer counts, but it is (2, 3) float64 0.5..0.5; images of floats are levels:N or rate:T"),
        (np.full((2, 3), 2.0), "counts:15", None, "counts:15 needs integer counts, but it is (2, 3) float64 2..2; astype(int) makes them so"),
        (np.zeros((2, 3), int), "counts:4:15", None, "counts:4:15 needs counts of shape (B, 4, ...), but it is (2, 3) int64 0..0"),
        (np.zeros((2, 5, 3), int), "counts:4:15", None, "counts:4:15 needs counts of shape (B, 4, ...), but it is (2, 5, 3) int64 0..0"),
        (np.zeros((2, 3), np.uint8), "counts:15", (93,), "must be (B, 93) or (B, 1, 93) counts 0..15; it is (2, 3) uint8 0..0"),
    ],
    ids=range(7),
)  # fmt: skip
def test_counts_that_cannot_be(
    given: np.ndarray, word: str, wanted: tuple[int, ...] | None, expected: str
) -> None:
    found = message(lambda: check_counts("x", given, parse_preprocess(word), wanted))
    assert found == f"x: {expected}"


# ---- labels


@pytest.mark.parametrize(
    "given",
    [
        np.array([0, 2, 1]), np.array([0, 2, 1], ">u2"), np.array([[0], [2], [1]]), np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]], float),
        np.array([[True, False, False], [False, False, True], [False, True, False]]),
    ],
    ids=range(5),
)  # fmt: skip
def test_labels_in_their_many_forms(given: np.ndarray) -> None:
    found = read_labels("y", given, 3)
    assert not isinstance(found, list) and found.dtype == np.int64 and found.tolist() == [0, 2, 1]


def test_strings_become_the_names_of_classes() -> None:
    for given in (
        np.array(["dog", "cat", "dog"]),
        np.array([b"dog", b"cat", b"dog"]),
        np.array(["dog", "cat", "dog"], object),
    ):
        assert read_labels("y", given, 3) == ["dog", "cat", "dog"]
    assert sorted_names(["dog", "cat", "dog"]) == ("cat", "dog") and sorted_names(
        ["10", "9", "2"]
    ) == ("2", "9", "10")
    assert sorted_names(["10", "9", "x"]) == ("10", "9", "x")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.array([0, 1]), "3 samples need labels of shape (3,), not (2,)"),
        (np.array(1), "3 samples need labels of shape (3,), not ()"),
        (np.array([0.0, 1, 2]), "labels must be integers, strings or one-hot rows, not float64; y.astype(int) makes integers"),
        (np.array([[0.0], [1], [2]]), "labels must be integers, strings or one-hot rows, not float64 of shape (3, 1); y[:, 0].astype(int) makes integers"),
        (np.array([0, -1, 2]), "labels must be classes 0, 1, .. below 65536, not -1 at [1]; number the classes from 0"),
        (np.array([0, 1 << 40, 2]), "labels must be classes 0, 1, .. below 65536, not 1099511627776 at [1]; number the classes from 0"),
        (np.array([[1, 0], [1, 1], [0, 1]]), "each one-hot row must have one 1 and else 0, but row 1 does not"),
        (np.array([[1, 0], [0, 0], [0, 1]]), "each one-hot row must have one 1 and else 0, but row 1 does not"),
        (np.array([[0.9, 0.1], [0, 1], [0, 1]]), "each one-hot row must have one 1 and else 0, but row 0 does not"),
        (np.array(["a", "", "b"]), "a label must not be empty, as that at [1] is"),
        (np.array([None, {}, 3], object), "labels must be integers, strings or one-hot rows, not Python objects"),
    ],
    ids=range(11),
)  # fmt: skip
def test_labels_that_cannot_be(given: np.ndarray, expected: str) -> None:
    assert message(lambda: read_labels("y", given, 3)) == f"y: {expected}"


def test_a_class_that_is_unknown() -> None:
    known = ("cat", "dog")
    assert (
        message(lambda: numbered("y", ["cat", "cow"], known, "the training split"))
        == "y: 'cow' at [1] is no class of the training split: cat, dog"
    )
    told = "y: labels must be 0..1, the classes of the training split, not 2 at [1]"
    assert message(lambda: numbered("y", np.array([0, 2]), known, "the training split")) == told


TEN = tuple(map(str, range(1, 11)))
ASIDE = "; integers are the names of these classes: np.array(names)[y] makes names of places"


def test_integers_are_the_names_of_classes_that_are_numbers() -> None:
    told: list[str] = []
    assert (
        numbered("y", np.array([1, 9, 10]), TEN, "the network", told.append).tolist() == [0, 8, 9]
        and told == []
    )
    assert numbered("y", np.array([1, 9, 2]), TEN, "the network", told.append).tolist() == [0, 8, 1]
    assert told == [
        "y: integers are taken as the names of the classes, 1 .. 10, and not as places from 0 on"
    ]
    assert message(lambda: numbered("y", np.array([1, 0]), TEN, "the network")) == (
        "y: 0 at [1] is no class of the network: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10" + ASIDE
    )
    assert numbered("y", np.array([1, 0]), TEN, "the network", places=True).tolist() == [1, 0]
    assert numbered("y", np.array([1, 0]), ("0", "1"), "the network").tolist() == [1, 0]
    assert message(lambda: numbered("y", np.array([1]), ("1", "01"), "it")) == (
        "y: integers cannot say which class of it is meant, 1 or 01; save them as strings"
    )


def splits_with(**labels: Any) -> dict[str, Given]:
    """Splits of black images; classes: names that both have."""
    classes = labels.pop("classes", ())
    return {
        split: Given(
            "x", np.zeros((len(y), 4), np.uint8), np.array(y), f"y of {split}", classes=classes
        )
        for split, y in labels.items()
    }


def classes_of(
    told: list[str] | None = None, network: tuple[str, ...] | None = None, **labels: Any
) -> dict[str, list[str]]:
    """The names of the classes that the labels of each split were taken for."""
    row = own_dataset(
        splits_with(**labels),
        Wanted("levels:15", labels=network),
        [].append if told is None else told.append,
    )
    names = network or row.labels
    return {
        split: [names[k] for k in row.read(Path(), split)[1]]
        for split in ("train", "test")
        if split in labels
    }


def test_splits_of_strings_and_integers_are_matched_by_name() -> None:
    assert classes_of(train=["1", "2", "10"], test=[2, 1, 10]) == {
        "train": ["1", "2", "10"],
        "test": ["2", "1", "10"],
    }
    assert classes_of(train=[1, 2, 3], test=["2", "1"])["test"] == ["2", "1"]
    assert message(lambda: classes_of(train=["cat", "dog"], test=[0, 1])) == (
        "y of test: labels must be names as in the training split (cat, dog), not int64: integers do not say which of them is meant"
    )
    assert classes_of(train=["cat", "dog"], test=[[0, 1], [1, 0]])["test"] == ["dog", "cat"]


def test_integers_beside_classes_of_their_own() -> None:
    """They are places among these, as the archive's form says, unless they can only be names; the
    network's order may differ."""
    assert classes_of(classes=("1", "2", "3"), train=[0, 1, 2], test=[1, 2])["test"] == ["2", "3"]
    assert classes_of(classes=("1", "2", "3"), train=[1, 2, 3], test=[1, 2])["test"] == ["1", "2"]
    told: list[str] = []
    assert classes_of(told, classes=("1", "2", "3"), train=[1, 2], test=[1, 2])["test"] == [
        "2",
        "3",
    ]
    assert (
        told[0]
        == "labels are taken as places among the classes, 0 1 .. 2 3, and not as their names"
    )
    assert classes_of(network=("dog", "cat"), classes=("cat", "dog"), test=[0, 1])["test"] == [
        "cat",
        "dog",
    ]
    assert classes_of(network=("0", "1"), classes=("cat", "dog"), test=[0, 1])["test"] == ["0", "1"]
    assert message(
        lambda: classes_of(network=("dog", "cow"), classes=("cat", "dog"), test=[1, 0])
    ) == ("y of test: 'cat' at [1] is no class of the network: dog, cow")


# ---- what functions return


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ()), (["a", "b"], ("a", "b")), (("a", b"b"), ("a", "b")), (np.array(["a", "b"]), ("a", "b")), (range(2), None), ([0, 1], ("0", "1")),
        ({0: "a", 1: "b"}, ("a", "b")), ({1: "b", 0: "a"}, ("a", "b")), ({"b": 1, "a": 0}, ("a", "b")),
    ],
    ids=str,
)  # fmt: skip
def test_names_of_classes_in_every_form(given: Any, expected: tuple[str, ...] | None) -> None:
    if expected is None:
        expected, given = ("0", "1"), list(given)
    assert class_names("f", given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (10, ", a list of strings, not int 10"),
        ("ab", ", a list of strings, not str 'ab'"),
        ({"a", }, ", a list of strings, not set {'a'}"),
        (["a", "b", "a"], ", each another one, but 'a' comes twice"),
        (["1", 1], ", each another one, but '1' comes twice"),
        ([], ", at least one; leave them out where they have none"),
        (["a", ""], ", strings that are not empty, not ''"),
        (["a", None], ", strings that are not empty, not None"),
        ([True, False], ", strings that are not empty, not True"),
        (np.zeros((2, 2)), ", not (2, 2) float64"),
        ({1: "a", 2: "b"}, "; a mapping must have each of the places 0..1 once, not {1: 'a', 2: 'b'}"),
        ({"a": 0, "b": 0}, "; a mapping must have each of the places 0..1 once, not {'a': 0, 'b': 0}"),
    ],
    ids=str,
)  # fmt: skip
def test_what_names_no_classes(given: Any, expected: str) -> None:
    assert (
        message(lambda: class_names("f", given))
        == f"f: classes must be the names of the labels 0, 1, ..{expected}"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((k for k in range(3)), "must be an array, not generator: list(x) makes one"),
        ("x.npy", "must be an array, not str: numpy.load('x.npy')"),
        (object(), "must be an array, not object"),
        (scipy.sparse.csr_matrix((2, 3)), "must be an array, not csr_matrix: x.toarray() makes one"),
        (torch.zeros(2, 3, dtype=torch.bfloat16), "must be of a type that numpy has, not bfloat16; x.float() makes it one"),
        (np.ma.masked_equal(np.array([[0, 1], [1, 1]]), 1), "must be whole, but 3 of its values are masked; fill them, or leave their samples out"),
        ([np.ma.masked_equal(np.array([0, 1]), 1)], "must be whole, but 1 of its values are masked; fill them, or leave their samples out"),
    ],
    ids=range(7),
)  # fmt: skip
def test_what_is_no_array(given: Any, expected: str) -> None:
    assert message(lambda: array_of("x", given)) == f"x {expected}"


def test_masked_arrays_without_masked_entries_and_lists_are_arrays() -> None:
    assert array_of("x", np.ma.masked_equal(np.array([0, 1]), 7)).tolist() == [0, 1] and array_of(
        "x", [1, 2]
    ).tolist() == [1, 2]


def test_masked_recordings_are_refused() -> None:
    events = np.ma.array(
        np.zeros(2, [("t", "i8"), ("x", "u2"), ("y", "u2"), ("p", "u1")]),
        mask=[(0, 1, 0, 0), (0, 0, 0, 0)],
    )
    made = {"train": ([events], [0])}
    told = "f: x of train: recording 0 must be whole, but 1 of its values are masked; fill them, or leave their samples out"
    assert message(lambda: splits_of(made, "f", "f", Reading())) == told


def test_the_order_of_train_test_split_is_told() -> None:
    x, y = np.zeros((4, 8, 8), np.uint8), np.arange(4)
    told = (
        "f must return x_train, y_train, x_test, y_test, but they look like x_train, x_test, y_train, y_test, as train_test_split "
        "gives them: return (x_train, y_train), (x_test, y_test)"
    )
    assert message(lambda: splits_of((x, x[:2], y, y[:2]), "f", "f", Reading())) == told
    assert splits_of((x, y, x[:2], y[:2]), "f", "f", Reading())["test"].y.tolist() == [0, 1]
    hot = np.eye(4, 64)
    assert splits_of((x.reshape(4, 64), hot, x.reshape(4, 64), hot), "f", "f", Reading())[
        "test"
    ].y.shape == (4, 64)


def test_a_split_without_samples() -> None:
    empty = {"train": Given("x", np.zeros((0, 4), np.uint8), np.zeros(0, int), "y")}
    assert message(lambda: own_dataset(empty, Wanted("levels:15"))) == "x: holds no samples"


def test_a_class_that_the_training_split_lacks_is_told_wherever_it_stands() -> None:
    """That in the middle as the data are read, and those behind the last one once it is known how
    many outputs there are."""
    told: list[str] = []
    row = own_dataset(splits_with(train=[0, 2, 2], test=[0, 2]), Wanted("levels:15"), told.append)
    assert "the training split has no sample of 1" in told
    assert row.lacking(3) == [] and row.lacking(5) == ["the training split has no sample of 3, 4"]


def test_an_archive_of_images_may_hold_a_t(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros((2, 8, 8), np.uint8), y=np.arange(2), t=np.arange(5))
    assert read_archive(path, "train", None).x.shape == (2, 8, 8)
    np.savez(path, x=np.zeros(5, int), y=np.zeros(5, int), t=np.arange(5))
    assert (
        message(lambda: read_archive(path, "train", None))
        == f"{path}: recordings must be t, x, y, p, offsets, labels; p, offsets is missing"
    )
