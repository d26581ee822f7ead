"""Fine-tuning for clock-less hardware: unsigned IF neurons that take events one by one ("Temporal Flexibility", arXiv 2503.17394).

An `unsigned` neuron cannot take a spike back, so its count hangs on the order of events and is not that of any network with time
steps. Without a leak it has a closed form: S = clip(floor(max of v over all events so far / Th), 0, T), v with nothing subtracted.
Here a frame's events are cut into `bins` in their order and v is looked at behind each; with a bin for each event that is the
integer network's arithmetic itself. The published method simulates bins with resets and a floor below the potential; closed form
and order are those of our contract (docs/decisions/0001-unsigned-order.md), and biases stay.
"""

import torch
from torch import Tensor

from polyrhythm.sw.network import Network, NetworkError
from polyrhythm.sw.training import model, quantize
from polyrhythm.sw.training.recipe import LayerSpec

LOGITS = 3.0  # standard deviation of the logits that fine-tuning begins with


def bins(n: Tensor, number: int) -> Tensor:
    """A frame's counts (B, *map) in the order of their addresses, cut into equal parts of the map: (number, B, *map)."""
    size = n[0].numel()
    part = torch.arange(size, device=n.device) * number // size
    mask = part == torch.arange(number, device=n.device)[:, None]  # (number, N)
    return n * mask.reshape(number, 1, *n.shape[1:])


def react(spec: LayerSpec, currents: Tensor, bias: Tensor, threshold: Tensor) -> Tensor:
    """What unsigned neurons emit in each bin, from currents (bins, B, *map): counts of the same shape.

    What can fire before the first event does so in the first bin. The gradient of a count is that of the potential where it was
    largest, straight through the floor.
    """
    bias, threshold = model.per_channel(bias, currents[0]), model.per_channel(threshold, currents[0])
    start = (model.start_value(spec, threshold, whole=True) + bias).expand_as(currents[0])
    v = torch.cat([start[None], start + currents.cumsum(0)])
    largest = v.cummax(0).values[1:]
    total = quantize.quantize_count(largest, threshold, spec.T).clamp_min(0)
    return torch.diff(total, dim=0, prepend=torch.zeros_like(total[:1]))


def specs(network: Network, T: int) -> tuple[LayerSpec, ...]:
    """The layers of a trained network as unsigned neurons that may spike `T` times in a frame.

    NetworkError where one leaks, resets to zero, or adds another layer's counts.
    """
    for i, layer in enumerate(network.hidden):
        if layer.skip is not None:
            raise NetworkError(
                f"layer {i} ({layer.name}): skip must be null without time steps, not an addition of {layer.skip.source!r}; "
                "residual additions are those of two_phase networks"
            )
        if layer.leak_shift is not None or layer.reset != "subtract":
            raise NetworkError(
                f"layer {i} ({layer.name}): without time steps nothing leaks and resets subtract; leak_shift must be null and "
                f"reset 'subtract', not {layer.leak_shift} and {layer.reset!r}"
            )
    return tuple(
        LayerSpec(
            layer.name, len(layer.bias), layer.kind, 1 if layer.kind == "readout" else T, layer.weight_bits, None, layer.reset,
            layer.v_init, "once", layer.pool, layer.stride, layer.padding,
            layer.weight.shape[-1] if layer.kind == "conv2d" else 3,
        )
        for layer in network.layers
    )  # fmt: skip
