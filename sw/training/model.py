"""The integer network in torch: one arithmetic, exact for evaluation and differentiable for training.

Axis order: counts (B, *map) in two_phase and (T, B, *map) in time_stepped; currents and potentials (B, *map).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from polyrhythm.sw.network import Layer, Network
from polyrhythm.sw.network.align import source_ticks
from polyrhythm.sw.plan import widths
from polyrhythm.sw.training import quantize
from polyrhythm.sw.training.lif import lif
from polyrhythm.sw.training.project import linear

EXACT = 1 << 53  # float64 holds every integer up to this
BATCH = 500  # frames at a time in evaluation


class Kind(Protocol):
    """What the arithmetic asks of a layer: a network's Layer or a recipe's LayerSpec."""

    @property
    def kind(self) -> str: ...
    @property
    def T(self) -> int: ...
    @property
    def leak_shift(self) -> int | None: ...
    @property
    def reset(self) -> str: ...
    @property
    def v_init(self) -> str: ...
    @property
    def bias_mode(self) -> str: ...
    @property
    def pool(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def padding(self) -> int: ...


def project(layer: Kind, counts: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Currents sum w*n (+ bias) after sum pooling: (B, *map) -> (B, N_out) or (B, C_out, H, W)."""
    if layer.pool > 1:
        counts = F.avg_pool2d(counts, layer.pool, divisor_override=1)
    if layer.kind == "conv2d":
        return F.conv2d(counts, weight, bias, stride=layer.stride, padding=layer.padding)
    return linear(counts.flatten(1), weight, bias)


def skipped(counts: Tensor, weight: Tensor, stride: int) -> Tensor:
    """What a residual addition brings: counts (B, C, H, W) of its source, weight (C_out, C) -> (B, C_out, H', W')."""
    return F.conv2d(counts, weight[:, :, None, None], stride=stride)


def project_ticks(layer: Kind, counts: Tensor, weight: Tensor) -> Tensor:
    """Currents of each of the layer's T ticks (T, B, *map), from the source ticks that it sees: sums over groups, or one held.

    Counts that are added up, or held, are projected once.
    """
    if len(counts) == layer.T:
        return project(layer, counts.flatten(0, 1), weight).unflatten(0, counts.shape[:2])
    groups = source_ticks(len(counts), layer.T)
    if len(counts) > layer.T:
        counts = torch.stack([counts[ticks.start : ticks.stop].sum(0) for ticks in groups])
    currents = project(layer, counts.flatten(0, 1), weight).unflatten(0, counts.shape[:2])
    return currents[[ticks.start for ticks in groups]] if len(counts) < layer.T else currents


def per_channel(values: Tensor, like: Tensor) -> Tensor:
    """(C,) -> (C, 1, 1) beside maps (B, C, H, W); (N,) beside (B, N) stays."""
    return values.reshape(-1, *[1] * (like.ndim - 2))


def start_value(layer: Kind, threshold: Tensor, whole: bool) -> Tensor:
    """v before the first event: Th >> 1 (Th / 2 while thresholds are not whole) or 0."""
    if layer.v_init == "zero":
        return torch.zeros_like(threshold)
    return torch.floor(threshold / 2) if whole else threshold / 2


def bias_at(layer: Kind, bias: Tensor, t: int, whole: bool) -> Tensor:
    """b(t) of the contract; without its floor while biases are not whole."""
    if layer.bias_mode == "per_tick":
        return bias
    if layer.bias_mode == "once":
        return bias if t == 0 else torch.zeros_like(bias)
    if whole:
        return quantize.floor((t + 1) * bias / layer.T) - quantize.floor(t * bias / layer.T)
    return bias / layer.T


def leaked(layer: Kind, v: Tensor, whole: bool) -> Tensor:
    """v - (v >> leak_shift): the arithmetic shift is the floor of a division by a power of two."""
    if layer.leak_shift is None:
        return v
    lost = v / 2**layer.leak_shift
    return v - (quantize.floor(lost) if whole else lost)


def driven(layer: Kind, currents: Tensor, bias: Tensor, whole: bool) -> Tensor:
    """Currents (T, B, *map) with each tick's share of the bias."""
    bias = per_channel(bias, currents[0])
    if layer.bias_mode == "per_tick":
        return currents + bias
    return currents + torch.stack([bias_at(layer, bias, t, whole) for t in range(len(currents))]).unsqueeze(1)


def fire(
    layer: Kind, currents: Tensor, bias: Tensor, threshold: Tensor, *, whole: bool, width: float = 1.0
) -> tuple[Tensor, Tensor]:
    """One layer's ticks: spikes 0/1 and the potentials before each reset, (T, B, *map), from currents (T, B, *map)."""
    threshold = per_channel(threshold, currents[0])
    drive, start = driven(layer, currents, bias, whole), start_value(layer, threshold, whole)
    return lif(
        drive, start, threshold, leak_shift=layer.leak_shift, subtract=layer.reset == "subtract", whole=whole, width=width
    )


def read_out(layer: Kind, currents: Tensor, bias: Tensor, *, whole: bool) -> Tensor:
    """The readout's sum after each of its ticks: (T, B, C)."""
    drive = driven(layer, currents, bias, whole)
    if layer.leak_shift is None:
        return drive.cumsum(0)
    sums = [drive[0]]
    for current in drive[1:]:
        sums.append(leaked(layer, sums[-1], whole) + current)
    return torch.stack(sums)


def read_out_frame(layer: Kind, counts: Tensor, weight: Tensor, bias: Tensor, *, whole: bool) -> Tensor:
    """The readout's sum after its last tick alone: (B, C), from the source ticks (T_in, B, *map).

    Without a leak it does not matter when a count came, so those of all ticks are added up and projected once.
    """
    if layer.leak_shift is not None:
        return read_out(layer, project_ticks(layer, counts, weight), bias, whole=whole)[-1]
    if len(counts) < layer.T:
        starts = [ticks.start for ticks in source_ticks(len(counts), layer.T)]
        held = torch.tensor([starts.count(t) for t in range(len(counts))], dtype=counts.dtype, device=counts.device)
        counts = counts * held.reshape(-1, *[1] * (counts.ndim - 1))
    with torch.autocast(counts.device.type, enabled=False):  # counts of a frame can be more than bfloat16 holds
        sums = project(layer, counts.sum(0), weight)
    return sums + (bias * layer.T if layer.bias_mode == "per_tick" else bias)


def count(
    layer: Kind, current: Tensor, bias: Tensor, threshold: Tensor, *, whole: bool, T: Tensor | None = None
) -> Tensor:
    """One two_phase layer: clip(floor((start + B + current) / Th), 0, T); T where it is learned, else the layer's."""
    bias, threshold = per_channel(bias, current), per_channel(threshold, current)
    v = start_value(layer, threshold, whole) + bias + current
    return quantize.quantize_count(v, threshold, layer.T if T is None else T)


@dataclass
class TorchResult:
    """What torch says of a batch, in integers."""

    counts: dict[str, np.ndarray]  # layer name -> (B, N): spikes of every hidden neuron over the frame
    logits: np.ndarray  # (B, C)

    @property
    def answer(self) -> np.ndarray:
        """The class: the lowest index of the largest logit."""
        return self.logits.argmax(1)


class TorchNetwork(nn.Module):
    """A Network's arithmetic by torch in float64, where every number is a whole one: equal to golden, exactly.

    For two_phase and time_stepped without early exit. Raises ValueError for others, and where a potential could
    pass 2^53, beyond which float64 skips integers.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        if network.schedule not in ("two_phase", "time_stepped"):
            raise ValueError(
                f"{network.name}: torch runs two_phase and time_stepped networks, not {network.schedule}; use golden"
            )
        if network.exit is not None:
            raise ValueError(
                f"{network.name}: torch runs whole frames; exit must be null, not {network.exit.kind}; use golden"
            )
        for i, layer in enumerate(network.layers):
            bounds = widths.bounds(network, i)
            if max(map(abs, (*bounds.acc, *bounds.v))) > EXACT:
                raise ValueError(
                    f"layer {i} ({layer.name}): sums must stay within 2^53 to be exact in float64, not {bounds.v}; "
                    "use golden"
                )
            for name in ("weight", "bias", "threshold"):
                if (values := getattr(layer, name)) is not None:
                    self.register_buffer(f"{name}{i}", torch.from_numpy(values.astype(np.float64)))
            if layer.skip is not None:
                self.register_buffer(f"skip{i}", torch.from_numpy(layer.skip.weight.astype(np.float64)))
        self.network = network

    @classmethod
    def from_network(cls, network: Network) -> "TorchNetwork":
        return cls(network)

    def run(self, inputs: np.ndarray) -> TorchResult:
        """Counts (B, *shape), or (B, T_in, *shape) of more than one source tick, through every layer."""
        given = self.network.input
        allowed = [(given.T, *given.shape)] + ([given.shape] if given.T == 1 else [])
        if inputs.shape[1:] not in allowed:
            raise ValueError(
                f"{self.network.name}: inputs must have shape (B, {str(allowed[-1])[1:]}, not {inputs.shape}"
            )
        parts = [self(torch.from_numpy(inputs[i : i + BATCH].astype(np.float64))) for i in range(0, len(inputs), BATCH)]
        if not parts:
            parts = [self(torch.zeros(0, *allowed[-1], dtype=torch.float64))]
        names = [layer.name for layer in self.network.hidden]
        columns = [torch.cat(column).numpy().astype(np.int64) for column in zip(*parts, strict=True)]
        return TorchResult(dict(zip(names, columns, strict=False)), columns[-1])

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Counts of every hidden layer (B, N) and the logits (B, C)."""
        shape = self.network.input.shape
        n = inputs.reshape(len(inputs), self.network.input.T, *shape)
        n = n[:, 0] if self.network.schedule == "two_phase" else n.transpose(0, 1)
        results, maps = [], dict[str, Tensor]()
        for i, layer in enumerate(self.network.layers):
            n = maps[layer.name] = self._layer(i, layer, n, maps)
            total = n if self.network.schedule == "two_phase" or layer.kind == "readout" else n.sum(0)
            results.append(total.flatten(1))
        return results

    def _layer(self, i: int, layer: Layer, n: Tensor, maps: dict[str, Tensor]) -> Tensor:
        weight, bias = self.get_buffer(f"weight{i}"), self.get_buffer(f"bias{i}")
        if self.network.schedule == "two_phase":
            current = project(layer, n, weight)
            if layer.skip is not None:
                current = current + skipped(maps[layer.skip.source], self.get_buffer(f"skip{i}"), layer.skip.stride)
            if layer.kind == "readout":
                return current + bias
            return count(layer, current, bias, self.get_buffer(f"threshold{i}"), whole=True)
        if layer.kind == "readout":
            return read_out_frame(layer, n, weight, bias, whole=True)
        return fire(layer, project_ticks(layer, n, weight), bias, self.get_buffer(f"threshold{i}"), whole=True)[0]


def accuracy(answer: Any, labels: Any) -> float:
    """Share of answers that are right."""
    return float((np.asarray(answer) == np.asarray(labels)).mean())
