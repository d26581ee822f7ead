"""MT-SNN: quantization-aware conversion with learned time steps ("Mixed-Timestep Spiking Neural
Networks", 2026).

A soft-reset IF neuron over T steps is a quantizer of T levels above 0, so an ANN with quantized
activations is a spiking network whose layers each have as many steps as their activations have
levels. Clip range and count are learned for each layer, T follows from both (Uhlich et al., ICLR
2020), and what T costs is traded against accuracy. The cost is what the accelerator takes; the
published method minimises the number of steps.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from polyrhythm.sw.training.cost.measure import Measured
from polyrhythm.sw.training.cost.work import Work
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.methods.method import Batch, Method
from polyrhythm.sw.training.recipe import Conversion

COSTS = ("cycles", "mean_T", "events")
# The weight of the cost can grow by e^20 in a stage that misses its target; as fast it falls where
# the target is reached.
GROWTH = 20.0
LIGHTEST, HEAVIEST = 1e-4, 10.0  # that the weight can be


class Price(Method):
    """What the learned time steps cost, as a term of the loss beside the accuracy's."""

    looks_inside = True

    def __init__(
        self, conversion: Conversion, net: TrainableNetwork, work: Work | None, batches: int
    ) -> None:
        """work: the cycle model of the network, if there is one.

        batches: of the stage that learns.
        """
        if net.schedule != "two_phase":
            raise ValueError(
                "conversion: time steps are learned in two_phase networks, "
                f"not in {net.schedule} ones; see mixture"
            )
        if conversion.cost not in COSTS:
            raise ValueError(
                f"conversion: cost must be one of {', '.join(COSTS)}, not {conversion.cost!r}"
            )
        traded = conversion.trade or conversion.target
        if conversion.cost == "cycles" and work is None and traded:
            raise ValueError(
                "conversion: no accelerator has residual additions, "
                "so cost must be mean_T or events, not cycles"
            )
        self.conversion, self.net, self.work = conversion, net, work
        self.batches, self.batch = batches, 0
        self.trade, self.growth = conversion.trade, math.exp(GROWTH / max(1, batches))
        # the cost when the quantizers were set: the unit that `trade` counts in
        self.first: float | None = None

    def cost(self, received: Sequence[Tensor]) -> Tensor:
        """The cost of a frame, with gradients, from the counts into each layer (B, *map)."""
        if self.conversion.cost == "mean_T":
            return self.mean_T()
        if self.conversion.cost == "events":
            return torch.stack([n.flatten(1).sum(1).mean() for n in received[1:]]).sum()
        work = self.work
        if work is None:
            return self.mean_T()  # nothing is traded for it
        return torch.stack([work.busy(i, work.words(i, n)) for i, n in enumerate(received)]).sum()

    def mean_T(self) -> Tensor:
        """Mean T of the layers that spike, with gradients where it is learned."""
        return torch.stack([layer.present_T() for layer in self.net.stack()[:-1]]).mean()

    def term(self, received: Sequence[Tensor]) -> Tensor:
        """What is added to the loss of a batch.

        A target is steered to: the weight of the cost grows while it is missed. T is fixed in the
        second half of the stage, as soon as the target is reached (without one: at once), so that
        the weights end on the steps that they will have.
        """
        cost, target = self.cost(received), self.conversion.target
        if self.first is None:
            self.first = float(cost.detach())
        reached = target is None or float(cost.detach()) <= target
        self.batch += 1
        if reached and self.batch > self.batches / 2:
            self.net.fix_steps()
        if target is not None:
            changed = self.trade * self.growth ** (-1 if reached else 1)
            self.trade = min(HEAVIEST, max(LIGHTEST, changed))
            if reached:
                return 0.0 * cost
        return self.trade * cost / self.first

    def loss(self, batch: Batch, usual: Callable[[], Tensor]) -> Tensor:
        loss = usual()
        if batch.stage != "quantized":
            return loss
        assert batch.seen is not None
        return loss + self.term(batch.seen.received)

    def group(self, parameter: str) -> str | None:
        """What T follows from has a rate of its own."""
        learned = not self.conversion.fixed and parameter.endswith((".log_range", ".log_count"))
        return "steps" if learned else None

    def state(self) -> tuple[int, float, float | None]:
        return self.batch, self.trade, self.first

    def resume(self, state: tuple[int, float, float | None]) -> None:
        self.batch, self.trade, self.first = state

    def results(self, measure: Callable[[], Measured]) -> dict[str, Any]:
        """T of each spiking layer, mean, cycles and events, and whether the target was reached."""
        measured = measure()
        found = {
            "T": [layer.spec.T for layer in self.net.stack()[:-1]], "mean_T": measured.mean_T,
            "cycles": measured.cycles, "events": measured.events,
        }  # fmt: skip
        if self.conversion.target is None:
            return found
        reached = getattr(measured, self.conversion.cost) <= self.conversion.target
        return found | {"target_reached": reached}
