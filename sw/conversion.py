"""MT-SNN: quantization-aware conversion with learned time steps ("Mixed-Timestep Spiking Neural Networks", 2026).

A soft-reset IF neuron over T steps is a quantizer of T levels above 0, so an ANN with quantized activations is a spiking network
whose layers each have as many steps as their activations have levels. Clip range and count are learned for each layer, T follows
from both (Uhlich et al., ICLR 2020), and what T costs is traded against accuracy. The cost is what the accelerator takes; the
published method minimises the number of steps.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sw.recipes import Conversion
from sw.trainable import TrainableNetwork
from sw.work import Work

COSTS = ("cycles", "mean_T", "events")
GROWTH = 0.05  # of the weight of the cost in each batch that misses its target; as much it falls where the target is reached


class Price:
    """What the learned time steps cost, as a term of the loss that is beside the accuracy's."""

    def __init__(self, conversion: Conversion, net: TrainableNetwork, work: Work) -> None:
        if conversion.cost not in COSTS:
            raise ValueError(f"conversion: cost must be one of {', '.join(COSTS)}, not {conversion.cost!r}")
        self.conversion, self.net, self.work = conversion, net, work
        self.trade = conversion.trade
        self.first: float | None = None  # the cost when the quantizers were set: the unit that `trade` counts in

    def cost(self, seen: Sequence[Tensor]) -> Tensor:
        """The cost of a frame, with gradients, from what each layer receives (B, *map): counts, whole numbers."""
        if self.conversion.cost == "mean_T":
            return self.mean_T()
        if self.conversion.cost == "events":
            return torch.stack([n.flatten(1).sum(1).mean() for n in seen[1:]]).sum()
        return torch.stack([self.work.busy(i, self.work.words(i, n)) for i, n in enumerate(seen)]).sum()

    def mean_T(self) -> Tensor:
        """Mean T of the layers that spike, with gradients where it is learned."""
        return torch.stack([layer.present_T() for layer in self.net.stack()[:-1]]).mean()

    def term(self, seen: Sequence[Tensor]) -> Tensor:
        """What is added to the loss of a batch. A target is steered to: the weight of the cost grows while it is missed."""
        cost = self.cost(seen)
        if self.first is None:
            self.first = float(cost.detach())
        if self.conversion.target is not None:
            reached = float(cost.detach()) <= self.conversion.target
            self.trade = min(10.0, max(1e-4, self.trade * (1 + (-GROWTH if reached else GROWTH))))
            if reached:
                return 0.0 * cost
        return self.trade * cost / self.first
