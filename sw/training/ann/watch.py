"""Watching a forward pass: every torch function that gets something of the input's is a step."""

import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from polyrhythm.sw.training.ann.parts import Problem
from polyrhythm.sw.training.ann.stale import Stale, tensors
from polyrhythm.sw.training.ann.step import Ref, Step

TORCH, OURS = str(Path(torch.__file__).parent), str(Path(__file__).parent)
TAKEN_OUT = {
    "__bool__", "item", "__float__", "__int__", "__index__", "tolist", "numpy", "__array__",
    "__contains__", "__complex__",
}  # fmt: skip
SMALL = 4096  # numbers in an argument that is kept as it was


class Watch(TorchFunctionMode):
    """Notes every function that gets something of the input's."""

    def __init__(self, x: Tensor, names: dict[nn.Module, str], wanted: Collection[int]) -> None:
        super().__init__()
        self.wanted, self.seen = wanted, dict[int, Tensor]()
        self.steps: list[Step] = []
        self.problems: list[Problem] = []
        self.names = names
        self.known: dict[int, Ref] = {id(x): (-1, 0)}
        self.kept: list[Any] = [x]  # so that no id is given away again
        self.stale = Stale(x)
        self.inside: list[nn.Module] = []
        self.given: tuple[Any, ...] = ()  # inputs of the module that was called last

    def __torch_function__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        word, given = _name(function), kwargs or {}
        values = list(tensors((args, given)))
        taken = {id(value): self.known[id(value)] for value in values if id(value) in self.known}
        others = (value for value in values if id(value) not in taken and _small(value))
        numbers = [value.detach().clone() for value in others]
        self.stale.report(taken, self.problems)
        before = self.stale.before(word, args, given) if taken else []
        result = function(*args, **given)
        if not taken:
            return result
        self.stale.after(word, before, result, _line())
        if word in TAKEN_OUT:
            what = "takes a number out of the data"
            if word == "__bool__":
                what = "decides by the data (if, bool)"
            text = f"{what}, and what a spiking network does cannot hang on one; take it out"
            self.problems.append(Problem("forward", text, _line()))
        elif made := list(tensors(result)) if isinstance(result, Tensor | tuple | list) else []:
            module = self.inside[-1] if self.inside else None
            path = self.names.get(module, "") if module is not None else ""
            plain = word if word.startswith("__") else word.strip("_")
            self._note(
                Step(plain, function, args, given, made, path, module, _line(), taken, numbers)
            )
        return result

    def _note(self, step: Step) -> None:
        """Keep a step, and all that it was given: no id is given away again."""
        number = len(self.steps)
        self.known |= {id(value): (number, k) for k, value in enumerate(step.results)}
        self.stale.kept(step.results)
        if number in self.wanted:
            # a later step may work in place
            self.seen[number] = step.results[0].detach().clone()
        self.steps.append(step)
        self.kept.append((step.results, step.args, step.kwargs))

    def maker(self, value: Tensor) -> str:
        """What a message calls the step that made a tensor."""
        number = self.known.get(id(value), (-1, 0))[0]
        return self.steps[number].name if number >= 0 else "no layer"

    @contextmanager
    def following(self) -> Iterator[None]:
        """Know which module is at work."""

        def enter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            self.inside.append(module)
            self.given = inputs

        def leave(module: nn.Module, inputs: Any, output: Any) -> None:
            while self.inside and self.inside.pop() is not module:
                pass

        with ExitStack() as stack:
            for module in self.names:
                stack.callback(module.register_forward_pre_hook(enter, prepend=True).remove)
                stack.callback(module.register_forward_hook(leave).remove)
            yield

    def failed(self, error: Exception, x: Tensor) -> Problem:
        """Why the model did not run through."""
        module = self.inside[-1] if self.inside else None
        path = (self.names.get(module, "") if module is not None else "") or "forward"
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        shape = tuple(x.shape[1:])
        if isinstance(error, NotImplementedError) and "forward" in text:
            return Problem(
                path, "has no forward; give the module inside that maps an image to the logits"
            )
        given = next(tensors(self.given), None)
        misfit = "" if given is None else _misfit(module, given)
        text = misfit or f"{type(error).__name__}: {text}"
        shapes = ", ".join(map(str, shape))
        return Problem(path, f"{text}, with inputs of shape (B, {shapes})", _line_of(error))


def _misfit(module: nn.Module | None, given: Tensor) -> str:
    """What a layer takes, where that is not what it is given."""
    if isinstance(module, nn.Linear) and given.shape[-1] != module.in_features:
        return f"takes {module.in_features} values, but {given.shape[-1]} come"
    if isinstance(module, nn.Conv2d) and given.ndim in (3, 4):
        channels = given.shape[-3]
        if channels != module.in_channels:
            return f"takes {module.in_channels} channels, but {channels} come"
    return ""


def _name(function: Any) -> str:
    """The name of a function, or of the property that its getter is of."""
    named = function
    if getattr(function, "__name__", "") == "__get__":
        named = getattr(function, "__self__", None)
    return str(getattr(named, "__name__", None) or getattr(function, "__name__", function))


def _small(value: Tensor) -> bool:
    return not nn.parameter.is_lazy(value) and value.numel() <= SMALL


def _line(depth: int = 2) -> str:
    """The line of the user's code that is at work: the deepest that is neither torch's nor ours."""
    frame = sys._getframe(depth)
    while frame is not None and not frame.f_code.co_filename.startswith(OURS):
        if not _foreign(frame.f_code.co_filename):
            return f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""


def _line_of(error: Exception) -> str:
    found, step = "", error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        found = found if _foreign(name) else f"{Path(name).name}, line {step.tb_lineno}"
        step = step.tb_next
    return found


def _foreign(filename: str) -> bool:
    return filename.startswith((TORCH, OURS, "<"))
