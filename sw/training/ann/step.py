"""One step of a torch model: a function that was called with something of the input's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from polyrhythm.sw.training.ann.stale import tensors

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
    def name(self) -> str:
        """What a message calls it."""
        by_path = self.path and self.module is not None and of_torch(self.module)
        return self.path if by_path else self.word

    def refs(self) -> list[Ref]:
        """The steps that it takes, in the order of its arguments."""
        return [
            self.taken[id(value)]
            for value in tensors((self.args, self.kwargs))
            if id(value) in self.taken
        ]


def of_torch(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn") and not isinstance(module, nn.Sequential)
