"""What a network file says of its training: data, recipe, accuracies, versions."""

import json
import platform
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.training.recipe import Recipe

SCORES = ("accuracy", "float_accuracy", "start_accuracy", "quantized_accuracy")


def config(recipe: Recipe) -> dict[str, Any]:
    """Every hyper-parameter, as it is in the file; nothing of what the recipe does not use."""
    used = {key: value for key, value in asdict(recipe).items() if value is not None}
    for part in ("augment", "conversion", "mixture"):
        if part in used:
            used[part] = {
                key: value
                for key, value in used[part].items()
                if value is not False and value is not None
            }
    used["layers"] = [
        {key: value for key, value in layer.items() if (key, value) != ("skip", None)}
        for layer in used["layers"]
    ]
    return dict(json.loads(json.dumps(used)))


def provenance(recipe: Recipe, row: Dataset, report: dict[str, Any]) -> dict[str, Any]:
    """Of the network that a report is about."""
    return {
        "dataset": recipe.dataset,
        **({"data": row.origin} if row.origin else {}),
        "preprocess": recipe.preprocess,
        **{name: report[name] for name in SCORES if name in report},
        "scored_on": report["scored_on"],
        **{name: report[name] for name in ("profiles", "float_profiles") if report.get(name)},
        "recipe": recipe.name,
        "config": config(recipe),
        "seed": recipe.seed,
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
    }
