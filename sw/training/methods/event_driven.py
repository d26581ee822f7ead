"""Fine-tuning for event-driven deployment, of unsigned neurons that take events one by one
("Temporal Flexibility in Spiking Neural Networks", ICLR 2025, arXiv 2503.17394).

The published method simulates bins with resets and a floor below the potential; the closed form
here (`arithmetic.event_neuron`) and the order of events are those of our contract, and biases stay.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from polyrhythm.sw.network import Input, Network, NetworkError
from polyrhythm.sw.training.cost.measure import trained_accuracy
from polyrhythm.sw.training.layers import exchange
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.methods.method import Method, Run, Score
from polyrhythm.sw.training.recipe import LayerSpec, Stage, ToEvents

LOGITS = 3.0  # standard deviation of the logits that fine-tuning begins with
CALIBRATION = 2000  # training images that it is taken of


class EventTuning(Method):
    """A trained network that goes on learning, event-driven; the golden model alone is exact."""

    def begin(self, run: Run, accuracy: Callable[[Network], float]) -> None:
        self.accuracy = accuracy
        run.report["start_accuracy"] = accuracy(run.net.export(run.recipe.name))

    def enter(self, run: Run, stage: Stage) -> None:
        scale_logits(run.net, run.train.counts(run.train.images[:CALIBRATION]))

    def score(self, run: Run, network: Network, usual: Callable[[], Score]) -> Score:
        """quantized_accuracy looks at a frame's events in bins, so it may differ from accuracy."""
        return {
            "quantized_accuracy": trained_accuracy(run.net, run.test),
            "accuracy": self.accuracy(network),
        }


def to_events(network: Network, source: Input, chosen: ToEvents) -> TrainableNetwork:
    """A trained network as one of unsigned event-driven neurons; its numbers are whole already.

    A frame charges a neuron as much as it did in all ticks. NetworkError where a layer leaks.
    """
    net = TrainableNetwork(specs(network, chosen.T), "event_driven", source, torch.Generator())
    net.bins, net.stage = chosen.bins, "snapped"
    stepped = network.schedule == "time_stepped"
    for i, (layer, trained) in enumerate(zip(net.stack(), network.layers, strict=True)):
        held = max(1, trained.T // network.t_in(i)) if stepped else 1
        ticks = trained.T if stepped and trained.bias_mode == "per_tick" else 1
        exchange.take(layer, trained, held, ticks)
    return net


def specs(network: Network, T: int) -> tuple[LayerSpec, ...]:
    """The layers of a trained network as unsigned neurons that may spike `T` times in a frame.

    NetworkError where one leaks, resets to zero, or adds another layer's counts.
    """
    for i, layer in enumerate(network.hidden):
        where = f"layer {i} ({layer.name}):"
        if layer.skip is not None:
            raise NetworkError(
                f"{where} skip must be null without time steps, not an addition of "
                f"{layer.skip.source!r}; residual additions are those of two_phase networks"
            )
        if layer.leak_shift is not None or layer.reset != "subtract":
            raise NetworkError(
                f"{where} without time steps nothing leaks and resets subtract; leak_shift must be "
                f"null and reset 'subtract', not {layer.leak_shift} and {layer.reset!r}"
            )
    return tuple(
        LayerSpec(
            layer.name, len(layer.bias), layer.kind, 1 if layer.kind == "readout" else T,
            layer.weight_bits, None, layer.reset, layer.v_init, "once", layer.pool, layer.stride,
            layer.padding, layer.weight.shape[-1] if layer.kind == "conv2d" else 3,
        )
        for layer in network.layers
    )  # fmt: skip


@torch.no_grad()
def scale_logits(net: TrainableNetwork, sample: Tensor) -> None:
    """Let the logits of `sample` spread as far as fine-tuning wants them to."""
    readout = net.stack()[-1]
    ratio = LOGITS / net(sample).std(dim=1).mean().clamp_min(1e-6)
    readout.unit.mul_(ratio)
    readout.bias.mul_(ratio)
