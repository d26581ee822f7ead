"""Train a recipe: float, quantized, snapped; then the integer network, scored by torch and by the golden model.

The same recipe on the same machine gives the same network, byte for byte: one seed, a fixed number of torch threads.
"""

import json
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sw import data, golden
from sw.model import TorchNetwork, TorchResult, accuracy
from sw.network import Input, Network
from sw.recipes import Recipe
from sw.samples import Samples, augmented, integer_counts, splits
from sw.trainable import TrainableNetwork


class DivergedError(RuntimeError):
    """The loss left the finite numbers."""


@dataclass(frozen=True)
class Epoch:
    """What a progress callback is told after each epoch."""

    recipe: str
    stage: str
    epoch: int  # 1.. within the whole run
    epochs: int
    loss: float
    accuracy: float  # on the augmented training samples of this epoch
    seconds: float  # since the start
    eta: float

    def __str__(self) -> str:
        return (
            f"{self.recipe} {self.stage:9} epoch {self.epoch:3}/{self.epochs} loss {self.loss:.4f} "
            f"train {100 * self.accuracy:6.2f} % {self.seconds:6.1f} s, {self.eta:5.0f} s left"
        )


def to_stderr(epoch: Epoch) -> None:
    print(epoch, file=sys.stderr, flush=True)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Trainer:
    """One run of a recipe over its training samples."""

    def __init__(
        self,
        recipe: Recipe,
        net: TrainableNetwork,
        train: Samples,
        generator: torch.Generator,
        progress: Callable[[Epoch], None],
    ) -> None:
        self.recipe, self.net, self.train, self.generator, self.progress = recipe, net, train, generator, progress
        self.total = recipe.float_epochs + recipe.quantized_epochs + recipe.snapped_epochs
        self.done, self.start = 0, time.monotonic()

    def stage(self, name: str, epochs: int, lr: float) -> None:
        """Train one stage: AdamW, the rate falling along a half cosine to 0."""
        recipe = self.recipe
        groups: dict[str, list[Tensor]] = {"weight": [], "bias": [], "scale": []}
        for key, parameter in self.net.named_parameters():
            if parameter.requires_grad:
                groups["scale" if ".log_" in key else key.rsplit(".", 1)[-1]].append(parameter)
        optimizer = torch.optim.AdamW([
            {"params": groups["weight"], "lr": lr, "weight_decay": recipe.weight_decay},
            {"params": groups["bias"], "lr": lr, "weight_decay": 0.0},
            {"params": groups["scale"], "lr": lr * recipe.scale_lr, "weight_decay": 0.0},
        ], fused=True)  # fmt: skip
        steps = epochs * math.ceil(len(self.train.labels) / recipe.batch)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / max(1, steps))))
        for _ in range(epochs):
            self.epoch(name, optimizer, schedule)

    def epoch(self, stage: str, optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler) -> None:
        order = torch.randperm(len(self.train.labels), generator=self.generator)
        loss_sum, right = 0.0, 0
        self.done += 1
        for batch, rows in enumerate(order.split(self.recipe.batch)):
            images = augmented(self.train.images[rows], self.recipe.augment, self.generator)
            labels = self.train.labels[rows]
            logits = self.net(self.train.counts(images))
            loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
            if not math.isfinite(loss.item()):
                raise DivergedError(
                    f"{self.recipe.name}: the loss must stay finite, but is {loss.item()} in epoch {self.done} "
                    f"({stage}), batch {batch}; lower the recipe's learning rate of this stage"
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            loss_sum += loss.item() * len(rows)
            right += int((logits.argmax(1) == labels).sum())
        seconds = time.monotonic() - self.start
        total = len(order)
        eta = seconds / self.done * (self.total - self.done)
        self.progress(Epoch(self.recipe.name, stage, self.done, self.total, loss_sum / total, right / total, seconds, eta))


@torch.no_grad()
def trained_accuracy(net: TrainableNetwork, test: Samples) -> float:
    """Accuracy of the trainable network in its present stage."""
    answers = [net(test.counts(images)).argmax(1) for images in test.images.split(500)]
    return accuracy(torch.cat(answers), test.labels)


def evaluate(network: Network, counts: np.ndarray) -> TorchResult:
    """Counts and logits of a Network by torch, in exact integers; equal to golden. (B, *shape) or (B, T_in, *shape)."""
    return TorchNetwork.from_network(network).run(counts)


def train(
    recipe: Recipe,
    data_root: str | Path | None = None,
    out: str | Path | None = None,
    progress: Callable[[Epoch], None] = to_stderr,
) -> tuple[Network, dict[str, Any]]:
    """Run a recipe; give the integer network and a report, and save the network to `out` when that is given.

    The report (and the network's provenance) holds float_accuracy, quantized_accuracy (torch) and accuracy (golden) on
    the test split. Raises DataError without the data, DivergedError when the loss is not finite, RuntimeError when
    torch and golden differ.
    """
    with torch_threads(recipe.threads):
        return _train(recipe, data_root, out, progress)


def _train(
    recipe: Recipe, data_root: str | Path | None, out: str | Path | None, progress: Callable[[Epoch], None]
) -> tuple[Network, dict[str, Any]]:
    start = time.monotonic()
    row, prepared = data.find(recipe.dataset), data.parse_preprocess(recipe.preprocess)
    training, test = splits(row, recipe, data_root)
    generator = torch.Generator().manual_seed(recipe.seed)
    source = Input(row.shape, prepared.T, prepared.max_count)
    net = TrainableNetwork(recipe.layers, recipe.schedule, source, generator, recipe.surrogate_width)
    trainer = Trainer(recipe, net, training, generator, progress)
    trainer.stage("float", recipe.float_epochs, recipe.lr)
    report: dict[str, Any] = {"recipe": recipe.name, "scored_on": "validation" if recipe.validation else "test"}
    report["float_accuracy"] = trained_accuracy(net, test)
    net.calibrate(training.counts(training.images[:2000]))
    trainer.stage("quantized", recipe.quantized_epochs, recipe.quantized_lr)
    net.snap()
    trainer.stage("snapped", recipe.snapped_epochs, recipe.snapped_lr)
    report |= _score(net.export(recipe.name), test) | {"seconds": round(time.monotonic() - start, 1)}
    network = net.export(recipe.name, labels=row.labels, provenance=_provenance(recipe, report))
    if out is not None:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        network.save(out)
    return network, report | {"digest": network.digest}


def _score(network: Network, test: Samples) -> dict[str, Any]:
    """Accuracies of the integer network by torch and by golden, which must agree on every count and logit."""
    counts = integer_counts(test)
    ours, theirs = evaluate(network, counts), golden.run(network, counts)
    for name, values in [*ours.counts.items(), ("logits", ours.logits)]:
        expected = theirs.logits if name == "logits" else theirs.counts[name]
        if not np.array_equal(values, expected):
            raise RuntimeError(
                f"{network.name}: torch and golden must agree, but {name} differs in {(values != expected).sum()} places"
            )
    labels = test.labels.numpy()
    return {"quantized_accuracy": accuracy(ours.answer, labels), "accuracy": accuracy(theirs.answer, labels)}


def config(recipe: Recipe) -> dict[str, Any]:
    """Every hyper-parameter, as it stands in the file."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return plain


def _provenance(recipe: Recipe, report: dict[str, Any]) -> dict[str, Any]:
    return {
        "dataset": recipe.dataset,
        "preprocess": recipe.preprocess,
        "accuracy": report["accuracy"],
        "float_accuracy": report["float_accuracy"],
        "quantized_accuracy": report["quantized_accuracy"],
        "scored_on": report["scored_on"],
        "recipe": recipe.name,
        "config": config(recipe),
        "seed": recipe.seed,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__},
    }
