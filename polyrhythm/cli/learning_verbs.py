"""The arguments of the verbs that make a network."""

import argparse
import re

from polyrhythm.cli.arguments import data_arguments, network_argument, positive


def training_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FILE", help="network file to write (NAME.safetensors)")
    parser.add_argument(
        "--run",
        metavar="DIR",
        help="keep a checkpoint, log and curves there; go on with the run that lies there",
    )
    parser.add_argument(
        "--device",
        default="auto",
        metavar="auto|cpu|cuda",
        help="where to train (auto: a GPU if there is one)",
    )


def train_arguments(parser: argparse.ArgumentParser) -> None:
    told = "what to train: a row of sw/training/recipes.py, or a Recipe of your own"
    parser.add_argument("--recipe", required=True, metavar="NAME|FILE.py:RECIPE", help=told)
    data_arguments(parser, "data set of ours in place of the recipe's")
    training_arguments(parser)
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of all random numbers (the recipe's)"
    )


def epochs(text: str) -> tuple[int, int]:
    """Epochs of the two stages of a conversion, as in 8,4."""
    match = re.fullmatch(r"(\d{1,4}),(\d{1,4})", text)
    if not match:
        raise argparse.ArgumentTypeError(
            f"must be two numbers, quantized and snapped, such as 8,4, not {text!r}"
        )
    return int(match[1]), int(match[2])


def convert_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        required=True,
        metavar="FILE.py:FUNCTION",
        help="what makes the torch model; the file is run",
    )
    parser.add_argument(
        "--weights", metavar="FILE", help="its state_dict: .pt, .ckpt or .safetensors"
    )
    data_arguments(parser, "what it was trained on")
    told = (
        "how samples become counts: levels:N for images whose pixels the model takes as 0..1; "
        "docs/own-data.md has all"
    )
    parser.add_argument("--preprocess", required=True, metavar="WHAT", help=told)
    training_arguments(parser)
    parser.add_argument("--name", metavar="NAME", help="of the network (FUNCTION, or FILE)")
    parser.add_argument(
        "--steps",
        type=int,
        default=4,
        metavar="T",
        help="time steps of each layer at the start (4)",
    )
    parser.add_argument(
        "--max-T", type=int, default=15, metavar="T", help="the most that a layer may learn (15)"
    )
    parser.add_argument(
        "--weight-bits",
        type=int,
        default=4,
        choices=range(2, 9),
        metavar="2..8",
        help="of each weight (4)",
    )
    parser.add_argument(
        "--target-cycles", type=float, metavar="N", help="busy cycles of a frame to come down to"
    )
    parser.add_argument(
        "--target-mean-T", type=float, metavar="T", help="mean time steps to come down to"
    )
    parser.add_argument(
        "--target-events", type=float, metavar="N", help="events of a frame to come down to"
    )
    told = (
        "weight of the cost in the loss: the knob of a family of networks (0; with a target "
        "where it starts, 0.1)"
    )
    parser.add_argument("--trade", type=float, default=0.0, metavar="X", help=told)
    parser.add_argument(
        "--epochs", type=epochs, default=(8, 4), metavar="Q,S", help="quantized and snapped (8,4)"
    )
    parser.add_argument(
        "--lr", type=float, default=1e-3, metavar="X", help="learning rate at the start (0.001)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of all random numbers (0)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="of torch (1); another number rounds otherwise",
    )


def check_arguments(parser: argparse.ArgumentParser) -> None:
    told = "FILE.py:FUNCTION that makes a torch model, or a .safetensors network file"
    parser.add_argument("what", metavar="MODEL|FILE", help=told)
    parser.add_argument(
        "--weights", metavar="FILE", help="the model's state_dict (as the function makes it)"
    )
    parser.add_argument("--shape", metavar="C,H,W", help="of the model's inputs")
    parser.add_argument("--dataset", metavar="NAME", help="instead: the data set that it takes")


def to_events_arguments(parser: argparse.ArgumentParser) -> None:
    network_argument(parser)
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="network file to write (NAME.safetensors)"
    )


def tune_arguments(parser: argparse.ArgumentParser) -> None:
    network_argument(parser)
    data_arguments(parser, "what it was trained on")
    parser.add_argument(
        "--preprocess",
        metavar="WHAT",
        help="levels:N or frames:1:N: a frame is one step (the network's)",
    )
    training_arguments(parser)
    parser.add_argument("--name", default="tuned", metavar="NAME", help="of the network (tuned)")
    parser.add_argument(
        "--steps",
        type=positive,
        default=15,
        metavar="T",
        help="the most that a neuron may send in a frame (15)",
    )
    told = (
        "parts in which a frame's events are looked at, in their order: more are truer and "
        "slower (16)"
    )
    parser.add_argument("--bins", type=positive, default=16, metavar="N", help=told)
    parser.add_argument("--epochs", type=positive, default=12, metavar="N", help="of tuning (12)")
    parser.add_argument(
        "--lr",
        type=float,
        default=0.05,
        metavar="X",
        help="learning rate at the start, in weight steps (0.05)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of all random numbers (0)"
    )
    parser.add_argument(
        "--threads",
        type=positive,
        default=1,
        metavar="N",
        help="of torch (1); another number rounds otherwise",
    )
