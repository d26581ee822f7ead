"""Networks that learn: float first, then quantized with learned scales, then snapped to the integer network.

Three stages share one forward pass, written in integer units (counts in, counts out, currents in weight steps):

    float      weights are float; ReLU in two_phase, LIF with float potentials in time_stepped
    quantized  weights are integers times a learned step; thresholds follow from learned clip ranges and are not whole
    snapped    thresholds and biases are whole as well, scales stand still: every number is the integer network's

Source of the stages' scales: design 1.1; steps and ranges are learned as in LSQ (Esser et al., ICLR 2020).
"""

import numpy as np
import torch
from torch import Tensor, nn

from sw import model, quantize
from sw.network import Input, Layer, Network
from sw.recipes import LayerSpec

STAGES = ("float", "quantized", "snapped")


class TrainableLayer(nn.Module):
    """One layer with float master weights."""

    threshold: Tensor  # snapped: Th
    unit: Tensor  # snapped: what one step of v is worth = weight step * sigma of the input
    sigma: Tensor  # snapped: what one output count is worth

    def __init__(self, spec: LayerSpec, schedule: str, in_shape: tuple[int, ...], generator: torch.Generator) -> None:
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
        self.log_step = nn.Parameter(torch.zeros(()))  # of the weights
        # clip range lambda in two_phase, threshold in time_stepped, where it fixes the scale and is not learned
        self.log_range = nn.Parameter(torch.zeros(()), requires_grad=schedule == "two_phase")
        for name in ("threshold", "unit", "sigma"):
            self.register_buffer(name, torch.ones(()))
        self.seen: Tensor | None = None  # calibration: activations of the last float batch
        self.width = 1.0

    @property
    def readout(self) -> bool:
        return self.spec.kind == "readout"

    @property
    def levels(self) -> int:
        """Steps of the clip range: T in two_phase; a LIF neuron spikes at the full range."""
        return self.spec.T if self.schedule == "two_phase" else 1

    def integer_weight(self) -> Tensor:
        return quantize.quantize_weight(self.weight, self.log_step.exp(), self.spec.weight_bits)

    def scales(self, sigma_in: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(weight, bias, threshold, unit) of this stage, all but the unit in units."""
        if self.stage == "snapped":
            return self.integer_weight(), quantize.round_half_up(self.bias / self.unit), self.threshold, self.unit
        weight = self.weight if self.stage == "float" else self.integer_weight()
        unit = sigma_in if self.stage == "float" else sigma_in * self.log_step.exp()
        return weight, self.bias / unit, self.log_range.exp() / (self.levels * unit), unit

    def forward(self, n: Tensor, sigma_in: Tensor) -> tuple[Tensor, Tensor]:
        """(counts, their sigma); the readout gives (logits as float, 1)."""
        weight, bias, threshold, unit = self.scales(sigma_in)
        whole = self.stage == "snapped"
        bias = bias.expand(self.spec.size)
        threshold = threshold.expand(self.spec.size)
        one = torch.ones((), device=n.device)
        if self.schedule == "time_stepped":
            currents = model.project_ticks(self.spec, n, weight)
            if self.readout:
                return model.read_out(self.spec, currents, bias, whole=whole) * unit / self.spec.T, one
            return model.fire(self.spec, currents, bias, threshold, whole=whole, width=self.width), one
        current = model.project(self.spec, n, weight)
        if self.readout:
            return (current + bias) * unit, one
        if self.stage == "float":
            y = torch.relu((current + model.per_channel(bias, current)) * unit)
            self.seen = y.detach()
            return y, one
        out = model.count(self.spec, current, bias, threshold, whole=whole)
        return out, self.sigma if whole else self.log_range.exp() / self.levels

    @torch.no_grad()
    def calibrate(self) -> None:
        """float -> quantized: step and clip range of least squared error."""
        self.log_step.copy_(quantize.best_step(self.weight, self.spec.weight_bits).log())
        if self.seen is not None:
            self.log_range.copy_(quantize.best_range(self.seen, self.spec.T).log())
            self.seen = None
        self.stage = "quantized"

    @torch.no_grad()
    def snap(self, sigma_in: Tensor) -> Tensor:
        """quantized -> snapped: whole thresholds, and the scale of the output that follows from them."""
        unit = self.log_step.exp() * sigma_in
        self.unit.copy_(unit)
        self.threshold.copy_(quantize.export_threshold(self.log_range.exp(), self.levels, unit))
        self.sigma.copy_(self.threshold * unit if self.schedule == "two_phase" else torch.ones(()))
        self.resume("snapped")
        return self.sigma

    def resume(self, stage: str) -> None:
        """Be in `stage`; scales stand still once they are snapped."""
        self.stage = stage
        if stage == "snapped":
            self.log_step.requires_grad_(False)
            self.log_range.requires_grad_(False)

    @torch.no_grad()
    def export(self) -> Layer:
        """The integer layer, from the numbers that the snapped forward pass computes with."""
        if self.stage != "snapped":
            raise ValueError(f"{self.spec.name}: must be snapped before it is exported, not {self.stage}")
        weight, bias, threshold, _ = self.scales(self.sigma)
        return self._layer(weight.cpu().numpy().astype(np.int64), bias.cpu().numpy().astype(np.int64), int(threshold))

    def blank(self) -> Layer:
        """The integer layer with weights and biases of 0 and thresholds of 1."""
        return self._layer(np.zeros(tuple(self.weight.shape), np.int64), np.zeros(self.spec.size, np.int64), 1)

    def _layer(self, weight: np.ndarray, bias: np.ndarray, threshold: int) -> Layer:
        spec = self.spec
        return Layer(
            spec.name, spec.kind, weight, bias,
            None if self.readout else np.full(spec.size, threshold, np.int64), spec.weight_bits, spec.T,
            leak_shift=spec.leak_shift, reset=spec.reset, v_init=spec.v_init,
            pool=spec.pool, stride=spec.stride, padding=spec.padding,
            bias_mode=spec.bias_mode if self.schedule == "time_stepped" else "once",
        )  # fmt: skip


class TrainableNetwork(nn.Module):
    """A stack of TrainableLayers; `forward` maps counts to float logits (B, C)."""

    def __init__(
        self, specs: tuple[LayerSpec, ...], schedule: str, source: Input, generator: torch.Generator, width: float = 1.0
    ) -> None:
        super().__init__()
        self.schedule, self.source, self.stage = schedule, source, "float"
        self.layers = nn.ModuleList()
        shape = source.shape
        for spec in specs:
            layer = TrainableLayer(spec, schedule, shape, generator)
            layer.width = width
            self.layers.append(layer)
            sample = torch.zeros(1, *shape)
            shape = tuple(model.project(spec, sample, layer.weight).shape[1:])

    def stack(self) -> list[TrainableLayer]:
        return [layer for layer in self.layers if isinstance(layer, TrainableLayer)]

    @property
    def sigma_in(self) -> Tensor:
        """What one input count is worth: the brightest input is 1."""
        return torch.tensor(1.0 / self.source.max_count)

    def forward(self, n: Tensor, seen: list[Tensor] | None = None) -> Tensor:
        """Counts (B, *shape) in two_phase, (T_in, B, *shape) in time_stepped, as float32; `seen` gets what each layer receives."""
        sigma = self.sigma_in.to(n.device)
        for layer in self.layers:
            if seen is not None:
                seen.append(n)
            n, sigma = layer(n, sigma)
        return n

    def shapes(self) -> Network:
        """A network of these layers without their numbers: what depends on shapes alone can be asked of it."""
        return Network("shapes", self.schedule, self.source, tuple(layer.blank() for layer in self.stack()))  # type: ignore[arg-type]

    def resume(self, state: dict[str, Tensor], stage: str) -> None:
        """Take up the numbers that `state_dict` gave in `stage`."""
        self.load_state_dict(state)
        self.stage = stage
        for layer in self.stack():
            layer.resume(stage)

    @torch.no_grad()
    def calibrate(self, sample: Tensor) -> None:
        """float -> quantized, from the activations that `sample` causes."""
        self(sample)
        for layer in self.stack():
            layer.calibrate()
        self.stage = "quantized"

    @torch.no_grad()
    def snap(self) -> None:
        """quantized -> snapped, from the first layer to the last: each threshold needs the snapped sigma before it."""
        sigma = self.sigma_in.to(self.stack()[0].weight.device)
        for layer in self.stack():
            sigma = layer.snap(sigma)
        self.stage = "snapped"

    def export(self, name: str, **fields: object) -> Network:
        """The integer network; `fields` are those of Network, such as labels and provenance."""
        layers = tuple(layer.export() for layer in self.stack())
        return Network(name, self.schedule, self.source, layers, **fields)  # type: ignore[arg-type]
