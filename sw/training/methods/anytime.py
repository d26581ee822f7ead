"""Anytime inference: answers that are good after every tick.

Training is STR's ("Optimal / Anytime inference with a Spatial-Temporal Regulariser", arXiv
2405.00699): cross-entropy in every tick with a small squared distance (TET, Deng et al., ICLR
2022), and a regularizer of the ratio between what a layer emits and what it keeps. The published
formula of the regularizer could not be established; the one here is ours. So is the choice of the
running mean as what a tick answers with: the rules of `exit_rules` read the running sum.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.layers.seen import Seen
from polyrhythm.sw.training.methods.method import Batch, Method
from polyrhythm.sw.training.recipe import Anytime

EMPTY = 1e-6  # beside charges of a layer that has none


class AnytimeLoss(Method):
    """The loss of a batch from what the network shows: mean over ticks, and the regularizer."""

    looks_inside = True

    def __init__(self, anytime: Anytime, net: TrainableNetwork) -> None:
        if net.schedule != "time_stepped":
            raise ValueError(
                "anytime: answers in every tick are those of time_stepped networks, "
                f"not of {net.schedule} ones"
            )
        self.anytime = anytime

    def loss(self, batch: Batch, usual: Callable[[], Tensor]) -> Tensor:
        assert batch.seen is not None
        return self(batch.seen, batch.labels, batch.smoothing)

    def __call__(self, seen: Seen, labels: Tensor, smoothing: float) -> Tensor:
        """Cross-entropy, squared distance and `irregularity`, weighed as the recipe says.

        They have 1 - mean_square, mean_square and regular. labels (B,).
        """
        assert seen.sums is not None
        sums = seen.sums.float()  # (T, B, C)
        T = len(sums)
        logits = sums / torch.arange(1, T + 1, device=sums.device).reshape(-1, 1, 1)
        entropy = F.cross_entropy(logits.flatten(0, 1), labels.repeat(T), label_smoothing=smoothing)
        share, distance = self.anytime.mean_square, (logits - 1).square().mean()
        return (1 - share) * entropy + share * distance + self.anytime.regular * irregularity(seen)


def irregularity(seen: Seen) -> Tensor:
    """How unevenly layers fire over time: mean over layers and ticks of (rho_t - mean of rho)^2.

    rho_t = sum Th*s_t / (sum Th*s_t + sum max(v_t, 0)): of a layer's charge after tick t, the share
    that it sends on. Its mean over the ticks is a target, without a gradient of its own.
    """
    found = []
    for spikes, left in zip(seen.received[1:], seen.left, strict=True):
        sent = spikes.flatten(1).sum(1)  # (T,), in thresholds, as is what is kept
        kept = left.clamp(min=0).flatten(1).sum(1)
        ratio = sent / (sent + kept + EMPTY)
        found.append((ratio - ratio.mean().detach()).square().mean())
    return torch.stack(found).mean() if found else torch.zeros(())
