"""Arguments that several verbs share: where the data come from."""

import argparse
import math
import re

OWN = "X.npy Y.npy | D.npz | DIR"


def number(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, such as 255, not {text!r}")
    return value


def sensor(text: str) -> tuple[int, int]:
    """(height, width) of WxH."""
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"must be WxH, such as 128x128, not {text!r}")
    return int(match[2]), int(match[1])


def columns(text: str) -> str:
    """The order of t, x, y and p."""
    letters = text.replace(",", "")
    if sorted(letters) != ["p", "t", "x", "y"]:
        raise argparse.ArgumentTypeError(
            f"must be t, x, y and p in their order, such as txyp, not {text!r}"
        )
    return letters


def data_arguments(parser: argparse.ArgumentParser, dataset: str, training: bool = True) -> None:
    """A data set of ours by name, or own data; `dataset` is the help of the name, `training`
    whether a training split is used."""
    parser.add_argument("--dataset", metavar="NAME", help=dataset)
    parser.add_argument(
        "--data", metavar="DIR", help="folder with the data sets ($POLYRHYTHM_DATA)"
    )
    own = parser.add_argument_group(
        "own data instead of --dataset", "docs/own-data.md says what each may hold"
    )
    if training:
        told = (
            "training split: samples and labels, an archive, or DIR/CLASS/FILE (images, recordings)"
        )
        own.add_argument("--train", nargs="+", metavar=("X.npy", "Y.npy"), help=told)
    own.add_argument(
        "--test",
        nargs="+",
        metavar=("X.npy", "Y.npy"),
        help="test split, likewise" if training else f"test split: {OWN}",
    )
    own.add_argument(
        "--data-module",
        metavar="FILE.py:FUNCTION",
        help="both splits: what the function returns; the file is run",
    )
    sample_arguments(own)


def sample_arguments(parser: argparse._ActionsContainer) -> None:
    """How own samples are read, where they do not say it themselves."""
    parser.add_argument(
        "--peak", type=number, metavar="N", help="value of white (255 for uint8, 1 for floats)"
    )
    parser.add_argument(
        "--sensor", type=sensor, metavar="WxH", help="size of the event camera (its files')"
    )
    parser.add_argument(
        "--sort-events",
        action="store_true",
        help="put events in order whose times run back, which are refused",
    )
    parser.add_argument(
        "--columns",
        type=columns,
        metavar="txyp",
        help="columns of plain event arrays, in their order",
    )
    units = ("us", "ms", "s", "ns")
    parser.add_argument(
        "--time-unit",
        choices=units,
        default="us",
        help="of the times in .npy, .npz and HDF5 recordings (us)",
    )
