"""time_stepped layers that learn: LIF neurons, tick by tick, with a surrogate gradient."""

import torch
from torch import Tensor

from polyrhythm.sw.training.arithmetic import neurons
from polyrhythm.sw.training.layers.layer import Schedule, Source, TrainableLayer
from polyrhythm.sw.training.layers.seen import Seen
from polyrhythm.sw.training.recipe import LayerSpec


class TimeStepped(Schedule):
    """Spikes (T, B, *map) of spikes; or logits (B, C). The bias comes in behind normalization."""

    name = "time_stepped"

    def check_norm(self, spec: LayerSpec) -> None:
        if spec.bias_mode != "per_tick":
            raise ValueError(
                f"{spec.name}: normalization shifts the currents of every tick, so bias_mode must "
                f"be per_tick, not {spec.bias_mode}; choose it, or norm=False"
            )

    def most(self, spec: LayerSpec) -> int:
        return 1

    def held(self, spec: LayerSpec, ticks: int) -> int:
        return -(-ticks // spec.T)

    def bias_mode(self, spec: LayerSpec) -> str:
        return spec.bias_mode

    def bias_ticks(self, spec: LayerSpec) -> int:
        return 1 if spec.bias_mode == "per_tick" else spec.T

    def forward(
        self,
        layer: TrainableLayer,
        n: Tensor,
        sigma_in: Tensor,
        seen: Seen | None,
        source: Source | None,
    ) -> tuple[Tensor, Tensor]:
        out = (
            _read_out(layer, n, sigma_in, seen)
            if layer.readout
            else _fire(layer, n, sigma_in, seen)
        )
        return out, torch.ones((), device=n.device)


def _read_out(layer: TrainableLayer, n: Tensor, sigma_in: Tensor, seen: Seen | None) -> Tensor:
    """Logits; the sums of all ticks are computed only for whoever looks at them."""
    weight, bias, _, unit = layer.scales(sigma_in)
    spec, whole = layer.spec, layer.stage == "snapped"
    if seen is None:
        return neurons.read_out_frame(spec, n, weight, bias, whole=whole) * (unit / spec.T)
    currents = neurons.project_ticks(spec, n, weight)
    seen.sums = neurons.read_out(spec, currents, bias, whole=whole) * unit
    return seen.sums[-1] / spec.T


def _fire(layer: TrainableLayer, n: Tensor, sigma_in: Tensor, seen: Seen | None) -> Tensor:
    weight, bias, threshold, unit = layer.scales(sigma_in)
    spec, whole = layer.spec, layer.stage == "snapped"
    currents = neurons.project_ticks(spec, n, weight)
    if layer.norm is not None:
        normed = layer.norm(currents.flatten(0, 1) * unit) / unit
        currents = normed.unflatten(0, currents.shape[:2])
    spikes, potential = neurons.fire(
        spec, currents, bias, threshold, whole=whole, width=layer.width
    )
    if seen is not None:
        full = potential / neurons.per_channel(threshold, potential[0])
        fired = spikes.detach()
        seen.left.append(full - fired if spec.reset == "subtract" else full * (1 - fired))
    return spikes
