"""The training loop: stage after stage, epoch after epoch, batch after batch.

A run that is killed goes on behind its last epoch. One loop serves a CPU, a GPU and torchrun's
processes. Random numbers are drawn on the CPU and every process draws the same, so a run's batches
depend on its seed alone. What a published method changes is in `methods`.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from polyrhythm.sw.training.cost.measure import (
    Epoch,
    Measured,
    has_cycle_model,
    measure,
    trained_accuracy,
)
from polyrhythm.sw.training.cost.work import Work
from polyrhythm.sw.training.data.augment import augmented
from polyrhythm.sw.training.data.samples import CALIBRATION, Samples, batches
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.layers.seen import Seen
from polyrhythm.sw.training.methods.chosen import choose
from polyrhythm.sw.training.methods.method import Batch
from polyrhythm.sw.training.recipe import Recipe, Stage
from polyrhythm.sw.training.run.crossing import Crossing
from polyrhythm.sw.training.run.device import Process
from polyrhythm.sw.training.run.optimizer import Optimizer, Rate, make_optimizer
from polyrhythm.sw.training.run.runfolder import RunFolder, State

PROBE = 256  # training images on which spikes and cycles are counted behind each epoch


class DivergedError(RuntimeError):
    """The loss left the finite numbers."""


class Trainer:
    """One run of a recipe over its training samples, from its first epoch or where it stopped."""

    def __init__(
        self,
        recipe: Recipe,
        net: TrainableNetwork,
        train: Samples,
        test: Samples,
        generator: torch.Generator,
        progress: Callable[[Epoch], None],
        process: Process,
        folder: RunFolder | None = None,
    ) -> None:
        """folder: where the run is kept; one that is there already goes on."""
        self.recipe, self.process, self.folder = recipe, process, folder
        self.net = net.to(process.device)
        # Convolutions take two thirds of the time so.
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.train, self.test = train.to(process.device), test.to(process.device)
        self.generator, self.progress = generator, progress
        self.total = sum(stage.epochs for stage in recipe.stages)
        self.done, self.start = 0, time.monotonic()
        self.report: dict[str, Any] = {}  # what was measured on the way
        self.work = Work(net.shapes()) if has_cycle_model(net) else None
        self.methods = choose(recipe, net, generator, self.work, self.batches)
        # the bar of an epoch: None shows it on a terminal alone
        self.quiet = None if process.first else True

    @property
    def batches(self) -> int:
        """Of an epoch."""
        return len(batches(torch.arange(len(self.train.labels)), self.recipe.batch))

    def run(self) -> None:
        """All stages in their order."""
        state = self.folder.load() if self.folder else None
        first = state["stage"] if state else 0
        for number, stage in enumerate(self.recipe.stages[first:], first):
            if state:
                self.resume(state)
            else:
                self.enter(stage)
            parameters = self.net.named_parameters()
            steps = stage.epochs * self.batches
            optimizer, rate = make_optimizer(
                parameters, self.recipe, stage, steps, self.methods.group
            )
            behind = 0  # epochs of this stage
            if state:
                optimizer.load_state_dict(state["optimizer"])
                rate.load_state_dict(state["schedule"])
                behind, state = state["behind"], None
            for epoch in range(behind, stage.epochs):
                row = self.epoch(stage.name, optimizer, rate)
                if self.process.first:
                    self.keep(number, epoch + 1, optimizer, rate, row)
                    self.progress(row)

    # Between stages

    def enter(self, stage: Stage) -> None:
        """What lies between a stage and the one before it."""
        self.methods.enter(self, stage)
        if stage.name == self.net.stage:
            return  # the first stage, or the only one of a network that is whole already
        self.share_norms()
        if stage.name == "quantized":
            self.quantize()
        else:
            before = self.sampled(self.net)
            self.net.snap()
            self.cross("quantized to snapped, before it learns on", before, self.sampled(self.net))

    def quantize(self) -> None:
        """float -> quantized; the float network is scored and kept."""
        sample = self.train.counts(self.train.images[:CALIBRATION])
        self.net.eval()
        self.net.begin_norms(sample)
        if self.folder and self.process.first:
            self.folder.save_floats(self.net.state_dict())
        self.report["float_accuracy"] = trained_accuracy(self.net, self.test)
        live, folded = self.sampled(self.net), self.sampled(self.net.folded())
        self.net.calibrate(sample)
        self.cross("float, normalization folded", live, folded)
        self.cross("float to quantized, before it learns on", folded, self.sampled(self.net))

    def sampled(self, net: TrainableNetwork) -> float:
        """Accuracy of the first training images, as they are."""
        size = min(CALIBRATION, len(self.train.labels))
        return trained_accuracy(
            net, self.train.rows(torch.arange(size, device=self.process.device))
        )

    def cross(self, what: str, before: float, after: float) -> None:
        """Keep what a boundary cost, and print it where it is too much."""
        crossing = Crossing(what, before, after)
        self.report.setdefault("boundaries", []).append(asdict(crossing))
        if crossing.loses:
            self.report.setdefault("warnings", []).append(str(crossing))
            if self.process.first:
                print(crossing, file=sys.stderr, flush=True)

    def share_norms(self) -> None:
        """Give every process the mean of what all normalizations have seen, each its share."""
        seen = [buffer for name, buffer in self.net.named_buffers() if ".norm.running_" in name]
        self.process.sum(seen)
        for buffer in seen:
            buffer.div_(self.process.world)

    # An epoch

    def epoch(self, stage: str, optimizer: Optimizer, rate: Rate) -> Epoch:
        """Every training sample once."""
        order = torch.randperm(len(self.train.labels), generator=self.generator)
        sums = torch.zeros(2, device=self.process.device)  # loss, right answers
        self.done += 1
        self.net.train()
        title = f"{stage} {self.done}/{self.total}"
        bar = tqdm(batches(order, self.recipe.batch), title, leave=False, disable=self.quiet)
        for number, rows in enumerate(bar):
            images, labels = self.batch(rows)
            optimizer.zero_grad()
            means = self.learn(images, labels, stage, len(labels) / len(rows))
            grads = (p.grad for p in self.net.parameters() if p.grad is not None)
            self.process.sum([means, *grads])
            if not math.isfinite(loss := float(means[0])):
                self.diverged(loss, stage, number)
            optimizer.step()
            rate.step()
            sums += means * len(rows)
            bar.set_postfix_str(f"loss {loss:.3f} train {100 * means[1]:.1f} %", refresh=False)
        mean_loss, right = (sums / len(order)).tolist()
        return self.summary(stage, float(mean_loss), float(right), rate.get_last_lr()[0])

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Augmented images and labels of this process's share of a batch."""
        rows = rows.to(self.process.device)
        images = augmented(self.train.images[rows], self.recipe.augment, self.generator)
        return self.process.share(images), self.process.share(self.train.labels[rows])

    def learn(self, images: Tensor, labels: Tensor, stage: str, share: float) -> Tensor:
        """Add up the gradients of a batch; gives mean loss and share of right answers, (2,).

        share: of the batch, that this process has.
        """
        means = torch.zeros(2, device=self.process.device)
        for passes in self.methods.passes():
            seen = Seen() if self.methods.looks_inside else None
            with self.process.mixed(stage, self.recipe.mixed):
                logits = self.net(self.train.counts(images), seen).float()
            batch = Batch(logits, labels, seen, stage, self.recipe.label_smoothing)
            loss = self.methods.loss(batch) * share
            loss.backward()  # type: ignore[no-untyped-call]
            right = share * (logits.argmax(1) == labels).float().mean()
            means += torch.stack([loss.detach(), right]) / passes
        return means

    def diverged(self, loss: float, stage: str, batch: int) -> None:
        kept = ""
        if self.folder and self.folder.checkpoint.exists():
            kept = f"; {self.folder.checkpoint} holds the epoch before"
        raise DivergedError(
            f"{self.recipe.name}: the loss must stay finite, but is {loss} in epoch {self.done} "
            f"({stage}), batch {batch}; lower the recipe's learning rate of this stage{kept}"
        )

    def summary(self, stage: str, loss: float, right: float, lr: Any) -> Epoch:
        """The epoch in numbers."""
        seconds = time.monotonic() - self.start
        eta = seconds / self.done * (self.total - self.done)
        now = self.measure()
        return Epoch(
            self.recipe.name, stage, self.done, self.total, loss, right, lr,
            now.mean_T, now.spike_rate, now.cycles, seconds, eta,
        )  # fmt: skip

    def measure(self) -> Measured:
        """Steps, spikes and cycles of a frame, the mean of the first training images."""
        return measure(self.net, self.train.counts(self.train.images[:PROBE]), self.work)

    # What is kept

    def keep(self, stage: int, behind: int, optimizer: Optimizer, rate: Rate, row: Epoch) -> None:
        """A checkpoint from which the run goes on as if it had never stopped."""
        if self.folder is None:
            return
        state = {
            "stage": stage, "behind": behind, "epochs": self.done, "seconds": row.seconds,
            "report": self.report, "net": self.net.state_dict(),
            "optimizer": optimizer.state_dict(), "schedule": rate.state_dict(),
            "generator": self.generator.get_state(),
            "price": self.methods.state(),  # the name is that of earlier checkpoints
        }  # fmt: skip
        self.folder.save(state, asdict(row))

    def resume(self, state: State) -> None:
        """Go on behind the last epoch of a run."""
        self.net.resume(state["net"], self.recipe.stages[state["stage"]].name)
        self.generator.set_state(state["generator"])
        self.done, self.report = state["epochs"], state["report"]
        self.methods.resume(state["price"])
        self.start = time.monotonic() - state["seconds"]
