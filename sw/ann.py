"""An ordinary ANN as a network that learns to spike: what torch modules become, and which ones cannot.

Understood are Conv2d, Linear, BatchNorm (folded), ReLU, AvgPool2d, Flatten, and what does nothing in evaluation (Dropout,
Identity). They must follow each other in a chain: [pool] weights [norm] ReLU, again and again, and weights without a ReLU at
the end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from sw.network import Input
from sw.recipe import Conversion, LayerSpec
from sw.trainable import TrainableNetwork

INSTEAD = {
    nn.MaxPool2d: "AvgPool2d: a maximum of spike counts is no sum",
    nn.AdaptiveAvgPool2d: "AvgPool2d with the size of the map",
    nn.GELU: "ReLU", nn.SiLU: "ReLU", nn.LeakyReLU: "ReLU", nn.Sigmoid: "ReLU", nn.Tanh: "ReLU",
    nn.LayerNorm: "BatchNorm2d or BatchNorm1d, which fold into weights",
}  # fmt: skip
SKIPPED = (nn.Identity, nn.Dropout, nn.Dropout2d)
UNDERSTOOD = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU, nn.AvgPool2d, nn.Flatten, *SKIPPED)


class UnsupportedError(ValueError):
    """A part of a torch model that no spiking layer can stand for."""


@dataclass
class Part:
    """A layer as it is read off: weights and what surrounds them."""

    path: str
    weight: Tensor  # (N_out, N_in) or (C_out, C_in, K, K), pooling's division and normalization folded in
    bias: Tensor
    pool: int
    stride: int = 1
    padding: int = 0
    fires: bool = False  # a ReLU follows


def import_ann(
    module: nn.Module, source: Input, T: int = 4, weight_bits: int = 4, conversion: Conversion | None = None
) -> TrainableNetwork:
    """The float stage of a two_phase network that computes what `module` does in evaluation on inputs count / max_count.

    module: maps (B, *source.shape) to logits (B, C). T: where learning of time steps starts. Raises UnsupportedError with the path
    of the part in the model, and what to use in its place.
    """
    parts = read(module)
    specs = tuple(_spec(part, i == len(parts) - 1, T, weight_bits) for i, part in enumerate(parts))
    learned = replace(conversion or Conversion(), norm=False)
    net = TrainableNetwork(specs, "two_phase", source, torch.Generator(), conversion=learned)
    for layer, part in zip(net.stack(), parts, strict=True):
        if layer.weight.shape != part.weight.shape:
            raise UnsupportedError(
                f"{part.path}: takes weights of shape {tuple(part.weight.shape)}, but its place needs {tuple(layer.weight.shape)}; "
                f"inputs must have shape (B, {', '.join(map(str, source.shape))})"
            )
        with torch.no_grad():
            layer.weight.copy_(part.weight)
            layer.bias.copy_(part.bias)
    return net


def _spec(part: Part, last: bool, T: int, weight_bits: int) -> LayerSpec:
    kind = "readout" if last else "conv2d" if part.weight.ndim == 4 else "dense"
    name = "".join(c if c.isalnum() else "_" for c in part.path)
    kernel = part.weight.shape[-1] if kind == "conv2d" else 3
    return LayerSpec(name, len(part.weight), kind, 1 if last else T, weight_bits, pool=part.pool, stride=part.stride,
                     padding=part.padding, kernel=kernel)  # fmt: skip


def read(module: nn.Module) -> list[Part]:
    """The layers of a model in their order."""
    parts: list[Part] = []
    pool = 1
    for path, step in _steps(module):
        if isinstance(step, nn.AvgPool2d):
            if parts and not parts[-1].fires:
                raise UnsupportedError(f"{path}: pools sums; put the ReLU of {parts[-1].path} before it")
            pool *= _pool_size(path, step)
        elif isinstance(step, nn.Conv2d | nn.Linear):
            if parts and not parts[-1].fires:
                raise UnsupportedError(f"{path}: two layers of weights follow each other; put a ReLU behind {parts[-1].path}")
            parts.append(_weights(path, step, pool))
            pool = 1
        elif isinstance(step, nn.BatchNorm1d | nn.BatchNorm2d):
            _fold(path, step, parts[-1] if parts else None)
        elif isinstance(step, nn.ReLU):
            if not parts or parts[-1].fires:
                raise UnsupportedError(f"{path}: a ReLU must follow weights or their normalization; take it out")
            parts[-1].fires = True
    if not parts or parts[-1].fires or pool > 1 or parts[-1].weight.ndim != 2:
        raise UnsupportedError(f"{type(module).__name__}: must end in a Linear layer without ReLU, the readout of the classes")
    return parts


def _steps(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """(path, module) along the chain; functions and methods as the modules that do the same."""
    graph = fx.symbolic_trace(module).graph
    modules = dict(module.named_modules())
    for node in graph.nodes:
        if node.op == "output":
            return
        if len(node.users) != 1:
            raise UnsupportedError(f"{_path(node)}: is used {len(node.users)} times; the model must be one chain, without branches")
        if node.op == "call_module":
            found = modules[str(node.target)]
            if not isinstance(found, UNDERSTOOD):
                instead = next((f"; use {word}" for kind, word in INSTEAD.items() if isinstance(found, kind)), "")
                raise UnsupportedError(f"{node.target}: {type(found).__name__} has no spiking counterpart{instead}")
            if not isinstance(found, SKIPPED):
                yield str(node.target), found
        elif node.op != "placeholder":
            yield _path(node), _function(node)


def _path(node: fx.Node) -> str:
    return str(node.target) if node.op == "call_module" else node.name


def _function(node: fx.Node) -> nn.Module:
    """The module that does what a function or a method of the traced model does."""
    arguments: list[Any] = [a for a in node.args if not isinstance(a, fx.Node)]
    word = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    if node.target in (torch.relu, F.relu) or word == "relu":
        return nn.ReLU()
    if (node.target is torch.flatten or word == "flatten") and (arguments or [node.kwargs.get("start_dim")])[0] == 1:
        return nn.Flatten()
    if node.target is F.avg_pool2d:
        return nn.AvgPool2d(*arguments, **node.kwargs)  # type: ignore[arg-type]
    known = ", ".join(kind.__name__ for kind in UNDERSTOOD)
    raise UnsupportedError(f"{node.name}: {word} has no spiking counterpart; understood are {known}")


def _pool_size(path: str, pool: nn.AvgPool2d) -> int:
    size = _square(path, "kernel_size", pool.kernel_size)
    tiles = _square(path, "stride", pool.stride) == size and not _square(path, "padding", pool.padding)
    if not tiles or pool.ceil_mode or pool.divisor_override:
        raise UnsupportedError(f"{path}: pooling must tile the map: stride equal to kernel_size, no padding, ceil_mode or divisor")
    return size


def _square(path: str, name: str, value: Any) -> int:
    """A number, or a pair of one number twice."""
    pair = value if isinstance(value, tuple) else (value, value)
    if not all(isinstance(n, int) for n in pair) or len(set(pair)) != 1:
        raise UnsupportedError(f"{path}: {name} must be the same number in both directions, not {value!r}")
    return int(pair[0])


def _weights(path: str, step: nn.Conv2d | nn.Linear, pool: int) -> Part:
    weight = step.weight.detach().float() / pool**2  # an average is a sum over weights of a k * k-th
    bias = torch.zeros(len(weight)) if step.bias is None else step.bias.detach().float().clone()
    if isinstance(step, nn.Linear):
        return Part(path, weight, bias, pool)
    if step.groups != 1 or _square(path, "dilation", step.dilation) != 1 or step.padding_mode != "zeros":
        raise UnsupportedError(f"{path}: groups and dilation must be 1 and padding_mode zeros")
    if _square(path, "kernel_size", step.kernel_size) not in (1, 3, 5):
        raise UnsupportedError(f"{path}: kernel_size must be 1, 3 or 5, not {step.kernel_size[0]}")
    return Part(path, weight, bias, pool, _square(path, "stride", step.stride), _square(path, "padding", step.padding))


def _fold(path: str, norm: nn.BatchNorm1d | nn.BatchNorm2d, part: Part | None) -> None:
    """A normalization behind weights, as it is in evaluation, into them."""
    if part is None or part.fires:
        raise UnsupportedError(f"{path}: normalization must stand between weights and their ReLU")
    if norm.running_mean is None or norm.running_var is None:
        raise UnsupportedError(f"{path}: normalization must keep running statistics (track_running_stats=True)")
    gain = 1 / torch.sqrt(norm.running_var + norm.eps)
    shift = torch.zeros_like(gain)
    if norm.affine:
        gain, shift = gain * norm.weight.detach(), norm.bias.detach()
    part.weight = part.weight * gain.reshape(-1, *[1] * (part.weight.ndim - 1))
    part.bias = shift + (part.bias - norm.running_mean) * gain


