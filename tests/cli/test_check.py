"""`polyrhythm check`: what of a model or a network file can be built, every problem at once."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import call, digits_network
from torch import nn

from polyrhythm.sw.network import Layer, Network, SafeExit, Skip

MODEL = """
from __future__ import annotations
from dataclasses import dataclass
import torch
from torch import nn
from sizes import HIDDEN

@dataclass
class Sizes:
    hidden: int = HIDDEN

def good():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, Sizes().hidden), nn.ReLU(), nn.Linear(Sizes().hidden, 10))

class Bad(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.pool, self.out = nn.Conv2d(1, 4, 7, padding=3), nn.MaxPool2d(2), nn.Linear(64, 10)

    def forward(self, x):
        x = torch.tanh(self.conv(x))
        return self.out(self.pool(x).flatten(1))

class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2, self.fc = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(256, 10)

    def forward(self, x):
        a = torch.relu(self.c1(x))
        return self.fc((self.c2(a) + a).relu().flatten(1))

twelve = nn.Sequential(nn.Flatten(), nn.Linear(64, 12))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my.py").write_text(MODEL)
    (tmp_path / "sizes.py").write_text("HIDDEN = 20\n")
    (tmp_path / "sim.py").write_text("raise ValueError('this is the user's own')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = call(capsys, "check", *words, "--json")
    return code, json.loads(out)


def test_a_model_that_can_be_built(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = checked(capsys, "my.py:good", "--dataset", "digits")
    assert code == 0 and told == {
        "checked": "my.py:good", "buildable": True, "problems": [], "notes": [],
        "layers": [{"layer": "fc1", "kind": "dense", "inputs": 64, "neurons": 20, "weights": 1280, "potential": None},
                   {"layer": "out", "kind": "readout", "inputs": 20, "neurons": 10, "weights": 200, "potential": None}],
    }  # fmt: skip
    code, out, _ = call(capsys, "check", "my.py:good", "--shape", "1,8,8")
    assert (
        code == 0
        and out.startswith("my.py:good, input 1x8x8\n")
        and out.endswith("All of it can be built.\n")
    )


def test_every_problem_of_a_model_is_told_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = checked(capsys, "my.py:Bad", "--shape", "1,8,8")
    assert (
        code == 1
        and not told["buildable"]
        and told["problems"]
        == [
            "conv (my.py, line 21): kernel_size must be 1, 3 or 5, not 7",
            "tanh (my.py, line 21): Tanh has no spiking counterpart; use ReLU: a spiking neuron has no other curve; its clip range is learned",
            "pool (my.py, line 22): MaxPool2d has no spiking counterpart; use AvgPool2d: a maximum of spike counts is no sum",
        ]
    )
    code, out, _ = call(capsys, "check", "my.py:Bad", "--shape", "1,8,8")
    assert code == 1 and out.startswith("3 problems stand in the way:\n  conv (my.py, line 21): ")


def test_what_converts_without_verilog_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "check", "my.py:Residual", "--shape", "1,8,8")
    assert code == 0 and out.endswith(
        "It converts, but layer 1 (c2): no accelerator adds the counts of an earlier layer (c1); such networks run in torch and in the "
        "golden model\n\nAll of it can be converted.\n"
    )


def test_classes_and_weights_are_looked_at(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(capsys, "my.py:twelve", "--dataset", "digits") == (
        1,
        checked(capsys, "my.py:twelve", "--dataset", "digits")[1],
    )
    assert checked(capsys, "my.py:twelve", "--dataset", "digits")[1]["problems"] == [
        "digits: has 10 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), but the network has 12 outputs"
    ]
    torch.save({"model": {"1.weight": torch.ones(12, 64), "1.bias": torch.ones(12)}}, "w.pt")
    assert checked(capsys, "my.py:twelve", "--shape", "64", "--weights", "w.pt")[1]["notes"] == [
        "weights: taken from ['model'] of w.pt"
    ]


def unordered() -> Network:
    """A network with an early exit and unsigned neurons behind signed ones."""
    plain = digits_network("event_driven")
    hidden = plain.layers[0]
    second = Layer(
        "fc2",
        "dense",
        np.ones((5, 6), int),
        np.zeros(5, int),
        np.full(5, 6),
        4,
        T=3,
        neuron="unsigned",
    )
    last = Layer("out", "readout", np.ones((10, 5), int), np.zeros(10, int), None, 4)
    return Network("odd", "event_driven", plain.input, (hidden, second, last))


def residual() -> Network:
    def conv(name: str, channels: int, skip: Skip | None = None) -> Layer:
        return Layer(
            name,
            "conv2d",
            np.ones((2, channels, 3, 3), int),
            np.zeros(2, int),
            np.full(2, 5),
            4,
            T=3,
            padding=1,
            skip=skip,
        )

    layers = (conv("a", 1), conv("b", 2, Skip("a", np.eye(2, dtype=int))), conv("c", 2, Skip("a", np.eye(2, dtype=int))),
              Layer("out", "readout", np.ones((10, 128), int), np.zeros(10, int), None, 4))  # fmt: skip
    return Network("residual", "two_phase", digits_network().input, layers)


def test_a_network_file_is_judged_by_what_the_gateware_builds(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits_network().save("good.safetensors")
    code, told = checked(capsys, "good.safetensors")
    assert code == 0 and told["buildable"] and told["layers"][0]["potential"].endswith(" bit")
    residual().save("residual.safetensors")
    code, told = checked(capsys, "residual.safetensors")
    end = "no accelerator adds the counts of an earlier layer (a); such networks run in torch and in the golden model"
    assert code == 1 and told["problems"] == [f"layer 1 (b): {end}", f"layer 2 (c): {end}"]
    unordered().save("odd.safetensors")
    code, told = checked(capsys, "odd.safetensors")
    assert code == 1 and [problem[:58] for problem in told["problems"]] == [
        "layer 1 (fc2): unsigned neurons need their events in order,"[:58]
    ]
    stepped = dataclasses.replace(digits_network("time_stepped"), exit=SafeExit())
    stepped.save("exit.safetensors")
    assert checked(capsys, "exit.safetensors")[1]["problems"] == [
        "tiny: the gateware has no early exit, but exit is 'safe'; save the network with exit null"
    ]


BAD: dict[str, Callable[[Path], list[str]]] = {
    "no such network file": lambda _: ["nothing.safetensors"],
    "a model must be FILE.py:NAME, the function that makes it, such as my.py:model": lambda _: ["my.py"],
    "the shape of the model's inputs must be known: give --shape C,H,W (or --shape N), or --dataset NAME": lambda _: ["my.py:good"],
    "give --shape or --dataset, not both": lambda _: ["my.py:good", "--shape", "3", "--dataset", "digits"],
    "--shape must be one to three numbers, such as 1,28,28, not '1x8x8'": lambda _: ["my.py:good", "--shape", "1x8x8"],
    "--weights, --shape and --dataset belong to a torch model": lambda _: ["good.safetensors", "--shape", "3"],
    "model: my.py must define 'god'; did you mean good?": lambda _: ["my.py:god", "--shape", "3"],
    "broken.safetensors: ": lambda folder: [str((folder / "broken.safetensors").write_bytes(b"no network") and "broken.safetensors")],
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_looked_at_is_one_line(
    text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "check", *BAD[text](folder))
    assert code == 2 and out == "" and text in err and err.count("\n") == 1


def test_a_model_of_the_users_own_does_not_hide_our_rooms(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(capsys, "my.py:good", "--shape", "1,8,8")[0] == 0
    from polyrhythm import sim

    assert Path(sim.__file__ or "").parent.name == "sim" and isinstance(nn.Linear(1, 1), nn.Module)


OUTPUTS = """
import torch
from torch import nn

class Binary(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(64, 1)

    def forward(self, x):
        return torch.sigmoid(self.out(x.flatten(1))).squeeze(1)

def exported():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    return torch.export.export(net, (torch.zeros(2, 1, 8, 8),)).module()
"""


def test_one_output_and_exported_graphs_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "outputs.py").write_text(OUTPUTS)
    code, told = checked(capsys, "outputs.py:Binary", "--shape", "1,8,8")
    text = "must return logits (B, C), C at least 2, not (B,); use a Linear with two outputs, one for each class, for the largest of one is always class 0"
    assert code == 1 and told["problems"] == [f"the model (outputs.py, line 11): {text}"]
    code, told = checked(capsys, "outputs.py:exported", "--shape", "1,8,8")
    assert (
        code == 2
        and told["error"]
        == "model: exported() of outputs.py is a graph of torch.export, which has no evaluation; give the torch.nn.Module that was exported"
    )
