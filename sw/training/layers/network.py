"""Networks that learn: layers that go through the stages float, quantized, snapped together."""

import copy

import torch
from torch import Tensor, nn

from polyrhythm.sw.network import Input, Network
from polyrhythm.sw.training.arithmetic import neurons
from polyrhythm.sw.training.layers import exchange, normalization, saturate, stages
from polyrhythm.sw.training.layers.event_driven import EventDriven
from polyrhythm.sw.training.layers.layer import Schedule, Source, TrainableLayer
from polyrhythm.sw.training.layers.seen import Seen
from polyrhythm.sw.training.layers.time_stepped import TimeStepped
from polyrhythm.sw.training.layers.two_phase import TwoPhase
from polyrhythm.sw.training.recipe import Conversion, LayerSpec

SCHEDULES: dict[str, Schedule] = {
    schedule.name: schedule for schedule in (TwoPhase(), TimeStepped(), EventDriven())
}


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
        self.bins = 1  # event_driven: parts of a frame, see `arithmetic.event_neuron`
        self.layers = nn.ModuleList()
        shape, sizes = source.shape, {spec.name: spec.size for spec in specs}
        for spec in specs:
            added = sizes[spec.skip.source] if spec.skip else 0
            layer = TrainableLayer(
                spec, SCHEDULES[schedule], shape, generator, added, conversion, norm
            )
            layer.width = width
            self.layers.append(layer)
            sample = torch.zeros(1, *shape)
            shape = tuple(neurons.project(spec, sample, layer.weight).shape[1:])

    def stack(self) -> list[TrainableLayer]:
        return [layer for layer in self.layers if isinstance(layer, TrainableLayer)]

    @property
    def sigma_in(self) -> Tensor:
        """What one input count is worth: the brightest input is 1."""
        return torch.tensor(1.0 / self.source.max_count)

    def forward(self, n: Tensor, seen: Seen | None = None) -> Tensor:
        """Counts (B, *shape), or (T_in, B, *shape) in time_stepped, as float32.

        `seen` is filled with what happens inside.
        """
        sigma = self.sigma_in.to(n.device)
        n = SCHEDULES[self.schedule].split(n, self.bins)
        made: dict[str, Source] = {}
        for layer in self.stack():
            source = made[layer.spec.skip.source] if layer.spec.skip else None
            made[layer.spec.name] = n, sigma = layer(n, sigma, seen, source)
        return n

    # Time steps

    def steps(self) -> tuple[int, ...]:
        """T of each layer."""
        return tuple(layer.spec.T for layer in self.stack())

    def set_steps(self, T: tuple[int, ...]) -> None:
        """Compute with other T; of time_stepped networks, whose scales do not depend on T."""
        for layer, steps in zip(self.stack(), T, strict=True):
            layer.set_steps(steps)

    def fix_steps(self) -> None:
        """End the learning of T in every layer."""
        for layer in self.stack():
            layer.fix_steps()

    # From stage to stage

    @torch.no_grad()
    def begin_norms(self, sample: Tensor) -> None:
        """Give normalizations that have seen nothing yet the statistics of `sample`.

        Their gains and shifts undo them, so the network computes what it did.
        """
        norms = [layer.norm for layer in self.stack() if layer.norm is not None]
        fresh = [norm for norm in norms if not norm.num_batches_tracked]
        hooks = [norm.register_forward_pre_hook(normalization.begin) for norm in fresh]
        if hooks:
            self(sample)
        for hook in hooks:
            hook.remove()

    def folded(self) -> "TrainableNetwork":
        """A copy that computes the same, with every normalization folded but the live ones."""
        net = copy.deepcopy(self)
        for layer in net.stack():
            if not layer.live_norm:
                normalization.fold(layer)
        return net

    @torch.no_grad()
    def calibrate(self, sample: Tensor) -> None:
        """float -> quantized, from the activations that `sample` causes."""
        self(sample)
        sigma, worth = self.sigma_in.to(sample.device), dict[str, Tensor]()
        for layer in self.stack():
            stages.calibrate(layer)
            added = worth[layer.spec.skip.source] if layer.spec.skip else None
            saturate.make_room(layer, sigma, added)
            clip_range, levels = layer.range()
            sigma = worth[layer.spec.name] = clip_range / levels
        self.stage = "quantized"

    @torch.no_grad()
    def snap(self) -> None:
        """quantized -> snapped, in order: each threshold needs the snapped sigma before it."""
        sigma, worth = self.sigma_in.to(self.stack()[0].weight.device), dict[str, Tensor]()
        for layer in self.stack():
            added = worth[layer.spec.skip.source] if layer.spec.skip else None
            sigma = worth[layer.spec.name] = stages.snap(layer, sigma, added)
        self.stage = "snapped"

    # Out of files, and into networks

    def resume(self, state: dict[str, Tensor], stage: str) -> None:
        """Load the numbers that `state_dict` gave in `stage`."""
        for layer in self.stack():
            if stage == "snapped" or (stage == "quantized" and not layer.live_norm):
                layer.norm = None
        self.load_state_dict(state)
        self.stage = stage
        for layer in self.stack():
            layer.resume(stage)

    def load_floats(self, state: dict[str, Tensor]) -> None:
        """Load weights, biases and normalizations of another float network of the same layers."""
        own = self.state_dict()
        taken = [name for name in own if _is_float(name)]
        for name in taken:
            if name not in state or state[name].shape != own[name].shape:
                raise ValueError(
                    "the float network must have the same layers, "
                    f"but does not have {name} as this one has it"
                )
        self.load_state_dict(own | {name: state[name] for name in taken})

    def shapes(self) -> Network:
        """A network of these layers with blank numbers, to ask what depends on shapes alone."""
        layers = tuple(map(exchange.blank_layer, self.stack()))
        return Network("shapes", self.schedule, self.source, layers)  # type: ignore[arg-type]

    def export(self, name: str, **fields: object) -> Network:
        """The integer network; `fields` are those of Network, such as labels and provenance."""
        layers, sent = [], dict[str, int]()
        counts, ticks = self.source.max_count, self.source.T
        for layer in self.stack():
            most = saturate.most_counts(layer, counts, ticks)
            added = sent[layer.spec.skip.source] if layer.spec.skip else 0
            layers.append(exchange.integer_layer(layer, most, added))
            sent[layer.spec.name] = counts = layer.schedule.most(layer.spec)
            ticks = layer.spec.T
        made = tuple(layers)
        return Network(name, self.schedule, self.source, made, **fields)  # type: ignore[arg-type]


def _is_float(name: str) -> bool:
    """Whether an entry of a state dict is one of the float stage."""
    return name.rsplit(".", 1)[-1] in ("weight", "bias", "skip_weight") or ".norm." in name
