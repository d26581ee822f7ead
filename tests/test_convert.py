"""`polyrhythm convert`: a trained model of torch becomes a network file, and bad ones are refused by name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cli.convert import load_ann
from polyrhythm import main
from sw import data
from sw.network import Network

MODEL = """
from torch import nn

def model():
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
                         nn.Linear(128, 24), nn.ReLU(), nn.Linear(24, 10))

def text():
    return "no model"

number = 3
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model file, and its weights trained for a few seconds on the digits."""
    folder = tmp_path_factory.mktemp("ann")
    (folder / "model.py").write_text(MODEL)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ann = load_ann(f"{folder / 'model.py'}:model", None).train()
    images, labels = data.load("digits", "train")
    x, y = torch.from_numpy(images.astype("float32") / 16), torch.from_numpy(labels.astype("int64"))
    optimizer = torch.optim.AdamW(ann.parameters(), lr=5e-3)
    for _ in range(20):
        for rows in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(ann(x[rows]), y[rows]).backward()
            optimizer.step()
    torch.save(ann.state_dict(), folder / "weights.pt")
    return folder


def command(folder: Path, *more: str) -> list[str]:
    return ["convert", "--model", f"{folder / 'model.py'}:model", "--weights", str(folder / "weights.pt"), "--dataset", "digits",
            "--preprocess", "levels:15", "--device", "cpu", *more]  # fmt: skip


def test_a_model_becomes_a_network_that_keeps_its_target(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "net.safetensors"
    target = ["--target-mean-T", "2", "--epochs", "15,4", "--lr", "0.003", "--name", "small"]
    assert main([*command(trained, "--out", str(out), *target), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    network = Network.load(out)
    steps = [layer.T for layer in network.layers[:-1]]
    assert told["T"] == steps and told["mean_T"] == sum(steps) / 2 <= 2 and told["target_reached"] is True
    assert told["float_accuracy"] > 0.96 and told["accuracy"] == told["quantized_accuracy"] > 0.93
    assert network.name == "small" and [layer.name for layer in network.layers] == ["0", "5", "7"]


def test_what_falls_short_of_its_target_is_told(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(trained, "--out", str(tmp_path / "net"), "--target-cycles", "1", "--epochs", "1,1")) == 0
    assert "The target was not reached: give it more epochs, or a higher learning rate (--lr)." in capsys.readouterr().out


BAD: dict[str, Callable[[Path], list[str]]] = {
    "must be FILE.py:FUNCTION with a file that is there": lambda folder: ["--model", str(folder / "model.py")],
    "must define the function 'other', which makes the model": lambda folder: ["--model", f"{folder / 'model.py'}:other"],
    "must define the function 'number', which makes the model": lambda folder: ["--model", f"{folder / 'model.py'}:number"],
    "must give a torch.nn.Module, not str": lambda folder: ["--model", f"{folder / 'model.py'}:text"],
    "only one target can be steered to, not 2: cycles, mean_T": lambda folder: ["--target-cycles", "3", "--target-mean-T", "2"],
    "must be two numbers, quantized and snapped, such as 8,4, not '8'": lambda folder: ["--epochs", "8"],
    "must hold the state_dict of model()": lambda folder: ["--weights", str(folder / "other.pt")],
}


@pytest.mark.parametrize("text", BAD)
def test_bad_command_lines(text: str, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(nn.Linear(3, 3).state_dict(), trained / "other.pt")
    assert main(command(trained, *BAD[text](trained))) == 2
    assert text in capsys.readouterr().err
