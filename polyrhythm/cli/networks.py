"""train, to_events, info: a network from its recipe to its file."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.before import good_name, look_at_training, network_file
from polyrhythm.cli.errors import Problems
from polyrhythm.cli.files import load_network
from polyrhythm.cli.owndata import data_set
from polyrhythm.cli.progress import Stage
from polyrhythm.cli.recipes import load_recipe
from polyrhythm.cli.report import Answer, paced, percent, say, table

if TYPE_CHECKING:
    from polyrhythm.sw.data.datasets import Dataset
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.training.recipe import Recipe


def train(args: argparse.Namespace) -> Answer:
    """Train a recipe and save the network."""
    from polyrhythm.sw.training.train import train as run_recipe

    recipe, problems = load_recipe(args.recipe), Problems()
    look_at_training(problems, args, good_name(recipe.name))
    dataset = problems.of(lambda: data_set(args, str(recipe.preprocess), instead=recipe.dataset))
    problems.settle()
    assert dataset is not None
    for note in _lacking(recipe, dataset):
        say(note)
    if args.seed is not None:
        recipe = dataclasses.replace(recipe, seed=args.seed)
    out = Path(args.out or f"{recipe.name}.safetensors")
    network, report = run_recipe(
        recipe,
        dataset=dataset,
        data_root=args.data,
        out=out,
        progress=paced(say),
        folder=args.run,
        device=args.device,
    )
    rows = [
        ("float", percent(report["float_accuracy"])),
        ("quantized, torch", percent(report["quantized_accuracy"])),
        ("integers, golden", percent(report["accuracy"])),
    ]
    text = f"{table(rows, ('model', 'accuracy on the ' + report['scored_on'] + ' split'))}\n\n"
    text += "".join(f"{line}\n" for line in report.get("warnings", ()))
    return Answer(
        report | {"network": str(out)},
        text + f"{network.name}, trained in {report['seconds']:.0f} s: {out}",
    )


def _lacking(recipe: "Recipe", dataset: "Dataset") -> list[str]:
    """Outputs that no training sample has for its class; what is wrong with the recipe is told
    later."""
    size = (
        getattr(recipe.layers[-1], "size", None)
        if isinstance(recipe.layers, tuple | list) and recipe.layers
        else None
    )
    return dataset.lacking(size) if isinstance(size, int) else []


def to_events(args: argparse.Namespace) -> Answer:
    """Write a two_phase network as an event_driven one of the same weights."""
    from polyrhythm.sw.network.schedules import to_event_driven

    network_file(args, args.out)
    network = to_event_driven(load_network(args.network), Path(args.out).stem)
    network.save(args.out)
    data = {
        "name": network.name,
        "digest": network.digest,
        "schedule": network.schedule,
        "network": args.out,
    }
    return Answer(
        data, f"{network.name}, {network.schedule}, digest {network.digest[:16]}: {args.out}"
    )


def info(args: argparse.Namespace) -> Answer:
    """What is in a network file, with the widths that its contents prove."""
    from polyrhythm.sw.network import exit_rule

    network = load_network(args.network)
    layers: list[dict[str, Any]] = []
    with Stage(f"proving the widths of {network.name}", len(network.layers), "layers") as stage:
        for i in range(len(network.layers)):
            layers.append(told(network, i))
            stage(i + 1)
    data = {
        "name": network.name,
        "digest": network.digest,
        "schedule": network.schedule,
        "input": dataclasses.asdict(network.input),
        "layers": layers,
        "labels": list(network.labels),
        "profiles": {name: list(profile.T) for name, profile in network.profiles.items()},
        "exit": exit_rule.entry(network.exit),
        "provenance": network.provenance,
    }
    return Answer(data, describe(network, layers))


def told(network: "Network", i: int) -> dict[str, Any]:
    """One layer of `info`."""
    from polyrhythm.sw.plan.widths import bounds, signed_width

    layer, proven = network.layers[i], bounds(network, i)
    return {
        "name": layer.name,
        "kind": layer.kind,
        "n_in": network.n_in(i),
        "n_out": network.n_out(i),
        "T": layer.T,
        "weight_bits": layer.weight_bits,
        "reset": layer.reset,
        "leak_shift": layer.leak_shift,
        "v_bounds": list(proven.v),
        "v_bits": signed_width(*proven.v),
        "acc_bounds": list(proven.acc),
        "acc_bits": signed_width(*proven.acc),
    }


def describe(network: "Network", layers: list[dict[str, Any]]) -> str:
    """The text of `info`."""
    source, made = network.input, network.provenance
    rows = [
        (
            layer["name"],
            layer["kind"],
            layer["n_in"],
            layer["n_out"],
            layer["T"],
            f"{layer['weight_bits']} bit",
            f"{layer['v_bounds'][0]:,} .. {layer['v_bounds'][1]:,}",
            f"{layer['v_bits']} bit",
        )
        for layer in layers
    ]
    lines = [
        f"{network.name}  {network.schedule}  digest {network.digest[:16]}",
        f"input {'x'.join(map(str, source.shape))}, T {source.T}, counts 0..{source.max_count}",
        "", table(rows, ("layer", "kind", "inputs", "neurons", "T", "weights", "potential, "
                                                                               "proven", "width")),
    ]  # fmt: skip
    if "accuracy" in made:
        lines += [
            "",
            f"{percent(made['accuracy'])} on {made.get('dataset', 'its data set')}, as its file "
            "says",
        ]
    scores = made.get("profiles", {})
    points = [
        (name, ", ".join(map(str, profile.T)), percent(scores[name]) if name in scores else None)
        for name, profile in network.profiles.items()
    ]
    if points:
        lines += [
            "",
            "Other working points, for --profile:",
            "",
            table(points, ("profile", "T", "accuracy")),
        ]
    if network.exit is not None:
        lines += ["", f"Leaves early by the rule {network.exit.kind}"]
    return "\n".join(lines)
