"""event_driven layers that learn: unsigned neurons that take a frame's events in their order."""

import torch
from torch import Tensor

from polyrhythm.sw.training.arithmetic import event_neuron, neurons
from polyrhythm.sw.training.layers.layer import Schedule, Source, TrainableLayer
from polyrhythm.sw.training.layers.seen import Seen


class EventDriven(Schedule):
    """Counts (bins, B, *map) of counts; or logits (B, C)."""

    name = "event_driven"
    cuts_bias = False  # with order, a potential on the way counts as well
    neuron = "unsigned"

    def split(self, n: Tensor, bins: int) -> Tensor:
        return event_neuron.bins(n, bins)

    def forward(
        self,
        layer: TrainableLayer,
        n: Tensor,
        sigma_in: Tensor,
        seen: Seen | None,
        source: Source | None,
    ) -> tuple[Tensor, Tensor]:
        weight, bias, threshold, unit = layer.scales(sigma_in)
        one = torch.ones((), device=n.device)
        currents = neurons.project(layer.spec, n.flatten(0, 1), weight).unflatten(0, n.shape[:2])
        if layer.readout:
            return (currents.sum(0) + bias) * unit, one
        return event_neuron.counts_in_bins(layer.spec, currents, bias, threshold), one
