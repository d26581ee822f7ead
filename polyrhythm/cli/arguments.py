"""Arguments that several verbs share: the network, the data, the hardware."""

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


def lanes(text: str) -> list[int | tuple[int, int]]:
    """Lanes of each layer, as in 8x9,20,10: neurons at a time, or, in a convolution, channels, or
    channels x banks."""
    found: list[int | tuple[int, int]] = []
    for word in text.split(","):
        match = re.fullmatch(r"([1-9]\d{0,5})(?:x([1-9]\d{0,5}))?", word)
        if not match:
            raise argparse.ArgumentTypeError(
                "must be one number of at least 1 per layer, such as 20,10, or channels x banks, "
                f"such as 8x9, not {text!r}"
            )
        found.append((int(match[1]), int(match[2])) if match[2] else int(match[1]))
    return found


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not re.fullmatch(r"[1-9]\d{0,5}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def network_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", help="a .safetensors network file")


def port_argument(parser: argparse.ArgumentParser) -> None:
    told = (
        "of the board, such as /dev/ttyUSB0; sim: the whole board, simulated; sim:BUILD: that of a "
        "build's folder"
    )
    parser.add_argument("--port", metavar="PORT|sim", help=told)


def rhythm_arguments(parser: argparse.ArgumentParser) -> None:
    """Which time steps the network has."""
    one = parser.add_mutually_exclusive_group()
    told = "one of the network's working points (its own)"
    one.add_argument("--profile", metavar="NAME", help=told)
    told = "other time steps, one number for each layer, with the network's own thresholds"
    one.add_argument("--T", type=ticks, metavar="A,B,..", help=told)


def profiles_argument(parser: argparse.ArgumentParser) -> None:
    told = "all: one circuit of all working points, between which frames choose"
    parser.add_argument("--profiles", choices=("all",), help=told)


def ticks(text: str) -> list[int]:
    """T of each layer, as in 3,5."""
    return [positive(one) for one in text.split(",")]


def hardware_arguments(parser: argparse.ArgumentParser) -> None:
    rhythm_arguments(parser)
    told = (
        "neurons served per cycle in each layer; in a convolution channels, or channels x "
        "banks, as in 8x9"
    )
    parser.add_argument("--lanes", type=lanes, metavar="A,B,..", help=told)
    told = (
        "how hidden layers send several spikes of a neuron: in one event, or in an event each "
        "(count)"
    )
    parser.add_argument("--coding", choices=("count", "unary"), default="count", help=told)
