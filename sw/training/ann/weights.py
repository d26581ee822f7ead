"""Weights of a new layer, with all folded in that lies between it and the layer before."""

import torch
from torch import Tensor

from polyrhythm.sw.training.ann.chain import Chain, argument, numbers
from polyrhythm.sw.training.ann.parts import Part, Value, per_channel
from polyrhythm.sw.training.ann.refuse import Refused, square
from polyrhythm.sw.training.ann.step import Step


def linear(chain: Chain, step: Step, given: list[Value]) -> Value:
    weight, bias = numbers(step, 1, "weight"), numbers(step, 2, "bias")
    assert weight is not None
    return dense(chain, step, given, weight, bias)


def matmul(chain: Chain, step: Step, given: list[Value]) -> Value:
    weight = numbers(step, 1, "other", "mat2")
    if (
        len(given) > 1
        or weight is None
        or weight.ndim != 2
        or id(argument(step, 0, "input", None)) not in step.taken
    ):
        raise Refused("multiplies matrices that both hang on the input; use Linear", certain=True)
    return dense(chain, step, given, weight.T, None)


def addmm(chain: Chain, step: Step, given: list[Value]) -> Value:
    bias, weight = numbers(step, 0, "input"), numbers(step, 2, "mat2")
    if (
        len(given) > 1
        or bias is None
        or weight is None
        or (step.kwargs.get("beta", 1), step.kwargs.get("alpha", 1)) != (1, 1)
    ):
        raise Refused("use Linear", certain=True)
    return dense(chain, step, given, weight.T, bias.expand(weight.shape[1]))


def dense(
    chain: Chain, step: Step, given: list[Value], weight: Tensor, bias: Tensor | None
) -> Value:
    value = source(given)
    if any(extent != 1 for extent in value.shape[:-1]):
        raise Refused(f"works on the last axis of a map {value.shape}; put a Flatten before it")
    if value.pad:
        raise Refused("follows a padding that no Conv2d takes; take the padding out")
    weight = weight.double()
    index, k = value.index.flatten(0, -2), value.index.shape[-1]
    spread = torch.zeros(len(weight), torch.Size(value.map).numel(), dtype=torch.float64)
    spread.index_add_(
        1, index.flatten(), (weight * value.gain.flatten() / k).repeat_interleave(k, 1)
    )
    shift = weight @ value.shift.flatten()
    return made(chain, step, value, spread, shift if bias is None else shift + bias.double())


def conv2d(chain: Chain, step: Step, given: list[Value]) -> Value:
    weight, bias = numbers(step, 1, "weight"), numbers(step, 2, "bias")
    assert weight is not None
    stride, padding = argument(step, 3, "stride", 1), argument(step, 4, "padding", 0)
    dilation, groups = argument(step, 5, "dilation", 1), argument(step, 6, "groups", 1)
    if groups != 1 or square("dilation", dilation) != 1:
        raise Refused("groups and dilation must be 1 and padding_mode zeros", certain=True)
    kernel = square("kernel_size", tuple(weight.shape[2:]))
    if kernel not in (1, 3, 5):
        raise Refused(f"kernel_size must be 1, 3 or 5, not {kernel}", certain=True)
    reach = (
        {"same": kernel // 2, "valid": 0}.get(padding)
        if isinstance(padding, str)
        else square("padding", padding)
    )
    stride = square("stride", stride)
    value = source(given)
    if value.skewed:
        raise Refused(value.skewed)
    if not value.is_map:
        raise Refused(
            "must take the map of the layer before it (C, H, W) as it is, not in another order or "
            "shape"
        )
    assert reach is not None
    if value.pad and reach:
        raise Refused("has a padding of its own behind another one; put both into it")
    gain, shift = (per_channel(values) for values in (value.gain, value.shift))
    if gain is None or shift is None:
        raise Refused(
            "takes a map with another factor or shift at each place; let them be the same in all "
            "of a channel"
        )
    reach += value.pad
    if reach and bool((shift != 0).any()):
        raise Refused(
            "pads with zeros behind a shift, such as (x - mean) / std or a normalization behind "
            "the ReLU, so the borders differ; "
            "let the data set do that (--preprocess gives 0..1), or set padding=0",
            certain=True,
        )
    weight = weight.double()
    base = weight.sum((2, 3)) @ shift
    return made(
        chain,
        step,
        value,
        weight * gain[:, None, None],
        base if bias is None else base + bias.double(),
        stride,
        reach,
    )


def made(
    chain: Chain,
    step: Step,
    value: Value,
    weight: Tensor,
    bias: Tensor,
    stride: int = 1,
    padding: int = 0,
) -> Value:
    """The sums of new weights."""
    if not bool(torch.isfinite(weight).all() and torch.isfinite(bias).all()):
        raise Refused("its weights must be finite, not nan or inf", certain=True)
    part = Part(
        chain.path(step),
        weight / value.pool**2,
        bias,
        value.pool,
        stride,
        padding,
        step.line,
        source=value.part,
    )
    out = tuple(step.results[0].shape[1:])
    found = Value.fresh(part, out if weight.ndim == 4 else (len(weight),))
    return found if weight.ndim == 4 else found.shaped(out)


def source(given: list[Value]) -> Value:
    """The value that weights are multiplied with: counts."""
    if len(given) != 1:
        raise Refused("has weights that hang on the input; they must be numbers", certain=True)
    (value,) = given
    if not value.fired and value.part is not None:
        raise Refused(
            f"two layers of weights follow each other; put a ReLU behind {value.part.path}"
        )
    return value
