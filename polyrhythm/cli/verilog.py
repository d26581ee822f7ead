"""verilog: the accelerator as Verilog, and what else was asked for beside it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polyrhythm.cli.files import circuit_of, export_verilog, load_network
from polyrhythm.cli.progress import Stage
from polyrhythm.cli.report import Answer, say, table

if TYPE_CHECKING:
    from polyrhythm.hw.export import Beside
    from polyrhythm.sim.testbench import Vectors
    from polyrhythm.sw.network import Network


def verilog(args: argparse.Namespace) -> Answer:
    """Write the accelerator as Verilog."""
    from polyrhythm.sw.plan.names import check_top

    if args.frames is not None and not args.testbench:
        raise ValueError("--frames is for the testbench: say --testbench")
    if args.vivado and args.bus != "axi":
        raise ValueError("Vivado's IP is made of an AXI export: say --bus axi")
    name = None if args.name is None else check_top(args.name)
    folder = Path(args.out)
    network, profiles = circuit_of(args)
    if len(profiles) > 1 and args.testbench:
        raise ValueError("--testbench is for a circuit of one profile: leave --profiles out")
    if name is None:
        name = called(load_network(args.network), args.profile, args.T)
    vectors = testbench_of(network, args)
    with Stage(f"writing the Verilog of {network.name}"):
        interface = export_verilog(
            network,
            folder,
            args.lanes,
            args.coding,
            name,
            beside(args, vectors),
            args.bus,
            profiles,
        )
    rows = [
        (
            layer["name"],
            layer["kind"],
            layer["n_in"],
            layer["n_out"],
            layer["lanes"],
            f"{layer['v_bits']} bit",
        )
        for layer in interface["layers"]
    ]
    text = table(rows, ("layer", "kind", "inputs", "neurons", "lanes", "potential"))
    data = {
        "folder": str(folder),
        "top": interface["top"],
        "digest": interface["digest"],
        "files": sorted(path.name for path in folder.iterdir() if path.is_file()),
        "layers": interface["layers"],
    }
    where = (
        f"module {interface['top']}: {folder / interface['top']}.v, its ports: "
        f"{folder / 'interface.json'}"
    )
    if vectors is not None:
        data["testbench"] = {"frames": len(vectors.counts), "from": vectors.told}
        where += f"\ntestbench: make -C {folder}; frames: {vectors.told}"
    return Answer(data, f"{text}\n\n{where}")


def beside(args: argparse.Namespace, vectors: "Vectors | None") -> "Beside | None":
    """What makes the files beside the export that were asked for."""
    from polyrhythm.hw import packaging
    from polyrhythm.sim import testbench

    parts = [testbench.beside(vectors)] if vectors else []
    parts += [packaging.fusesoc] if args.fusesoc else []
    parts += [packaging.vivado] if args.vivado else []
    return packaging.together(*parts) if parts else None


def testbench_of(network: "Network", args: argparse.Namespace) -> "Vectors | None":
    """Frames for a testbench with their golden answers, where one is asked for."""
    from polyrhythm.sim.testbench import vectors

    if not args.testbench:
        return None
    chosen = {} if args.frames is None else {"number": args.frames}
    with Stage(f"frames and golden answers of {network.name}"):
        return vectors(network, **chosen)


def called(network: "Network", profile: str | None, T: Sequence[int] | None = None) -> str:
    """The top module's name where none is asked for: the network's and the profile's, or the
    network's and its other T; a name that cannot be is told."""
    from polyrhythm.sw.plan.names import identifier, told_apart, top_name

    if T is not None:
        wanted = "_".join([f"{network.name}_T", *map(str, T)])
    elif profile is None:
        wanted = network.name
    else:
        alike = [
            repr(other)
            for other in network.profiles
            if identifier(f"_{other}") == identifier(f"_{profile}")
        ]
        if len(alike) > 1:
            raise ValueError(
                f"profiles {' and '.join(alike)} would both be called "
                f"{top_name(f'{network.name}_{profile}')}; "
                "choose with --name NAME"
            )
        wanted = f"{network.name}_{profile}"
    name = top_name(wanted)
    if not told_apart(wanted):
        say(f"no module can be called {wanted!r}, this one is {name}; --name NAME chooses another")
    return name
