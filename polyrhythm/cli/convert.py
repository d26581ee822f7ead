"""convert: a trained ANN of torch into a spiking network whose time steps are learned."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.ann_model import load_model
from polyrhythm.cli.before import look_at_training
from polyrhythm.cli.errors import Problems
from polyrhythm.cli.owndata import data_set
from polyrhythm.cli.report import Answer, paced, percent, say, table

if TYPE_CHECKING:
    from polyrhythm.sw.data.datasets import Dataset
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.training.ann.take import Taken
    from polyrhythm.sw.training.recipe import Conversion, Recipe

TARGETS = {"target_cycles": "cycles", "target_mean_T": "mean_T", "target_events": "events"}
CHANCE = 0.05  # above the accuracy of guessing: an ANN below that has not learned these data
UNFIT = "labels, the order of the classes, or what is white (--peak) probably do not fit the model"
NO_VERILOG = (
    "No Verilog can be made of its residual additions: such a network runs in torch and in "
    "the golden model."
)


def convert(args: argparse.Namespace) -> Answer:
    """Quantize an ANN, learn its time steps, save the network."""
    from polyrhythm.sw.training.ann.names import network_name
    from polyrhythm.sw.training.train import convert as run_conversion

    args.name = args.name or network_name(*_named(args.model))
    taken, recipe, dataset, notes = ready(args)
    out = Path(args.out or f"{recipe.name}.safetensors")
    for note in notes:
        say(note)

    def scored(accuracy: float, classes: int) -> None:
        say(f"ANN: {percent(accuracy)} of the test split, before anything is trained")
        if accuracy < 1 / classes + CHANCE:
            notes.append(
                f"ANN: {percent(accuracy)} is near chance, which is {percent(1 / classes)} for "
                f"{classes} classes: {UNFIT}"
            )
            say(f"WARNING: {notes[-1]}")

    network, report = run_conversion(
        taken,
        recipe,
        T=args.steps,
        weight_bits=args.weight_bits,
        dataset=dataset,
        data_root=args.data,
        out=out,
        progress=paced(say),
        folder=args.run,
        device=args.device,
        ann_scored=scored,
    )
    return Answer(
        report | {"network": str(out), "notes": notes, "verilog": not taken.residual},
        shown(network, report, notes, out),
    )


def ready(args: argparse.Namespace) -> "tuple[Taken, Recipe, Dataset, list[str]]":
    """The model as it was read, the recipe, the data, and what to say before training; Refused
    tells everything that is wrong."""
    from polyrhythm.sw.training.ann.take import read_model
    from polyrhythm.sw.training.train import source_of

    problems = Problems()
    look_at_training(problems, args, args.name)
    conversion, loaded = (
        problems.of(conversion_of, args),
        problems.of(load_model, args.model, args.weights),
    )
    row = problems.of(data_set, args, args.preprocess)
    recipe = None if conversion is None or row is None else recipe_of(args, row.name, conversion)
    source = None if recipe is None else problems.of(source_of, recipe, row)
    taken = None if loaded is None or source is None else read_model(loaded[0], source)
    for text in [] if taken is None else map(str, taken.problems):
        problems.add(text)
    if taken is not None and row is not None and conversion is not None and not taken.problems:
        problems.of(row.names, len(taken.parts[-1].weight))
        if (
            taken.residual
            and conversion.cost == "cycles"
            and (conversion.trade or conversion.target is not None)
        ):
            problems.add(
                "no accelerator has residual additions, so it has no cycles; use --target-mean-T "
                "or --target-events"
            )
    problems.settle()
    assert loaded is not None and taken is not None and recipe is not None and row is not None
    lacking = row.lacking(len(taken.parts[-1].weight))
    return taken, recipe, row, [*loaded[1], *taken.notes, *lacking, *promises(args, taken)]


def promises(args: argparse.Namespace, taken: "Taken") -> list[str]:
    """What will come of it, said before anything is trained."""
    found = [NO_VERILOG] if taken.residual else []
    if not any(getattr(args, name) is not None for name in TARGETS) and not args.trade:
        found.append(
            "No target is given, so time steps are learned for accuracy alone, "
            f"from {args.steps} in each layer at the start, at most {args.max_T}; "
            "--target-mean-T, --target-cycles or --target-events brings them down."
        )
    return found


def shown(network: "Network", report: dict[str, Any], notes: list[str], out: Path) -> str:
    """The text of the answer."""
    rows = [
        ("ANN", percent(report.get("float_accuracy"))),
        ("quantized, torch", percent(report["quantized_accuracy"])),
        ("integers, golden", percent(report["accuracy"])),
    ]
    steps = ", ".join(f"{layer.name} {layer.T}" for layer in network.layers[:-1])
    # None where nothing says what a frame costs
    words = {"cycles": "busy cycles", "events": "events"}
    costs = [
        f"{report[key]:,.0f} {word}" for key, word in words.items() if report.get(key) is not None
    ]
    text = [
        table(rows, ("model", "accuracy on the test split")),
        "",
        f"T: {steps}; mean {report['mean_T']:.2f}"
        if steps
        else "It has no hidden layers, and so no time steps.",
    ]
    if costs:
        text.append(f"Predicted on training images: {' and '.join(costs)} of a frame.")
    text += [*report.get("warnings", ()), *notes]
    if report.get("target_reached") is False:
        text.append(
            "The target was not reached: give it more epochs, or a higher learning rate (--lr)."
        )
    return "\n".join([*text, "", f"{network.name}, {report['seconds']:.0f} s: {out}"])


def _named(text: str) -> tuple[str, str]:
    """File and function of FILE.py:FUNCTION, for a name."""
    file, _, function = text.rpartition(":")
    return Path(file).stem, function


def recipe_of(args: argparse.Namespace, dataset: str, conversion: "Conversion") -> "Recipe":
    """The command line as a recipe."""
    from polyrhythm.sw.training.recipe import converting

    return converting(
        args.name,
        dataset,
        args.preprocess,
        conversion,
        args.epochs,
        args.lr,
        args.seed,
        args.threads,
    )


def conversion_of(args: argparse.Namespace) -> "Conversion":
    """What is traded: a target of one kind, or a weight for the cost in cycles."""
    from polyrhythm.sw.training.recipe import steered

    given: dict[str, Any] = {
        cost: value for name, cost in TARGETS.items() if (value := getattr(args, name)) is not None
    }
    if len(given) > 1:
        raise ValueError(f"only one target can be steered to, not {len(given)}: {', '.join(given)}")
    cost, target = next(iter(given.items()), ("cycles", None))
    return steered(cost, target, args.trade, args.max_T)
