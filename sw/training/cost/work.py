"""The cycle model while the network still learns: cycles that each layer is busy with a frame.

They are differentiable in the layer's words. `sw.timing.cycles.work` gives them for a finished
network, frame by frame, in whole numbers; here it is the mean over a batch. What an event of an
input neuron costs, and how many sweeps there are, depends on shapes alone, so a network without
weights is enough.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.lanes import Lanes
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.timing.pipeline import costs


class Work:
    """Busy cycles of each layer from the words that it receives.

    shapes: the network's shapes, T and schedule (two_phase or time_stepped); its weights do not
    matter. lanes: as of `hw.export`.
    """

    def __init__(
        self, shapes: Network, lanes: Sequence[Lanes] | None = None, coding: Coding = "count"
    ) -> None:
        self.two_phase, self.coding = shapes.schedule == "two_phase", coding
        self.each: list[Tensor] = []  # (N_in,) of each layer: cycles of a word
        self.sweeps: list[int] = []  # cycles of all sweeps of a frame
        for layer in plan(shapes, lanes, coding).layers:
            synapses, groups = layer.input.synapses, layer.layout.groups
            each = 1 if isinstance(synapses, ConvSynapses) else groups
            self.each.append(torch.from_numpy(costs(synapses) * each).float())
            self.sweeps.append(layer.rhythm.sweeps * groups)

    def words(self, i: int, counts: Tensor) -> Tensor:
        """Words into layer i, (B, N): what is not 0 is one word.

        counts: (B, *map), or spikes (T, B, *map) in time_stepped. With counts in unary, a hidden
        layer's count is as many words. The gradient is that of counts up to 1, so it reaches the
        neurons that are silent or fire once.
        """
        if self.two_phase:
            unary = self.coding == "unary" and i > 0
            return (counts if unary else counts.clamp(max=1)).flatten(1)
        return counts.clamp(max=1).sum(0).flatten(1)

    def busy(self, i: int, words: Tensor) -> Tensor:
        """Mean cycles that layer i is busy with a frame, from words (B, N)."""
        return (words @ self.each[i].to(words)).mean() + self.sweeps[i]
