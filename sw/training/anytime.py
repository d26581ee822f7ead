"""Anytime inference: answers that are good after every tick, and rules that say when one is good enough.

Training is STR's ("Optimal / Anytime inference with a Spatial-Temporal Regulariser", arXiv 2405.00699): cross-entropy in every tick
with a small squared distance (TET, Deng et al., ICLR 2022), and a regularizer of the ratio between what a layer emits and what it
keeps. The published formula of the regularizer could not be established; the one here is ours. So is the choice of the running mean
as what a tick answers with: the rules read the running sum.

A rule is calibrated on training data, in the integers that the accelerator has: `margin` per tick, `softmax` with a scale. `safe`
needs no data (`sw.golden.cutoff`).
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from polyrhythm.sw import data, golden
from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.lib.check import MAX_SUM
from polyrhythm.sw.network import Exit, MarginExit, Network, SafeExit, SoftmaxExit
from polyrhythm.sw.training.recipe import Anytime, Augment
from polyrhythm.sw.training.samples import augmented
from polyrhythm.sw.training.trainable import TrainableNetwork
from polyrhythm.sw.training.trainable_layer import Seen

Sums = npt.NDArray[np.integer[Any]]  # the readout's after each tick, (B, T, C)
EMPTY = 1e-6  # beside charges of a layer that has none
SCALES = 200  # between which the best is looked for, over six decades


class AnytimeLoss:
    """The loss of a batch from what the network shows: the mean over the readout's ticks, and the regularizer."""

    def __init__(self, anytime: Anytime, net: TrainableNetwork) -> None:
        if net.schedule != "time_stepped":
            raise ValueError(f"anytime: answers in every tick are those of time_stepped networks, not of {net.schedule} ones")
        self.anytime = anytime

    def __call__(self, seen: Seen, labels: Tensor, smoothing: float) -> Tensor:
        """(1 - mean_square) * cross-entropy + mean_square * squared distance + regular * `irregularity`; labels (B,)."""
        assert seen.sums is not None
        sums = seen.sums.float()  # (T, B, C)
        T = len(sums)
        logits = sums / torch.arange(1, T + 1, device=sums.device).reshape(-1, 1, 1)
        entropy = F.cross_entropy(logits.flatten(0, 1), labels.repeat(T), label_smoothing=smoothing)
        share = self.anytime.mean_square
        return (1 - share) * entropy + share * (logits - 1).square().mean() + self.anytime.regular * irregularity(seen)


def irregularity(seen: Seen) -> Tensor:
    """How unevenly layers speak over time: mean over layers and ticks of (rho_t - mean of rho over the ticks)^2.

    rho_t = sum Th*s_t / (sum Th*s_t + sum max(v_t, 0)): of a layer's charge after tick t, the share that it sends on. The mean is a
    target, without a gradient of its own.
    """
    found = []
    for spikes, left in zip(seen.received[1:], seen.left, strict=True):
        sent, kept = spikes.flatten(1).sum(1), left.clamp(min=0).flatten(1).sum(1)  # (T,), in thresholds
        ratio = sent / (sent + kept + EMPTY)
        found.append((ratio - ratio.mean().detach()).square().mean())
    return torch.stack(found).mean() if found else torch.zeros(())


def margins(sums: Sums, labels: npt.NDArray[np.integer[Any]], epsilon: float) -> MarginExit:
    """The rule `margin`: for each tick the least lead with which all but `epsilon` of the frames are right now and ever after.

    sums (B, T, C) and labels (B,) of training frames. A tick in which no lead is enough gets the largest sum there is.
    """
    _check_share(epsilon)
    two = np.partition(sums, -2, axis=2)[:, :, -2:]
    lead = two[..., 1] - two[..., 0]  # (B, T)
    right = sums.argmax(axis=2) == labels[:, None]
    lasting = np.logical_and.accumulate(right[:, ::-1], axis=1)[:, ::-1]
    return MarginExit(tuple(_least(lead[:, t], lasting[:, t], epsilon) for t in range(sums.shape[1])))


def _least(lead: npt.NDArray[np.int64], right: npt.NDArray[np.bool_], epsilon: float) -> int:
    order = np.argsort(-lead, kind="stable")
    ordered = lead[order]
    share = np.cumsum(right[order]) / np.arange(1, len(lead) + 1)
    whole = np.append(ordered[1:] != ordered[:-1], True)  # a threshold takes all frames of one lead
    enough = np.flatnonzero(whole & (share >= 1 - epsilon))
    return int(ordered[enough[-1]]) if len(enough) else MAX_SUM


def softmax(sums: Sums, labels: npt.NDArray[np.integer[Any]], epsilon: float) -> SoftmaxExit:
    """The rule `softmax` with the scale under which the training frames are most likely, over all ticks (Guo et al., ICML 2017)."""
    _check_share(epsilon)
    lead = torch.from_numpy(sums - sums.max(axis=2, keepdims=True)).float()
    wanted = torch.from_numpy(labels.astype(np.int64)).repeat_interleave(sums.shape[1])
    spread = max(1.0, float(-lead.mean()))
    scales = [10 ** (k * 6 / SCALES - 4) / spread for k in range(SCALES)]
    losses = [float(F.cross_entropy(lead.flatten(0, 1) * scale, wanted)) for scale in scales]
    return SoftmaxExit(epsilon, scales[int(np.argmin(losses))])


def _check_share(epsilon: float) -> None:
    if not 0 < epsilon < 1 or not math.isfinite(epsilon):
        raise ValueError(f"epsilon must be a share of the frames between 0 and 1, such as 0.01, not {epsilon}")


@dataclass(frozen=True)
class Outcome:
    """What a rule does to frames, by the golden model: the answer is the one that stands when the rule lets the frame go."""

    rule: str  # "none": all ticks
    mean_ticks: float
    accuracy: float
    changed: int  # answers that are not those of all ticks
    cycles: float  # first input word to that answer by the cycle law, mean of the frames that `ticks` was given for


def outcome(network: Network, rule: Exit | None, sums: Sums, labels: npt.NDArray[Any], ticks: Sums) -> Outcome:
    """Let the frames of `sums` (B, T, C) go by a rule of the format (None: stay). ticks: of `sw.timing.cycles.Timing`, (frames, T)."""
    used = golden.exit_ticks(replace(network, exit=rule), sums)
    answers = sums.argmax(axis=2)
    given = answers[np.arange(len(sums)), used - 1]
    cycles = ticks[np.arange(len(ticks)), used[: len(ticks)] - 1]
    return Outcome(
        rule.kind if rule else "none", float(used.mean()), float((given == labels).mean()),
        int((given != answers[:, -1]).sum()), float(cycles.mean()),
    )  # fmt: skip


def rules(sums: Sums, labels: npt.NDArray[Any], epsilon: float) -> list[Exit | None]:
    """Every rule, the two that need it calibrated on training frames; None is to stay."""
    return [None, margins(sums, labels, epsilon), softmax(sums, labels, epsilon), SafeExit()]


def by_tick(sums: Sums, labels: npt.NDArray[Any]) -> list[float]:
    """Accuracy after each tick, were it the last one."""
    return [float(right) for right in (sums.argmax(axis=2) == labels[:, None]).mean(axis=0)]


def training_frames(
    network: Network, size: int, root: str | Path | None = None, dataset: Dataset | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """(counts, labels) of `size` evenly spaced training samples, each changed at random as in training: none as it was learned.

    dataset: in place of the one that the network's provenance names.
    """
    made = network.provenance
    row = dataset or data.find(str(made.get("dataset")))
    images, labels = data.load(row, "train", root)
    chosen = np.arange(min(size, len(labels))) * len(labels) // min(size, len(labels))
    images, labels, preprocess = images[chosen], labels[chosen], data.preprocess_of(network, None, row)
    change, kind = Augment(**made.get("config", {}).get("augment", {})), data.parse_preprocess(preprocess).takes
    generator = torch.Generator().manual_seed(0)
    if change.active and kind == "images":
        images = augmented(torch.from_numpy(np.array(images)), change, generator).numpy()
    counts = data.encode(images, preprocess, row.peak, row.shape, row.told)
    if change.active and kind != "images":
        counts = augmented(torch.from_numpy(counts), change, generator).numpy()
    return counts, labels
