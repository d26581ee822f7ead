"""Own data on the command line: each way in gives the same data set, and what is wrong is one line
before any training."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import eventfiles
import numpy as np
import pytest
from commands import call
from PIL import Image

from polyrhythm.cli import main as program
from polyrhythm.cli.owndata import data_set
from polyrhythm.sw import data
from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.own.folder import read_images
from polyrhythm.sw.network import Network

RECIPES = """
from dataclasses import replace
from polyrhythm.sw.training.recipe import LayerSpec, Recipe

SMALL = Recipe(
    name="small", dataset="mine", preprocess="levels:15", schedule="two_phase",
    layers=(LayerSpec("fc1", 12, T=3), LayerSpec("out", 10, "readout")),
    float_epochs=1, quantized_epochs=1, snapped_epochs=1, lr=1e-2, quantized_lr=5e-3, snapped_lr=2e-3, batch=32,
)
EVENTS = replace(SMALL, name="events", preprocess="window:1000:4:3", schedule="time_stepped",
                 layers=(LayerSpec("fc1", 8, T=4, leak_shift=3), LayerSpec("out", 2, "readout", T=4)))
BAD = replace(SMALL, name="a/b", batch=0)
NAMELESS = replace(SMALL, name=None)

def made():
    return SMALL

number = 3
"""
MODULE = """
import numpy as np
import sim  # theirs

def splits():
    return {split: (np.load(f"x_{split}.npy"), np.load(f"y_{split}.npy")) for split in ("train", "test")}

def pairs():
    return tuple(splits().values())

def only_test():
    return {"test": splits()["test"]}

def number():
    return 7

def ragged():
    return ([[1, 2], [3]], [0, 1]), ([[1, 2]], [0])

def fails():
    return np.load("no-such-file.npy")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with 90 training and 30 test images of digits, 0..16, in every form."""
    monkeypatch.chdir(tmp_path)
    arrays = {}
    for split, size in (("train", 90), ("test", 30)):
        x, y = (part[:size] for part in data.load("digits", split))
        arrays |= {f"x_{split}": x, f"y_{split}": y}
        np.savez(f"{split}.npz", x=x, y=y)
        for k, (image, label) in enumerate(zip(x, y, strict=True)):
            folder = tmp_path / "images" / split / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[0]).save(folder / f"{k:03}.png")
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    np.savez("both.npz", **arrays)
    (tmp_path / "recipes.py").write_text(RECIPES)
    (tmp_path / "module.py").write_text(MODULE)
    (tmp_path / "sim.py").write_text("WORD = 'theirs'")
    return tmp_path


def loaded(*words: str, preprocess: str = "levels:15") -> Dataset:
    args = program.parse(["train", "--recipe", "digits", *words])
    return data_set(args, preprocess)


ARRAYS = (
    "--train",
    "x_train.npy",
    "y_train.npy",
    "--test",
    "x_test.npy",
    "y_test.npy",
    "--peak",
    "16",
)
WAYS: dict[str, tuple[str, ...]] = {
    "arrays": ARRAYS,
    "archives": ("--train", "train.npz", "--test", "test.npz", "--peak", "16"),
    "one archive": ("--train", "both.npz", "--peak", "16"),
    "one archive, the other way": ("--test", "both.npz", "--peak", "16"),
    "module": ("--data-module", "module.py:splits", "--peak", "16"),
    "module, pairs": ("--data-module", "module.py:pairs", "--peak", "16"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_gives_the_same_data(way: str, here: Path) -> None:
    found = loaded(*WAYS[way])
    assert (found.shape, found.peak, found.labels) == ((1, 8, 8), 16, tuple("0123456789"))
    for split in ("train", "test"):
        x, y = data.load(found, split)
        assert (x == np.load(f"x_{split}.npy")).all() and (y == np.load(f"y_{split}.npy")).all()
    assert found.origin == loaded(*ARRAYS).origin


@pytest.mark.parametrize(
    "words", [("--train", "images"), ("--train", "images/train", "--test", "images/test")]
)
def test_folders_of_images_by_class(words: tuple[str, ...], here: Path) -> None:
    found = loaded(*words, "--peak", "16")
    x, y = data.load(found, "train")
    order = np.argsort(np.load("y_train.npy"), kind="stable")
    assert (x == np.load("x_train.npy")[order]).all() and (y == np.load("y_train.npy")[order]).all()
    assert found.name == "own" and found.labels == tuple("0123456789") and not found.numbered


def test_what_systems_leave_in_folders_is_no_class_and_no_sample(here: Path) -> None:
    before = loaded("--train", "images", "--peak", "16")
    for place in ("train/.ipynb_checkpoints", "train/__MACOSX", "train/0/.ipynb_checkpoints"):
        (here / "images" / place).mkdir()
        Image.new("L", (8, 8)).save(here / "images" / place / "a.png")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._000.png"):
        (here / "images" / "train" / "0" / name).write_bytes(b"junk")
    after = loaded("--train", "images", "--peak", "16")
    assert after.labels == before.labels and after.origin == before.origin


def test_folders_that_are_numbers_say_their_order(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "test"):
        (here / "images" / split / "0").rename(here / "images" / split / "10")
    assert loaded("--train", "images", "--peak", "16").labels == tuple(map(str, range(1, 11)))
    told = "9 10; by their values, where torchvision's ImageFolder has them as text: 1, 10, 2, .."
    assert told in capsys.readouterr().err


def test_grey_images_of_any_mode_are_grey_among_grey_ones(tmp_path: Path) -> None:
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    coloured = Image.merge("RGB", (grey, grey, Image.new("L", (8, 8))))
    made = {"l": grey, "p": grey.convert("P"), "rgba": grey.convert("RGBA"), "rgb": coloured}
    for name, image in made.items():
        image.save(tmp_path / f"{name}.png")
    paths = {name: tmp_path / f"{name}.png" for name in made}
    found = read_images([paths["p"], paths["l"], paths["rgba"]])
    assert found.shape == (3, 1, 8, 8) and (found == np.asarray(grey)).all()
    found = read_images([paths["p"], paths["rgb"], paths["rgba"]])
    assert found.shape == (3, 3, 8, 8) and (found[[0, 2]] == np.asarray(grey)).all()
    assert (found[1] == np.moveaxis(np.asarray(coloured), -1, 0)).all()
    with pytest.raises(DataError) as caught:
        read_images([paths["rgb"], paths["rgba"], paths["l"]])
    assert (
        str(caught.value)
        == f"{paths['l']}: must be coloured uint8 as {paths['rgb']} is, not grey uint8 (mode L)"
    )


def trained(
    capsys: pytest.CaptureFixture[str], *words: str, recipe: str = "recipes.py:SMALL"
) -> Network:
    code, out, err = call(
        capsys,
        "train",
        "--recipe",
        recipe,
        "--out",
        "net.safetensors",
        "--device",
        "cpu",
        "--json",
        *words,
    )
    assert code == 0, out + err
    return Network.load("net.safetensors")


def test_floats_and_vectors_train_to_the_same_network(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = trained(capsys, *ARRAYS)
    for split in ("train", "test"):
        x = np.load(f"x_{split}.npy")
        np.save(f"f_{split}.npy", (x / 16).astype(">f4"))
        np.save(f"v_{split}.npy", np.asfortranarray(x.reshape(len(x), 64)))
        np.save(f"c_{split}.npy", data.encode(x, "levels:15", 16))
    floats = trained(
        capsys, "--train", "f_train.npy", "y_train.npy", "--test", "f_test.npy", "y_test.npy"
    )
    vectors = trained(
        capsys,
        "--train",
        "v_train.npy",
        "y_train.npy",
        "--test",
        "v_test.npy",
        "y_test.npy",
        "--peak",
        "16",
    )
    for other in (floats, vectors):
        for a, b in zip(plain.layers, other.layers, strict=True):
            assert (a.weight == b.weight).all() and (a.bias == b.bias).all()
    assert (
        vectors.input.shape == (64,)
        and plain.provenance["data"]["peak"] == 16
        and floats.provenance["data"]["peak"] == 1
    )


def test_the_file_says_what_the_data_were_and_no_path(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = trained(capsys, "--train", str(here / "both.npz"), "--peak", "16")
    made = network.provenance
    assert made["dataset"] == made["config"]["dataset"] == "both" and str(here) not in json.dumps(
        made
    )
    assert {split: made["data"][split]["samples"] for split in ("train", "test")} == {
        "train": 90,
        "test": 30,
    }
    assert (made["data"]["kind"], made["data"]["shape"], made["data"]["dtype"]) == (
        "images",
        [1, 8, 8],
        "uint8",
    )
    before = made["data"]["train"]["sha256"]
    changed = np.load("x_train.npy")
    changed[5, 0, 3, 3] = 16 - changed[5, 0, 3, 3]
    np.save("x_train.npy", changed)
    assert loaded(*ARRAYS).origin["train"]["sha256"] != before  # type: ignore[index]


def test_names_of_classes_come_into_the_file(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "test"):
        np.save(
            f"y_{split}.npy",
            np.array(["odd" if label % 2 else "even" for label in np.load(f"y_{split}.npy")]),
        )
    (here / "recipes.py").write_text(RECIPES.replace('"out", 10', '"out", 2'))
    network = trained(capsys, *ARRAYS)
    assert network.labels == ("even", "odd")
    code, out, _ = call(
        capsys,
        "run",
        "net.safetensors",
        "--input",
        "x_test.npy",
        "--preprocess",
        "levels:15",
        "--labels",
        "y_test.npy",
        "--executor",
        "golden",
        "--json",
    )
    assert code == 0 and json.loads(out)["accuracy"] == network.provenance["accuracy"]


def test_run_matches_integers_with_classes_that_are_numbers(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "test"):
        np.save(f"n_{split}.npy", (np.load(f"y_{split}.npy") + 1).astype(str))
    network = trained(capsys, *(word.replace("y_", "n_") for word in ARRAYS))
    assert network.labels == tuple(map(str, range(1, 11)))
    np.save("i.npy", np.load("y_test.npy") + 1)
    command = (
        "run",
        "net.safetensors",
        "--input",
        "x_test.npy",
        "--preprocess",
        "levels:15",
        "--executor",
        "golden",
        "--json",
        "--labels",
    )
    code, out, _ = call(capsys, *command, "i.npy")
    assert code == 0 and json.loads(out)["accuracy"] == network.provenance["accuracy"]
    code, _, err = call(capsys, *command, "y_test.npy")
    first = int(np.argmin(np.load("y_test.npy")))
    assert code == 2 and f"y_test.npy: 0 at [{first}] is no class of the network: 1, 2, " in err


def test_run_tells_the_accuracy(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = round(30 * trained(capsys, *ARRAYS).provenance["accuracy"])
    command = (
        "run",
        "net.safetensors",
        "--executor",
        "golden",
        "--labels",
        "y_test.npy",
        "--input",
    )
    _, out, _ = call(capsys, *command, "x_test.npy", "--preprocess", "levels:15")
    assert f"accuracy {right / 0.3:.2f} % ({right} of 30)" in out
    np.save("counts.npy", data.encode(np.load("x_test.npy"), "levels:15", 16))
    _, out, _ = call(capsys, *command, "counts.npy")
    assert f"accuracy {right / 0.3:.2f} % ({right} of 30)" in out


RUNS = {
    "x_test.npy": "x_test.npy: input must be (B, 1, 8, 8) or (B, 1, 1, 8, 8) counts 0..15; it is (30, 1, 8, 8) uint8 0..16: say --preprocess levels:15",
    "f.npy": "f.npy: input must be (B, 1, 8, 8) or (B, 1, 1, 8, 8) counts 0..15; it is (30, 1, 8, 8) float64 0..1: say --preprocess levels:15",
    "wide.npy": "wide.npy: inputs must have shape (B, 1, 1, 8, 8) or (B, 1, 8, 8), not (3, 1, 9, 9)",
    "a.npy": "a.npy: event recordings must become counts: say --preprocess frames:T:N",
    "none.npy": "none.npy: must hold at least one frame, not (0, 1, 8, 8)",
    "lost.npy": "lost.npy: no such file or directory",
}


@pytest.mark.parametrize("name", RUNS)
def test_inputs_are_told_with_what_was_expected(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(capsys, *ARRAYS)
    np.save("f.npy", np.load("x_test.npy") / 16)
    np.save("wide.npy", np.zeros((3, 1, 9, 9), np.uint8))
    np.save("none.npy", np.zeros((0, 1, 8, 8), np.uint8))
    np.save("a.npy", eventfiles.random_events(1, 9, 99, 8, 8))
    assert call(capsys, "run", "net.safetensors", "--input", name, "--executor", "golden")[::2] == (
        2,
        f"polyrhythm: {RUNS[name]}\n",
    )


def recordings(folder: Path, size: int = 6) -> None:
    """Two classes: what moves to the right, and what moves to the left."""
    for split in ("train", "test"):
        for name in ("left", "right"):
            (folder / split / name).mkdir(parents=True)
            for k in range(size):
                made = eventfiles.random_events(k + 100 * (split == "test"), 60, 4000, 6, 6)
                made["x"] = made["t"] * 6 // 4000 if name == "right" else 5 - made["t"] * 6 // 4000
                (folder / split / name / f"{k}.raw").write_bytes(
                    eventfiles.evt3(made, ("format EVT3;height=6;width=6",))
                )


def test_recordings_by_class_train_and_are_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings(here / "events")
    code, _, err = call(
        capsys,
        "train",
        "--recipe",
        "recipes.py:EVENTS",
        "--train",
        "events",
        "--out",
        "net.safetensors",
        "--device",
        "cpu",
    )
    assert code == 0 and "classes: 0 left, 1 right" in err
    network = Network.load("net.safetensors")
    assert network.labels == ("left", "right") and (network.input.shape, network.input.T) == (
        (2, 6, 6),
        4,
    )
    assert (
        network.provenance["data"]["kind"] == "recordings"
        and network.provenance["dataset"] == "events"
    )
    code, out, _ = call(
        capsys,
        "run",
        "net.safetensors",
        "--input",
        "events/test",
        "--preprocess",
        "window:1000:4:3",
        "--executor",
        "golden",
        "--json",
    )
    assert code == 0 and json.loads(out)["accuracy"] == network.provenance["accuracy"]


def test_a_flat_archive_of_recordings(here: Path) -> None:
    recordings(here / "events")
    from polyrhythm.sw.data.events.files import read_events

    for split in ("train", "test"):
        paths = sorted(Path("events", split).glob("*/*.raw"))
        parts = [read_events(path).events for path in paths]
        flat = np.concatenate(parts)
        np.savez(f"{split}.npz", **{key: flat[key] for key in "txyp"}, offsets=np.cumsum([0, *map(len, parts)]),
                 labels=np.array([path.parent.name for path in paths]))  # fmt: skip
    files, archive = (
        loaded(*words, preprocess="window:1000:4:3")
        for words in (
            ("--train", "events"),
            ("--train", "train.npz", "--test", "test.npz", "--sensor", "6x6"),
        )
    )
    for split in ("train", "test"):
        (a, y), (b, z) = data.load(files, split), data.load(archive, split)
        assert (
            data.encode(a, "window:1000:4:3", 0, (2, 6, 6))
            == data.encode(b, "window:1000:4:3", 0, (2, 6, 6))
        ).all() and (y == z).all()


def test_a_run_folder_belongs_to_its_data(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(capsys, *ARRAYS, "--run", "run")
    np.save("y_train.npy", np.load("y_train.npy")[::-1])
    code, _, err = call(
        capsys,
        "train",
        "--recipe",
        "recipes.py:SMALL",
        *ARRAYS,
        "--run",
        "run",
        "--out",
        "b.safetensors",
        "--device",
        "cpu",
    )
    assert code == 2 and "run: the run that lies there has data" in err


def test_cutoff_wants_the_training_split_again(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings(here / "events")
    trained(capsys, "--train", "events", recipe="recipes.py:EVENTS")
    code, out, _ = call(capsys, "cutoff", "net.safetensors", "--train", "events", "--json")
    assert code == 0 and len(json.loads(out)["accuracy_by_tick"]) == 4
    code, _, err = call(
        capsys, "cutoff", "net.safetensors", "--train", "events/test", "--test", "events/test"
    )
    assert (
        code == 2
        and "the training split must be the one that it was trained on, 12 samples with SHA-256"
        in err
    )


# ---- what is wrong

FORMS = "--train X.npy Y.npy (or D.npz, or a folder DIR with DIR/CLASS/FILE), --test likewise"
CHOICE = f"data come from one place: --dataset NAME, {FORMS}, or --data-module FILE.py:FUNCTION"


def save(**arrays: np.ndarray) -> Callable[[], None]:
    def write() -> None:
        for name, array in arrays.items():
            np.save(f"{name}.npy", array)

    return write


def nothing() -> None:
    pass


RNG = np.random.default_rng(0)
BAD: list[tuple[Callable[[], None], tuple[str, ...], str]] = [
    (nothing, (*ARRAYS[:3],), "the test split is missing: say --test X.npy Y.npy (or D.npz, or a folder DIR with DIR/CLASS/FILE)"),
    (nothing, (*ARRAYS[3:6],), "the training split is missing: say --train X.npy Y.npy (or D.npz, or a folder DIR with DIR/CLASS/FILE)"),
    (nothing, ("--dataset", "digits", *ARRAYS), CHOICE + "; not --dataset and --train or --test"),
    (nothing, ("--data-module", "module.py:splits", "--dataset", "digits"), CHOICE + "; not --dataset and --data-module"),
    (nothing, ("--dataset", "digits", "--peak", "16"), "--peak is for own data: --train, --test or --data-module"),
    (nothing, ("--train", "x_train.npy", "--test", "x_test.npy", "y_test.npy"), "--train x_train.npy: the labels are missing; say --train x_train.npy Y.npy"),
    (nothing, ("--train", "both.npz", "y_train.npy", "--test", "both.npz"), "--train with two words must be X.npy Y.npy, samples and labels, not both.npz"),
    (nothing, ("--train", "a", "b", "c", "--test", "both.npz"), "--train must be X.npy Y.npy, D.npz or a folder DIR with DIR/CLASS/FILE, not 3 words"),
    (nothing, ("--train", "lost.npy", "y_train.npy", *ARRAYS[3:]), "lost.npy: no such file or directory"),
    (nothing, ("--train", "lost", *ARRAYS[3:]), "lost: no such file or directory"),
    (nothing, ("--train", "recipes.py", *ARRAYS[3:]), "--train must be X.npy Y.npy, D.npz or a folder DIR with DIR/CLASS/FILE, not recipes.py"),
    (lambda: np.savez("both.npz", a=np.zeros(3)), ("--train", "both.npz", *ARRAYS[3:]),
     "both.npz: must hold x_train and y_train, or x and y, or recordings as t, x, y, p, offsets, labels; it holds a"),
    (lambda: np.savez("both.npz", x=np.zeros((3, 4))), ("--train", "both.npz", *ARRAYS[3:]), "both.npz: x: the labels of the training split are missing, both.npz: y"),
    (lambda: os.mkdir("empty"), ("--train", "empty", *ARRAYS[3:]), "empty: must hold CLASS/FILE, images (.png, .jpg, .jpeg, .bmp, .gif, .pgm, .ppm, .tif, .tiff, .webp) "
     "or recordings (.bin, .dat, .raw, .aedat4, .h5, .hdf5, .npy), but has none in 0 files"),
    (lambda: (Path("images") / "train" / "0" / "sub").mkdir() or Image.new("L", (8, 8)).save("images/train/0/sub/a.png"), ("--train", "images", "--peak", "16"),  # type: ignore[func-returns-value]
     "images/train: must hold CLASS/FILE, but 1 files lie deeper, such as images/train/0/sub/a.png; move them up into their class, or name the folder of the classes"),
    (lambda: Image.new("L", (8, 8)).save("images/train/a.png"), ("--train", "images", "--peak", "16"),
     "images/train: must hold CLASS/FILE, but 1 files lie in no class, such as images/train/a.png; move them into one"),
    (lambda: (Path("images") / "train" / "0" / "a.txt").write_text(""), ("--train", "images", "--peak", "16"),
     "images/train: must hold images alone, but 1 files are others, such as images/train/0/a.txt"),
    (lambda: (Path("images") / "train" / "0" / "a.png").write_bytes(b"no image"), ("--train", "images", "--peak", "16"),
     "images/train/0/a.png: must be a whole image, but cannot be read: cannot identify image file 'it'"),
    (lambda: Image.new("L", (9, 8)).save("images/train/0/zzz.png"), ("--train", "images", "--peak", "16"),
     "images/train/0/zzz.png: must be 8 x 8 as images/train/0/000.png is, not 9 x 8"),
    (lambda: Image.new("RGB", (8, 8)).save("images/train/0/zzz.png"), ("--train", "images", "--peak", "16"),
     "images/train/0/zzz.png: must be grey uint8 as images/train/0/000.png is, not coloured uint8 (mode RGB)"),
    (lambda: Image.new("RGBA", (8, 8)).save("images/train/0/zzz.png"), ("--train", "images", "--peak", "16"),
     "images/train/0/zzz.png: must not be transparent; put it on a background first"),
    (save(y_train=RNG.integers(0, 10, 89)), ARRAYS, "y_train.npy: 90 samples need labels of shape (90,), not (89,)"),
    (save(y_test=np.full(30, 12)), ARRAYS, "y_test.npy: labels must be 0..9, the classes of the training split, not 12 at [0]"),
    (save(y_train=np.arange(90) % 12, y_test=np.arange(30) % 12), ARRAYS, "recipe small: own: has 12 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), but the network has 10 outputs"),
    (save(y_train=np.array(["a", "b"] * 45), y_test=np.array(["a", "c"] * 15)), ARRAYS, "y_test.npy: 'c' at [1] is no class of the training split: a, b"),
    (save(y_train=np.zeros(90)), ARRAYS, "y_train.npy: labels must be integers, strings or one-hot rows, not float64; y.astype(int) makes integers"),
    (save(x_test=np.zeros((30, 1, 9, 8), np.uint8)), ARRAYS, "x_test.npy: the test split must have samples of shape (1, 8, 8) as the training split has, not (1, 9, 8)"),
    (save(x_test=np.zeros((30, 1, 8, 8))), ARRAYS, "x_test.npy: both splits must be of one kind, but the test split is float64 0..16 and the training split uint8 0..16"),
    (save(x_train=np.zeros((1, 1, 8, 8), np.uint8), y_train=np.zeros(1, int), y_test=np.zeros(30, int)), ARRAYS, "own: there must be at least 2 training samples and 1 to score, not 1 and 30"),
    (save(x_train=eventfiles.random_events(1, 90, 99)), ARRAYS, "x_train.npy: is an array of t, x, y, p: one recording; samples must be numbers"),
    (nothing, ("--data-module", "module.py:only_test", "--peak", "16"), "the training split is missing: say --train X.npy Y.npy (or D.npz, or a folder DIR with DIR/CLASS/FILE)"),
    (nothing, ("--data-module", "module.py:number"), 'data-module: number of module.py must return {"train": (x, y), "test": (x, y)} or ((x_train, y_train), (x_test, y_test)), not int'),
    (nothing, ("--data-module", "module.py:fails"), "data-module: fails: module.py, line 21: FileNotFoundError: [Errno 2] No such file or directory: 'no-such-file.npy'"),
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(BAD)))
def test_what_is_wrong_is_one_line_before_training(
    k: int, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, words, expected = BAD[k]
    before()
    code, out, err = call(
        capsys,
        "train",
        "--recipe",
        "recipes.py:SMALL",
        "--out",
        "net.safetensors",
        "--device",
        "cpu",
        *words,
    )
    assert (code, out, err.splitlines()[-1]) == (
        2,
        "",
        f"polyrhythm: {expected}",
    ) and "epoch" not in err


def test_compare_says_what_it_takes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(capsys, *ARRAYS)
    told = "data come from one place: --dataset NAME, --test X.npy Y.npy (or D.npz, or a folder DIR with DIR/CLASS/FILE), or --data-module FILE.py:FUNCTION"
    assert call(capsys, "compare", "net.safetensors")[::2] == (2, f"polyrhythm: {told}\n")
    expected = f"dataset is the name of one of ours, not both.npz; own data: {told}"
    assert call(capsys, "compare", "net.safetensors", "--dataset", "both.npz")[::2] == (
        2,
        f"polyrhythm: {expected}\n",
    )
    code, _, err = call(capsys, "compare", "net.safetensors", "--test", "y_test.npy", "y_test.npy")
    assert (code, err) == (
        2,
        "polyrhythm: y_test.npy: must be a batch, (B, N), (B, H, W) or (B, C, H, W), not (30,); one sample is x[None]\n",
    )


def test_ragged_lists_are_no_arrays(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, err = call(
        capsys, "train", "--recipe", "recipes.py:SMALL", "--data-module", "module.py:ragged"
    )
    assert err.startswith(
        "polyrhythm: data-module: ragged of module.py: x of train must be an array, not list of 2: setting an array element"
    )


def test_recordings_need_a_sensor_and_their_preprocess(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "test"):
        (here / "events" / split / "a").mkdir(parents=True)
        (here / "events" / split / "a" / "0.bin").write_bytes(
            eventfiles.nmnist(eventfiles.random_events(1, 50, 999, 6, 6))
        )
    with pytest.raises(ValueError) as caught:
        loaded("--train", "events", preprocess="frames:2:2")
    assert (
        str(caught.value)
        == "events/train: the files do not say how large the sensor is: say --sensor WxH (the first recording has up to x 5, y 5)"
    )
    assert loaded("--train", "events", "--sensor", "7x6", preprocess="frames:2:2").shape == (
        2,
        6,
        7,
    )
    with pytest.raises(ValueError) as caught:
        loaded("--train", "events")
    assert str(caught.value) == (
        "events/train: levels:15 is for images, and these are event recordings; say --preprocess frames:T:N or window:US:T:N"
    )
    one = RECIPES.replace('"out", 2', '"out", 1')
    (here / "recipes.py").write_text(one)
    code, _, err = call(
        capsys,
        "train",
        "--recipe",
        "recipes.py:EVENTS",
        "--train",
        "events",
        "--sensor",
        "5x6",
        "--device",
        "cpu",
    )
    first = int(np.argmax(eventfiles.random_events(1, 50, 999, 6, 6)["x"] == 5))
    assert code == 2 and err.endswith(
        f"events/train/a/0.bin: the sensor is 5 x 6, so x must be 0..4, not 5 in event {first}\n"
    )


RECIPE_WORDS = {
    "recipes.py:BAD": "recipe a/b: 2 things are wrong:",
    "recipes.py:NAMELESS": "recipe None: name must be a string, not None",
    "recipes.py:number": "recipe: recipes.py:number must be a sw.training.recipe.Recipe, or a function that makes one, not int",
    "recipes.py:SMAL": "recipe: recipes.py must define 'SMAL'; did you mean SMALL?",
    "recipes.py": "recipe must be FILE.py:NAME, such as recipes.py:NAME, not 'recipes.py'",
}


@pytest.mark.parametrize("text", RECIPE_WORDS)
def test_recipes_that_are_none(text: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "train", "--recipe", text, *ARRAYS, "--device", "cpu")
    assert code == 2 and f"polyrhythm: {RECIPE_WORDS[text]}" in err and "epoch" not in err


def test_a_function_may_make_the_recipe(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trained(capsys, *ARRAYS, recipe="recipes.py:made").name == "small"


def test_a_last_batch_of_one_sample(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """65 samples in batches of 32, with normalization, which a batch of one cannot have."""
    save(x_train=np.load("x_train.npy")[:65], y_train=np.load("y_train.npy")[:65])()
    (here / "recipes.py").write_text(
        RECIPES
        + "\nfrom polyrhythm.sw.training.recipe import Conversion\nSMALL = replace(SMALL, conversion=Conversion())\n"
    )
    assert trained(capsys, *ARRAYS).name == "small"
