"""Train a recipe, convert an ANN, tune a network for event-driven hardware.

A run goes through the stages float, quantized and snapped; then the integer network is scored by
torch and by the golden model. The same recipe on the same machine gives the same network, byte for
byte: one seed, a fixed number of torch threads.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import torch
from torch import nn

from polyrhythm.sw import data
from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.network import Input, Network
from polyrhythm.sw.training.ann.parts import UnsupportedError
from polyrhythm.sw.training.ann.take import Taken, read_model
from polyrhythm.sw.training.checks.recipe import check_recipe
from polyrhythm.sw.training.cost.measure import Epoch
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.methods.event_driven import to_events
from polyrhythm.sw.training.recipe import Recipe
from polyrhythm.sw.training.run.device import torch_threads
from polyrhythm.sw.training.run.provenance import config
from polyrhythm.sw.training.run.runfolder import digest_of, read_floats
from polyrhythm.sw.training.run.score import evaluate
from polyrhythm.sw.training.run.trainer import DivergedError
from polyrhythm.sw.training.run.whole import Options, run_recipe, to_stderr

__all__ = [
    "DivergedError", "Epoch", "Options", "config", "convert", "evaluate", "to_stderr", "train",
    "tune",
]  # fmt: skip


def train(
    recipe: Recipe, *, floats: str | Path | None = None, **options: Unpack[Options]
) -> tuple[Network, dict[str, Any]]:
    """Run a recipe; give the integer network and a report.

    floats: folder of a run of the same layers, whose float network replaces the float stage.

    The report (and the network's provenance) holds float_accuracy, quantized_accuracy (torch) and
    accuracy (golden) on the test split. Raises DataError without the data, DivergedError when the
    loss is not finite, RuntimeError when torch and golden differ.
    """
    recipe, row = with_data(recipe, options)
    check_recipe(recipe, row)
    with torch_threads(recipe.threads):
        generator = torch.Generator().manual_seed(recipe.seed)
        recipe = replace(recipe, float_epochs=0) if floats else recipe
        net = TrainableNetwork(
            recipe.layers, recipe.schedule, source_of(recipe, row), generator,
            recipe.surrogate_width, recipe.conversion, recipe.norm,
        )  # fmt: skip
        if floats:
            net.load_floats(read_floats(floats))
        begun = digest_of(net.state_dict()) if floats else None
        return run_recipe(recipe, row, net, generator, begun, **options)


def convert(
    ann: nn.Module | Taken,
    recipe: Recipe,
    *,
    T: int = 4,
    weight_bits: int = 4,
    **options: Unpack[Options],
) -> tuple[Network, dict[str, Any]]:
    """As `train`, but the float network is a trained ANN, whose layers replace the recipe's.

    ann: the model, or what `read_model` read off it. recipe: two_phase, with a `conversion`. T:
    time steps from which learning starts. The report has also the mean T and the busy cycles of a
    frame (by the cycle model, on training images; None of residual networks), and whether the
    conversion's target was reached. Raises what `train` raises, and UnsupportedError for models
    that cannot spike, and where the layers that were read off give other numbers than the model for
    training samples. A run's folder belongs to the layers, their weights and the recipe.
    """
    chosen = recipe.conversion
    if recipe.schedule != "two_phase" or chosen is None:
        raise ValueError(
            f"{recipe.name}: an ANN is converted by a two_phase recipe with a conversion, "
            f"not {recipe.schedule}"
        )
    recipe, row = with_data(recipe, options)
    check_recipe(recipe, row)
    with torch_threads(recipe.threads):
        taken = ann if isinstance(ann, Taken) else read_model(ann, source_of(recipe, row))
        if taken.problems:
            raise UnsupportedError(taken.problems)
        net = taken.network(T, weight_bits, chosen, chosen.live_norm)
        layers = tuple(layer.spec for layer in net.stack())
        recipe = replace(recipe, layers=layers, float_epochs=0)
        generator = torch.Generator().manual_seed(recipe.seed)
        return run_recipe(recipe, row, net, generator, taken.digest, taken, **options)


def tune(
    network: Network, recipe: Recipe, **options: Unpack[Options]
) -> tuple[Network, dict[str, Any]]:
    """As `train`, but a trained network goes on learning as one of event-driven neurons.

    recipe: event_driven, with `clockless`. In the report, start_accuracy is the golden model's
    before the first epoch, and quantized_accuracy torch's, which looks at a frame's events in bins.
    Raises what `train` raises, and NetworkError for networks that cannot do without time steps.
    """
    chosen = recipe.clockless
    if recipe.schedule != "event_driven" or chosen is None:
        raise ValueError(
            f"{recipe.name}: a network is tuned by an event_driven recipe with clockless, "
            f"not {recipe.schedule}"
        )
    recipe, row = with_data(recipe, options)
    check_recipe(recipe, row)
    source = source_of(recipe, row)
    if (source.T, source.shape) != (1, network.input.shape):
        raise ValueError(
            f"{recipe.name}: without time steps a frame is one step of shape "
            f"{network.input.shape}, but {recipe.dataset} with {recipe.preprocess} gives "
            f"{source.T} of {source.shape}; choose levels:N, or frames:1:N for recordings"
        )
    with torch_threads(recipe.threads):
        net = to_events(network, source, chosen)
        generator = torch.Generator().manual_seed(recipe.seed)
        return run_recipe(recipe, row, net, generator, network.digest, **options)


def with_data(recipe: Recipe, options: Options) -> tuple[Recipe, Dataset]:
    """The recipe with the name of the data set that is used, and that data set."""
    row = options.get("dataset") or data.find(recipe.dataset)
    return replace(recipe, dataset=row.name), row


def source_of(recipe: Recipe, row: Dataset | None = None) -> Input:
    """What a recipe's data set and encoding feed into a network."""
    prepared = data.parse_preprocess(recipe.preprocess)
    return Input((row or data.find(recipe.dataset)).shape, prepared.T, prepared.max_count)
