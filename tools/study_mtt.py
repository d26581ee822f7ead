"""Mixed time-step training against standard training and a naive mixture: accuracy of each at many
vectors of time steps.

    python tools/study_mtt.py --recipe mnist-mtt --out docs/results/mnist-mtt.json

Six networks are trained from one recipe: four that only ever see T = 1, 2, 4 or 8, one whose
batches see a random T that all layers share (the naive mixture), and one by MTT. Each is scored on
the official test split by the golden model, also at steps that it was not trained for. --run DIR
keeps checkpoints, so that a study that was stopped goes on.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from polyrhythm.cli.report import table
from polyrhythm.sw import data, golden
from polyrhythm.sw.network import Network, Profile
from polyrhythm.sw.training import train
from polyrhythm.sw.training.recipe import Mixture, Recipe
from polyrhythm.sw.training.recipes import RECIPES

STANDARD = (1, 2, 4, 8)


def variants(recipe: Recipe) -> dict[str, Recipe]:
    """The recipes that are compared; all but the mixture is the same."""
    mixture = recipe.mixture
    assert mixture is not None
    found = {}
    for T in STANDARD:
        layers = tuple(replace(spec, T=T) for spec in recipe.layers)
        found[f"standard, T = {T}"] = replace(
            recipe, layers=layers, mixture=Mixture((), draws=1, min_T=T, max_T=T)
        )
    return found | {
        "naive mixture": replace(recipe, mixture=replace(mixture, uniform=True)),
        "MTT": recipe,
    }


def vectors(recipe: Recipe) -> list[tuple[int, ...]]:
    """Uniform steps from 1 to the most that were drawn, and mixed ones: falling and rising."""
    mixture, depth = recipe.mixture, len(recipe.layers)
    assert mixture is not None
    most = mixture.max_T
    falling = tuple(int(T) for T in np.linspace(most, 2, depth).round())
    mixed = [T for _, T in mixture.profiles if len(set(T)) > 1]
    return [(T,) * depth for T in range(1, most + 1)] + list(
        dict.fromkeys([*mixed, falling, falling[::-1]])
    )


def score(network: Network, inputs: np.ndarray, labels: np.ndarray, T: tuple[int, ...]) -> float:
    at = replace(network, profiles={"asked": Profile(T)})
    return float((golden.run(at, inputs, "asked").answer == labels).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description="MTT against standard training and a naive mixture"
    )
    parser.add_argument("--recipe", default="digits-mtt", help="one with a mixture (digits-mtt)")
    parser.add_argument("--data", help="folder with the data sets ($POLYRHYTHM_DATA)")
    parser.add_argument("--run", help="keep checkpoints below this folder")
    parser.add_argument("--out", help="JSON file to write")
    args = parser.parse_args()
    recipe = RECIPES[args.recipe]
    chosen = vectors(recipe)
    rows: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    for name, variant in variants(recipe).items():
        folder = (
            Path(args.run) / name.replace(", T = ", "-").replace(" ", "-") if args.run else None
        )
        network, report = train.train(
            variant, data_root=args.data, folder=folder, device="cpu", progress=lambda _: None
        )
        inputs, labels = data.inputs_for(network, recipe.dataset, "test", args.data)
        rows[name], seconds[name] = (
            [score(network, inputs, labels, T) for T in chosen],
            report["seconds"],
        )
        print(f"{name}: {report['seconds']:.0f} s", file=sys.stderr, flush=True)
    shown = [
        (name, *(f"{100 * value:.2f}" for value in row), f"{seconds[name]:.0f}")
        for name, row in rows.items()
    ]
    heads = [str(T[0]) if len(set(T)) == 1 else ",".join(map(str, T)) for T in chosen]
    print(table(shown, ("trained by", *heads, "seconds")))
    if args.out:
        result: dict[str, Any] = {
            "recipe": args.recipe,
            "T": chosen,
            "accuracy": rows,
            "seconds": seconds,
        }
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(args.out).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
