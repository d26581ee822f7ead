"""Data sets: readers of the publishers' formats, encoding, the search for files, the downloader."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from polyrhythm.sw import data
from polyrhythm.sw.data import DataError, datasets, encode, load
from polyrhythm.sw.network import Input, Layer, Network

# Of the unpacked IDX file
MNIST_TRAIN_IMAGES = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"


def message(call: Callable[[], object], kind: type[Exception] = DataError) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


# ---- digits


def test_digits_split_is_the_committed_one() -> None:
    (train, train_labels), (test, test_labels) = load("digits", "train"), load("digits", "test")
    assert train.shape == (1437, 1, 8, 8) and test.shape == (360, 1, 8, 8)
    assert train.dtype == test.dtype == np.uint8 and max(train.max(), test.max()) == 16
    assert np.bincount(test_labels).tolist() == [36, 37, 35, 37, 36, 36, 36, 36, 35, 36]
    known = hashlib.sha256(test.tobytes() + test_labels.tobytes()).hexdigest()
    assert known == "785a9a29f02d19fe73cd1d78051c66e5725db890b28a8a773d896e117de3515b"
    assert np.bincount(train_labels).sum() == 1437


def test_split_takes_the_largest_remainders_and_the_lower_class_on_a_tie() -> None:
    labels = np.array([0] * 3 + [1] * 3 + [2] * 4)  # quotas of 5: 1.5, 1.5, 2
    train, test = datasets.digits_split(labels, 5)
    assert np.bincount(labels[test]).tolist() == [2, 1, 2]
    assert sorted([*train, *test]) == list(range(10))


# ---- the other sets, in their publishers' formats


def test_mnist_has_the_published_bytes(data_root: Path) -> None:
    images, labels = load("mnist", "train", data_root)
    assert images.shape == (60000, 1, 28, 28) and labels[:5].tolist() == [5, 0, 4, 1, 9]
    header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (60000, 28, 28))
    assert hashlib.sha256(header + images.tobytes()).hexdigest() == MNIST_TRAIN_IMAGES
    assert load("mnist", "test", data_root)[1][:5].tolist() == [7, 2, 1, 0, 4]


def test_fashion_mnist(data_root: Path) -> None:
    images, labels = load("fashion-mnist", "test", data_root)
    assert images.shape == (10000, 1, 28, 28) and labels[:5].tolist() == [9, 2, 1, 1, 6]


def test_cifar10(data_root: Path) -> None:
    images, labels = load("cifar10", "test", data_root)
    assert images.shape == (10000, 3, 32, 32) and np.bincount(labels).tolist() == [1000] * 10
    record = np.fromfile(data_root / "cifar-10-batches-bin" / "test_batch.bin", np.uint8, 3073)
    assert labels[0] == record[0] and images[0, 2, 31, 31] == record[3072]
    assert load("cifar10", "train", data_root)[0].shape == (50000, 3, 32, 32)


def test_nmnist_in_the_order_of_its_numbers(data_root: Path) -> None:
    recordings, labels = load("nmnist", "test", data_root)
    paths = sorted((data_root / "N-MNIST" / "Test").rglob("*.bin"), key=lambda path: path.name)
    assert len(recordings) == len(paths) and labels.tolist() == [
        int(path.parent.name) for path in paths
    ]
    first = recordings[0]
    assert (
        (np.diff(first["t"]) >= 0).all()
        and first["p"].max() == 1
        and len(first) * 5 == paths[0].stat().st_size
    )


def test_recording_overflow_mark_moves_time(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes([1, 2, 0x80 | 1, 0, 3, 0, 240, 0, 0, 0, 33, 4, 0, 0, 7]))
    assert datasets.read_recording(tmp_path / "a.bin").tolist() == [
        (65536 + 3, 1, 2, 1),
        (8192 + 7, 33, 4, 0),
    ]


# ---- damaged files


def idx(shape: tuple[int, ...], payload: bytes, code: int = 8) -> bytes:
    return bytes([0, 0, code, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape) + payload


MEND = "; delete the file to download it again"
BEGIN = "an IDX file of unsigned bytes must begin with 00 00 08 and its number of axes, "


@pytest.mark.parametrize(
    ("packed", "expected"),
    [
        (gzip.compress(idx((2, 3), bytes(6)))[:-9], "must be a whole gzip file (Compressed file ended before the "
         "end-of-stream marker was reached); delete it to download it again"),
        (b"<html>", "must be a whole gzip file (Not a gzipped file (b'<h')); delete it to download it again"),
        (gzip.compress(idx((2, 3), bytes(5))), "shape (2, 3) needs 6 bytes after the header, not 5" + MEND),
        (gzip.compress(idx((2, 3), bytes(7))), "shape (2, 3) needs 6 bytes after the header, not 7" + MEND),
        (gzip.compress(idx((2, 3), bytes(6))[:9]), "header must hold 2 sizes of 4 bytes, not 5 bytes" + MEND),
        (gzip.compress(idx((2,), bytes(2), 9)), BEGIN + "not 00 00 09 01"),
        (gzip.compress(b""), BEGIN + "not nothing"),
    ],
    ids=["cut", "not gzip", "short", "long", "header", "wrong type", "empty"],
)  # fmt: skip
def test_damaged_idx(tmp_path: Path, packed: bytes, expected: str) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(packed)
    assert message(lambda: datasets.read_idx(path)) == f"{path}: {expected}"


def write_mnist(folder: Path, images: tuple[int, ...], labels: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(
        gzip.compress(idx(images, bytes(int(np.prod(images)))))
    )
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx((len(labels),), labels)))


def test_mnist_of_wrong_shapes(tmp_path: Path) -> None:
    folder = tmp_path / "mnist"
    write_mnist(folder, (2, 28, 27), bytes(2))
    assert (
        message(lambda: load("mnist", "test", tmp_path))
        == f"{folder / 't10k-images-idx3-ubyte.gz'}: images must have shape (B, 28, 28), not (2, 28, 27)"
    )
    write_mnist(folder, (2, 28, 28), bytes(3))
    assert (
        message(lambda: load("mnist", "test", tmp_path))
        == f"{folder / 't10k-labels-idx1-ubyte.gz'}: 2 images need labels of shape (2,), not (3,)"
    )
    write_mnist(folder, (2, 28, 28), bytes([3, 10]))
    assert (
        message(lambda: load("mnist", "test", tmp_path))
        == f"{folder / 't10k-labels-idx1-ubyte.gz'}: labels must be 0..9, not 10 at [1]"
    )


def test_damaged_cifar10_and_nmnist(tmp_path: Path) -> None:
    batch = tmp_path / "cifar-10-batches-bin" / "test_batch.bin"
    batch.parent.mkdir()
    batch.write_bytes(bytes(3072))
    assert (
        message(lambda: load("cifar10", "test", tmp_path))
        == f"{batch}: must hold records of 3073 bytes, not 3072 bytes; delete the file to download it again"
    )
    batch.write_bytes(bytes(3073) + bytes([11]) + bytes(3072))
    assert (
        message(lambda: load("cifar10", "test", tmp_path))
        == f"{batch}: labels must be 0..9, not 11 in record 1"
    )
    folder = tmp_path / "N-MNIST" / "Test"
    folder.mkdir(parents=True)
    assert (
        message(lambda: load("nmnist", "test", tmp_path))
        == f"{folder}: must hold LABEL/ID.bin recordings, but there is none"
    )
    path = folder / "3" / "00001.bin"
    path.parent.mkdir()
    path.write_bytes(bytes(6))
    assert (
        message(lambda: load("nmnist", "test", tmp_path))
        == f"{path}: must hold events of 5 bytes, not 6 bytes"
    )
    path.write_bytes(bytes([34, 0, 0, 0, 0]))
    assert (
        message(lambda: load("nmnist", "test", tmp_path))
        == f"{path}: x and y must be 0..33, not 34 and 0"
    )


# ---- encoding


def test_levels_round_half_up() -> None:
    pixels = np.arange(17, dtype=np.uint8).reshape(1, 1, 1, 17)
    expected = [int(np.floor(x * 15 / 16 + 0.5)) for x in range(17)]
    assert encode(pixels, "levels:15", 16).ravel().tolist() == expected
    # 1/2 and 3/2 are ties and go up
    assert encode(pixels, "levels:8", 16).ravel().tolist()[:4] == [0, 1, 1, 2]
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    assert encode(every, "levels:255").tolist() == every.tolist()
    assert encode(every, "levels:3").dtype == np.int32


def test_rate_spreads_evenly() -> None:
    pixels = np.arange(17, dtype=np.uint8).reshape(1, 1, 1, 17)
    spikes = encode(pixels, "rate:10", 16)
    assert spikes.shape == (1, 10, 1, 1, 17) and set(np.unique(spikes)) == {0, 1}
    for x in range(17):
        before = [0, *np.cumsum(spikes[0, :, 0, 0, x])]
        assert before == [(2 * x * t + 16) // 32 for t in range(11)]
    assert spikes[0, :, 0, 0, 4].tolist() == [0, 1, 0, 0, 0, 1, 0, 0, 0, 1]


def test_frames_of_recordings() -> None:
    events = np.array([(5, 1, 2, 0), (6, 1, 2, 0), (7, 1, 2, 0), (104, 3, 0, 1)], datasets.EVENT)
    recordings = np.empty(2, object)
    recordings[0], recordings[1] = events, events[:0]
    frames = encode(recordings, "frames:2:2")
    assert frames.shape == (2, 2, 2, 34, 34) and frames[1].sum() == 0
    assert frames[0, 0, 0, 2, 1] == 2 and frames[0, 1, 1, 0, 3] == 1 and frames.sum() == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "levels",
        "levels:0",
        "levels:03",
        "levels:-1",
        "levels:15 ",
        "Levels:15",
        "rate:1.5",
        "frames:10",
        "levels:15:2",
        "levels:10000",
    ],
)
def test_unreadable_preprocess(text: str) -> None:
    expected = (
        "preprocess must be levels:N, rate:T, frames:T:N, window:US:T:N, tonic:T:N, counts:N or counts:T:N, "
        f"with numbers 1..9999 (US to 999999999), such as levels:15, not {text!r}"
    )
    assert message(lambda: data.parse_preprocess(text)) == expected


def test_encode_refuses_what_does_not_fit() -> None:
    assert (
        message(lambda: encode(np.array([[17]]), "levels:3", 16))
        == "pixels must be 0..16, not 17..17"
    )
    assert (
        message(lambda: encode(np.array([[-1]]), "levels:3", 16))
        == "pixels must be 0..16, not -1..-1"
    )
    assert (
        message(lambda: encode(np.array([["a"]]), "levels:3"), TypeError)
        == "images must be integers 0..255, not <U1"
    )
    assert (
        message(lambda: encode(np.zeros((1, 2), np.uint8), "frames:2:2"))
        == "preprocess frames:2:2 needs event recordings, not images"
    )
    assert (
        message(lambda: encode(np.empty(1, object), "rate:5"))
        == "preprocess rate:5 needs images, not event recordings"
    )


def network(**changes: object) -> Network:
    readout = Layer("out", "readout", np.ones((10, 64), np.int8), np.zeros(10, np.int32))
    fields = {
        "name": "n",
        "schedule": "two_phase",
        "input": Input((1, 8, 8), 1, 15),
        "layers": (readout,),
        "provenance": {"preprocess": "levels:15"},
    }
    return Network(**(fields | changes))  # type: ignore[arg-type]


def test_inputs_for_a_network() -> None:
    counts, labels = data.inputs_for(network(), "digits")
    images, expected = load("digits", "test")
    assert (counts == encode(images, "levels:15", 16)).all() and (labels == expected).all()
    assert (
        message(lambda: data.inputs_for(network(provenance={}), "digits"))
        == "n: provenance must name its preprocess, such as levels:15, to encode digits"
    )
    wrong = network(provenance={"preprocess": "levels:7"})
    assert message(lambda: data.inputs_for(wrong, "digits")) == (
        "n: input must have shape (1, 8, 8), T 1, max_count 15; "
        "digits with levels:7 gives shape (1, 8, 8), T 1, max_count 7"
    )
