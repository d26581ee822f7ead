"""The verbs, in the order of the flow, and the arguments of each."""

import argparse
from collections.abc import Callable

from polyrhythm.cli.arguments import (
    data_arguments,
    hardware_arguments,
    network_argument,
    port_argument,
    positive,
    profiles_argument,
    sample_arguments,
)
from polyrhythm.cli.learning_verbs import (
    check_arguments,
    convert_arguments,
    to_events_arguments,
    train_arguments,
    tune_arguments,
)
from polyrhythm.cli.placing_verbs import (
    build_arguments,
    program_arguments,
    swap_arguments,
    synth_arguments,
)

Add = Callable[[argparse.ArgumentParser], None]


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
        help="also self-checking testbenches, Verilog and, without AXI, cocotb: run make in DIR",
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
    profiles_argument(parser)


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
    profiles_argument(parser)


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


def completion_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="which shell's script")


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
