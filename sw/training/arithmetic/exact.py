"""The integer network in torch: equal to the golden model in every count and logit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from polyrhythm.sw.network import Layer, Network
from polyrhythm.sw.plan import widths
from polyrhythm.sw.training.arithmetic import neurons

EXACT = 1 << 53  # float64 holds every integer up to this
BATCH = 500  # frames at a time in evaluation


@dataclass
class TorchResult:
    """What torch says of a batch, in integers."""

    # layer name -> (B, N): spikes of every hidden neuron over the frame
    counts: dict[str, np.ndarray]
    logits: np.ndarray  # (B, C)

    @property
    def answer(self) -> np.ndarray:
        """The class: the lowest index of the largest logit."""
        return self.logits.argmax(1)


class TorchNetwork(nn.Module):
    """A Network's arithmetic by torch in float64: whole numbers, equal to golden exactly.

    For two_phase and time_stepped without early exit. Raises ValueError for others, and where a
    potential could pass 2^53, beyond which float64 skips integers.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        if network.schedule not in ("two_phase", "time_stepped"):
            raise ValueError(
                f"{network.name}: torch runs two_phase and time_stepped networks, not "
                f"{network.schedule}; use golden"
            )
        if network.exit is not None:
            raise ValueError(
                f"{network.name}: torch runs whole frames; exit must be null, not "
                f"{network.exit.kind}; use golden"
            )
        for i, layer in enumerate(network.layers):
            bounds = widths.bounds(network, i)
            if max(map(abs, (*bounds.acc, *bounds.v))) > EXACT:
                raise ValueError(
                    f"layer {i} ({layer.name}): sums must stay within 2^53 to be exact in "
                    f"float64, not {bounds.v}; "
                    "use golden"
                )
            for name in ("weight", "bias", "threshold"):
                if (values := getattr(layer, name)) is not None:
                    self.register_buffer(f"{name}{i}", torch.from_numpy(values.astype(np.float64)))
            if layer.skip is not None:
                self.register_buffer(
                    f"skip{i}", torch.from_numpy(layer.skip.weight.astype(np.float64))
                )
        self.network = network

    @classmethod
    def from_network(cls, network: Network) -> "TorchNetwork":
        return cls(network)

    def run(self, inputs: np.ndarray) -> TorchResult:
        """Counts (B, *shape), or (B, T_in, *shape) of several source ticks, through every layer."""
        given = self.network.input
        allowed = [(given.T, *given.shape)] + ([given.shape] if given.T == 1 else [])
        if inputs.shape[1:] not in allowed:
            raise ValueError(
                f"{self.network.name}: inputs must have shape (B, {str(allowed[-1])[1:]}, not "
                f"{inputs.shape}"
            )
        parts = [
            self(torch.from_numpy(inputs[i : i + BATCH].astype(np.float64)))
            for i in range(0, len(inputs), BATCH)
        ]
        if not parts:
            parts = [self(torch.zeros(0, *allowed[-1], dtype=torch.float64))]
        names = [layer.name for layer in self.network.hidden]
        columns = [
            torch.cat(column).numpy().astype(np.int64) for column in zip(*parts, strict=True)
        ]
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
            total = (
                n if self.network.schedule == "two_phase" or layer.kind == "readout" else n.sum(0)
            )
            results.append(total.flatten(1))
        return results

    def _layer(self, i: int, layer: Layer, n: Tensor, maps: dict[str, Tensor]) -> Tensor:
        weight, bias = self.get_buffer(f"weight{i}"), self.get_buffer(f"bias{i}")
        if self.network.schedule == "two_phase":
            current = neurons.project(layer, n, weight)
            if layer.skip is not None:
                current = current + neurons.skipped(
                    maps[layer.skip.source], self.get_buffer(f"skip{i}"), layer.skip.stride
                )
            if layer.kind == "readout":
                return current + bias
            return neurons.count(layer, current, bias, self.get_buffer(f"threshold{i}"), whole=True)
        if layer.kind == "readout":
            return neurons.read_out_frame(layer, n, weight, bias, whole=True)
        currents = neurons.project_ticks(layer, n, weight)
        threshold = self.get_buffer(f"threshold{i}")
        return neurons.fire(layer, currents, bias, threshold, whole=True)[0]


def accuracy(answer: Any, labels: Any) -> float:
    """Share of answers that are right."""
    return float((np.asarray(answer) == np.asarray(labels)).mean())
