"""The verbs, in the order of the flow, and the arguments of each."""

import argparse
import re
from collections.abc import Callable

from polyrhythm.cli.arguments import data_arguments, sample_arguments

Add = Callable[[argparse.ArgumentParser], None]


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


def info_arguments(parser: argparse.ArgumentParser) -> None:
    network_argument(parser)


def run_arguments(parser: argparse.ArgumentParser) -> None:
    network_argument(parser)
    parser.add_argument(
        "--input",
        required=True,
        metavar="X.npy",
        help="counts (B, *shape), (B, T, *shape), or samples to encode",
    )
    parser.add_argument("--labels", metavar="Y.npy", help="the right classes: tells the accuracy")
    parser.add_argument(
        "--preprocess",
        metavar="WHAT",
        help="encode the input, as in levels:15 (it is counts already)",
    )
    sample_arguments(parser)
    parser.add_argument(
        "--executor", required=True, metavar="golden|rtl|cocotb|board", help="what runs it"
    )
    port_argument(parser)
    parser.add_argument(
        "--trace", metavar="OUT.npz", help="write counts, logits and cycles of every frame"
    )
    hardware_arguments(parser)


def verilog_arguments(parser: argparse.ArgumentParser) -> None:
    network_argument(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    told = (
        "of the top module, with which every module and file begins: an identifier (the "
        "network's, and the profile's)"
    )
    parser.add_argument("--name", metavar="NAME", help=told)
    parser.add_argument(
        "--bus",
        choices=("none", "axi"),
        default="none",
        help="in front: AXI4-Stream for frames and answers, AXI4-Lite for registers (none)",
    )
    parser.add_argument(
        "--testbench",
        action="store_true",
        help="also self-checking testbenches, Verilog and cocotb: run make in DIR",
    )
    parser.add_argument(
        "--fusesoc", action="store_true", help="also NAME.core, by which FuseSoC takes it in"
    )
    parser.add_argument(
        "--vivado",
        action="store_true",
        help="also NAME_ip.tcl, which makes an IP of Vivado of the AXI export",
    )
    told = "of the testbench: the first test images where they are on this machine, else random (5)"
    parser.add_argument("--frames", type=positive, metavar="N", help=told)
    hardware_arguments(parser)


def compare_arguments(parser: argparse.ArgumentParser) -> None:
    network_argument(parser)
    data_arguments(parser, "digits, mnist, ...: its test split", training=False)
    parser.add_argument(
        "--preprocess",
        metavar="WHAT",
        help="how samples become counts (as the network's file says)",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N images")
    told = "images that also go through one at a time, for their latency; all go back to back (all)"
    parser.add_argument("--alone", type=int, metavar="N", help=told)
    told = "what is held against golden: torch and the RTL, or a board (rtl)"
    parser.add_argument("--executor", default="rtl", metavar="rtl|board", help=told)
    port_argument(parser)
    hardware_arguments(parser)


def cutoff_arguments(parser: argparse.ArgumentParser) -> None:
    network_argument(parser)
    data_arguments(parser, "its training split calibrates, its test split is scored")
    parser.add_argument(
        "--epsilon",
        type=float,
        default=0.01,
        metavar="X",
        help="share of answers that may be wrong (0.01)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=20000,
        metavar="N",
        help="training images to calibrate on (20000)",
    )
    parser.add_argument(
        "--rule", metavar="margin|softmax|safe", help="the rule that the written file gets"
    )
    parser.add_argument("--out", metavar="FILE", help="network file to write, with that rule")
    hardware_arguments(parser)


def synth_arguments(parser: argparse.ArgumentParser) -> None:
    network_argument(parser)
    parser.add_argument(
        "--part", required=True, metavar="ecp5-25k|ecp5-85k|up5k", help="what to place it on"
    )
    placement_arguments(parser, "placements; the median Fmax is told (1)")
    parser.add_argument(
        "--freq", type=float, metavar="MHZ", help="what the placer aims at (beyond reach)"
    )
    swappable_argument(parser)
    hardware_arguments(parser)


def build_arguments(parser: argparse.ArgumentParser) -> None:
    network_argument(parser)
    told = "what to build for; polyrhythm boards lists them"
    parser.add_argument("--board", required=True, metavar="NAME", help=told)
    parser.add_argument("--out", metavar="DIR", help="folder to write (build/NETWORK-BOARD)")
    told = "the clock, rounded down to one that the board makes (what the placements reach)"
    parser.add_argument("--freq", type=float, metavar="MHZ", help=told)
    told = "of the link (the highest that clock and board allow)"
    parser.add_argument("--baud", type=int, metavar="N", help=told)
    placement_arguments(parser, "placements; the best is kept (1)")
    swappable_argument(parser)
    hardware_arguments(parser)


def placement_arguments(parser: argparse.ArgumentParser, seeds: str) -> None:
    """How often is placed, and how; seeds: what becomes of several placements."""
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="of the first placement (1)"
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help=seeds)
    parser.add_argument(
        "--router",
        metavar="router1|router2",
        help="nextpnr's; the second routes crowded parts (its own choice)",
    )


def swappable_argument(parser: argparse.ArgumentParser) -> None:
    told = "a circuit into which swap puts other weights, thresholds and biases"
    parser.add_argument("--swappable", action="store_true", help=told)


def swap_arguments(parser: argparse.ArgumentParser) -> None:
    told = "the folder of a build --swappable, or of an earlier swap"
    parser.add_argument("build", metavar="BUILD", help=told)
    network_argument(parser)
    parser.add_argument("--out", required=True, metavar="NEW", help="folder to write")
    told = "one of the network's working points (its own)"
    parser.add_argument("--profile", metavar="NAME", help=told)


def program_arguments(parser: argparse.ArgumentParser) -> None:
    told = "the file, beside its build.json as build wrote it"
    parser.add_argument("bitstream", metavar="BITSTREAM", help=told)
    parser.add_argument(
        "--flash", action="store_true", help="into the board's flash, from which it starts"
    )
    told = "the board, for a bitstream without its build.json"
    parser.add_argument("--board", metavar="NAME", help=told)


def completion_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="which shell's script")


def network_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", help="a .safetensors network file")


def port_argument(parser: argparse.ArgumentParser) -> None:
    told = "of the board, such as /dev/ttyUSB0; sim: the whole board, simulated"
    parser.add_argument("--port", metavar="PORT|sim", help=told)


def hardware_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile", metavar="NAME", help="one of the network's working points (its own)"
    )
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


RENAMED = {"clockless": "to-events"}  # verbs of earlier versions, which go on working
# In the order of the flow: verb -> module of cli, one line of help, its arguments.
VERBS: dict[str, tuple[str, str, Add | None]] = {
    "train": ("networks", "train a recipe and quantize it", train_arguments),
    "check": ("check", "what of a torch model or a network can be built", check_arguments),
    "convert": ("convert", "a trained ANN of torch, its time steps learned", convert_arguments),
    "cutoff": ("cutoff", "answers before the last tick: calibrate the rules", cutoff_arguments),
    "to-events": (
        "networks",
        "a two_phase network as an event_driven one: no time steps, the same counts",
        to_events_arguments,
    ),
    "tune": ("tune", "a network learns on as unsigned event-driven neurons", tune_arguments),
    "info": ("networks", "what a network file holds, and its proven widths", info_arguments),
    "run": ("run", "send frames through golden model, RTL, cocotb or a board", run_arguments),
    "verilog": ("verilog", "write the accelerator as Verilog", verilog_arguments),
    "compare": (
        "compare",
        "a test set through golden model, torch and RTL, or a board",
        compare_arguments,
    ),
    "synth": ("place", "size and speed on an FPGA", synth_arguments),
    "boards": ("board", "the boards that build knows", None),
    "build": ("board", "the bitstream of a network for a board", build_arguments),
    "swap": ("swap", "other weights in a finished bitstream", swap_arguments),
    "program": ("board", "load a bitstream into a board", program_arguments),
    "demo": ("demo", "all of it on handwritten digits", None),
    "doctor": ("doctor", "which tools are there, and how to fix what is not", None),
    "completion": (
        "completion",
        "the script that lets a shell complete words and files",
        completion_arguments,
    ),
}
