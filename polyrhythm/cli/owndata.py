"""The data that a verb was given: a data set of ours by its name, or the user's own as one of the
same kind."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.report import one_of, say

if TYPE_CHECKING:
    from polyrhythm.sw.data.datasets import Dataset
    from polyrhythm.sw.data.events.files import Reading
    from polyrhythm.sw.data.own.dataset import Wanted
    from polyrhythm.sw.data.own.given import Given
    from polyrhythm.sw.network import Network

BOTH = ("train", "test")
FORMS = "X.npy Y.npy (or D.npz, or a folder DIR with DIR/CLASS/FILE)"


def choice(args: argparse.Namespace) -> str:
    """Where data may come from, in one line."""
    own = f"--train {FORMS}, --test likewise" if hasattr(args, "train") else f"--test {FORMS}"
    return f"data come from one place: --dataset NAME, {own}, or --data-module FILE.py:FUNCTION"


def data_set(
    args: argparse.Namespace,
    preprocess: str,
    needs: Sequence[str] = BOTH,
    network: "Network | None" = None,
    instead: str | None = None,
) -> "Dataset":
    """The data set that the command line names, checked; a split of `needs` that is missing is told
    with its option.

    preprocess: how samples become counts. network: what takes them, where it is known. instead: a
    name, where none is given.
    """
    from polyrhythm.sw import data

    train, test = getattr(args, "train", None), args.test
    places = [bool(args.dataset), bool(train or test), bool(args.data_module)]
    if sum(places) > 1:
        given = [
            word
            for word, there in zip(
                ("--dataset", "--train or --test", "--data-module"), places, strict=True
            )
            if there
        ]
        raise ValueError(f"{choice(args)}; not {' and '.join(given)}")
    if not any(places[1:]):
        _no_own_options(args)
        if not args.dataset and instead is None:
            raise ValueError(choice(args))
        name = args.dataset or str(instead)
        if name not in data.DATASETS and Path(name).exists():
            raise ValueError(
                f"dataset is the name of one of ours, not {name}; own data: {choice(args)}"
            )
        return data.find(one_of("dataset", name, data.DATASETS))
    from polyrhythm.sw.data.own.dataset import own_dataset

    splits = _of_module(args) if args.data_module else _of_words(args, train, test)
    _all_there(splits, needs)
    chosen = {split: splits[split] for split in needs}
    return own_dataset(chosen, wanted(args, preprocess, network), say, reading(args))


def wanted(args: argparse.Namespace, preprocess: str, network: "Network | None") -> "Wanted":
    """What the command line and the network know of the data."""
    from polyrhythm.sw.data.own.dataset import Wanted

    if network is None:
        return Wanted(preprocess, peak=args.peak, sensor=args.sensor)
    shape, classes = tuple(network.input.shape), len(network.layers[-1].bias)
    return Wanted(
        preprocess,
        shape,
        network.labels or None,
        classes,
        args.peak,
        usual_peak(network),
        args.sensor,
    )


def usual_peak(network: "Network") -> dict[str, float]:
    """What was white in the data that the network was trained on, for integers ("i") or for floats
    ("f")."""
    from polyrhythm.sw.data import DATASETS

    name, made = network.provenance.get("dataset"), network.provenance.get("data")
    if isinstance(made, dict):
        peak = made.get("peak")
        return (
            {"f" if "float" in str(made.get("dtype")) else "i": peak}
            if isinstance(peak, int | float) and peak > 0
            else {}
        )
    return (
        {"i": DATASETS[name].peak}
        if isinstance(name, str) and name in DATASETS and DATASETS[name].peak
        else {}
    )


def reading(args: argparse.Namespace) -> "Reading":
    """How event files are read."""
    from polyrhythm.sw.data.events.files import Reading

    return Reading(args.sort_events, args.columns, args.time_unit)


def _of_words(
    args: argparse.Namespace, train: Sequence[str] | None, test: Sequence[str] | None
) -> dict[str, "Given"]:
    """What --train and --test name; one archive or folder may hold both."""
    from polyrhythm.sw.data.own.given import read_split

    words = {split: found for split, found in (("train", train), ("test", test)) if found}
    for split, other in (BOTH, BOTH[::-1]):
        if split not in words and len(words[other]) == 1 and _holds(Path(words[other][0]), split):
            words[split] = words[other]
    return {split: read_split(found, split, reading(args)) for split, found in words.items()}


def _holds(path: Path, split: str) -> bool:
    """Whether an archive or a folder has a part for this split."""
    from polyrhythm.sw.data.own.folder import class_folders
    from polyrhythm.sw.data.own.given import has_split

    if path.is_dir():
        return (path / split).is_dir() and bool(class_folders(path / split))
    return path.suffix.lower() == ".npz" and path.is_file() and has_split(path, split)


def _of_module(args: argparse.Namespace) -> dict[str, "Given"]:
    """What a user's function returns."""
    from polyrhythm.cli.python_file import call_object, load_object
    from polyrhythm.sw.data.own.module import splits_of

    text = args.data_module
    made = call_object(load_object(text, "data-module"), text, "data-module")
    file, _, function = text.rpartition(":")
    return splits_of(made, f"data-module: {function} of {Path(file).name}", function, reading(args))


def _all_there(splits: dict[str, Any], needs: Sequence[str]) -> None:
    for split in needs:
        if split not in splits:
            name = "training" if split == "train" else split
            raise ValueError(f"the {name} split is missing: say --{split} {FORMS}")


def _no_own_options(args: argparse.Namespace) -> None:
    """What speaks of own data alone must not stand beside a data set of ours."""
    given = [
        word
        for word, value in (
            ("--peak", args.peak),
            ("--sensor", args.sensor),
            ("--columns", args.columns),
            ("--sort-events", args.sort_events),
        )
        if value
    ]
    if given:
        raise ValueError(f"{given[0]} is for own data: --train, --test or --data-module")
