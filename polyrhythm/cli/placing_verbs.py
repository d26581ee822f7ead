"""The arguments of the verbs that put a network on an FPGA."""

import argparse

from polyrhythm.cli.arguments import (
    hardware_arguments,
    network_argument,
    profiles_argument,
    rhythm_arguments,
)


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
    profiles_argument(parser)


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
    rhythm_arguments(parser)


def program_arguments(parser: argparse.ArgumentParser) -> None:
    told = "the file, beside its build.json as build wrote it"
    parser.add_argument("bitstream", metavar="BITSTREAM", help=told)
    parser.add_argument(
        "--flash", action="store_true", help="into the board's flash, from which it starts"
    )
    told = "the board, for a bitstream without its build.json"
    parser.add_argument("--board", metavar="NAME", help=told)
