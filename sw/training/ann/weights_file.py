"""Reading files of weights: checkpoints of torch and .safetensors files.

Nothing in a file is run: what it names beside tensors and plain values becomes an inert stand-in.
"""

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

State = dict[str, Tensor]
DEPTH, FOREIGN = 4, 100  # of dicts in dicts; names of other objects in a file
SAVE = "save torch.save(model.state_dict(), FILE) and give that"


class Inert:
    """In the place of any object that a file names beside tensors."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


def read_checkpoint(path: str) -> Any:
    """What a file of weights holds, on the CPU. ValueError where it is none."""
    file = Path(path)
    if file.is_dir():
        raise ValueError(f"weights: {path} must be a file of weights, not a folder")
    with file.open("rb") as opened:
        head = opened.read(9)
    if not head:
        raise ValueError(f"weights: {path} is empty; {SAVE}")
    if head[8:9] == b"{":
        return _read_safetensors(path)
    foreign: list[Any] = []
    while True:
        try:
            with (
                file.open("rb") as opened,
                warnings.catch_warnings(),
                torch.serialization.safe_globals(foreign),
            ):
                warnings.simplefilter("ignore")
                return torch.load(opened, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            name = re.search(r"GLOBAL ([\w.]+)", str(error))
            if (
                name is None
                or len(foreign) >= FOREIGN
                or name[1] in {known for _, known in foreign}
            ):
                text = (
                    "holds objects that cannot be read safely"
                    if zipfile.is_zipfile(path)
                    else "must be a checkpoint of torch"
                )
                raise ValueError(f"weights: {path} {text}; {SAVE}") from None
            foreign.append((type(name[1].rpartition(".")[2], (Inert,), {}), name[1]))
        except Exception as error:
            compiled = "TorchScript" in str(error)
            text = (
                "is compiled by torch.jit"
                if compiled
                else "must be a checkpoint of torch or a .safetensors file"
            )
            raise ValueError(f"weights: {path} {text}; {SAVE}") from None


def _read_safetensors(path: str) -> State:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            if "polyrhythm" in (file.metadata() or {}):
                text = (
                    "is a network of Polyrhythm, which is converted already; give the torch "
                    "model's weights"
                )
                raise ValueError(f"weights: {path} {text}")
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"weights: {path} must be a .safetensors file, but cannot be read: {error}"
        ) from None


def states(value: Any, where: str = "", depth: int = 0) -> Iterator[tuple[str, State]]:
    """All dicts of tensors in a checkpoint, with the keys that lead there."""
    if depth > DEPTH:
        return
    if isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from states(item, f"{where}[{i}]", depth + 1)
    if not isinstance(value, Mapping):
        return
    own = {
        key: item
        for key, item in value.items()
        if isinstance(key, str) and isinstance(item, Tensor)
    }
    if own:
        yield where, own
    for key, item in value.items():
        if isinstance(key, str):
            yield from states(item, f"{where}[{key!r}]", depth + 1)


def arrays(value: Any, depth: int = 0) -> Iterator[Inert]:
    """What stands for arrays of numpy in a checkpoint.

    They are pickled as calls of its function _reconstruct.
    """
    if isinstance(value, Inert) and type(value).__name__ == "_reconstruct":
        yield value
    items: Iterable[Any] = ()
    if isinstance(value, Mapping):
        items = value.values()
    elif isinstance(value, list | tuple):
        items = value
    for item in items if depth <= DEPTH else ():
        yield from arrays(item, depth + 1)
