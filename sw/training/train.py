"""Train a recipe: float, quantized, snapped; then the integer network, scored by torch and by the golden model.

The same recipe on the same machine gives the same network, byte for byte: one seed, a fixed number of torch threads.
"""

import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import torch
from torch import nn

from polyrhythm.sw import data, golden
from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.network import Input, Network
from polyrhythm.sw.training import curves
from polyrhythm.sw.training.ann.parts import UnsupportedError
from polyrhythm.sw.training.ann.take import Taken, read_model
from polyrhythm.sw.training.device import find_place, torch_threads
from polyrhythm.sw.training.model import TorchNetwork, TorchResult, accuracy
from polyrhythm.sw.training.recipe import Recipe
from polyrhythm.sw.training.recipe_check import check_recipe
from polyrhythm.sw.training.rescue import rescued, save_network
from polyrhythm.sw.training.runfolder import RunFolder, digest_of, read_floats
from polyrhythm.sw.training.samples import Samples, integer_counts, splits
from polyrhythm.sw.training.trainable import TrainableNetwork
from polyrhythm.sw.training.trainer import DivergedError, Epoch, Trainer, trained_accuracy

SLICE = 2048  # frames whose counts are in memory at a time
COMPARED = 32  # training samples on which an ANN and the layers that were read off it must agree
SCORES = ("accuracy", "float_accuracy", "start_accuracy", "quantized_accuracy")

__all__ = ["DivergedError", "Epoch", "Options", "config", "convert", "evaluate", "to_stderr", "train", "tune"]


def to_stderr(epoch: Epoch) -> None:
    print(epoch, file=sys.stderr, flush=True)


def evaluate(network: Network, counts: np.ndarray) -> TorchResult:
    """Counts and logits of a Network by torch, in exact integers; equal to golden. (B, *shape) or (B, T_in, *shape)."""
    return TorchNetwork.from_network(network).run(counts)


class Options(TypedDict, total=False):
    """Where a run reads, writes and computes; but for the data set, the network that comes out does not hang on it."""

    dataset: Dataset  # in place of the one that the recipe names
    data_root: str | Path | None  # folder with the data sets; None: $POLYRHYTHM_DATA
    out: str | Path | None  # network file to write
    progress: Callable[[Epoch], None]  # told of every epoch; prints to stderr if not given
    folder: str | Path | None  # keeps a checkpoint, the log of every epoch and curves; a run that lies there goes on
    ann_scored: Callable[[float, int], None]  # of `convert`: told the ANN's accuracy on the test split, and its classes, at first
    device: str  # see `device.find_place` ("auto"); under torchrun each process calls, and the first one writes


def train(
    recipe: Recipe, *, floats: str | Path | None = None, **options: Unpack[Options]
) -> tuple[Network, dict[str, Any]]:
    """Run a recipe; give the integer network and a report.

    floats: folder of a run of the same layers, whose float network takes the place of the float stage.

    The report (and the network's provenance) holds float_accuracy, quantized_accuracy (torch) and accuracy (golden) on
    the test split. Raises DataError without the data, DivergedError when the loss is not finite, RuntimeError when
    torch and golden differ.
    """
    recipe, row = with_data(recipe, options)
    check_recipe(recipe, row)
    with torch_threads(recipe.threads):
        generator = torch.Generator().manual_seed(recipe.seed)
        norm = bool((recipe.conversion and recipe.conversion.norm) or (recipe.mixture and recipe.mixture.norm))
        recipe = replace(recipe, float_epochs=0) if floats else recipe
        net = TrainableNetwork(
            recipe.layers, recipe.schedule, source_of(recipe, row), generator, recipe.surrogate_width, recipe.conversion, norm
        )
        if floats:
            net.load_floats(read_floats(floats))
        return _run(recipe, row, net, generator, digest_of(net.state_dict()) if floats else None, **options)


def convert(
    ann: nn.Module | Taken, recipe: Recipe, *, T: int = 4, weight_bits: int = 4, **options: Unpack[Options]
) -> tuple[Network, dict[str, Any]]:
    """As `train`, but the float network is a trained ANN (or what `read_model` read off it), whose layers replace the recipe's.

    recipe: two_phase, with a `conversion`. T: time steps from which learning starts. The report has also the mean T and the busy
    cycles of a frame (by the cycle law, on training images; None of residual networks), and whether the conversion's target was
    reached. Raises what `train` raises, and UnsupportedError for models that cannot spike, and where the layers that were read off
    give other numbers than the model for training samples. A run's folder belongs to the layers, their weights and the recipe.
    """
    chosen = recipe.conversion
    if recipe.schedule != "two_phase" or chosen is None:
        raise ValueError(f"{recipe.name}: an ANN is converted by a two_phase recipe with a conversion, not {recipe.schedule}")
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
        return _run(recipe, row, net, generator, taken.digest, taken, **options)


def tune(network: Network, recipe: Recipe, **options: Unpack[Options]) -> tuple[Network, dict[str, Any]]:
    """As `train`, but a trained network goes on learning as one of unsigned event-driven neurons (`clockless`).

    recipe: event_driven, with `clockless`. In the report, start_accuracy is the golden model's before the first epoch, and
    quantized_accuracy torch's, which looks at a frame's events in bins. Raises what `train` raises, and NetworkError for networks
    that cannot do without time steps.
    """
    chosen = recipe.clockless
    if recipe.schedule != "event_driven" or chosen is None:
        raise ValueError(f"{recipe.name}: a network is tuned by an event_driven recipe with clockless, not {recipe.schedule}")
    recipe, row = with_data(recipe, options)
    check_recipe(recipe, row)
    source = source_of(recipe, row)
    if (source.T, source.shape) != (1, network.input.shape):
        raise ValueError(
            f"{recipe.name}: without time steps a frame is one step of shape {network.input.shape}, but {recipe.dataset} with "
            f"{recipe.preprocess} gives {source.T} of {source.shape}; choose levels:N, or frames:1:N for recordings"
        )
    with torch_threads(recipe.threads):
        net = TrainableNetwork.to_event_driven(network, source, chosen)
        generator = torch.Generator().manual_seed(recipe.seed)
        return _run(recipe, row, net, generator, network.digest, **options)


def with_data(recipe: Recipe, options: Options) -> tuple[Recipe, Dataset]:
    """The recipe with the name of the data set that is used, and that data set."""
    row = options.get("dataset") or data.find(recipe.dataset)
    return replace(recipe, dataset=row.name), row


def source_of(recipe: Recipe, row: Dataset | None = None) -> Input:
    """What a recipe's data set and encoding feed into a network."""
    prepared = data.parse_preprocess(recipe.preprocess)
    return Input((row or data.find(recipe.dataset)).shape, prepared.T, prepared.max_count)


def _run(
    recipe: Recipe,
    row: Dataset,
    net: TrainableNetwork,
    generator: torch.Generator,
    begun: str | None = None,
    taken: Taken | None = None,
    **options: Unpack[Options],
) -> tuple[Network, dict[str, Any]]:
    """begun: digest of what goes on learning, which a run's folder belongs to as to the recipe and the user's data.

    taken: the ANN that is converted, which is compared with its layers on training samples, and scored.
    """
    place, _ = find_place(options.get("device", "auto")), row.names(net.stack()[-1].spec.size)  # told now, not at the end
    folder, out = options.get("folder"), options.get("out")
    training, test = splits(row, recipe, options.get("data_root"))
    if len(training.labels) < 2 or not len(test.labels):
        sizes = f"{len(training.labels)} and {len(test.labels)}"
        raise data.DataError(f"{row.name}: there must be at least 2 training samples and 1 to score, not {sizes}")
    _check_labels(recipe, net, training, test)
    if taken is not None:
        taken.verify(training.counts(training.images[:COMPARED]))
    owner = config(recipe) | ({"begun": begun} if begun else {}) | ({"data": row.origin} if row.origin else {})
    kept = RunFolder(folder, owner) if folder else None
    if taken is not None and place.first and (told := options.get("ann_scored")):
        told(_score_ann(taken, test.to(place.device), place.device), len(taken.parts[-1].weight))
    trainer = Trainer(recipe, net, training, test, generator, options.get("progress", to_stderr), place, kept)
    if recipe.clockless:
        trainer.report["start_accuracy"] = _golden_accuracy(net.export(recipe.name), test)
    trainer.run()
    with rescued(net, recipe.name, kept.path if kept else None):
        network, report = _finished(recipe, row, net, trainer, test, kept if place.first else None)
    if out is not None and place.first:
        save_network(network, out, folder)
    return network, report | {"digest": network.digest}


def _finished(
    recipe: Recipe, row: Dataset, net: TrainableNetwork, trainer: Trainer, test: Samples, kept: RunFolder | None
) -> tuple[Network, dict[str, Any]]:
    """The integer network behind the last epoch, and the report."""
    if kept and (rows := kept.rows()):
        curves.draw(rows, kept.path / "curves.svg")
    report = {"recipe": recipe.name, "scored_on": "validation" if recipe.validation else "test"} | trainer.report
    profiles = trainer.mixing.profiles() if trainer.mixing else {}
    network = net.export(recipe.name, profiles=profiles)
    if recipe.clockless:
        report |= {"quantized_accuracy": trained_accuracy(net, trainer.test), "accuracy": _golden_accuracy(network, test)}
    else:
        report |= _score(network, test)
    _compare_floats(trainer, report)
    report |= {"seconds": round(time.monotonic() - trainer.start, 1)}  # with those of a run that went on
    if trainer.price:
        report |= trainer.price.report(trainer.measure())
    labels = row.names(net.stack()[-1].spec.size)
    network = net.export(recipe.name, profiles=profiles, labels=labels, provenance=_provenance(recipe, row, report))
    return network, report


def _check_labels(recipe: Recipe, net: TrainableNetwork, *parts: Samples) -> None:
    """Every label must be a class of the readout."""
    classes = net.stack()[-1].spec.size
    for part in parts:
        if len(part.labels) and not 0 <= int(part.labels.min()) <= int(part.labels.max()) < classes:
            told = f"{int(part.labels.min())}..{int(part.labels.max())}"
            raise ValueError(f"{recipe.name}: the readout has {classes} classes, so labels must be 0..{classes - 1}, not {told}")


def _compare_floats(trainer: Trainer, report: dict[str, Any]) -> None:
    """The whole way, from the float network to the integers, at the network's own T and at each of its working points."""
    if "float_accuracy" in report:
        trainer.cross("from floats to integers", report["float_accuracy"], report["accuracy"])
    for name, before in report.get("float_profiles", {}).items():
        trainer.cross(f"from floats to integers, profile {name}", before, report["profiles"][name])
    report |= {key: trainer.report[key] for key in ("boundaries", "warnings") if key in trainer.report}


def _score(network: Network, test: Samples) -> dict[str, Any]:
    """Accuracies of the integer network, and of each of its profiles, by torch and by golden."""
    counts, labels = integer_counts(test), test.labels.numpy()
    ours, theirs = _answers(network, counts)
    scores: dict[str, Any] = {"quantized_accuracy": accuracy(ours, labels), "accuracy": accuracy(theirs, labels)}
    if network.profiles:
        scores["profiles"] = {name: accuracy(_answers(network.profile(name), counts)[1], labels) for name in network.profiles}
    return scores


def _score_ann(taken: Taken, test: Samples, device: torch.device) -> float:
    """Accuracy of the layers that were read off an ANN, without a spike."""
    return trained_accuracy(taken.network(1, 8, None, False).to(device), test)


def _golden_accuracy(network: Network, test: Samples) -> float:
    return accuracy(golden.run(network, integer_counts(test)).answer, test.labels.numpy())


def _answers(network: Network, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes by torch and by golden, which must agree on every count and logit; a slice of frames at a time."""
    slices = [_slice_answers(network, counts[first : first + SLICE]) for first in range(0, len(counts), SLICE)]
    return np.concatenate([ours for ours, _ in slices]), np.concatenate([theirs for _, theirs in slices])


def _slice_answers(network: Network, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ours, theirs = evaluate(network, counts), golden.run(network, counts)
    for name, values in [*ours.counts.items(), ("logits", ours.logits)]:
        expected = theirs.logits if name == "logits" else theirs.counts[name]
        if not np.array_equal(values, expected):
            raise RuntimeError(
                f"{network.name}: torch and golden must agree, but {name} differs in {(values != expected).sum()} places"
            )
    return ours.answer, theirs.answer


def config(recipe: Recipe) -> dict[str, Any]:
    """Every hyper-parameter, as it stands in the file; nothing of what the recipe does not use."""
    used = {key: value for key, value in asdict(recipe).items() if value is not None}
    for part in ("augment", "conversion", "mixture"):
        if part in used:
            used[part] = {key: value for key, value in used[part].items() if value is not False and value is not None}
    used["layers"] = [{key: value for key, value in layer.items() if (key, value) != ("skip", None)} for layer in used["layers"]]
    return dict(json.loads(json.dumps(used)))


def _provenance(recipe: Recipe, row: Dataset, report: dict[str, Any]) -> dict[str, Any]:
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
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__},
    }
