"""A whole run: samples in, an integer network and its report out."""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch

from polyrhythm.sw import data
from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.network import Network
from polyrhythm.sw.training.ann.take import Taken
from polyrhythm.sw.training.cost.measure import Epoch, trained_accuracy
from polyrhythm.sw.training.data.samples import Samples, splits
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.recipe import Recipe
from polyrhythm.sw.training.run import curves
from polyrhythm.sw.training.run.device import find_process
from polyrhythm.sw.training.run.provenance import config, provenance
from polyrhythm.sw.training.run.rescue import rescued, save_network
from polyrhythm.sw.training.run.runfolder import RunFolder
from polyrhythm.sw.training.run.score import golden_accuracy, score
from polyrhythm.sw.training.run.trainer import Trainer

COMPARED = 32  # training samples on which an ANN and the layers read off it must agree


class Options(TypedDict, total=False):
    """Where a run reads, writes and computes.

    But for the data set, the network that comes out does not depend on it.
    """

    dataset: Dataset  # in place of the one that the recipe names
    data_root: str | Path | None  # folder with the data sets; None: $POLYRHYTHM_DATA
    out: str | Path | None  # network file to write
    progress: Callable[[Epoch], None]  # gets every epoch; prints to stderr if not given
    # keeps a checkpoint, the log of every epoch and curves; a run that is there already goes on
    folder: str | Path | None
    # of `convert`: gets, first of all, the ANN's accuracy on the test split, and its classes
    ann_scored: Callable[[float, int], None]
    # see `run.device` ("auto"); under torchrun each process calls, and the first one writes
    device: str


def to_stderr(epoch: Epoch) -> None:
    print(epoch, file=sys.stderr, flush=True)


def run_recipe(
    recipe: Recipe,
    row: Dataset,
    net: TrainableNetwork,
    generator: torch.Generator,
    begun: str | None = None,
    taken: Taken | None = None,
    **options: Unpack[Options],
) -> tuple[Network, dict[str, Any]]:
    """Train `net` by a checked recipe; give the integer network and a report.

    begun: digest of what goes on learning, which a run's folder belongs to as to the recipe and
    the user's data. taken: the ANN that is converted, which is compared with its layers on training
    samples, and scored.
    """
    process = find_process(options.get("device", "auto"))
    row.names(net.stack()[-1].spec.size)  # refused now, not at the end
    folder, out = options.get("folder"), options.get("out")
    training, test = _samples(recipe, row, net, options)
    if taken is not None:
        taken.verify(training.counts(training.images[:COMPARED]))
    owner = config(recipe)
    owner |= ({"begun": begun} if begun else {}) | ({"data": row.origin} if row.origin else {})
    kept = RunFolder(folder, owner) if folder else None
    if taken is not None and process.first and (ann_scored := options.get("ann_scored")):
        right = _score_ann(taken, test.to(process.device), process.device)
        ann_scored(right, len(taken.parts[-1].weight))
    progress = options.get("progress", to_stderr)
    trainer = Trainer(recipe, net, training, test, generator, progress, process, kept)
    trainer.methods.begin(trainer, partial(golden_accuracy, test=test))
    trainer.run()
    with rescued(net, recipe.name, kept.path if kept else None):
        network, report = _finished(row, trainer, test, kept if process.first else None)
    if out is not None and process.first:
        save_network(network, out, folder)
    return network, report | {"digest": network.digest}


def _samples(
    recipe: Recipe, row: Dataset, net: TrainableNetwork, options: Options
) -> tuple[Samples, Samples]:
    """Training and test samples, as many as are needed, with labels that the readout has."""
    training, test = splits(row, recipe, options.get("data_root"))
    if len(training.labels) < 2 or not len(test.labels):
        sizes = f"{len(training.labels)} and {len(test.labels)}"
        raise data.DataError(
            f"{row.name}: there must be at least 2 training samples and 1 to score, not {sizes}"
        )
    check_labels(recipe, net, training, test)
    return training, test


def check_labels(recipe: Recipe, net: TrainableNetwork, *parts: Samples) -> None:
    """ValueError unless every label is a class of the readout."""
    classes = net.stack()[-1].spec.size
    for part in parts:
        if not len(part.labels):
            continue
        low, high = int(part.labels.min()), int(part.labels.max())
        if not 0 <= low <= high < classes:
            raise ValueError(
                f"{recipe.name}: the readout has {classes} classes, "
                f"so labels must be 0..{classes - 1}, not {low}..{high}"
            )


def _score_ann(taken: Taken, test: Samples, device: torch.device) -> float:
    """Accuracy of the layers that were read off an ANN, without a spike."""
    return trained_accuracy(taken.network(1, 8, None, False).to(device), test)


def _finished(
    row: Dataset, trainer: Trainer, test: Samples, kept: RunFolder | None
) -> tuple[Network, dict[str, Any]]:
    """The integer network behind the last epoch, and the report."""
    recipe, net, methods = trainer.recipe, trainer.net, trainer.methods
    if kept and (rows := kept.rows()):
        curves.draw(rows, kept.path / "curves.svg")
    scored_on = "validation" if recipe.validation else "test"
    report = {"recipe": recipe.name, "scored_on": scored_on} | trainer.report
    profiles = methods.profiles()
    network = net.export(recipe.name, profiles=profiles)
    report |= methods.score(trainer, network, partial(score, network, test))
    _compare_floats(trainer, report)
    # with the seconds of a run that went on
    report |= {"seconds": round(time.monotonic() - trainer.start, 1)}
    report |= methods.results(trainer.measure)
    labels = row.names(net.stack()[-1].spec.size)
    made = provenance(recipe, row, report)
    network = net.export(recipe.name, profiles=profiles, labels=labels, provenance=made)
    return network, report


def _compare_floats(trainer: Trainer, report: dict[str, Any]) -> None:
    """The whole way from the float network to the integers, at its own T and at each profile."""
    what = "from floats to integers"
    if "float_accuracy" in report:
        trainer.cross(what, report["float_accuracy"], report["accuracy"])
    for name, before in report.get("float_profiles", {}).items():
        trainer.cross(f"{what}, profile {name}", before, report["profiles"][name])
    measured = ("boundaries", "warnings")
    report |= {key: trainer.report[key] for key in measured if key in trainer.report}
