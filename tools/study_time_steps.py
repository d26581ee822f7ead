"""Accuracy against cycles: the same network with the same T everywhere, and with learned mixed time
steps.

    python tools/study_time_steps.py --recipe mnist-mt --run build/study --out
    docs/results/mnist-mt.json

One float network is trained, or taken from --floats, the folder of a run; from it come networks
whose T is 1, 2, 4, 8 in every layer, and networks whose T was learned under --targets of a cost:
the mean T, busy cycles or events of a frame. Cycles are those that all layers together are busy
with a frame, by the cycle model on 1,000 test images, with a neuron's count in one event and in an
event for each spike; accuracy is the golden model's on the whole test split. --run keeps every run,
so that a study that was stopped goes on. --plot draws the curves.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from polyrhythm.cli.learning_verbs import epochs
from polyrhythm.cli.report import table
from polyrhythm.sw import data, golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import default_lanes
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.timing import cycles
from polyrhythm.sw.training import train
from polyrhythm.sw.training.methods.conversion import COSTS
from polyrhythm.sw.training.recipe import Conversion, Recipe
from polyrhythm.sw.training.recipes import RECIPES

UNIFORM = (1, 2, 4, 8)
LEARNED = (1.34, 2.0, 3.0, 4.5)  # targets of mean T, if no others are given
FRAMES = 1000  # that the cycle model counts
CODINGS: dict[Coding, str] = {"count": "a count in one event", "unary": "an event for each spike"}


def comparable(recipe: Recipe) -> bool:
    """Whether it learns time steps, and the cycle model knows its layers."""
    return (
        recipe.conversion is not None
        and not recipe.conversion.fixed
        and all(spec.skip is None for spec in recipe.layers)
    )


def variants(recipe: Recipe, learned: Conversion, targets: tuple[float, ...]) -> dict[str, Recipe]:
    """From the same float network: T fixed at one value, and T learned under each target of a
    cost."""
    found, uniform = {}, replace(learned, cost="mean_T", fixed=True, target=None, trade=0.0)
    for T in UNIFORM:
        layers = tuple(
            spec if spec.kind == "readout" else replace(spec, T=T) for spec in recipe.layers
        )
        found[f"uniform T = {T}"] = replace(recipe, layers=layers, conversion=uniform)
    for target in targets:
        name = f"learned, {learned.cost.replace('_', ' ')} <= {target:.10g}"
        found[name] = replace(recipe, conversion=replace(learned, target=target))
    return found


def numbers(text: str) -> tuple[float, ...]:
    """Targets, as in 1.5,2."""
    return tuple(float(word) for word in text.split(","))


def cost(network: Network, root: str | None) -> dict[str, Any]:
    """Busy cycles of a frame in both codings, and its spikes."""
    inputs, _ = data.inputs_for(network, network.provenance["dataset"], "test", root)
    trace = golden.run(network, inputs[:FRAMES])
    assert trace.events is not None
    lanes, spikes = (
        default_lanes(network),
        sum(count.sum(axis=1).mean() for count in trace.counts.values()),
    )
    found = {
        coding: cycles.work(plan(network, lanes, coding), trace, inputs[:FRAMES]).mean(axis=0)
        for coding in CODINGS
    }
    return {coding: float(work.sum()) for coding, work in found.items()} | {"spikes": float(spikes)}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Accuracy against cycles in each coding, as SVG."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, sides = pyplot.subplots(
        1, len(CODINGS), figsize=(11, 4), sharey=True, layout="constrained"
    )
    for axes, (coding, told) in zip(sides, CODINGS.items(), strict=True):
        for kind, mark, beside, side in (
            ("uniform", "o--", (5, -11), "left"),
            ("learned", "s-", (-5, 5), "right"),
        ):
            chosen = sorted(
                (row[coding], 100 * row["accuracy"], row["T"])
                for row in rows
                if row["name"].startswith(kind)
            )
            axes.plot([c for c, _, _ in chosen], [a for _, a, _ in chosen], mark, label=f"{kind} T")
            for c, a, T in chosen:
                told_T = ",".join(map(str, T)) if kind == "learned" else f"T = {T[0]}"
                axes.annotate(
                    told_T, (c, a), xytext=beside, textcoords="offset points", ha=side, fontsize=7
                )
        axes.margins(0.2, 0.1)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
        axes.set(xlabel=f"busy cycles of a frame [1,000], {told}")
    sides[0].set(ylabel="accuracy on the test split [%]")
    sides[0].legend(loc="lower right")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="accuracy against cycles for uniform and for learned time steps"
    )
    known = [name for name, recipe in RECIPES.items() if comparable(recipe)]
    parser.add_argument(
        "--recipe", default="mnist-mt", choices=known, help="whose conversion learns T (mnist-mt)"
    )
    parser.add_argument("--data", help="folder with the data sets ($POLYRHYTHM_DATA)")
    parser.add_argument("--run", required=True, help="folder of all runs")
    parser.add_argument(
        "--floats",
        help="folder of a run of the recipe whose float stage is done; else one is trained below "
        "--run",
    )
    parser.add_argument(
        "--epochs",
        type=epochs,
        metavar="Q,S",
        help="quantized and snapped, of every network (the recipe's)",
    )
    parser.add_argument(
        "--cost",
        choices=COSTS,
        default="mean_T",
        help="what the targets of learned time steps bound (mean_T)",
    )
    parser.add_argument(
        "--targets",
        type=numbers,
        default=LEARNED,
        metavar="X,Y,..",
        help="one network each (1.34,2,3,4.5)",
    )
    parser.add_argument(
        "--trade",
        type=float,
        metavar="X",
        help="the cost's weight in the loss at the start (the recipe's)",
    )
    parser.add_argument("--out", help="JSON file to write")
    parser.add_argument("--plot", help="SVG file to write")
    args = parser.parse_args()
    recipe, root = RECIPES[args.recipe], Path(args.run)
    assert recipe.conversion is not None
    learned = replace(
        recipe.conversion,
        cost=args.cost,
        trade=recipe.conversion.trade if args.trade is None else args.trade,
    )
    if args.epochs:
        recipe = replace(recipe, quantized_epochs=args.epochs[0], snapped_epochs=args.epochs[1])
    quiet: dict[str, Any] = {"data_root": args.data, "progress": lambda _: None, "device": "cpu"}
    floats = Path(args.floats or root / "float")
    if not args.floats:
        train.train(replace(recipe, quantized_epochs=0, snapped_epochs=0), folder=floats, **quiet)
    rows: list[dict[str, Any]] = []
    for name, variant in variants(recipe, learned, args.targets).items():
        folder = root / "".join(c if c.isalnum() else "-" for c in name)
        network, report = train.train(variant, folder=folder, floats=floats, **quiet)
        T = [layer.T for layer in network.hidden]
        row = {
            "name": name,
            "T": T,
            "mean_T": float(np.mean(T)),
            "accuracy": report["accuracy"],
        } | cost(network, args.data)
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    shown = [
        (
            row["name"],
            ", ".join(map(str, row["T"])),
            f"{row['mean_T']:.2f}",
            f"{100 * row['accuracy']:.2f} %",
            *(f"{row[what]:,.0f}" for what in (*CODINGS, "spikes")),
        )
        for row in rows
    ]
    print(
        table(
            shown,
            ("network", "T", "mean T", "accuracy", "cycles, counts", "cycles, unary", "spikes"),
        )
    )
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(args.out).write_text(json.dumps(rows, indent=1) + "\n")
    if args.plot:
        draw(rows, Path(args.plot))


if __name__ == "__main__":
    main()
