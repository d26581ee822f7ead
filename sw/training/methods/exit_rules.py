"""Rules that say when an answer is good enough, calibrated on training data.

This is done in the integers that the accelerator has: `margin` per tick, `softmax` with a scale.
`safe` needs no data (`sw.golden.cutoff`).
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from polyrhythm.sw import data, golden
from polyrhythm.sw.data.datasets import Dataset
from polyrhythm.sw.lib.check import MAX_SUM
from polyrhythm.sw.network import Exit, MarginExit, Network, SafeExit, SoftmaxExit
from polyrhythm.sw.training.data.augment import augmented
from polyrhythm.sw.training.recipe import Augment

Sums = npt.NDArray[np.integer[Any]]  # the readout's after each tick, (B, T, C)
SCALES = 200  # between which the best is looked for, over six decades


def margins(sums: Sums, labels: npt.NDArray[np.integer[Any]], epsilon: float) -> MarginExit:
    """The rule `margin`: for each tick the least lead that is enough.

    It is enough when all but `epsilon` of the frames that have it are right then and ever after.

    sums (B, T, C) and labels (B,) of training frames. A tick in which no lead is enough gets the
    largest sum there is.
    """
    _check_share(epsilon)
    two = np.partition(sums, -2, axis=2)[:, :, -2:]
    lead = two[..., 1] - two[..., 0]  # (B, T)
    right = sums.argmax(axis=2) == labels[:, None]
    lasting = np.logical_and.accumulate(right[:, ::-1], axis=1)[:, ::-1]
    return MarginExit(
        tuple(_least(lead[:, t], lasting[:, t], epsilon) for t in range(sums.shape[1]))
    )


def _least(lead: npt.NDArray[np.int64], right: npt.NDArray[np.bool_], epsilon: float) -> int:
    order = np.argsort(-lead, kind="stable")
    ordered = lead[order]
    share = np.cumsum(right[order]) / np.arange(1, len(lead) + 1)
    whole = np.append(ordered[1:] != ordered[:-1], True)  # a threshold takes all frames of one lead
    enough = np.flatnonzero(whole & (share >= 1 - epsilon))
    return int(ordered[enough[-1]]) if len(enough) else MAX_SUM


def softmax(sums: Sums, labels: npt.NDArray[np.integer[Any]], epsilon: float) -> SoftmaxExit:
    """The rule `softmax` with the scale that makes the training frames most likely, over all ticks.

    Source: Guo et al., ICML 2017.
    """
    _check_share(epsilon)
    lead = torch.from_numpy(sums - sums.max(axis=2, keepdims=True)).float()
    wanted = torch.from_numpy(labels.astype(np.int64)).repeat_interleave(sums.shape[1])
    spread = max(1.0, float(-lead.mean()))
    scales = [10 ** (k * 6 / SCALES - 4) / spread for k in range(SCALES)]
    losses = [float(F.cross_entropy(lead.flatten(0, 1) * scale, wanted)) for scale in scales]
    return SoftmaxExit(epsilon, scales[int(np.argmin(losses))])


def _check_share(epsilon: float) -> None:
    if not 0 < epsilon < 1 or not math.isfinite(epsilon):
        raise ValueError(
            f"epsilon must be a share of the frames between 0 and 1, such as 0.01, not {epsilon}"
        )


@dataclass(frozen=True)
class Outcome:
    """What a rule does to frames, by the golden model.

    The answer is the one that stands when the rule lets the frame go.
    """

    rule: str  # "none": all ticks
    mean_ticks: float
    accuracy: float
    changed: int  # answers that are not those of all ticks
    # first input word to that answer by the cycle model, mean of the frames that `ticks` was given
    # for
    cycles: float


def outcome(
    network: Network, rule: Exit | None, sums: Sums, labels: npt.NDArray[Any], ticks: Sums
) -> Outcome:
    """Let the frames of `sums` (B, T, C) go by a rule of the format (None: stay).

    ticks: of `sw.timing.cycles.Timing`, (frames, T).
    """
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
    """(counts, labels) of `size` evenly spaced training samples.

    Each is changed at random as in training, so that none is as it was learned.

    dataset: in place of the one that the network's provenance names.
    """
    made = network.provenance
    row = dataset or data.find(str(made.get("dataset")))
    images, labels = data.load(row, "train", root)
    chosen = np.arange(min(size, len(labels))) * len(labels) // min(size, len(labels))
    images, labels, preprocess = (
        images[chosen],
        labels[chosen],
        data.preprocess_of(network, None, row),
    )
    change, kind = (
        Augment(**made.get("config", {}).get("augment", {})),
        data.parse_preprocess(preprocess).takes,
    )
    generator = torch.Generator().manual_seed(0)
    if change.active and kind == "images":
        images = augmented(torch.from_numpy(np.array(images)), change, generator).numpy()
    counts = data.encode(images, preprocess, row.peak, row.shape, row.told)
    if change.active and kind != "images":
        counts = augmented(torch.from_numpy(counts), change, generator).numpy()
    return counts, labels
