"""Files of weights, in the wrappings that people save them in, into a model."""

import difflib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from polyrhythm.sw.training.ann.trace import unwrapped
from polyrhythm.sw.training.ann.weights_file import (
    SAVE,
    Inert,
    State,
    arrays,
    read_checkpoint,
    states,
)

# no weights: they may be there or not
TALLIES = ("num_batches_tracked", "n_averaged", "total_ops", "total_params", "_extra_state")
SHOWN = 3  # names in a message


def load_weights(module: nn.Module, path: str, model: str = "the model") -> list[str]:
    """Put the weights of a file into a model.

    Gives notes on wrappers, prefixes and keys that were left out.

    ValueError, in one line, with everything that does not fit: missing and unexpected keys, shapes,
    kinds, numbers that are none.
    """
    whole, target = read_checkpoint(path), unwrapped(module)
    wanted = {key: value for key, value in target.state_dict().items() if isinstance(value, Tensor)}
    found = list(states(whole))
    fits = [(*_fit(state, wanted), where, state) for where, state in found]
    if all(score <= 0 for score, *_ in fits) and next(arrays(whole), None) is not None:
        raise ValueError(f"weights: {path} holds arrays of numpy, not tensors; {SAVE}")
    if not found:
        kind = type(whole).__name__
        if isinstance(whole, Tensor):
            kind = "one tensor"
        elif isinstance(whole, Inert):
            kind = "a whole model"
        raise ValueError(f"weights: {path} must hold a state_dict, not {kind}; {SAVE}")
    best = max(range(len(fits)), key=lambda i: (fits[i][0], "ema" not in fits[i][3].lower(), -i))
    _, taken, prefix, where, state = fits[best]
    notes = [f"weights: taken from {where} of {path}"] if where else []
    if any("_orig_mod" in key for key in state):
        notes.append("weights: the prefix '_orig_mod.' of its keys is taken off")
    if prefix:
        notes.append(f"weights: the prefix {prefix!r} of its keys is taken off")
    taken = _masked(taken, wanted, notes)
    if problems := [*_names(taken, wanted), *_contents(taken, wanted)]:
        raise ValueError(
            f"weights: {path} must hold the state_dict of {model}: {'; '.join(problems)}"
        )
    if more := [key for key in state if not key.startswith(prefix) and not key.endswith(TALLIES)]:
        notes.append(f"weights: left out {_listed(more)}")
    target.load_state_dict(
        {key: taken.get(key, value) for key, value in wanted.items()}, strict=False
    )
    return notes


def _fit(state: State, wanted: Mapping[str, Tensor]) -> tuple[int, State, str]:
    """How many of the wanted keys a state has, and how they are found.

    Gives also its tensors under those names, and the prefix that is taken off.
    """
    heads = {
        "",
        *(
            ".".join(key.split(".")[:k]) + "."
            for key in state
            for k in range(1, key.count(".") + 1)
        ),
    }
    first = {key.split(".")[0] + "." for key in wanted}
    # of a model that wraps the one whose state it is
    ahead = {"", *(first if len(first) == 1 else ())}
    best: tuple[int, State, str] = (-1, {}, "")
    for head in sorted(heads, key=lambda text: (len(text), text)):
        for front in sorted(ahead, key=len):
            named = {
                front + _plain(key[len(head) :]): value
                for key, value in state.items()
                if key.startswith(head)
            }
            score = sum(key in wanted or _base(key) in wanted for key in named)
            if score > best[0]:
                best = score, named, head
    return best


def _plain(key: str) -> str:
    """A key without what torch.compile and DataParallel put into it."""
    return ".".join(word for word in key.split(".") if word != "_orig_mod")


def _base(key: str) -> str:
    return key.removesuffix("_orig").removesuffix("_mask")


def _masked(state: State, wanted: Mapping[str, Tensor], notes: list[str]) -> State:
    """Pruned weights (torch.nn.utils.prune), times their masks, for a model that is not pruned."""
    found = dict(state)
    for key in state:
        plain = key.removesuffix("_orig")
        if plain != key and key not in wanted and plain in wanted and f"{plain}_mask" in state:
            found[plain] = found.pop(key) * found.pop(f"{plain}_mask")
    if len(found) < len(state):
        notes.append("weights: its pruning masks are multiplied in")
    return found


def _names(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """Keys that one side alone has."""
    missing = [key for key in wanted if key not in state and not key.endswith(TALLIES)]
    more = [key for key in state if key not in wanted and not key.endswith(TALLIES)]
    found = []
    if missing:
        near = difflib.get_close_matches(missing[0], more, n=1)
        found.append(f"missing are {_listed(missing)}{f' (it has {near[0]})' if near else ''}")
    if more:
        found.append(f"the model has no {_listed(more)}")
    return found


def _contents(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """Tensors of another shape or kind, and numbers that are none."""
    found = []
    for key in [key for key in wanted if key in state]:
        given, own = state[key], wanted[key]
        lazy = nn.parameter.is_lazy(own)
        if given.is_meta:
            found.append(f"{key} lies on the device meta, so it has no numbers")
        elif (
            given.is_quantized
            or given.is_complex()
            or (own.is_floating_point() and not given.is_floating_point())
        ):
            found.append(
                f"{key} must hold real float numbers, not {str(given.dtype).removeprefix('torch.')}"
            )
        elif not lazy and given.shape != own.shape:
            found.append(f"{key} must have shape {tuple(own.shape)}, not {tuple(given.shape)}")
        elif own.is_floating_point() and bool((bad := ~torch.isfinite(given.float())).any()):
            at = bad.nonzero()[0].tolist()
            found.append(f"{key} must be finite, not {float(given[tuple(at)])} at {at}")
    return found if len(found) <= SHOWN else [*found[:SHOWN], f"and {len(found) - SHOWN} more"]


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else "")
