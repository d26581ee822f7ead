"""The torch model that a user names, with the weights of a file in it."""

from typing import TYPE_CHECKING

from polyrhythm.cli.python_file import call_object, load_object

if TYPE_CHECKING:
    from torch import nn


def load_model(text: str, weights: str | None) -> "tuple[nn.Module, list[str]]":
    """The model that FILE.py:NAME makes or is, on the CPU, in float32, with a file's weights; and
    what is worth saying of them.

    Runs the user's file. ValueError, in one line.
    """
    import torch
    from torch import nn

    from polyrhythm.sw.training.ann.checkpoint import load_weights

    found = load_object(text, "model")
    model = found if isinstance(found, nn.Module) else call_object(found, text, "model")
    name, file = text.rpartition(":")[2], text.rpartition(":")[0]
    if not isinstance(model, nn.Module):
        told = "a class; call it" if isinstance(model, type) else type(model).__name__
        raise ValueError(f"model: {name}() of {file} must give a torch.nn.Module, not {told}")
    notes = load_weights(model, weights, f"{name}()") if weights else []
    floats = [p for p in model.parameters() if p.is_floating_point() and not p.is_meta]
    if any((p.dtype, p.device.type) != (torch.float32, "cpu") for p in floats):
        model = model.float().cpu()
    try:
        return model.eval(), notes
    except NotImplementedError:  # as modules of torch.export answer
        told = (
            "is a graph of torch.export, which has no evaluation; give the torch.nn.Module "
            "that was exported"
        )
        raise ValueError(f"model: {name}() of {file} {told}") from None
