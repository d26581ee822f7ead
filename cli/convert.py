"""convert: a trained ANN of torch into a spiking network whose time steps are learned."""

import argparse
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.owndata import data_set
from cli.report import Answer, paced, percent, say, table

if TYPE_CHECKING:
    from torch import nn

    from sw.training.recipe import Conversion, Recipe

TARGETS = {"target_cycles": "cycles", "target_mean_T": "mean_T", "target_events": "events"}


def convert(args: argparse.Namespace) -> Answer:
    """Quantize an ANN, learn its time steps, save the network."""
    from sw.training.train import convert as run_conversion

    dataset = data_set(args, args.preprocess)
    ann, recipe = load_ann(args.model, args.weights), recipe_of(args, dataset.name)
    out = Path(args.out or f"{recipe.name}.safetensors")
    network, report = run_conversion(
        ann, recipe, T=args.steps, weight_bits=args.weight_bits,
        dataset=dataset, data_root=args.data, out=out, progress=paced(say), folder=args.run, device=args.device,
    )  # fmt: skip
    rows = [("ANN", percent(report["float_accuracy"])), ("quantized, torch", percent(report["quantized_accuracy"])),
            ("integers, golden", percent(report["accuracy"]))]
    steps = ", ".join(f"{layer.name} {layer.T}" for layer in network.layers[:-1])
    text = [table(rows, ("model", "accuracy on the test split")), "", f"T: {steps}; mean {report['mean_T']:.2f}",
            f"Predicted on training images: {report['cycles']:,.0f} busy cycles and {report['events']:,.0f} events of a frame."]
    if report.get("target_reached") is False:
        text.append("The target was not reached: give it more epochs, or a higher learning rate (--lr).")
    return Answer(report | {"network": str(out)}, "\n".join([*text, "", f"{network.name}, {report['seconds']:.0f} s: {out}"]))


def load_ann(where: str, weights: str | None) -> "nn.Module":
    """The model that FILE.py:FUNCTION makes, with the state that a file of weights holds. Runs the user's file."""
    import torch
    from torch import nn

    file, _, function = where.rpartition(":")
    if not file or not Path(file).is_file():
        raise ValueError(f"model must be FILE.py:FUNCTION with a file that is there, not {where!r}")
    found = importlib.util.spec_from_file_location("polyrhythm_user_model", file)
    if found is None or found.loader is None:
        raise ValueError(f"model: {file} must be a Python file")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    if not callable(getattr(module, function, None)):
        raise ValueError(f"model: {file} must define the function {function!r}, which makes the model")
    ann = getattr(module, function)()
    if not isinstance(ann, nn.Module):
        raise ValueError(f"model: {function}() of {file} must give a torch.nn.Module, not {type(ann).__name__}")
    if weights:
        try:
            ann.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        except RuntimeError as error:
            raise ValueError(f"weights: {weights} must hold the state_dict of {function}(): {error}") from None
    return ann.eval()


def recipe_of(args: argparse.Namespace, dataset: str) -> "Recipe":
    """The command line as a recipe."""
    from sw.training.recipe import Recipe

    lr = args.lr
    return Recipe(
        args.name, dataset, args.preprocess, "two_phase", (), 0, args.epochs[0], args.epochs[1], lr, lr, lr / 2,
        seed=args.seed, threads=args.threads, conversion=conversion_of(args),
    )  # fmt: skip


def conversion_of(args: argparse.Namespace) -> "Conversion":
    """What is traded: a target of one kind, or a weight for the cost in cycles."""
    from sw.training.recipe import Conversion

    given: dict[str, Any] = {cost: value for name, cost in TARGETS.items() if (value := getattr(args, name)) is not None}
    if len(given) > 1:
        raise ValueError(f"only one target can be steered to, not {len(given)}: {', '.join(given)}")
    for cost, target in given.items():
        return Conversion(cost=cost, trade=args.trade or 0.1, target=target, max_T=args.max_T, channels=True, live_norm=True)
    return Conversion(trade=args.trade, max_T=args.max_T, channels=True, live_norm=True)
