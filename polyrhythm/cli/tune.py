"""tune: a trained network goes on learning as one of unsigned event-driven neurons."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from polyrhythm.cli.before import look_at_training
from polyrhythm.cli.errors import Problems
from polyrhythm.cli.files import load_network
from polyrhythm.cli.owndata import data_set
from polyrhythm.cli.report import Answer, paced, percent, say, table

if TYPE_CHECKING:
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.training.recipe import Recipe


def tune(args: argparse.Namespace) -> Answer:
    """Let a network learn without its clock, save what came of it."""
    from polyrhythm.sw.training.train import tune as run_tuning

    problems = Problems()
    look_at_training(problems, args, args.name)
    network = problems.of(load_network, args.network)
    preprocess = preprocess_of(args, network, problems)
    dataset = (
        problems.of(lambda: data_set(args, preprocess, network=network))
        if network and preprocess
        else None
    )
    problems.settle()
    assert network is not None and dataset is not None
    recipe = recipe_of(args, dataset.name, preprocess)
    out = Path(args.out or f"{recipe.name}.safetensors")
    tuned, report = run_tuning(
        network,
        recipe,
        dataset=dataset,
        data_root=args.data,
        out=out,
        progress=paced(say),
        folder=args.run,
        device=args.device,
    )
    rows = [("its weights as they were, golden", percent(report["start_accuracy"])),
            (f"tuned, torch, events in {args.bins} bins", percent(report["quantized_accuracy"])),
            ("tuned, golden", percent(report["accuracy"]))]  # fmt: skip
    shown = table(rows, ("unsigned neurons", "accuracy on the test split"))
    return Answer(
        report | {"network": str(out)}, f"{shown}\n\n{tuned.name}, {report['seconds']:.0f} s: {out}"
    )


def preprocess_of(args: argparse.Namespace, network: "Network | None", problems: Problems) -> str:
    """How inputs are made: as the command line says, else as the network's file; "" where neither
    does, which is a problem."""
    found = args.preprocess or (network.provenance.get("preprocess") if network else "")
    if not isinstance(found, str):
        problems.add(f"{network.name if network else args.network}: the file does not say how its "
                     "inputs were made; "
                     "give --preprocess, such as levels:15")  # fmt: skip
        return ""
    return found


def recipe_of(args: argparse.Namespace, dataset: str, preprocess: str) -> "Recipe":
    """The command line as a recipe."""
    from polyrhythm.sw.training.recipe import Recipe, ToEvents

    return Recipe(
        args.name, dataset, preprocess, "event_driven", (), 0, 0, args.epochs, 0.0, 0.0, args.lr,
        seed=args.seed, threads=args.threads, clockless=ToEvents(args.steps, args.bins),
    )  # fmt: skip
