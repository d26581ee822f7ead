"""Files of weights in every wrapping: what is in them comes into the model, and what cannot is one
line."""

import argparse
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune

from polyrhythm.sw.network import Input
from polyrhythm.sw.training.ann.checkpoint import load_weights
from polyrhythm.sw.training.ann.take import read_model

State = dict[str, torch.Tensor]


def model() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))


def state() -> State:
    torch.manual_seed(1)
    return dict(model().state_dict())


def under(prefix: str) -> State:
    return {prefix + key: value for key, value in state().items()}


class Runs:
    """An object that would run a command when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, ("exit 3",)


# What is saved -> what is said.
GOOD: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "plain": (state, []),
    "DataParallel": (lambda: under("module."), ["weights: the prefix 'module.' of its keys is taken off"]),
    "compiled": (lambda: under("_orig_mod."), ["weights: the prefix '_orig_mod.' of its keys is taken off"]),
    "both": (lambda: under("module._orig_mod."), ["weights: the prefix '_orig_mod.' of its keys is taken off", "weights: the prefix 'module.' of its keys is taken off"]),
    "net and epoch": (lambda: {"net": state(), "epoch": 3}, ["weights: taken from ['net'] of FILE"]),
    "model and ema": (lambda: {"ema": under(""), "model": state(), "epoch": 3}, ["weights: taken from ['model'] of FILE"]),
    "with an optimizer": (lambda: {"model_state_dict": state(), "optimizer": torch.optim.Adam(model().parameters()).state_dict()}, ["weights: taken from ['model_state_dict'] of FILE"]),
    "deep": (lambda: {"run": {"best": {"state_dict": under("net.")}}}, ["weights: taken from ['run']['best']['state_dict'] of FILE", "weights: the prefix 'net.' of its keys is taken off"]),
    "lightning": (lambda: {"state_dict": under("model.") | {"loss.weight": torch.ones(3)}, "hyper_parameters": argparse.Namespace(lr=0.1), "best": np.float64(0.9)},
                  ["weights: taken from ['state_dict'] of FILE", "weights: the prefix 'model.' of its keys is taken off", "weights: left out loss.weight"]),
    "averaged": (lambda: torch.optim.swa_utils.AveragedModel(load(model(), state())).state_dict(), ["weights: the prefix 'module.' of its keys is taken off"]),
    "tallies": (lambda: state() | {"total_ops": torch.zeros(1), "1.total_params": torch.zeros(1)}, []),
    "pruned": (lambda: {"1.weight_orig": state()["1.weight"] * 2, "1.weight_mask": torch.full((4, 6), 0.5), "1.bias": state()["1.bias"], "3.weight": state()["3.weight"], "3.bias": state()["3.bias"]},
               ["weights: its pruning masks are multiplied in"]),
    "a list": (lambda: [{"epoch": 3}, state()], ["weights: taken from [1] of FILE"]),
    "a tuple in a dict": (lambda: {"best": (0.9, state())}, ["weights: taken from ['best'][1] of FILE"]),
    "parameters": (lambda: {key: nn.Parameter(value) for key, value in state().items()}, []),
    "double": (lambda: {key: value.double() for key, value in state().items()}, []),
}  # fmt: skip


def load(net: nn.Sequential, weights: State) -> nn.Sequential:
    net.load_state_dict(weights)
    return net


def same(net: nn.Module, places: float = 0.0) -> bool:
    return all(
        (value - state()[key]).abs().max() <= places for key, value in net.state_dict().items()
    )


@pytest.mark.parametrize("name", GOOD)
def test_weights_come_out_of_their_wrapping(name: str, tmp_path: Path) -> None:
    make, said = GOOD[name]
    torch.save(make(), tmp_path / "w.pt")
    net = model()
    assert load_weights(net, str(tmp_path / "w.pt")) == [
        line.replace("FILE", str(tmp_path / "w.pt")) for line in said
    ]
    assert same(net)


def test_other_containers_and_models(tmp_path: Path) -> None:
    for zipped in (True, False):  # of torch, under the other's name
        torch.save(state(), tmp_path / "w.safetensors", _use_new_zipfile_serialization=zipped)
        assert load_weights(net := model(), str(tmp_path / "w.safetensors")) == [] and same(net)
    path = str(tmp_path / "w")
    save_file(state(), path)
    assert load_weights(net := model(), path) == [] and same(net)
    torch.save(state(), path, _use_new_zipfile_serialization=False)
    assert load_weights(net := model(), path) == [] and same(net)
    torch.save(under("module."), path)
    wrapped = nn.DataParallel(model())
    load_weights(wrapped, path)
    assert same(wrapped.module)
    torch.save({key: value.half() for key, value in state().items()}, path)
    assert load_weights(net := model(), path) == [] and same(net, 1e-3)


def test_a_model_that_is_pruned_itself_takes_its_own_state(tmp_path: Path) -> None:
    pruned = load(model(), state())
    prune.l1_unstructured(pruned[1], "weight", 0.5)
    torch.save(pruned.state_dict(), tmp_path / "w.pt")
    net = model()
    prune.identity(net[1], "weight")
    assert load_weights(net, str(tmp_path / "w.pt")) == []
    x = torch.rand(5, 6)
    with torch.no_grad():
        read = read_model(net, Input((6,), 1, 15)).network(4, 4, None, False)(x * 15)
        assert torch.allclose(read, pruned(x), atol=1e-5)


SAVE = "save torch.save(model.state_dict(), FILE) and give that"
HOLD = "must hold the state_dict of net(): "


def changed(**values: torch.Tensor) -> State:
    return state() | {key.replace("_", ".", 1): value for key, value in values.items()}


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "whole model": (model, f"must hold a state_dict, not a whole model; {SAVE}"),
    "tensor": (lambda: torch.ones(3), f"must hold a state_dict, not one tensor; {SAVE}"),
    "list": (lambda: [1, 2], f"must hold a state_dict, not list; {SAVE}"),
    "numbers": (lambda: {"epoch": 3}, f"must hold a state_dict, not dict; {SAVE}"),
    "command": (lambda: {"a": Runs()} | state(), f"holds objects that cannot be read safely; {SAVE}"),
    "missing": (lambda: {k: v for k, v in state().items() if k != "3.bias"}, f"{HOLD}missing are 3.bias"),
    "renamed": (lambda: {k.replace("1.", "2."): v for k, v in state().items()}, f"{HOLD}missing are 1.weight, 1.bias (it has 2.weight); the model has no 2.weight, 2.bias"),
    "weight_norm": (lambda: {"1.weight_g": torch.ones(4, 1), "1.weight_v": torch.ones(4, 6), **{k: v for k, v in state().items() if k != "1.weight"}},
                    f"{HOLD}missing are 1.weight (it has 1.weight_v); the model has no 1.weight_g, 1.weight_v"),
    "more": (lambda: state() | {"5.weight": torch.ones(2)}, f"{HOLD}the model has no 5.weight"),
    "shape": (lambda: changed(**{"1_weight": torch.ones(4, 7)}), f"{HOLD}1.weight must have shape (4, 6), not (4, 7)"),
    "nan": (lambda: changed(**{"1_weight": torch.ones(4, 6).index_put((torch.tensor(2), torch.tensor(3)), torch.tensor(float("nan")))}), f"{HOLD}1.weight must be finite, not nan at [2, 3]"),
    "inf": (lambda: changed(**{"3_bias": torch.tensor([0, float("inf"), 0])}), f"{HOLD}3.bias must be finite, not inf at [1]"),
    "complex": (lambda: changed(**{"1_bias": torch.ones(4, dtype=torch.complex64)}), f"{HOLD}1.bias must hold real float numbers, not complex64"),
    "whole numbers": (lambda: changed(**{"1_bias": torch.ones(4, dtype=torch.int8)}), f"{HOLD}1.bias must hold real float numbers, not int8"),
    "meta": (lambda: changed(**{"1_bias": torch.ones(4, device="meta")}), f"{HOLD}1.bias lies on the device meta, so it has no numbers"),
    "all at once": (lambda: {"1.weight": torch.ones(4, 7), "1.bias": torch.ones(4, dtype=torch.int8), "x": torch.ones(1)},
                    f"{HOLD}missing are 3.weight, 3.bias; the model has no x; 1.weight must have shape (4, 6), not (4, 7); 1.bias must hold real float numbers, not int8"),
}  # fmt: skip


def refused(path: Path) -> str:
    with pytest.raises(ValueError) as caught:
        load_weights(model(), str(path), "net()")
    return str(caught.value).removeprefix(f"weights: {path} ")


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_one_line(name: str, tmp_path: Path) -> None:
    make, text = BAD[name]
    torch.save(make(), tmp_path / "w.pt")
    assert refused(tmp_path / "w.pt") == text


@pytest.mark.parametrize("optimizer", [False, True])
def test_arrays_of_numpy_are_refused(optimizer: bool, tmp_path: Path) -> None:
    more = {"optimizer": {"step": torch.zeros(1)}} if optimizer else {}
    torch.save(
        {"net": {key: value.numpy() for key, value in state().items()}} | more, tmp_path / "w.pt"
    )
    assert refused(tmp_path / "w.pt") == f"holds arrays of numpy, not tensors; {SAVE}"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_quantized_tensors_are_refused(tmp_path: Path) -> None:
    torch.save(
        {
            key: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8)
            for key, value in state().items()
        },
        tmp_path / "w.pt",
    )
    assert refused(tmp_path / "w.pt").startswith(
        f"{HOLD}1.weight must hold real float numbers, not qint8; "
    )


def test_what_is_no_checkpoint_is_told(tmp_path: Path) -> None:
    path, none = tmp_path / "w.pt", f"must be a checkpoint of torch or a .safetensors file; {SAVE}"
    torch.save(state(), path)
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert refused(path) == f"is empty; {SAVE}"
    for data in (whole[:300], b"hello, no checkpoint"):
        path.write_bytes(data)
        assert refused(path) == none
    path.write_bytes(np.random.default_rng(0).bytes(1000))
    assert refused(path).endswith(SAVE)
    path.write_bytes((50).to_bytes(8, "little") + b"{not json")
    assert refused(path).startswith("must be a .safetensors file, but cannot be read: ")
    np.savez(tmp_path / "w.npz", a=np.ones(2))
    assert refused(tmp_path / "w.npz") == none
    assert refused(tmp_path) == "must be a file of weights, not a folder"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(model()).save(str(path))
    assert refused(path) == f"is compiled by torch.jit; {SAVE}"


def test_a_network_file_is_no_checkpoint(tmp_path: Path) -> None:
    from commands import digits_network

    digits_network().save(tmp_path / "n.safetensors")
    assert (
        refused(tmp_path / "n.safetensors")
        == "is a network of Polyrhythm, which is converted already; give the torch model's weights"
    )
