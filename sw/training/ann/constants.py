"""Numbers that a model multiplies, adds, or normalizes with.

They are folded into the weights before them, or into those behind.
"""

from dataclasses import replace

import torch
from torch import Tensor

from polyrhythm.sw.training.ann.chain import Chain, argument, numbers
from polyrhythm.sw.training.ann.parts import Part, Value, per_channel
from polyrhythm.sw.training.ann.refuse import Refused
from polyrhythm.sw.training.ann.step import Step


def batch_norm(chain: Chain, step: Step, given: list[Value]) -> Value:
    (value,) = given
    mean, variance = numbers(step, 1, "running_mean"), numbers(step, 2, "running_var")
    if mean is None or variance is None or argument(step, 5, "training", False):
        text = (
            "normalization must keep running statistics (track_running_stats=True) and use them "
            "in evaluation"
        )
        raise Refused(text, certain=True)
    weight, bias = numbers(step, 3, "weight"), numbers(step, 4, "bias")
    gain = 1 / torch.sqrt(variance.double() + argument(step, 7, "eps", 1e-5))
    gain = gain if weight is None else gain * weight.double()
    shift = -mean.double() * gain + (0 if bias is None else bias.double())
    around = (-1, *[1] * (len(value.shape) - 1))
    return affine(value, gain.reshape(around), shift.reshape(around))


def mul(chain: Chain, step: Step, given: list[Value]) -> Value:
    return affine(given[0], constant(step, given), torch.zeros(()))


def div(chain: Chain, step: Step, given: list[Value]) -> Value:
    if (
        len(given) == 1 and id(argument(step, 0, "input", None)) not in step.taken
    ) or step.kwargs.get("rounding_mode"):
        raise Refused(
            "divides by the data, or rounds; only a division by numbers folds into weights",
            certain=True,
        )
    return affine(given[0], 1 / constant(step, given), torch.zeros(()))


def neg(chain: Chain, step: Step, given: list[Value]) -> Value:
    return affine(given[0], -torch.ones((), dtype=torch.float64), torch.zeros(()))


def add(chain: Chain, step: Step, given: list[Value], sign: float = 1.0) -> Value:
    scale = sign * float(step.kwargs.get("alpha", 1))
    if len(given) == 2:
        other = (
            affine(given[1], torch.full((), scale, dtype=torch.float64), torch.zeros(()))
            if scale != 1
            else given[1]
        )
        return chain.residual(given[0], other)
    one, number = torch.ones((), dtype=torch.float64), constant(step, given)
    if id(argument(step, 0, "input", None)) in step.taken:
        return affine(given[0], one, scale * number)
    return affine(given[0], scale * one, number)  # number +- value


def sub(chain: Chain, step: Step, given: list[Value]) -> Value:
    return add(chain, step, given, -1.0)


def rsub(chain: Chain, step: Step, given: list[Value]) -> Value:
    one = torch.ones((), dtype=torch.float64)
    return affine(given[0], -one * float(step.kwargs.get("alpha", 1)), constant(step, given))


def affine(value: Value, gain: Tensor, shift: Tensor) -> Value:
    """value * gain + shift."""
    if tuple(torch.broadcast_shapes(gain.shape, shift.shape, value.shape)) != value.shape:
        raise Refused(f"works with numbers of another shape than its map {value.shape}")
    gain, shift = gain.expand(value.shape), shift.expand(value.shape)
    if not bool(torch.isfinite(gain).all() and torch.isfinite(shift).all()):
        raise Refused("its numbers must be finite, not nan or inf", certain=True)
    if value.fired:
        return replace(value, gain=value.gain * gain, shift=value.shift * gain + shift)
    part = value.part
    assert part is not None
    each, base = (of_channels(values, part, value) for values in (gain, shift))
    part.scale(each)
    part.bias = part.bias + base
    return value


def constant(step: Step, given: list[Value]) -> Tensor:
    """The other operand: a number or a tensor of numbers (*shape), the same for each sample."""
    if len(given) != 1:
        raise Refused(
            "works on two maps that both hang on the input; only additions of maps can be built",
            certain=True,
        )
    operands = (
        *step.args[:2],
        *(step.kwargs[name] for name in ("input", "other") if name in step.kwargs),
    )
    others = [
        value for value in operands if not (isinstance(value, Tensor) and id(value) in step.taken)
    ]
    number = others[0] if others else None
    if isinstance(number, int | float):
        return torch.tensor(float(number), dtype=torch.float64)
    if not isinstance(number, Tensor):
        raise Refused("must work with a number")
    number = number.detach().cpu().double()
    if number.ndim > len(given[0].shape):
        number = number[0] if len(number) == 1 else number
    if number.ndim > len(given[0].shape):
        raise Refused("works with other numbers for each sample of a batch", certain=True)
    return number


def of_channels(values: Tensor, part: Part, value: Value) -> Tensor:
    """(C,) of values that stand at a part's sums."""
    spread = torch.empty(torch.Size(value.map).numel(), dtype=torch.float64)
    if not value.in_order:
        raise Refused(
            "works on sums in another order than their layer's; put the rearranging behind the ReLU"
        )
    spread[value.index.flatten()] = values.double().flatten()
    found = per_channel(spread.reshape(len(part.weight), -1))
    if found is None:
        raise Refused(
            "works with other numbers at each place of a map; they must be the same in all of a "
            "channel"
        )
    return found
