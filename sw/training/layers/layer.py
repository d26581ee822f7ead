"""A layer that learns: float first, then quantized with learned scales, then snapped to integers.

Three stages share one forward pass, written in integer units (counts in, counts out, currents in
weight steps):

    float      weights are float; ReLU in two_phase, LIF with float potentials in time_stepped
    quantized  weights are integers times a learned step; thresholds follow from learned clip
               ranges and are not whole
    snapped    thresholds and biases are whole as well and scales are fixed: every number is the
               integer network's

The layer holds weights, scales and T. How time passes in it is its `Schedule`: one file each,
`two_phase`, `time_stepped` and `event_driven`. What lies between stages is in `stages`. Steps and
ranges are learned as in LSQ (Esser et al., ICLR 2020).

In a conversion the float network has batch normalization (`normalization`), which is folded into
its weights behind the float stage, or, with `live_norm`, into the steps of its channels behind the
quantized one. What one count is worth is learned beside the clip range, so that T follows from
both until it is fixed.
"""

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from polyrhythm.sw.training.arithmetic import quantize
from polyrhythm.sw.training.layers.seen import Seen
from polyrhythm.sw.training.recipe import Conversion, LayerSpec

Source = tuple[Tensor, Tensor]  # of a residual addition: its counts (B, C, H, W), and their scale


class Schedule(ABC):
    """How time passes in a layer, and what that means for its numbers.

    The defaults are those of a layer without time steps whose counts need no scale.
    """

    name: str
    learns_range: bool = False  # whether the clip range is learned; else it fixes the scale
    norms_bias: bool = False  # whether normalization sees the bias
    cuts_bias: bool = True  # whether a bias that no input can make up for may be cut
    neuron: str = "signed"

    @abstractmethod
    def forward(
        self,
        layer: "TrainableLayer",
        n: Tensor,
        sigma_in: Tensor,
        seen: Seen | None,
        source: Source | None,
    ) -> tuple[Tensor, Tensor]:
        """See `TrainableLayer.forward`."""

    def split(self, n: Tensor, bins: int) -> Tensor:
        """The network's input as its first layer takes it."""
        return n

    def check_norm(self, spec: LayerSpec) -> None:
        """ValueError where normalization of the layer's currents could not be folded: nowhere."""
        return

    def levels(self, spec: LayerSpec) -> int:
        """Counts that share the clip range."""
        return 1

    def sigma(self, worth: Tensor) -> Tensor:
        """What one output count of a snapped layer is worth, from threshold * unit."""
        return torch.ones(())

    def most(self, spec: LayerSpec) -> int:
        """The largest count that a neuron sends at once."""
        return spec.T

    def held(self, spec: LayerSpec, ticks: int) -> int:
        """How many of `ticks` source ticks are added up into one of the layer's."""
        return 1

    def bias_mode(self, spec: LayerSpec) -> str:
        """Of the integer layer."""
        return "once"

    def bias_ticks(self, spec: LayerSpec) -> int:
        """Ticks that share the bias."""
        return 1


class TrainableLayer(nn.Module):
    """One layer with float master weights."""

    threshold: Tensor  # snapped: Th
    unit: Tensor  # snapped: what one step of v is worth = weight step * sigma of the input
    sigma: Tensor  # snapped: what one output count is worth
    sigma_skip: Tensor  # snapped: what a count of the layer that is added is worth
    steps: Tensor  # T
    settled: Tensor  # whether a T that is learned is fixed; the name is that of earlier checkpoints

    def __init__(
        self,
        spec: LayerSpec,
        schedule: Schedule,
        in_shape: tuple[int, ...],
        generator: torch.Generator,
        skipped: int = 0,
        conversion: Conversion | None = None,
        norm: bool = False,
    ) -> None:
        """skipped: channels of the map that is added. norm: batch normalization, if it spikes."""
        super().__init__()
        self.spec, self.schedule, self.stage = spec, schedule, "float"
        self.weight = nn.Parameter(torch.empty(_weight_shape(spec, in_shape)))
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu", generator=generator)
        self.bias = nn.Parameter(torch.zeros(spec.size))
        self.skip_weight = nn.Parameter(torch.eye(spec.size, skipped)) if spec.skip else None
        self._add_scales(conversion)
        normal = nn.BatchNorm2d if spec.kind == "conv2d" else nn.BatchNorm1d
        self.norm = normal(spec.size) if norm and not self.readout else None
        if self.norm is not None:
            schedule.check_norm(spec)
        self.live_norm = conversion is not None and conversion.live_norm
        self.seen: Tensor | None = None  # calibration: activations of the last float batch
        self.width = 1.0  # of the surrogate gradient

    def _add_scales(self, conversion: Conversion | None) -> None:
        """Learned scales as logarithms, and the buffers that hold them once they are snapped."""
        spec = self.spec
        each = conversion is not None and conversion.channels and not self.readout
        # of the weights: one for all, or one for each channel
        self.log_step = nn.Parameter(torch.zeros(spec.size if each else ()))
        # clip range lambda in two_phase; threshold in time_stepped, where it is not learned
        self.log_range = nn.Parameter(torch.zeros(()), requires_grad=self.schedule.learns_range)
        for name in ("threshold", "unit"):
            self.register_buffer(name, torch.ones_like(self.log_step))
        for name in ("sigma", *(["sigma_skip"] if spec.skip else [])):
            self.register_buffer(name, torch.ones(()))
        self.register_buffer("steps", torch.tensor(spec.T))
        self.register_buffer("settled", torch.tensor(False))
        learns = conversion is not None and not conversion.fixed and not self.readout
        self.max_T = conversion.max_T if conversion and learns else 0  # 0: T is not learned
        self.log_count = nn.Parameter(torch.zeros(())) if learns else None  # what a count is worth

    @property
    def readout(self) -> bool:
        return self.spec.kind == "readout"

    # Time steps

    def learned_T(self) -> Tensor | None:
        """T as a whole number with a gradient; None where T is not being learned."""
        if self.log_count is None or self.stage != "quantized" or self.settled:
            return None
        return quantize.steps(self.log_range.exp(), self.log_count.exp(), self.max_T)

    def present_T(self) -> Tensor:
        """T, learned or not, as a number."""
        learned = self.learned_T()
        return self.steps.float() if learned is None else learned

    def set_steps(self, T: int) -> None:
        self.steps.fill_(T)
        self.spec = replace(self.spec, T=T)

    @torch.no_grad()
    def fix_steps(self) -> None:
        """End the learning of T: from now on it is what it is."""
        if (T := self.learned_T()) is not None:
            self.settled.fill_(True)
            self.set_steps(int(T))

    # Weights and scales

    def range(self) -> tuple[Tensor, int]:
        """A range and the counts that share it; where a count's worth is learned, that and 1."""
        if self.log_count is None:
            return self.log_range.exp(), self.schedule.levels(self.spec)
        return self.log_count.exp(), 1

    def integer_weight(self) -> Tensor:
        """Whole weights, within their bits behind the fold too: a gain below 0 turns the signs."""
        step = quantize.beside(self.log_step.exp(), self.weight)
        if self.norm is None:
            return quantize.quantize_weight(self.weight, step, self.spec.weight_bits)
        sign = torch.where(self.norm.weight.detach() < 0, -1.0, 1.0)
        sign = quantize.beside(sign, self.weight)
        return sign * quantize.quantize_weight(sign * self.weight, step, self.spec.weight_bits)

    def scales(self, sigma_in: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(weight, bias, threshold, unit) of this stage, all but the unit in units."""
        if self.stage == "snapped":
            weight, bias = self.integer_weight(), quantize.round_half_up(self.bias / self.unit)
            return weight, bias, self.threshold, self.unit
        weight = self.weight if self.stage == "float" else self.integer_weight()
        unit = sigma_in if self.stage == "float" else sigma_in * self.log_step.exp()
        clip_range, levels = self.range()
        return weight, self.bias / unit, clip_range / (levels * unit), unit

    def forward(
        self, n: Tensor, sigma_in: Tensor, seen: Seen | None = None, source: Source | None = None
    ) -> tuple[Tensor, Tensor]:
        """(counts, what one is worth); the readout gives (logits as float, 1).

        sigma_in: what one count of `n` is worth. source: of the residual addition, if there is one.
        """
        if seen is not None:
            seen.received.append(n)
        return self.schedule.forward(self, n, sigma_in, seen, source)

    def resume(self, stage: str) -> None:
        """Be in `stage`; scales are fixed once they are snapped."""
        self.stage = stage
        self.spec = replace(self.spec, T=int(self.steps))
        if stage == "snapped":
            for scale in (self.log_step, self.log_range, self.log_count):
                if scale is not None:
                    scale.requires_grad_(False)


def _weight_shape(spec: LayerSpec, in_shape: tuple[int, ...]) -> tuple[int, ...]:
    """(C_out, C, K, K) of a convolution, else (N_out, N_in)."""
    pooled = (in_shape[0], *(n // spec.pool for n in in_shape[1:])) if spec.pool > 1 else in_shape
    if spec.kind == "conv2d":
        return spec.size, pooled[0], spec.kernel, spec.kernel
    return spec.size, int(np.prod(pooled))
