"""What a torch model does with its input, step by step.

It is watched while it runs, when whatever makes its weights has made them.

One forward pass in evaluation, with every torch function watched (`TorchFunctionMode`). Hooks,
parametrizations, loops, functional code and shared layers are then nothing special. What depends on
the input is followed; everything else is a number by then.
"""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from polyrhythm.sw.training.ann.parts import Problem, UnsupportedError
from polyrhythm.sw.training.ann.stale import tensors
from polyrhythm.sw.training.ann.step import Ref, Step
from polyrhythm.sw.training.ann.watch import Watch

# attributes under which torch.compile, DataParallel and averaged models keep the model
WRAPPERS = ("_orig_mod", "module")
EXPORTED = (
    "is a graph of torch.export, which has no evaluation; give the torch.nn.Module that was "
    "exported, with its state_dict"
)


@dataclass
class Trace:
    """All steps of a forward pass; step -1 is the input."""

    source: Tensor
    steps: list[Step]
    output: Ref | None
    # what the output depends on: itself; all outputs where there are several; the last step of a
    # model that fails
    ends: list[Ref]
    problems: list[Problem]
    failure: Problem | None  # why it ended early
    unused: list[Step]  # what is computed from the input and not returned
    owners: dict[int, str]  # id of a parameter -> its path
    # results of the steps that were asked for, as they were when they were made
    seen: dict[int, Tensor]

    def result(self, ref: Ref) -> Tensor:
        return self.source if ref[0] < 0 else self.steps[ref[0]].results[ref[1]]


def unwrapped(module: nn.Module) -> nn.Module:
    """The model inside torch.compile's, DataParallel's and averaging wrappers."""
    while True:
        inner = [
            getattr(module, name)
            for name in WRAPPERS
            if isinstance(getattr(module, name, None), nn.Module)
        ]
        if type(module).__module__.split(".")[0] != "torch" or len(inner) != 1:
            return module
        module = inner[0]


def trace(module: nn.Module, x: Tensor, wanted: Collection[int] = ()) -> Trace:
    """Run `module` in evaluation on x (B, *shape), 0..1; its modes come back afterwards.

    wanted: steps whose results are kept.

    UnsupportedError where it cannot be followed at all; what else is wrong with it stands in the
    result: `problems` and `failure`.
    """
    _check(module)
    numbers = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(0))
    x = x.to(numbers, copy=True)  # a model may work in place
    owners = {id(p): name for name, p in module.named_parameters(remove_duplicate=True)}
    watch = Watch(x, {m: name for name, m in module.named_modules()}, wanted)
    with torch.no_grad(), _evaluating(module), _eager(), watch.following():
        failure, output, ends = None, None, list[Ref]()
        try:
            with watch:
                returned = module(x)
            watch.stale.report({id(value) for value in tensors(returned)}, watch.problems)
            ends = [
                watch.known[id(value)] for value in tensors(returned) if id(value) in watch.known
            ]
            output = _one(returned, watch, module)
        except Exception as error:
            failure, ends = watch.failed(error, x), [(len(watch.steps) - 1, 0)]
    needed = _needed(watch.steps, ends)
    unused = [
        step
        for k, step in enumerate(watch.steps)
        if output and k not in needed and _parts_with(step)
    ]
    return Trace(x, watch.steps, output, ends, watch.problems, failure, unused, owners, watch.seen)


def output(module: nn.Module, x: Tensor) -> Tensor:
    """What the model returns for x in evaluation, without anybody watching."""
    numbers = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(0))
    with torch.no_grad(), _evaluating(module), _eager():
        return next(tensors(module(x.to(numbers, copy=True))))


def needed(found: Trace) -> list[int]:
    """The steps that the output depends on, in their order."""
    return sorted(_needed(found.steps, found.ends))


def _check(module: nn.Module) -> None:
    """Refuse what cannot be followed."""
    problems = []
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            text = "is compiled by torch.jit, so its functions cannot be seen; "
            text += "make the model from its Python class, with its state_dict"
            problems.append(Problem(name or type(part).__name__, text))
            break
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_meta:
            text = (
                "lies on the device meta, so it has no numbers; load its state_dict with "
                "assign=True first"
            )
            problems.append(Problem(name, text))
        elif tensor.is_complex() or tensor.is_quantized:
            problems.append(
                Problem(
                    name,
                    f"must hold real float numbers, not {str(tensor.dtype).removeprefix('torch.')}",
                )
            )
    if problems:
        raise UnsupportedError(problems)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    before = {part: part.training for part in module.modules()}
    try:
        module.eval()
    except NotImplementedError:  # as modules of torch.export answer
        raise UnsupportedError([Problem(type(module).__name__, EXPORTED)]) from None
    try:
        yield
    finally:
        for part, mode in before.items():
            part.training = mode


@contextmanager
def _eager() -> Iterator[None]:
    """Let what torch.compile has compiled run as it was written."""
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def _one(returned: Any, watch: Watch, module: nn.Module) -> Ref | None:
    """The step that makes the one output."""
    found = list(tensors(returned))
    if isinstance(returned, Tensor) or len(found) == 1:
        ref = watch.known.get(id(found[0]))
        if ref is None:
            text = (
                "returns something that does not come from its input by torch functions that can "
                "be followed"
            )
            watch.problems.append(Problem(type(module).__name__, text))
        return ref
    if found:
        keys = list(getattr(returned, "_fields", ()))
        if isinstance(returned, Mapping):
            keys = list(map(repr, returned))
        made = [watch.maker(value) for value in found]
        names = ", ".join(keys if len(keys) == len(made) else made)
        text = f"returns {len(found)} tensors ({names}), and one is needed: the logits; "
        text += (
            "let forward return them alone, or give a module whose forward calls this one and "
            "returns one of them"
        )
    else:
        text = f"must return the logits, a tensor, not {type(returned).__name__}"
    watch.problems.append(Problem(type(module).__name__, text))
    return None


def _needed(steps: list[Step], ends: Sequence[Ref]) -> set[int]:
    found: set[int] = set()
    waiting = [end[0] for end in ends]
    while waiting:
        k = waiting.pop()
        if k >= 0 and k not in found:
            found.add(k)
            waiting += [ref[0] for ref in steps[k].refs()]
    return found


def _parts_with(step: Step) -> bool:
    """Whether a step has weights: what else is computed and not returned is of no interest."""
    return step.word in ("linear", "conv2d")
