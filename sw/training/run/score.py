"""How often a finished network is right, by torch and by the golden model, which must agree."""

from typing import Any

import numpy as np

from polyrhythm.sw import golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.training.arithmetic.exact import TorchNetwork, TorchResult, accuracy
from polyrhythm.sw.training.data.samples import Samples, integer_counts

SLICE = 2048  # frames whose counts are in memory at a time


def evaluate(network: Network, counts: np.ndarray) -> TorchResult:
    """Counts and logits of a Network by torch, in exact integers; equal to golden.

    counts: (B, *shape) or (B, T_in, *shape).
    """
    return TorchNetwork.from_network(network).run(counts)


def score(network: Network, test: Samples) -> dict[str, Any]:
    """Accuracies of the network by both, and of each of its profiles by the golden model.

    RuntimeError where the two differ in a count or a logit.
    """
    counts, labels = integer_counts(test), test.labels.numpy()
    ours, theirs = _answers(network, counts)
    scores: dict[str, Any] = {
        "quantized_accuracy": accuracy(ours, labels),
        "accuracy": accuracy(theirs, labels),
    }
    if network.profiles:
        scores["profiles"] = {
            name: accuracy(_answers(network.profile(name), counts)[1], labels)
            for name in network.profiles
        }
    return scores


def golden_accuracy(network: Network, test: Samples) -> float:
    """Accuracy by the golden model alone."""
    return accuracy(golden.run(network, integer_counts(test)).answer, test.labels.numpy())


def _answers(network: Network, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes by torch and by golden, a slice of frames at a time."""
    starts = range(0, len(counts), SLICE)
    slices = [_slice_answers(network, counts[first : first + SLICE]) for first in starts]
    ours, theirs = zip(*slices, strict=True)
    return np.concatenate(ours), np.concatenate(theirs)


def _slice_answers(network: Network, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ours, theirs = evaluate(network, counts), golden.run(network, counts)
    for name, values in [*ours.counts.items(), ("logits", ours.logits)]:
        expected = theirs.logits if name == "logits" else theirs.counts[name]
        if not np.array_equal(values, expected):
            raise RuntimeError(
                f"{network.name}: torch and golden must agree, but {name} differs in "
                f"{(values != expected).sum()} places"
            )
    return ours.answer, theirs.answer
