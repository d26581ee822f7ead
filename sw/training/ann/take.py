"""A trained ANN as a network that learns to spike.

It is read, named, copied, and compared with the model before anything is trained.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from polyrhythm.sw.network import Input
from polyrhythm.sw.training.ann.names import name_parts
from polyrhythm.sw.training.ann.parts import Part, Problem, UnsupportedError
from polyrhythm.sw.training.ann.read import Reader
from polyrhythm.sw.training.ann.step import Step
from polyrhythm.sw.training.ann.trace import Trace, trace, unwrapped
from polyrhythm.sw.training.ann.verify import verify
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.recipe import Conversion, LayerSpec, SkipSpec

# inputs that the model is read with: as many as seldom stand for anything else in a model
SAMPLE = 3
CHECKED = 16  # random inputs that it is compared on
# weights of a layer beyond that, or below its inverse, leave what float32 can square and add
EXTREME = 2.0**20


@dataclass
class Taken:
    """A model as it was read: its layers, or what stands in the way."""

    module: nn.Module
    source: Input
    parts: list[Part] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what was left out
    found: Trace | None = None
    answers: list[Step] = field(default_factory=list)  # the model's steps behind the logits

    @property
    def residual(self) -> bool:
        return any(part.skip for part in self.parts)

    @property
    def digest(self) -> str:
        """SHA-256 over the layers as they were read: what they compute, and every weight."""
        total = hashlib.sha256(
            repr((self.source.shape, self.source.T, self.source.max_count)).encode()
        )
        for part in self.parts:
            skip = part.skip
            facts = (
                part.name,
                part.pool,
                part.stride,
                part.padding,
                part.fires,
                skip and (skip.source.name, skip.stride),
            )
            total.update(repr(facts).encode())
            for numbers in (part.weight, part.bias, *([skip.weight] if skip else [])):
                total.update(
                    repr(tuple(numbers.shape)).encode()
                    + numbers.float().contiguous().numpy().tobytes()
                )
        return total.hexdigest()

    def network(
        self, T: int, weight_bits: int, conversion: Conversion | None, norm: bool, even: bool = True
    ) -> TrainableNetwork:
        """The float stage of a two_phase network of these layers.

        `even` lets layers of extreme numbers count in other units.
        """
        specs = tuple(
            _spec(part, i == len(self.parts) - 1, T, weight_bits)
            for i, part in enumerate(self.parts)
        )
        net = TrainableNetwork(
            specs, "two_phase", self.source, torch.Generator(), conversion=conversion, norm=norm
        )
        sizes = _sizes(self.parts) if even else {}
        with torch.no_grad():
            for layer, part in zip(net.stack(), self.parts, strict=True):
                own = sizes.get(part.name, 1.0)
                layer.weight.copy_(
                    part.weight * ((sizes.get(part.source.name, 1.0) if part.source else 1.0) / own)
                )
                layer.bias.copy_(part.bias / own)
                if part.skip and layer.skip_weight is not None:
                    layer.skip_weight.copy_(
                        part.skip.weight * (sizes.get(part.skip.source.name, 1.0) / own)
                    )
        return net

    def verify(self, counts: Tensor) -> None:
        """UnsupportedError unless the layers give the model's numbers for counts (B, *shape)."""
        assert self.found is not None
        verify(
            self.module,
            self.found,
            self.parts,
            self.answers,
            self.network(1, 8, None, False, even=False),
            counts.float(),
        )


def read_model(module: nn.Module, source: Input) -> Taken:
    """Read a model, which maps (B, *source.shape), 0..1, to logits (B, C) in evaluation.

    Everything that is wrong is in `problems`.

    Its layers are compared with it on random inputs.
    """
    module = unwrapped(module)
    taken = Taken(module, source)
    counts = _random_counts(source)
    try:
        taken.found = trace(module, counts[:SAMPLE] / source.max_count)
        reader = Reader(taken.found)
        taken.parts, taken.problems, taken.notes = reader.parts, reader.problems, reader.notes
        taken.answers = reader.answers
        if not taken.problems:
            name_parts(taken.parts)
            taken.verify(counts)
    except UnsupportedError as error:
        taken.problems = list(error.problems)
    return taken


def import_ann(
    module: nn.Module,
    source: Input,
    T: int = 4,
    weight_bits: int = 4,
    conversion: Conversion | None = None,
) -> TrainableNetwork:
    """The float stage of a two_phase network that computes what `module` does in evaluation.

    Its inputs are count / max_count.

    module: maps (B, *source.shape) to logits (B, C). T: where learning of time steps starts. Raises
    UnsupportedError with the place of every part that cannot spike, and what to use instead, and
    where the layers that were read off would not compute what the model does. Its own
    normalizations are folded; with the conversion's `live_norm` there are new ones, which have seen
    nothing yet (`TrainableNetwork.begin_norms`).
    """
    taken = read_model(module, source)
    if taken.problems:
        raise UnsupportedError(taken.problems)
    learned = conversion or Conversion()
    return taken.network(T, weight_bits, learned, learned.live_norm)


def _sizes(parts: Sequence[Part]) -> dict[str, float]:
    """For each layer of extreme weights, a power of two to scale it by.

    Its outputs are divided by it, and the next weights multiplied with it.

    A ReLU lets factors above 0 through, so nothing changes but the size of the logits.
    """
    found = {}
    for part in parts:
        usual = part.weight.abs().flatten(1).amax(1)
        large, small = float(usual.median()), float(torch.maximum(usual, part.bias.abs()).median())
        if large > EXTREME or 0 < small < 1 / EXTREME:
            found[part.name] = 2.0 ** round(math.log2(large if large > EXTREME else small))
    return found


def _random_counts(source: Input) -> Tensor:
    """Inputs of every kind: random ones, sparse ones, all dark, all bright."""
    generator = torch.Generator().manual_seed(1)
    counts = torch.randint(0, source.max_count + 1, (CHECKED, *source.shape), generator=generator)
    counts[4:8] *= torch.rand(counts[4:8].shape, generator=generator) < 0.2
    counts[-2], counts[-1] = 0, source.max_count
    return counts.float()


def _spec(part: Part, last: bool, T: int, weight_bits: int) -> LayerSpec:
    kind = "readout" if last else "conv2d" if part.weight.ndim == 4 else "dense"
    kernel = part.weight.shape[-1] if kind == "conv2d" else 3
    skip = SkipSpec(part.skip.source.name, part.skip.stride) if part.skip else None
    return LayerSpec(
        part.name, len(part.weight), kind, 1 if last else T, weight_bits, pool=part.pool,
        stride=part.stride, padding=part.padding, kernel=kernel, skip=skip,
    )  # fmt: skip
