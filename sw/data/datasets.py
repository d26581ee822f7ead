"""The data sets: where each publisher keeps it, and readers of the publishers' own formats.

Axis order of images: (B, C, H, W). A data set is one row of `DATASETS`; its folder below a data
root is as the publisher's archive unpacks.
"""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events.nmnist import read_bin
from polyrhythm.sw.data.events.recording import EVENT, Events
from polyrhythm.sw.lib import fix

__all__ = ["DATASETS", "EVENT", "Dataset", "Remote", "digits_split", "read_idx", "read_recording"]

MEND = "delete the file to download it again"
DIGITS_TEST = 360  # test images of digits, a fifth of 1,797


@dataclass(frozen=True)
class Remote:
    """One file at its publisher."""

    name: str  # below the data root
    url: str
    sha256: str
    # Archives: pattern of the members to unpack into `folder`, None for a plain file
    members: str | None = None
    folder: str = ""


@dataclass(frozen=True)
class Dataset:
    """One data set, of ours or of a user: its shape and how a split is found and read."""

    name: str
    shape: tuple[int, ...]
    peak: float  # the brightest value a pixel can have; 0 for event recordings and counts
    labels: tuple[str, ...]
    read: Callable[[Path, str], tuple[Any, np.ndarray]]
    # Split -> what must exist below the root
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # Split -> what to download
    remotes: dict[str, tuple[Remote, ...]] = field(default_factory=dict)
    # The labels are numbers without names: a network may have more outputs than there are here
    numbered: bool = False
    origin: dict[str, Any] | None = None  # a user's own: what they were, for a network's provenance
    told: Callable[[str], object] | None = None  # hears what of recordings is in no count

    def names(self, classes: int) -> tuple[str, ...]:
        """The labels of a network of that many outputs. DataError where it does not have one for
        each class."""
        if self.numbered and len(self.labels) <= classes:
            return tuple(map(str, range(classes)))
        if len(self.labels) != classes:
            known = ", ".join(self.labels[:12]) + (", .." if len(self.labels) > 12 else "")
            raise DataError(
                f"{self.name}: has {len(self.labels)} classes ({known}), but the network has "
                f"{classes} outputs"
            )
        return self.labels

    def lacking(self, classes: int) -> list[str]:
        """What to say of outputs behind the last class that the training split has; the others were
        told as it was read."""
        return (
            [none_of(self.names(classes)[len(self.labels) :])]
            if self.numbered and len(self.labels) < classes
            else []
        )


def none_of(names: Sequence[str]) -> str:
    """What is said of classes that the training split lacks."""
    return (
        "the training split has no sample of "
        f"{', '.join(names[:10])}{', ..' if len(names) > 10 else ''}"
    )


def digits_split(labels: np.ndarray, test: int = DIGITS_TEST) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training and of the test samples, ascending, every class in proportion.

    Class c gives floor(test * n_c / n) samples, and the classes with the largest remainders one
    more (the lower class on a tie). Which ones: those whose index has the smallest SHA-256, so the
    split hangs on no library's random numbers.
    """
    sizes = np.bincount(labels)
    quota, rest = np.divmod(sizes * test, len(labels))
    quota[np.argsort(-rest, kind="stable")[: test - quota.sum()]] += 1
    chosen: list[int] = []
    for label, count in enumerate(quota):
        indices = [int(i) for i in np.flatnonzero(labels == label)]
        chosen += sorted(indices, key=lambda i: hashlib.sha256(f"digits {i}".encode()).digest())[
            :count
        ]
    mask = np.zeros(len(labels), bool)
    mask[chosen] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def read_digits(_root: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1,797 8 x 8 digits, pixels 0..16."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError(
            f"digits: scikit-learn must be installed; fix it with: {fix.extra('train')}"
        ) from error
    bunch = load_digits()
    labels = bunch.target.astype(np.uint8)
    rows = digits_split(labels)[split == "test"]
    return bunch.images.astype(np.uint8)[rows, None], labels[rows]  # (B, 1, 8, 8), (B,)


def read_idx(path: Path) -> np.ndarray:
    """One gzipped IDX file of unsigned bytes. Raises DataError."""
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: must be a whole gzip file ({error}); delete it to download it again"
        ) from error
    if len(data) < 4 or data[:3] != b"\0\0\x08" or data[3] == 0:
        raise DataError(
            f"{path}: an IDX file of unsigned bytes must begin with 00 00 08 and its number of "
            "axes, "
            f"not {data[:4].hex(' ') or 'nothing'}"
        )
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(
            f"{path}: header must hold {data[3]} sizes of 4 bytes, not {len(data) - 4} bytes; "
            f"{MEND}"
        )
    shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4))
    size = int(np.prod(shape, dtype=object))
    if len(data) - start != size:
        raise DataError(
            f"{path}: shape {shape} needs {size} bytes after the header, not {len(data) - start}; "
            f"{MEND}"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def read_mnist(root: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """MNIST or Fashion-MNIST: `root` is the folder that holds the four IDX files."""
    stem = "train" if split == "train" else "t10k"
    images_path, labels_path = (
        root / f"{stem}-images-idx3-ubyte.gz",
        root / f"{stem}-labels-idx1-ubyte.gz",
    )
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        raise DataError(f"{images_path}: images must have shape (B, 28, 28), not {images.shape}")
    if labels.shape != images.shape[:1]:
        raise DataError(
            f"{labels_path}: {len(images)} images need labels of shape ({len(images)},), not "
            f"{labels.shape}"
        )
    if labels.size and labels.max() > 9:
        raise DataError(
            f"{labels_path}: labels must be 0..9, not {labels.max()} at [{labels.argmax()}]"
        )
    return images[:, None], labels


def read_cifar10(root: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """CIFAR-10's binary version: records of one label byte and 3,072 pixels, planes R, G, B."""
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
    batches = []
    for path in (root / "cifar-10-batches-bin" / name for name in names):
        data = np.fromfile(path, np.uint8)
        if data.size == 0 or data.size % 3073:
            raise DataError(
                f"{path}: must hold records of 3073 bytes, not {data.size} bytes; {MEND}"
            )
        batches.append(data.reshape(-1, 3073))
        if batches[-1][:, 0].max() > 9:
            raise DataError(
                f"{path}: labels must be 0..9, not {batches[-1][:, 0].max()} in record "
                f"{batches[-1][:, 0].argmax()}"
            )
    records = np.concatenate(batches)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def read_recording(path: Path) -> Events:
    """One N-MNIST recording as EVENTs, ascending in time; see `sw.data.events.nmnist`."""
    events = read_bin(str(path), path.read_bytes()).events
    if events.size and max(events["x"].max(), events["y"].max()) > 33:
        raise DataError(
            f"{path}: x and y must be 0..33, not {events['x'].max()} and {events['y'].max()}"
        )
    return events


def read_nmnist(root: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """N-MNIST's recordings in the order of their numbers; a part of the set is read as it is."""
    folder = root / "N-MNIST" / split.capitalize()
    paths = sorted(folder.glob("[0-9]/*.bin"), key=lambda path: path.name)
    if not paths:
        raise DataError(f"{folder}: must hold LABEL/ID.bin recordings, but there is none")
    recordings = np.empty(len(paths), object)
    for i, path in enumerate(paths):
        recordings[i] = read_recording(path)
    return recordings, np.array([int(path.parent.name) for path in paths], np.uint8)


def _idx(
    name: str, base: str, sums: dict[str, tuple[str, str]], labels: tuple[str, ...]
) -> Dataset:
    """A row of the MNIST family; `sums`: split -> SHA-256 of the images' and of the labels' gzip
    file as published."""
    parts, remotes = {}, {}
    for split, stem in (("train", "train"), ("test", "t10k")):
        files = (f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz")
        parts[split] = tuple(f"{name}/{file}" for file in files)
        remotes[split] = tuple(
            Remote(f"{name}/{file}", base + file, known)
            for file, known in zip(files, sums[split], strict=True)
        )
    return Dataset(
        name,
        (1, 28, 28),
        255,
        labels,
        lambda root, split: read_mnist(root / name, split),
        parts,
        remotes,
    )


TEN = tuple("0123456789")
CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
CIFAR_ARCHIVE = Remote(
    "cifar-10-binary.tar.gz", "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    r"cifar-10-batches-bin/([\w.]+)", "cifar-10-batches-bin",
)  # fmt: skip
MENDELEY = "https://data.mendeley.com/public-files/datasets/468j46mzdv/files/"

# Where the SHA-256 sums come from: MNIST and Fashion-MNIST as torchvision's prototype data sets
# record them, CIFAR-10 as MLDatasets.jl does (its publisher gives an MD5 alone), N-MNIST as tonic's
# prototype data sets do.
DATASETS = {
    row.name: row
    for row in (
        Dataset("digits", (1, 8, 8), 16, TEN, read_digits),
        _idx(
            "mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            {
                "train": (
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                ),
                "test": (
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                ),
            },
            TEN,
        ),
        _idx(
            "fashion-mnist",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            {
                "train": (
                    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                ),
                "test": (
                    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                ),
            },
            CLOTHES,
        ),
        Dataset(
            "cifar10",
            (3, 32, 32),
            255,
            THINGS,
            read_cifar10,
            {
                "train": tuple(f"cifar-10-batches-bin/{name}" for name in CIFAR_FILES),
                "test": ("cifar-10-batches-bin/test_batch.bin",),
            },
            {"train": (CIFAR_ARCHIVE,), "test": (CIFAR_ARCHIVE,)},
        ),
        Dataset(
            "nmnist",
            (2, 34, 34),
            0,
            TEN,
            read_nmnist,
            {"train": ("N-MNIST/Train",), "test": ("N-MNIST/Test",)},
            {
                "train": (
                    Remote(
                        "N-MNIST/Train.zip",
                        MENDELEY + "39c25547-014b-4137-a934-9d29fa53c7a0/file_downloaded",
                        "1a54ee392a5e5082a0bef52911cd9211f63b950a4905ccd8890553804d3335f9",
                        r"Train/(\d/\d+\.bin)",
                        "N-MNIST/Train",
                    ),
                ),
                "test": (
                    Remote(
                        "N-MNIST/Test.zip",
                        MENDELEY + "05a4d654-7e03-4c15-bdfa-9bb2bcbea494/file_downloaded",
                        "6ecfd5d85dbb49a631961d8dc3101871c5be53e645004ee34064f6557d169f09",
                        r"Test/(\d/\d+\.bin)",
                        "N-MNIST/Test",
                    ),
                ),
            },
        ),
    )
}
