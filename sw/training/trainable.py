"""Networks that learn: a stack of layers (`trainable_layer`) that go through the stages float, quantized, snapped together."""

import copy

import torch
from torch import Tensor, nn

from polyrhythm.sw.network import Input, Network
from polyrhythm.sw.training import clockless, exchange, model, saturate, stages
from polyrhythm.sw.training.recipe import Clockless, Conversion, LayerSpec
from polyrhythm.sw.training.trainable_layer import Seen, TrainableLayer

MOST_VARIANCE = 1e38  # squares of huge sums leave float32; gain and shift undo any variance


class TrainableNetwork(nn.Module):
    """A stack of TrainableLayers; `forward` maps counts to float logits (B, C)."""

    def __init__(
        self,
        specs: tuple[LayerSpec, ...],
        schedule: str,
        source: Input,
        generator: torch.Generator,
        width: float = 1.0,
        conversion: Conversion | None = None,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.schedule, self.source, self.stage = schedule, source, "float"
        self.bins = 1  # event_driven: parts of a frame, see sw.training.clockless
        self.layers = nn.ModuleList()
        shape, sizes = source.shape, {spec.name: spec.size for spec in specs}
        for spec in specs:
            added = sizes[spec.skip.source] if spec.skip else 0
            layer = TrainableLayer(spec, schedule, shape, generator, added, conversion, norm)
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

    @classmethod
    def to_event_driven(cls, network: Network, source: Input, chosen: Clockless) -> "TrainableNetwork":
        """A trained network as one of unsigned neurons that take events one by one; its numbers are whole already.

        A frame charges a neuron as much as it did in all ticks. Raises NetworkError where a layer leaks.
        """
        net = cls(clockless.specs(network, chosen.T), "event_driven", source, torch.Generator())
        net.bins, net.stage = chosen.bins, "snapped"
        for i, (layer, trained) in enumerate(zip(net.stack(), network.layers, strict=True)):
            stepped = network.schedule == "time_stepped"
            held = max(1, trained.T // network.t_in(i)) if stepped else 1
            exchange.take(layer, trained, held, trained.T if stepped and trained.bias_mode == "per_tick" else 1)
        return net

    @torch.no_grad()
    def scale_logits(self, sample: Tensor) -> None:
        """Let the logits of `sample` spread as far as fine-tuning wants them to."""
        readout = self.stack()[-1]
        ratio = clockless.LOGITS / self(sample).std(dim=1).mean().clamp_min(1e-6)
        readout.unit.mul_(ratio)
        readout.bias.mul_(ratio)

    def forward(self, n: Tensor, seen: Seen | None = None) -> Tensor:
        """Counts (B, *shape), (T_in, B, *shape) in time_stepped, as float32; `seen` is told what happens inside."""
        sigma = self.sigma_in.to(n.device)
        n = clockless.bins(n, self.bins) if self.schedule == "event_driven" else n
        made: dict[str, tuple[Tensor, Tensor]] = {}
        for layer in self.stack():
            source = made[layer.spec.skip.source] if layer.spec.skip else None
            made[layer.spec.name] = n, sigma = layer(n, sigma, seen, source)
        return n

    def shapes(self) -> Network:
        """A network of these layers without their numbers: what depends on shapes alone can be asked of it."""
        return Network("shapes", self.schedule, self.source, tuple(map(exchange.blank_layer, self.stack())))  # type: ignore[arg-type]

    def resume(self, state: dict[str, Tensor], stage: str) -> None:
        """Take up the numbers that `state_dict` gave in `stage`."""
        for layer in self.stack():
            if stage == "snapped" or (stage == "quantized" and not layer.live_norm):
                layer.norm = None
        self.load_state_dict(state)
        self.stage = stage
        for layer in self.stack():
            layer.resume(stage)

    def load_floats(self, state: dict[str, Tensor]) -> None:
        """Take up the weights, biases and normalizations of another float network of the same layers."""
        own = self.state_dict()
        taken = [name for name in own if name.rsplit(".", 1)[-1] in ("weight", "bias", "skip_weight") or ".norm." in name]
        if missing := [name for name in taken if name not in state or state[name].shape != own[name].shape]:
            raise ValueError(f"the float network must have the same layers, but does not have {missing[0]} as this one has it")
        self.load_state_dict(own | {name: state[name] for name in taken})

    @torch.no_grad()
    def begin_norms(self, sample: Tensor) -> None:
        """Normalizations that have seen nothing yet begin with the statistics of `sample`, which gain and shift undo."""
        fresh = [layer.norm for layer in self.stack() if layer.norm is not None and not layer.norm.num_batches_tracked]
        hooks = [norm.register_forward_pre_hook(_begin) for norm in fresh]
        if hooks:
            self(sample)
        for hook in hooks:
            hook.remove()

    def folded(self) -> "TrainableNetwork":
        """A copy whose normalizations are folded, but for those that live on: it computes what this network computes."""
        net = copy.deepcopy(self)
        for layer in net.stack():
            if not layer.live_norm:
                stages.fold(layer)
        return net

    @torch.no_grad()
    def calibrate(self, sample: Tensor) -> None:
        """float -> quantized, from the activations that `sample` causes."""
        self(sample)
        sigma, worth = self.sigma_in.to(sample.device), dict[str, Tensor]()
        for layer in self.stack():
            stages.calibrate(layer)
            saturate.make_room(layer, sigma, worth[layer.spec.skip.source] if layer.spec.skip else None)
            clip_range, levels = layer.range()
            sigma = worth[layer.spec.name] = clip_range / levels
        self.stage = "quantized"

    def steps(self) -> tuple[int, ...]:
        """T of each layer."""
        return tuple(layer.spec.T for layer in self.stack())

    def set_steps(self, T: tuple[int, ...]) -> None:
        """Compute with other time steps; of time_stepped networks, whose scales do not hang on T."""
        for layer, steps in zip(self.stack(), T, strict=True):
            layer.set_steps(steps)

    def settle(self) -> None:
        """Time steps that are being learned stay as they are from now on."""
        for layer in self.stack():
            layer.settle()

    @torch.no_grad()
    def snap(self) -> None:
        """quantized -> snapped, from the first layer to the last: each threshold needs the snapped sigma before it."""
        sigma, worth = self.sigma_in.to(self.stack()[0].weight.device), dict[str, Tensor]()
        for layer in self.stack():
            sigma = worth[layer.spec.name] = stages.snap(layer, sigma, worth[layer.spec.skip.source] if layer.spec.skip else None)
        self.stage = "snapped"

    def export(self, name: str, **fields: object) -> Network:
        """The integer network; `fields` are those of Network, such as labels and provenance."""
        layers, counts, ticks, sent = [], self.source.max_count, self.source.T, dict[str, int]()
        for layer in self.stack():
            most = saturate.most_counts(layer, counts, ticks)
            layers.append(exchange.integer_layer(layer, most, sent[layer.spec.skip.source] if layer.spec.skip else 0))
            sent[layer.spec.name] = counts = 1 if self.schedule == "time_stepped" else layer.spec.T
            ticks = layer.spec.T
        return Network(name, self.schedule, self.source, tuple(layers), **fields)  # type: ignore[arg-type]


def _begin(norm: nn.Module, inputs: tuple[Tensor]) -> None:
    """Normalize what comes in now, and multiply and shift it back."""
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
    channels = inputs[0].transpose(0, 1).flatten(1)  # (C, B * map)
    norm.running_mean.copy_(channels.mean(1))
    norm.running_var.copy_(channels.var(1).clamp(max=MOST_VARIANCE))
    norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
    norm.bias.copy_(norm.running_mean)
