"""A layer that learns: float first, then quantized with learned scales, then snapped to the integer layer.

Three stages share one forward pass, written in integer units (counts in, counts out, currents in weight steps):

    float      weights are float; ReLU in two_phase, LIF with float potentials in time_stepped
    quantized  weights are integers times a learned step; thresholds follow from learned clip ranges and are not whole
    snapped    thresholds and biases are whole as well, scales stand still: every number is the integer network's

What lies between them is in `stages`. Source of the scales: design 1.1; steps and ranges are learned as in LSQ (Esser et al.,
ICLR 2020).

In a conversion (`conversion`) the float network has batch normalization, which is folded into its weights behind the float
stage, or, with `live_norm`, into the steps of its channels behind the quantized one. What one count is worth is learned beside
the clip range, so that T follows from both until it is snapped.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from polyrhythm.sw.training import clockless, model, quantize
from polyrhythm.sw.training.recipe import Conversion, LayerSpec


@dataclass
class Seen:
    """What a forward pass shows to whoever asks for it, layer after layer."""

    received: list[Tensor] = field(default_factory=list)  # by each layer: counts (B, *map); spikes (T, B, *map) in time_stepped
    left: list[Tensor] = field(default_factory=list)  # time_stepped, in thresholds: potentials behind each reset, (T, B, *map)
    sums: Tensor | None = None  # time_stepped: the readout's after each tick (T, B, C), in units of logits


class TrainableLayer(nn.Module):
    """One layer with float master weights."""

    threshold: Tensor  # snapped: Th
    unit: Tensor  # snapped: what one step of v is worth = weight step * sigma of the input
    sigma: Tensor  # snapped: what one output count is worth
    sigma_skip: Tensor  # snapped: what a count of the layer that is added is worth
    steps: Tensor  # T
    settled: Tensor  # whether a T that is learned stays from now on

    def __init__(
        self,
        spec: LayerSpec,
        schedule: str,
        in_shape: tuple[int, ...],
        generator: torch.Generator,
        skipped: int = 0,
        conversion: Conversion | None = None,
        norm: bool = False,
    ) -> None:
        """skipped: channels of the map that is added. norm: batch normalization in the float stage, of the layers that spike."""
        super().__init__()
        self.spec, self.schedule, self.stage = spec, schedule, "float"
        pooled = (in_shape[0], *(n // spec.pool for n in in_shape[1:])) if spec.pool > 1 else in_shape
        shape = (
            (spec.size, pooled[0], spec.kernel, spec.kernel)
            if spec.kind == "conv2d"
            else (spec.size, int(np.prod(pooled)))
        )
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu", generator=generator)
        self.bias = nn.Parameter(torch.zeros(spec.size))
        self.skip_weight = nn.Parameter(torch.eye(spec.size, skipped)) if spec.skip else None
        each = conversion is not None and conversion.channels and not self.readout
        self.log_step = nn.Parameter(torch.zeros(spec.size if each else ()))  # of the weights: one for all, or one for each channel
        # clip range lambda in two_phase, threshold in time_stepped, where it fixes the scale and is not learned
        self.log_range = nn.Parameter(torch.zeros(()), requires_grad=schedule == "two_phase")
        for name in ("threshold", "unit"):
            self.register_buffer(name, torch.ones_like(self.log_step))
        for name in ("sigma", *(["sigma_skip"] if spec.skip else [])):
            self.register_buffer(name, torch.ones(()))
        self.register_buffer("steps", torch.tensor(spec.T))
        self.register_buffer("settled", torch.tensor(False))
        learns = conversion is not None and not conversion.fixed and not self.readout
        self.max_T = conversion.max_T if conversion and learns else 0  # 0: T stays
        self.log_count = nn.Parameter(torch.zeros(())) if learns else None  # what one count is worth
        normal = nn.BatchNorm2d if spec.kind == "conv2d" else nn.BatchNorm1d
        self.norm = normal(spec.size) if norm and not self.readout else None
        if self.norm is not None and schedule == "time_stepped" and spec.bias_mode != "per_tick":
            raise ValueError(
                f"{spec.name}: normalization shifts the currents of every tick, so bias_mode must be per_tick, "
                f"not {spec.bias_mode}; choose it, or norm=False"
            )
        self.live_norm = conversion is not None and conversion.live_norm
        self.seen: Tensor | None = None  # calibration: activations of the last float batch
        self.width = 1.0

    @property
    def readout(self) -> bool:
        return self.spec.kind == "readout"

    @property
    def levels(self) -> int:
        """Steps of the clip range: T in two_phase; a LIF neuron spikes at the full range."""
        return self.spec.T if self.schedule == "two_phase" else 1

    @property
    def bias_normed(self) -> bool:
        """Whether normalization sees the bias: the sums of two_phase have it in them, the ticks of time_stepped get it behind."""
        return self.schedule == "two_phase"

    def range(self) -> tuple[Tensor, int]:
        """A range and the counts that share it: what one count is worth, where that is learned, and 1."""
        return (self.log_range.exp(), self.levels) if self.log_count is None else (self.log_count.exp(), 1)

    def learned_T(self) -> Tensor | None:
        """T as a whole number with a gradient; None where T is not being learned."""
        if self.log_count is None or self.stage != "quantized" or self.settled:
            return None
        return quantize.steps(self.log_range.exp(), self.log_count.exp(), self.max_T)

    def set_steps(self, T: int) -> None:
        self.steps.fill_(T)
        self.spec = replace(self.spec, T=T)

    @torch.no_grad()
    def settle(self) -> None:
        """From now on T is what it is."""
        if (T := self.learned_T()) is not None:
            self.settled.fill_(True)
            self.set_steps(int(T))

    def present_T(self) -> Tensor:
        """T, learned or not, as a number."""
        learned = self.learned_T()
        return self.steps.float() if learned is None else learned

    def integer_weight(self) -> Tensor:
        """Whole weights, within the bits that they have behind the fold: a gain below 0 will turn its channel's signs."""
        step = quantize.beside(self.log_step.exp(), self.weight)
        if self.norm is None:
            return quantize.quantize_weight(self.weight, step, self.spec.weight_bits)
        sign = quantize.beside(torch.where(self.norm.weight.detach() < 0, -1.0, 1.0), self.weight)
        return sign * quantize.quantize_weight(sign * self.weight, step, self.spec.weight_bits)

    def scales(self, sigma_in: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(weight, bias, threshold, unit) of this stage, all but the unit in units."""
        if self.stage == "snapped":
            return self.integer_weight(), quantize.round_half_up(self.bias / self.unit), self.threshold, self.unit
        weight = self.weight if self.stage == "float" else self.integer_weight()
        unit = sigma_in if self.stage == "float" else sigma_in * self.log_step.exp()
        clip_range, levels = self.range()
        return weight, self.bias / unit, clip_range / (levels * unit), unit

    def added(self, source: tuple[Tensor, Tensor], unit: Tensor) -> Tensor:
        """The residual addition in units, from the counts of its source and what one is worth.

        Its weights share the sums' unit, so their step follows: unit / worth of a count.
        """
        assert self.skip_weight is not None and self.spec.skip is not None
        n, sigma = source
        step = quantize.beside(unit / sigma, self.skip_weight)
        whole = self.stage != "float"
        weight = quantize.quantize_weight(self.skip_weight, step, self.spec.skip.weight_bits) if whole else self.skip_weight / step
        return model.skipped(n, weight, self.spec.skip.stride)

    def forward(
        self, n: Tensor, sigma_in: Tensor, seen: Seen | None = None, source: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """(counts, their sigma); the readout gives (logits as float, 1). source: the same of the layer that is added."""
        if seen is not None:
            seen.received.append(n)
        if self.schedule == "two_phase":
            return self._counted(n, sigma_in, source)
        out = self._ticked(n, sigma_in, seen) if self.schedule == "time_stepped" else self._evented(n, sigma_in)
        return out, torch.ones((), device=n.device)

    def _counted(self, n: Tensor, sigma_in: Tensor, source: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """two_phase: counts (B, *map) of counts; or logits (B, C)."""
        weight, bias, threshold, unit = self.scales(sigma_in)
        if self.norm is not None:
            return self._normed(n, weight, unit, source)
        current, one = model.project(self.spec, n, weight), torch.ones((), device=n.device)
        bias, threshold = bias.expand(self.spec.size), threshold.expand(self.spec.size)
        if self.readout:
            return (current + bias) * unit, one
        if self.stage == "float":
            y = (current + model.per_channel(bias, current)) * model.per_channel(unit.expand(self.spec.size), current)
            return self.rectified(y, unit, source), one
        whole = self.stage == "snapped"
        clip_range, levels = self.range()
        worth = self.sigma if whole else clip_range / levels
        if source is not None:
            current = current + self.added(source, unit)
        return model.count(self.spec, current, bias, threshold, whole=whole, T=self.learned_T()), worth

    def _normed(
        self, n: Tensor, weight: Tensor, unit: Tensor, source: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """two_phase with batch normalization. The unit is in the weights here, which are few beside a map's sums."""
        assert self.norm is not None
        sums = model.project(self.spec, n, weight * quantize.beside(unit, weight), self.bias)
        y, unit = self.norm(sums), unit * self.stretch()
        if self.stage == "float":
            return self.rectified(y, unit, source), torch.ones((), device=n.device)
        clip_range, levels = self.range()
        worth = clip_range / levels
        return quantize.round_counts(self.joined(y, unit, source), worth, self.present_T()), worth

    def _ticked(self, n: Tensor, sigma_in: Tensor, seen: Seen | None) -> Tensor:
        """time_stepped: spikes (T, B, *map) of spikes; or logits (B, C)."""
        weight, bias, threshold, unit = self.scales(sigma_in)
        whole = self.stage == "snapped"
        if self.readout and seen is None:
            return model.read_out_frame(self.spec, n, weight, bias, whole=whole) * (unit / self.spec.T)
        currents = model.project_ticks(self.spec, n, weight)
        if self.readout and seen is not None:
            seen.sums = model.read_out(self.spec, currents, bias, whole=whole) * unit
            return seen.sums[-1] / self.spec.T
        if self.norm is not None:
            currents = (self.norm(currents.flatten(0, 1) * unit) / unit).unflatten(0, currents.shape[:2])
        spikes, potential = model.fire(self.spec, currents, bias, threshold, whole=whole, width=self.width)
        if seen is not None:
            full = potential / model.per_channel(threshold, potential[0])
            seen.left.append(full - spikes.detach() if self.spec.reset == "subtract" else full * (1 - spikes.detach()))
        return spikes

    def _evented(self, n: Tensor, sigma_in: Tensor) -> Tensor:
        """event_driven: spikes (bins, B, *map) of spikes; or logits (B, C)."""
        weight, bias, threshold, unit = self.scales(sigma_in)
        currents = model.project(self.spec, n.flatten(0, 1), weight).unflatten(0, n.shape[:2])
        if self.readout:
            return (currents.sum(0) + bias) * unit
        return clockless.react(self.spec, currents, bias, threshold)

    def rectified(self, y: Tensor, unit: Tensor, source: tuple[Tensor, Tensor] | None) -> Tensor:
        """The float stage's activation, and what calibration sees of it."""
        y = torch.relu(self.joined(y, unit, source))
        self.seen = y.detach()
        return y

    def joined(self, y: Tensor, unit: Tensor, source: tuple[Tensor, Tensor] | None) -> Tensor:
        """Float sums y with what the residual addition brings, whose weights have this unit."""
        if source is None:
            return y
        return y + self.added(source, unit) * model.per_channel(unit.expand(self.spec.size), y)

    @torch.no_grad()
    def gain(self) -> Tensor:
        """What the batch normalization multiplies each channel with in evaluation, (C,)."""
        assert self.norm is not None and self.norm.running_var is not None
        return self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)

    def stretch(self) -> Tensor:
        """What the fold multiplies each channel's unit with, (C,): the size of its gain, or 1 where there is none."""
        size = self.gain().abs()
        return torch.where(size == 0, 1.0, size)

    def resume(self, stage: str) -> None:
        """Be in `stage`; scales stand still once they are snapped."""
        self.stage = stage
        self.spec = replace(self.spec, T=int(self.steps))
        if stage == "snapped":
            for scale in (self.log_step, self.log_range, self.log_count):
                if scale is not None:
                    scale.requires_grad_(False)
