"""What a network that learns costs and how often it is right; the line of an epoch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from polyrhythm.sw.training.arithmetic.exact import accuracy
from polyrhythm.sw.training.cost.work import Work
from polyrhythm.sw.training.data.samples import Samples
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.layers.seen import Seen


@dataclass(frozen=True)
class Measured:
    """What a network costs, the mean of a few frames; None while it is float and has no spikes."""

    mean_T: float  # of the layers that spike
    spike_rate: float | None = None  # spikes of a hidden neuron in a time step
    events: float | None = None  # spikes of all hidden neurons in a frame
    cycles: float | None = None  # that all layers together are busy with a frame, by `Work`


@dataclass(frozen=True)
class Epoch:
    """What a progress callback gets after each epoch, and a line of the log."""

    recipe: str
    stage: str
    epoch: int  # 1.. within the whole run
    epochs: int
    loss: float
    accuracy: float  # on the augmented training samples of this epoch
    lr: float  # at the end of this epoch
    mean_T: float  # of the spiking layers' time steps
    spike_rate: float | None  # see `Measured`, as for cycles
    cycles: float | None
    seconds: float  # since the start
    eta: float

    def __str__(self) -> str:
        spikes = "" if self.spike_rate is None else f"rate {self.spike_rate:.3f} "
        spikes += "" if self.cycles is None else f"{self.cycles:8,.0f} cycles "
        return (
            f"{self.recipe} {self.stage:9} epoch {self.epoch:3}/{self.epochs} "
            f"loss {self.loss:.4f} train {100 * self.accuracy:6.2f} % T {self.mean_T:.2f} "
            f"{spikes}{self.seconds:6.1f} s, {self.eta:5.0f} s left"
        )


def has_cycle_model(net: TrainableNetwork) -> bool:
    """Whether shapes and counts decide what a frame costs.

    They do not where it depends on the order of events, nor with residual additions.
    """
    return net.schedule != "event_driven" and not any(layer.spec.skip for layer in net.stack())


@torch.no_grad()
def measure(net: TrainableNetwork, counts: Tensor, work: Work | None) -> Measured:
    """What `counts`, as the network takes them, cost it; without `work` no cycles."""
    net.eval()
    hidden = net.stack()[:-1]
    steps = [float(layer.present_T()) for layer in hidden]
    mean_T = sum(steps) / max(1, len(steps))
    if net.stage == "float":
        return Measured(mean_T)
    seen = Seen()
    net(counts, seen)
    sent = [n if net.schedule == "two_phase" else n.sum(0) for n in seen.received[1:]]
    rates = [float(n.mean()) / T for n, T in zip(sent, steps, strict=True)]
    rate = sum(rates) / max(1, len(hidden))
    events = sum(float(n.flatten(1).sum(1).mean()) for n in sent)
    if work is None:
        return Measured(mean_T, rate, events)
    cycles = sum(float(work.busy(i, work.words(i, n))) for i, n in enumerate(seen.received))
    return Measured(mean_T, rate, events, cycles)


@torch.no_grad()
def trained_accuracy(net: TrainableNetwork, test: Samples) -> float:
    """Accuracy of the trainable network in its present stage."""
    net.eval()
    answers = [net(test.counts(images)).argmax(1) for images in test.images.split(500)]
    return accuracy(torch.cat(answers).cpu(), test.labels.cpu())
