"""The training loop: stage after stage, epoch after epoch, batch after batch; what it does not lose when it is killed.

One loop serves a CPU, a GPU and torchrun's processes. Random numbers are drawn on the CPU and every process draws the same, so a
run's batches hang on its seed alone.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from polyrhythm.sw.training.anytime import AnytimeLoss
from polyrhythm.sw.training.conversion import Price
from polyrhythm.sw.training.crossing import Crossing
from polyrhythm.sw.training.device import Place
from polyrhythm.sw.training.measure import Epoch, Measured, built, measure
from polyrhythm.sw.training.model import accuracy
from polyrhythm.sw.training.mtt import REESTIMATED, Mixing
from polyrhythm.sw.training.recipe import Recipe, Stage
from polyrhythm.sw.training.runfolder import RunFolder, State
from polyrhythm.sw.training.samples import Samples, augmented
from polyrhythm.sw.training.trainable import TrainableNetwork
from polyrhythm.sw.training.trainable_layer import Seen
from polyrhythm.sw.training.work import Work

CALIBRATION = 2000  # training images whose activations set the first clip ranges
REACH = 3.0  # how far a range and a count that T is learned from can go in a stage: by a factor of e^3, however long it is
PROBE = 256  # training images on which spikes and cycles are counted behind each epoch

Optimizer = torch.optim.Optimizer
Schedule = torch.optim.lr_scheduler.LRScheduler


class DivergedError(RuntimeError):
    """The loss left the finite numbers."""


class Trainer:
    """One run of a recipe over its training samples, from its first epoch or from where its folder says it was."""

    def __init__(
        self,
        recipe: Recipe,
        net: TrainableNetwork,
        train: Samples,
        test: Samples,
        generator: torch.Generator,
        progress: Callable[[Epoch], None],
        place: Place,
        folder: RunFolder | None = None,
    ) -> None:
        self.recipe, self.place, self.folder = recipe, place, folder
        self.net = net.to(place.device)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # convolutions take two thirds of the time
        self.train, self.test = train.to(place.device), test.to(place.device)
        self.generator, self.progress = generator, progress
        self.total = sum(stage.epochs for stage in recipe.stages)
        self.done, self.start = 0, time.monotonic()
        self.report: dict[str, Any] = {}  # what was measured on the way
        self.work = Work(net.shapes()) if built(net) else None
        self.mixing = Mixing(recipe.mixture, net, generator) if recipe.mixture else None
        batches = recipe.quantized_epochs * self.batches
        self.price = Price(recipe.conversion, net, self.work, batches) if recipe.conversion else None
        self.anytime = AnytimeLoss(recipe.anytime, net) if recipe.anytime else None
        self.quiet = None if place.first else True  # the bar of an epoch: None shows it on a terminal alone

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
            optimizer, schedule = self.optimizer(stage)
            behind = 0  # epochs of this stage
            if state:
                optimizer.load_state_dict(state["optimizer"])
                schedule.load_state_dict(state["schedule"])
                behind, state = state["behind"], None
            for epoch in range(behind, stage.epochs):
                row = self.epoch(stage.name, optimizer, schedule)
                if self.place.first:
                    self.keep(number, epoch + 1, optimizer, schedule, row)
                    self.progress(row)

    def enter(self, stage: Stage) -> None:
        """What lies between a stage and the one before it."""
        if stage.name == "quantized":
            if self.mixing:
                self.float_profiles(self.mixing)
            self.share_norms()
            sample = self.train.counts(self.train.images[:CALIBRATION])
            self.net.eval()
            self.net.begin_norms(sample)
            if self.folder and self.place.first:
                self.folder.save_floats(self.net.state_dict())
            self.report["float_accuracy"] = trained_accuracy(self.net, self.test)
            live, folded = self.sampled(self.net), self.sampled(self.net.folded())
            self.net.calibrate(sample)
            self.cross("float, normalization folded", live, folded)
            self.cross("float to quantized, before it learns on", folded, self.sampled(self.net))
        elif self.recipe.clockless:
            self.net.scale_logits(self.train.counts(self.train.images[:CALIBRATION]))
        elif stage.name == "snapped":
            self.share_norms()
            before = self.sampled(self.net)
            self.net.snap()
            self.cross("quantized to snapped, before it learns on", before, self.sampled(self.net))

    def float_profiles(self, mixing: Mixing) -> None:
        """Score the float network at its working points, each with normalization estimated there; at its own T it stays so."""
        rows = torch.randperm(len(self.train.labels), generator=self.generator).to(self.place.device)
        chosen = batches(rows, self.recipe.batch)[:REESTIMATED]
        counts = [self.train.counts(self.train.images[batch]) for batch in chosen]
        found = {}
        for name, T in mixing.mixture.profiles:
            mixing.reestimate(counts, T)
            self.share_norms()
            found[name] = trained_accuracy(self.net, self.test)
        self.report["float_profiles"] = found
        mixing.reestimate(counts, mixing.own)

    def sampled(self, net: TrainableNetwork) -> float:
        """Accuracy of the first training images, as they are."""
        first = torch.arange(min(CALIBRATION, len(self.train.labels)), device=self.place.device)
        return trained_accuracy(net, self.train.rows(first))

    def cross(self, what: str, before: float, after: float) -> None:
        """Keep what a boundary cost, and say it where it is too much."""
        crossing = Crossing(what, before, after)
        self.report.setdefault("boundaries", []).append(asdict(crossing))
        if crossing.loses:
            self.report.setdefault("warnings", []).append(str(crossing))
            if self.place.first:
                print(crossing, file=sys.stderr, flush=True)

    def share_norms(self) -> None:
        """The mean of what the processes' normalizations have seen: each has seen its share."""
        seen = [buffer for name, buffer in self.net.named_buffers() if ".norm.running_" in name]
        self.place.sum(seen)
        for buffer in seen:
            buffer.div_(self.place.world)

    def optimizer(self, stage: Stage) -> tuple[Optimizer, Schedule]:
        """AdamW, the rate falling along a half cosine to 0."""
        recipe = self.recipe
        steps = stage.epochs * self.batches
        groups: dict[str, list[Tensor]] = {"weight": [], "bias": [], "scale": [], "steps": []}
        for key, parameter in self.net.named_parameters():
            if parameter.requires_grad:
                groups[self.group(key)].append(parameter)
        optimizer = torch.optim.AdamW([
            {"params": groups["weight"], "lr": stage.lr, "weight_decay": recipe.weight_decay},
            {"params": groups["bias"], "lr": stage.lr, "weight_decay": 0.0},
            {"params": groups["scale"], "lr": stage.lr * recipe.scale_lr, "weight_decay": 0.0},
            {"params": groups["steps"], "lr": 2 * REACH / max(1, steps), "weight_decay": 0.0},
        ], fused=True)  # fmt: skip
        falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / max(1, steps))))
        return optimizer, falling

    def group(self, name: str) -> str:
        """How a parameter is trained: normalization's gain and shift as biases are, what T follows from at a rate of its own."""
        learned = self.recipe.conversion and not self.recipe.conversion.fixed
        if learned and name.endswith((".log_range", ".log_count")):
            return "steps"
        return "scale" if ".log_" in name else "bias" if ".norm." in name else name.rsplit(".", 1)[-1].removeprefix("skip_")

    def epoch(self, stage: str, optimizer: Optimizer, schedule: Schedule) -> Epoch:
        """Every training sample once."""
        order = torch.randperm(len(self.train.labels), generator=self.generator)
        sums = torch.zeros(2, device=self.place.device)  # loss, right answers
        self.done += 1
        self.net.train()
        bar = tqdm(batches(order, self.recipe.batch), f"{stage} {self.done}/{self.total}", leave=False, disable=self.quiet)
        for batch, rows in enumerate(bar):
            images, labels = self.batch(rows)
            optimizer.zero_grad()
            told = self.learn(images, labels, stage, len(labels) / len(rows))
            self.place.sum([told, *(p.grad for p in self.net.parameters() if p.grad is not None)])
            if not math.isfinite(found := float(told[0])):
                self.diverged(found, stage, batch)
            optimizer.step()
            schedule.step()
            sums += told * len(rows)
            bar.set_postfix_str(f"loss {found:.3f} train {100 * told[1]:.1f} %", refresh=False)
        mean_loss, right = (sums / len(order)).tolist()
        return self.summary(stage, float(mean_loss), float(right), schedule.get_last_lr()[0])

    def learn(self, images: Tensor, labels: Tensor, stage: str, share: float) -> Tensor:
        """Add up the gradients of a batch, of which this process has its share; mean loss and share of right answers, (2,)."""
        told = torch.zeros(2, device=self.place.device)
        vectors: list[tuple[int, ...]] = self.mixing.draw() if self.mixing else [self.net.steps()]
        for vector in vectors:
            if self.mixing:
                self.net.set_steps(vector)
            seen = Seen() if self.price or self.anytime else None
            with self.place.mixed(stage, self.recipe.mixed):
                logits = self.net(self.train.counts(images), seen).float()
            if self.anytime and seen:
                loss = self.anytime(seen, labels, self.recipe.label_smoothing)
            else:
                loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
            if self.price and seen and stage == "quantized":
                loss = loss + self.price.term(seen.received)
            loss = loss * share
            loss.backward()  # type: ignore[no-untyped-call]
            told += torch.stack([loss.detach(), share * (logits.argmax(1) == labels).float().mean()]) / len(vectors)
        if self.mixing:
            self.net.set_steps(self.mixing.own)
        return told

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Augmented images and labels of this process's share of a batch."""
        images = augmented(self.train.images[rows.to(self.place.device)], self.recipe.augment, self.generator)
        return self.place.share(images), self.place.share(self.train.labels[rows.to(self.place.device)])

    def diverged(self, loss: float, stage: str, batch: int) -> None:
        kept = f"; {self.folder.checkpoint} holds the epoch before" if self.folder and self.folder.checkpoint.exists() else ""
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
            self.recipe.name, stage, self.done, self.total, loss, right, lr, now.mean_T, now.spike_rate, now.cycles, seconds, eta
        )

    def measure(self) -> Measured:
        """Steps, spikes and cycles of a frame, the mean of the first training images."""
        return measure(self.net, self.train.counts(self.train.images[:PROBE]), self.work)

    def keep(self, stage: int, behind: int, optimizer: Optimizer, schedule: Schedule, row: Epoch) -> None:
        """A checkpoint from which the run goes on as if it had never stopped."""
        if self.folder is None:
            return
        state = {
            "stage": stage, "behind": behind, "epochs": self.done, "seconds": row.seconds, "report": self.report,
            "net": self.net.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
            "generator": self.generator.get_state(), "price": self.price.state() if self.price else None,
        }  # fmt: skip
        self.folder.save(state, asdict(row))

    def resume(self, state: State) -> None:
        """Take up a run behind its last epoch."""
        self.net.resume(state["net"], self.recipe.stages[state["stage"]].name)
        self.generator.set_state(state["generator"])
        self.done, self.report = state["epochs"], state["report"]
        if self.price:
            self.price.resume(state["price"])
        self.start = time.monotonic() - state["seconds"]


def batches(rows: Tensor, size: int) -> tuple[Tensor, ...]:
    """Parts of `size` rows. A last one of a single row goes with the part before it: alone it has no variance to normalize by."""
    parts = rows.split(size)
    return (*parts[:-2], torch.cat(parts[-2:])) if size > 1 and len(parts) > 1 and len(parts[-1]) == 1 else parts


@torch.no_grad()
def trained_accuracy(net: TrainableNetwork, test: Samples) -> float:
    """Accuracy of the trainable network in its present stage."""
    net.eval()
    answers = [net(test.counts(images)).argmax(1) for images in test.images.split(500)]
    return accuracy(torch.cat(answers).cpu(), test.labels.cpu())
