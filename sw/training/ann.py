"""An ordinary ANN as a network that learns to spike: what torch modules become, and which ones cannot.

Understood are Conv2d, Linear, BatchNorm (folded), ReLU, AvgPool2d, Flatten, and what does nothing in evaluation (Dropout,
Identity). They must follow each other in a chain: [pool] weights [norm] ReLU, again and again, and weights without a ReLU at
the end. To the sums of a Conv2d the map of an earlier layer may be added, as it is or through a 1 x 1 Conv2d (residual blocks).
"""

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from sw.network import Input
from sw.training.ann_parts import Part, Shortcut, UnsupportedError, fold, pool_size, weights_of
from sw.training.recipe import Conversion, LayerSpec, SkipSpec
from sw.training.trainable import TrainableNetwork

INSTEAD = {
    nn.MaxPool2d: "AvgPool2d: a maximum of spike counts is no sum",
    nn.AdaptiveAvgPool2d: "AvgPool2d with the size of the map",
    nn.GELU: "ReLU", nn.SiLU: "ReLU", nn.LeakyReLU: "ReLU", nn.Sigmoid: "ReLU", nn.Tanh: "ReLU",
    nn.LayerNorm: "BatchNorm2d or BatchNorm1d, which fold into weights",
}  # fmt: skip
SKIPPED = (nn.Identity, nn.Dropout, nn.Dropout2d)
UNDERSTOOD = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU, nn.AvgPool2d, nn.Flatten, *SKIPPED)


def import_ann(
    module: nn.Module, source: Input, T: int = 4, weight_bits: int = 4, conversion: Conversion | None = None
) -> TrainableNetwork:
    """The float stage of a two_phase network that computes what `module` does in evaluation on inputs count / max_count.

    module: maps (B, *source.shape) to logits (B, C). T: where learning of time steps starts. Raises UnsupportedError with the path
    of the part in the model, and what to use in its place. Its own normalizations are folded; with the conversion's `live_norm`
    there are new ones, which have seen nothing yet (`TrainableNetwork.begin_norms`).
    """
    parts = read(module)
    specs = tuple(_spec(part, i == len(parts) - 1, T, weight_bits) for i, part in enumerate(parts))
    learned = conversion or Conversion()
    net = TrainableNetwork(specs, "two_phase", source, torch.Generator(), conversion=learned, norm=learned.live_norm)
    for layer, part in zip(net.stack(), parts, strict=True):
        if layer.weight.shape != part.weight.shape:
            raise UnsupportedError(
                f"{part.path}: takes weights of shape {tuple(part.weight.shape)}, but its place needs {tuple(layer.weight.shape)}; "
                f"inputs must have shape (B, {', '.join(map(str, source.shape))})"
            )
        with torch.no_grad():
            layer.weight.copy_(part.weight)
            layer.bias.copy_(part.bias)
            if part.skip and layer.skip_weight is not None:
                layer.skip_weight.copy_(part.skip.weight)
    return net


def _spec(part: Part, last: bool, T: int, weight_bits: int) -> LayerSpec:
    kind = "readout" if last else "conv2d" if part.weight.ndim == 4 else "dense"
    kernel = part.weight.shape[-1] if kind == "conv2d" else 3
    skip = SkipSpec(_name(part.skip.source), part.skip.stride) if part.skip else None
    return LayerSpec(_name(part), len(part.weight), kind, 1 if last else T, weight_bits, pool=part.pool, stride=part.stride,
                     padding=part.padding, kernel=kernel, skip=skip)  # fmt: skip


def _name(part: Part) -> str:
    """A layer's name from its path in the model."""
    return "".join(c if c.isalnum() else "_" for c in part.path)


@dataclass
class Value:
    """What a node of the traced model computes: counts of a part that has fired, or sums of one that has not."""

    part: Part | None  # None: the model's input
    pool: int = 1  # pooled since the part fired
    flat: bool = False


def read(module: nn.Module) -> list[Part]:
    """The layers of a model in their order."""
    parts: list[Part] = []
    values: dict[fx.Node, Value] = {}
    graph = fx.symbolic_trace(module).graph
    modules = dict(module.named_modules())
    last = Value(None)
    for node in graph.nodes:
        if node.op == "output":
            break
        inputs = [values[argument] for argument in node.args if isinstance(argument, fx.Node)]
        if node.op == "placeholder":
            found = Value(None)
        elif len(inputs) == 2 and _is_addition(node):
            found = _added(_path(node), inputs, parts)
        else:
            found = _stepped(_path(node), _step(node, modules), inputs[0], parts)
        values[node] = last = found
    readout = last.part
    if readout is None or readout.fires or readout.weight.ndim != 2:
        raise UnsupportedError(f"{type(module).__name__}: must end in a Linear layer without ReLU, the readout of the classes")
    _append(readout, parts)
    return parts


def _is_addition(node: fx.Node) -> bool:
    return node.target in (operator.add, operator.iadd, torch.add) or node.target in ("add", "add_")


def _step(node: fx.Node, modules: dict[str, nn.Module]) -> nn.Module:
    """The module at a node of the graph; functions and methods as the modules that do the same."""
    if node.op != "call_module":
        return _function(node)
    found = modules[str(node.target)]
    if not isinstance(found, UNDERSTOOD):
        instead = next((f"; use {word}" for kind, word in INSTEAD.items() if isinstance(found, kind)), "")
        raise UnsupportedError(f"{node.target}: {type(found).__name__} has no spiking counterpart{instead}")
    return found


def _stepped(path: str, step: nn.Module, given: Value, parts: list[Part]) -> Value:
    """What a module makes of a value."""
    part = given.part
    fired = part is None or part.fires
    if isinstance(step, nn.AvgPool2d):
        if part is not None and not fired:
            raise UnsupportedError(f"{path}: pools sums; put the ReLU of {part.path} before it")
        return Value(part, given.pool * pool_size(path, step), given.flat)
    if isinstance(step, nn.Conv2d | nn.Linear):
        if part is not None and not fired:
            raise UnsupportedError(f"{path}: two layers of weights follow each other; put a ReLU behind {part.path}")
        made = weights_of(path, step, given.pool)
        made.source = part
        return Value(made)
    if isinstance(step, nn.BatchNorm1d | nn.BatchNorm2d):
        fold(path, step, None if fired else part)
    elif isinstance(step, nn.ReLU):
        if part is None or fired:
            raise UnsupportedError(f"{path}: a ReLU must follow weights or their normalization; take it out")
        _append(part, parts)
        part.fires = True
    return given


def _append(part: Part, parts: list[Part]) -> None:
    """The next layer of the chain; its input is the layer before it."""
    if part.source is not (parts[-1] if parts else None):
        told = "the model's input" if part.source is None else part.source.path
        raise UnsupportedError(
            f"{part.path}: takes {told}, and not the layer before it; the model must be one chain but for residual additions"
        )
    parts.append(part)


def _added(path: str, inputs: list[Value], parts: list[Part]) -> Value:
    """A residual addition: sums of the chain's next layer, and a map of an earlier layer, as it is or through a 1 x 1 Conv2d."""
    before = parts[-1] if parts else None
    chained = [value for value in inputs if value.part is not None and not value.part.fires and value.part.source is before]
    if len(chained) != 1 or chained[0].part is None:
        raise UnsupportedError(f"{path}: must add an earlier map to the sums of the next layer, before its ReLU")
    (other,) = [value for value in inputs if value is not chained[0]]
    main, shortcut = chained[0].part, other.part
    if main.skip is not None or main.weight.ndim != 4:
        raise UnsupportedError(f"{path}: a Conv2d can take one residual addition, {main.path} cannot take this one")
    if shortcut is None or other.pool > 1:
        raise UnsupportedError(f"{path}: what is added must be the map of an earlier layer, without pooling")
    if shortcut.fires:
        main.skip = Shortcut(shortcut, torch.eye(len(main.weight), len(shortcut.weight)), 1)
        return chained[0]
    if shortcut.source is None or shortcut.weight.shape[-1] != 1 or shortcut.padding or shortcut.pool > 1 or shortcut.skip:
        raise UnsupportedError(f"{shortcut.path}: what is added may pass one 1 x 1 Conv2d without padding, and nothing else")
    main.skip = Shortcut(shortcut.source, shortcut.weight[:, :, 0, 0], shortcut.stride)
    main.bias = main.bias + shortcut.bias
    return chained[0]


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
