"""train, clockless, info, run, verilog: a network from its recipe to its files."""

import argparse
import dataclasses
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.files import export_verilog, load_inputs, load_network
from cli.report import Answer, one_of, paced, percent, say, table

if TYPE_CHECKING:
    from sw.network import Network
    from sw.trace import Trace

EXECUTORS = {"golden": "sw.golden", "rtl": "sim.bulk", "cocotb": "sim.bench"}
SHOWN = 20  # frames that `run` prints to people; JSON and the trace file have all


def train(args: argparse.Namespace) -> Answer:
    """Train a recipe and save the network."""
    from sw.training.recipes import RECIPES

    recipe = RECIPES[one_of("recipe", args.recipe, RECIPES)]
    if args.seed is not None:
        recipe = dataclasses.replace(recipe, seed=args.seed)
    from sw.training.train import train as run_recipe

    out = Path(args.out or f"{recipe.name}.safetensors")
    network, report = run_recipe(
        recipe, data_root=args.data, out=out, progress=paced(say), folder=args.run, device=args.device
    )
    rows = [("float", percent(report["float_accuracy"])), ("quantized, torch", percent(report["quantized_accuracy"])),
            ("integers, golden", percent(report["accuracy"]))]
    text = f"{table(rows, ('model', 'accuracy on the ' + report['scored_on'] + ' split'))}\n\n"
    text += "".join(f"{line}\n" for line in report.get("warnings", ()))
    return Answer(report | {"network": str(out)}, text + f"{network.name}, trained in {report['seconds']:.0f} s: {out}")


def clockless(args: argparse.Namespace) -> Answer:
    """Write a two_phase network as an event_driven one of the same weights."""
    from sw.schedules import without_clock

    network = without_clock(load_network(args.network), Path(args.out).stem)
    network.save(args.out)
    data = {"name": network.name, "digest": network.digest, "schedule": network.schedule, "network": args.out}
    return Answer(data, f"{network.name}, {network.schedule}, digest {network.digest[:16]}: {args.out}")


def info(args: argparse.Namespace) -> Answer:
    """What is in a network file, with the widths that its contents prove."""
    from sw.widths import bounds, signed_width

    network = load_network(args.network)
    layers: list[dict[str, Any]] = []
    for i, layer in enumerate(network.layers):
        proven = bounds(network, i)
        layers.append({
            "name": layer.name, "kind": layer.kind, "n_in": network.n_in(i), "n_out": network.n_out(i), "T": layer.T,
            "weight_bits": layer.weight_bits, "reset": layer.reset, "leak_shift": layer.leak_shift,
            "v_bounds": list(proven.v), "v_bits": signed_width(*proven.v),
            "acc_bounds": list(proven.acc), "acc_bits": signed_width(*proven.acc),
        })  # fmt: skip
    data = {
        "name": network.name, "digest": network.digest, "schedule": network.schedule,
        "input": dataclasses.asdict(network.input), "layers": layers, "labels": list(network.labels),
        "profiles": {name: list(profile.T) for name, profile in network.profiles.items()}, "exit": network.exit,
        "provenance": network.provenance,
    }  # fmt: skip
    return Answer(data, describe(network, layers))


def describe(network: "Network", layers: list[dict[str, Any]]) -> str:
    """The text of `info`."""
    source, made = network.input, network.provenance
    rows = [(layer["name"], layer["kind"], layer["n_in"], layer["n_out"], layer["T"], f"{layer['weight_bits']} bit",
             f"{layer['v_bounds'][0]:,} .. {layer['v_bounds'][1]:,}", f"{layer['v_bits']} bit") for layer in layers]
    lines = [
        f"{network.name}  {network.schedule}  digest {network.digest[:16]}",
        f"input {'x'.join(map(str, source.shape))}, T {source.T}, counts 0..{source.max_count}",
        "", table(rows, ("layer", "kind", "inputs", "neurons", "T", "weights", "potential, proven", "width")),
    ]  # fmt: skip
    if "accuracy" in made:
        lines += ["", f"{percent(made['accuracy'])} on {made.get('dataset', 'its data set')}, as its file says"]
    scores = made.get("profiles", {})
    points = [(name, ", ".join(map(str, profile.T)), percent(scores[name]) if name in scores else None)
              for name, profile in network.profiles.items()]  # fmt: skip
    if points:
        lines += ["", "Other working points, for --profile:", "", table(points, ("profile", "T", "accuracy"))]
    if network.exit is not None:
        lines += ["", f"Leaves early by the rule {network.exit['kind']}"]
    return "\n".join(lines)


def run(args: argparse.Namespace) -> Answer:
    """Send frames through one executor."""
    executor = EXECUTORS[one_of("executor", args.executor, EXECUTORS)]
    network, inputs = load_network(args.network), load_inputs(args.input)
    options = {} if args.executor == "golden" else {"lanes": args.lanes, "coding": args.coding}
    if args.executor == "golden" and (args.lanes or args.coding != "count"):
        raise ValueError("lanes and coding belong to the hardware; leave --lanes and --coding out with --executor golden")
    if args.executor == "rtl":
        options["back_to_back"] = False
    stepped = network.schedule == "time_stepped"
    if args.trace and stepped:
        options["spikes"] = True
    say(f"{len(inputs):,} frames through {args.executor}")
    trace: Trace = importlib.import_module(executor).run(network, inputs, args.profile, **options)
    if args.trace:
        trace.save(args.trace)
    return Answer(summary(trace) | {"executor": args.executor, "trace": args.trace}, shown(trace, network, args.trace))


def summary(trace: "Trace") -> dict[str, Any]:
    """A trace in JSON: what is there for each frame."""
    whole = {"class": trace.answer, "logits": trace.logits, "events": trace.events, "ticks": trace.ticks,
             "cycles": trace.cycles, "interval": trace.interval}
    return {"frames": len(trace)} | {name: array.tolist() for name, array in whole.items() if array is not None}


def shown(trace: "Trace", network: "Network", path: str | None) -> str:
    """A trace for people: the first frames, and where the rest is."""
    rows = []
    for frame in range(min(SHOWN, len(trace))):
        answer = int(trace.answer[frame])
        rows.append((frame, network.labels[answer] if network.labels else answer, int(trace.logits[frame].max()),
                     None if trace.cycles is None else int(trace.cycles[frame])))
    text = table(rows, ("frame", "class", "its logit", "cycles"))
    rest = len(trace) - len(rows)
    text += f"\n... {rest:,} more; --json or --trace OUT.npz for all" if rest else ""
    return text + (f"\n\ntrace: {path}" if path else "")


def verilog(args: argparse.Namespace) -> Answer:
    """Write the accelerator as Verilog."""
    network, folder = load_network(args.network, args.profile), Path(args.out)
    interface = export_verilog(network, folder, args.lanes, args.coding)
    rows = [(layer["name"], layer["kind"], layer["n_in"], layer["n_out"], layer["lanes"], f"{layer['v_bits']} bit")
            for layer in interface["layers"]]
    text = table(rows, ("layer", "kind", "inputs", "neurons", "lanes", "potential"))
    data = {"folder": str(folder), "top": interface["top"], "digest": interface["digest"],
            "files": sorted(path.name for path in folder.iterdir() if path.is_file()), "layers": interface["layers"]}
    where = f"module {interface['top']}: {folder / interface['top']}.v, its ports: {folder / 'interface.json'}"
    return Answer(data, f"{text}\n\n{where}")
