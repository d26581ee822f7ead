"""What a torch model does with its input, step by step.

Seen while it runs, so whatever makes its weights has made them.

One forward pass in evaluation, with every torch function watched (`TorchFunctionMode`). Hooks,
parametrizations, loops, functional code and shared layers are then nothing special. What depends on
the input is followed; everything else is a number by then.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from polyrhythm.sw.training.ann.parts import Problem, UnsupportedError
from polyrhythm.sw.training.ann.stale import Stale, tensors

TORCH = str(Path(torch.__file__).parent)
TAKEN_OUT = {
    "__bool__",
    "item",
    "__float__",
    "__int__",
    "__index__",
    "tolist",
    "numpy",
    "__array__",
    "__contains__",
    "__complex__",
}
# attributes under which torch.compile, DataParallel and averaged models keep the model
WRAPPERS = ("_orig_mod", "module")
EXPORTED = (
    "is a graph of torch.export, which has no evaluation; give the torch.nn.Module that was "
    "exported, with its state_dict"
)
SMALL = 4096  # numbers in an argument that is kept as it was
Ref = tuple[int, int]  # a step, and which of its results


@dataclass
class Step:
    """One torch function that was called with something that comes from the input."""

    word: str  # its name, without the underscore of a function that works in place
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: list[Tensor]
    path: str  # of the innermost module
    module: nn.Module | None
    line: str
    # id of an argument -> the step that made it
    taken: dict[int, Ref] = field(default_factory=dict)
    # small arguments that do not come from the input, as they were
    numbers: list[Tensor] = field(default_factory=list)

    @property
    def place(self) -> str:
        """What a message calls it."""
        return (
            self.path
            if self.path and self.module is not None and of_torch(self.module)
            else self.word
        )

    def refs(self) -> list[Ref]:
        """The steps that it takes, in the order of its arguments."""
        return [
            self.taken[id(value)]
            for value in tensors((self.args, self.kwargs))
            if id(value) in self.taken
        ]


@dataclass
class Trace:
    """All steps of a forward pass; step -1 is the input."""

    source: Tensor
    steps: list[Step]
    output: Ref | None
    # what the output hangs on: itself; all outputs where there are several; the last step of a
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
    watch = _Watch(x, {m: name for name, m in module.named_modules()}, wanted)
    with torch.no_grad(), _evaluating(module), _eager(), watch.following():
        failure, output, ends = None, None, list[Ref]()
        try:
            with watch:
                returned = module(x)
            watch.stale.told({id(value) for value in tensors(returned)}, watch.problems)
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
    """The steps that the output hangs on, in their order."""
    return sorted(_needed(found.steps, found.ends))


def of_torch(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn") and not isinstance(module, nn.Sequential)


def _check(module: nn.Module) -> None:
    """Refuse what cannot be followed."""
    problems = []
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            told = "is compiled by torch.jit, so its functions cannot be seen; "
            told += "make the model from its Python class, with its state_dict"
            problems.append(Problem(name or type(part).__name__, told))
            break
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_meta:
            told = (
                "lies on the device meta, so it has no numbers; load its state_dict with "
                "assign=True first"
            )
            problems.append(Problem(name, told))
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


class _Watch(TorchFunctionMode):
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
        named = (
            getattr(function, "__self__", None)
            if getattr(function, "__name__", "") == "__get__"
            else function
        )
        word = str(getattr(named, "__name__", None) or getattr(function, "__name__", function))
        given = kwargs or {}
        taken = {
            id(value): self.known[id(value)]
            for value in tensors((args, given))
            if id(value) in self.known
        }
        others = [
            value.detach().clone()
            for value in tensors((args, given))
            if id(value) not in taken and _small(value)
        ]
        self.stale.told(taken, self.problems)
        before = self.stale.before(word, args, given) if taken else []
        result = function(*args, **given)
        if not taken:
            return result
        self.stale.after(word, before, result, _line())
        if word in TAKEN_OUT:
            what = (
                "decides by the data (if, bool)"
                if word == "__bool__"
                else "takes a number out of the data"
            )
            text = f"{what}, and what a spiking network does cannot hang on one; take it out"
            self.problems.append(Problem("forward", text, _line()))
            return result
        made = (
            [result]
            if isinstance(result, Tensor)
            else list(tensors(result))
            if isinstance(result, tuple | list)
            else []
        )
        if made:
            module = self.inside[-1] if self.inside else None
            path = self.names.get(module, "") if module is not None else ""
            plain = word if word.startswith("__") else word.strip("_")
            step = Step(plain, function, args, given, made, path, module, _line(), taken, others)
            self.known |= {id(value): (len(self.steps), k) for k, value in enumerate(made)}
            self.stale.kept(made)
            if len(self.steps) in self.wanted:
                # a later step may work in place
                self.seen[len(self.steps)] = made[0].detach().clone()
            self.steps.append(step)
            self.kept.append((made, args, given))
        return result

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
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        shape = tuple(x.shape[1:])
        if isinstance(error, NotImplementedError) and "forward" in told:
            return Problem(
                path, "has no forward; give the module inside that maps an image to the logits"
            )
        given = next(tensors(self.given), None)
        if (
            isinstance(module, nn.Linear)
            and given is not None
            and given.shape[-1] != module.in_features
        ):
            told = f"takes {module.in_features} values, but {given.shape[-1]} come"
        elif (
            isinstance(module, nn.Conv2d)
            and given is not None
            and given.ndim in (3, 4)
            and given.shape[-3] != module.in_channels
        ):
            told = f"takes {module.in_channels} channels, but {given.shape[-3]} come"
        else:
            told = f"{type(error).__name__}: {told}"
        return Problem(
            path, f"{told}, with inputs of shape (B, {', '.join(map(str, shape))})", _line_of(error)
        )


def _one(returned: Any, watch: _Watch, module: nn.Module) -> Ref | None:
    """The step that makes the one output."""
    found = list(tensors(returned))
    if isinstance(returned, Tensor) or len(found) == 1:
        ref = watch.known.get(id(found[0]))
        if ref is None:
            told = (
                "returns something that does not come from its input by torch functions that can "
                "be followed"
            )
            watch.problems.append(Problem(type(module).__name__, told))
        return ref
    if found:
        keys = (
            list(map(repr, returned))
            if isinstance(returned, Mapping)
            else list(getattr(returned, "_fields", ()))
        )
        made = [
            watch.steps[watch.known[id(t)][0]].place
            if watch.known.get(id(t), (-1, 0))[0] >= 0
            else "no layer"
            for t in found
        ]
        names = ", ".join(keys if len(keys) == len(made) else made)
        told = f"returns {len(found)} tensors ({names}), and one is needed: the logits; "
        told += (
            "let forward return them alone, or give a module whose forward calls this one and "
            "returns one of them"
        )
    else:
        told = f"must return the logits, a tensor, not {type(returned).__name__}"
    watch.problems.append(Problem(type(module).__name__, told))
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


def _small(value: Tensor) -> bool:
    return not nn.parameter.is_lazy(value) and value.numel() <= SMALL


def _parts_with(step: Step) -> bool:
    """Whether a step has weights: what else is computed and not returned is of no interest."""
    return step.word in ("linear", "conv2d")


def _line(depth: int = 2) -> str:
    """The line of the user's code that is at work: the deepest that is neither torch's nor ours."""
    frame = sys._getframe(depth)
    while frame is not None and frame.f_code.co_filename != __file__:
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
    return filename.startswith((TORCH, "<")) or filename == __file__
