"""Reading and writing what the verbs name on the command line."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.sw.lib.check import near

if TYPE_CHECKING:
    from polyrhythm.hw.export import Beside, Bus
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.plan.parameters import Coding


def load_network(
    path: str, profile: str | None = None, T: Sequence[int] | None = None
) -> "Network":
    """The network in a file, at one of its working points, or with other time steps; a wrong name
    gets the nearest one that exists."""
    from polyrhythm.sw.network import Network

    file = Path(path)
    if not file.exists():
        raise ValueError(f"{path}: no such network file{nearest_file(path, '.safetensors')}")
    network = Network.load(path)
    return network.profile(profile) if T is None else network.at(T)


def chosen_network(args: argparse.Namespace) -> "Network":
    """The network that the command line names, at the working point that it names."""
    return load_network(args.network, args.profile, args.T)


def circuit_of(args: argparse.Namespace) -> "tuple[Network, tuple[str | None, ...]]":
    """The network of a circuit, and the working points that the circuit has."""
    if args.profiles is None:
        return chosen_network(args), (None,)
    if args.profile is not None or args.T is not None:
        raise ValueError("--profiles all has every working point: leave --profile and --T out")
    whole = load_network(args.network)
    if not whole.profiles:
        raise ValueError(f"{args.network}: --profiles needs working points, but it has none")
    return whole, (None, *whole.profiles)


def nearest_file(path: str, suffix: str) -> str:
    """ "; did you mean PATH?" for a file of that suffix in the same folder, compared by what stands
    before the suffix."""
    file = Path(path)
    there = {
        other.name.removesuffix(suffix): str(other)
        for other in sorted(file.parent.glob(f"*{suffix}"))
    }
    close = near(file.name.removesuffix(suffix), there)
    return f"; did you mean {' or '.join(there[name] for name in close)}?" if close else ""


def export_verilog(
    network: "Network",
    folder: Path,
    lanes: Sequence[Any] | None,
    coding: "Coding" = "count",
    name: str | None = None,
    beside: "Beside | None" = None,
    bus: "Bus" = "none",
    profiles: "Sequence[str | None]" = (None,),
) -> dict[str, Any]:
    """Write the accelerator into `folder`, which appears whole or not at all; the answer is its
    interface. The rest as of `hw.export.export`."""
    from polyrhythm.hw.export import export

    export(network, folder, lanes, coding, name, beside, bus, profiles=profiles)
    interface: dict[str, Any] = json.loads((folder / "interface.json").read_text("utf-8"))
    return interface
