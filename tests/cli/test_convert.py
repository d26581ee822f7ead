"""`polyrhythm convert`: a trained model of torch becomes a network file, and bad ones are refused
by name."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from polyrhythm.cli.ann_model import load_model
from polyrhythm.cli.main import main
from polyrhythm.sw import data
from polyrhythm.sw.network import Input, Network
from polyrhythm.sw.training.data.samples import Samples
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.recipe import LayerSpec
from polyrhythm.sw.training.recipes import DIGITS
from polyrhythm.sw.training.run import whole
from polyrhythm.sw.training.run.trainer import Trainer

MODEL = """
import torch
from torch import nn
from torch.nn.utils import prune

def model():
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
                         nn.Linear(128, 24), nn.ReLU(), nn.Linear(24, 10))

def pruned():
    net = model()
    for part in (net[0], net[5], net[7]):
        prune.identity(part, "weight")
    return net

def without_dropout():
    return nn.Sequential(*model())

class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2, self.fc = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(256, 10)

    def forward(self, x):
        a = torch.relu(self.c1(x))
        return self.fc(torch.flatten(torch.relu(self.c2(a) + a), 1))

def bad():
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 12))

def twelve():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12))

made = twelve()

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
    ann = load_model(f"{folder / 'model.py'}:model", None)[0].train()
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


def test_a_model_becomes_a_network_that_keeps_its_target(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.safetensors"
    target = ["--target-mean-T", "2", "--epochs", "15,4", "--lr", "0.003", "--name", "small"]
    assert main([*command(trained, "--out", str(out), *target), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    network = Network.load(out)
    steps = [layer.T for layer in network.layers[:-1]]
    assert (
        told["T"] == steps
        and told["mean_T"] == sum(steps) / 2 <= 2
        and told["target_reached"] is True
    )
    assert told["float_accuracy"] > 0.96 and told["accuracy"] == told["quantized_accuracy"] > 0.93
    assert network.name == "small" and [layer.name for layer in network.layers] == [
        "conv1",
        "fc1",
        "out",
    ]


def test_what_falls_short_of_its_target_is_told(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            command(
                trained, "--out", str(tmp_path / "net"), "--target-cycles", "1", "--epochs", "1,1"
            )
        )
        == 0
    )
    said = capsys.readouterr().out
    assert (
        "The target was not reached: give it more epochs, or a higher learning rate (--lr)." in said
        and "No target is given" not in said
    )


def converted(
    folder: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON and stderr of a conversion without a single epoch."""
    capsys.readouterr()
    code = main([*command(folder, "--epochs", "0,0", *more), "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def test_a_run_folder_belongs_to_weights_and_model(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = ["--run", str(tmp_path / "run"), "--out", str(tmp_path / "net")], tmp_path / "net"
    state = torch.load(trained / "weights.pt")
    torch.save(state | {"7.bias": state["7.bias"] + 1}, tmp_path / "other.pt")
    assert converted(trained, capsys, *run, "--epochs", "1,1")[0] == 0
    kept = out.read_bytes()
    for other in (
        ["--weights", str(tmp_path / "other.pt")],
        ["--model", f"{trained / 'model.py'}:Residual", "--weights", str(residual(tmp_path))],
    ):
        code, told, _ = converted(
            trained, capsys, *run, "--epochs", "1,1", "--name", "model", *other
        )
        text = rf"{tmp_path}/run: the run that lies there began with another model or other weights \([0-9a-f]{{12}}, this one with [0-9a-f]{{12}}\); name another folder, or delete this one"
        assert code == 2 and re.fullmatch(text, told["error"])
    code, told, _ = converted(trained, capsys, *run, "--epochs", "1,1", "--lr", "0.5")
    assert (
        code == 2
        and "the run that lies there has lr 0.001, this one 0.5; name another folder"
        in told["error"]
    )
    # The same layers and weights
    assert (
        converted(
            trained,
            capsys,
            *run,
            "--epochs",
            "1,1",
            "--model",
            f"{trained / 'model.py'}:without_dropout",
            "--name",
            "model",
        )[0]
        == 0
    )
    assert out.read_bytes() == kept


def residual(folder: Path) -> Path:
    """Weights of the residual model."""
    shapes = {
        "c1.weight": (4, 1, 3, 3),
        "c1.bias": (4,),
        "c2.weight": (4, 4, 3, 3),
        "c2.bias": (4,),
        "fc.weight": (10, 256),
        "fc.bias": (10,),
    }
    generator = torch.Generator().manual_seed(4)
    torch.save(
        {name: torch.randn(shape, generator=generator) * 0.2 for name, shape in shapes.items()},
        folder / "residual.pt",
    )
    return folder / "residual.pt"


def test_pruned_weights_are_read_as_the_model_computes_them(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The state has weight_orig and weight_mask; the attribute `weight` is that of the untrained
    model until it is called."""
    state = torch.load(trained / "weights.pt")
    for part in ("0", "5", "7"):
        weight = state.pop(f"{part}.weight")
        state |= {
            f"{part}.weight_orig": weight,
            f"{part}.weight_mask": (weight.abs() > 0.01).float(),
        }
    torch.save(state, tmp_path / "pruned.pt")
    for function in ("pruned", "model"):
        code, told, _ = converted(
            trained,
            capsys,
            "--model",
            f"{trained / 'model.py'}:{function}",
            "--weights",
            str(tmp_path / "pruned.pt"),
            "--out",
            str(tmp_path / "net"),
        )
        assert code == 0 and told["float_accuracy"] > 0.95
    assert "weights: its pruning masks are multiplied in" in told["notes"]


def test_a_residual_model_is_converted_and_its_lack_of_verilog_is_said_before(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(
        trained,
        "--model",
        f"{trained / 'model.py'}:Residual",
        "--weights",
        str(residual(tmp_path)),
        "--out",
        str(tmp_path / "net"),
        "--epochs",
        "1,1",
    )
    assert main(words) == 0
    said = capsys.readouterr()
    before = "No Verilog can be made of its residual additions: such a network runs in torch and in the golden model."
    assert said.err.startswith(before) and before in said.out and "busy cycles" not in said.out
    assert re.search(
        r"^Predicted on training images: [\d,]+ events of a frame\.$", said.out, re.MULTILINE
    )
    code, told, _ = converted(trained, capsys, *words[1:], "--epochs", "0,0")
    assert (
        code == 0
        and told["verilog"] is False
        and told["cycles"] is None
        and Network.load(tmp_path / "net").layers[1].skip is not None
    )


def test_what_becomes_of_time_steps_without_a_target_is_said(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ("No target is given, so time steps are learned for accuracy alone, from 4 in each layer at the start, at most 15; "
            "--target-mean-T, --target-cycles or --target-events brings them down.")  # fmt: skip
    code, data, err = converted(trained, capsys, "--out", str(tmp_path / "net"))
    assert code == 0 and told in data["notes"] and told in err and data["verilog"] is True


def test_the_network_is_named_by_the_model(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        converted(trained, capsys, "--model", f"{trained / 'model.py'}:without_dropout")[1][
            "network"
        ]
        == "without_dropout.safetensors"
    )
    assert converted(trained, capsys)[1]["network"] == "model.safetensors"
    assert Network.load("without_dropout.safetensors").name == "without_dropout"


def test_everything_that_is_wrong_is_told_at_once_before_training(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    wrong = ["--model", f"{trained / 'model.py'}:bad", "--weights", str(bad_weights(tmp_path)), "--name", "my/net", "--out", str(tmp_path), "--run", str(tmp_path / "file"),
             "--lr", "nan", "--threads", "0", "--target-mean-T", "0.5", "--device", "tpu", "--seed", "-1"]  # fmt: skip
    code, told, _ = converted(trained, capsys, *wrong)
    assert (
        code == 2
        and told["error"].splitlines()
        == [
            "10 things are wrong:",
            "  name must be 1 to 100 printable characters, no slash or backslash, no dot first, not 'my/net'",
            f"  --out must be a file, but {tmp_path} is a folder; name a file in it",
            f"  --run must be a folder, but {tmp_path / 'file'} is a file",
            "  --lr must be a finite number above 0, not nan",
            "  --target-mean-T must be a finite number at least 1, for no layer has fewer time steps, not 0.5",
            "  --threads must be a whole number from 1 to 65536, not 0",
            "  --seed must be a whole number from 0 to 2**63 - 1, not -1",
            "  device must be auto, cpu, cuda or cuda:N, not 'tpu'",
            "  1: GELU has no spiking counterpart; use ReLU: a spiking neuron has no other curve; its clip range is learned",
            "  2: MaxPool2d has no spiking counterpart; use AvgPool2d: a maximum of spike counts is no sum",
        ]
        and not (tmp_path / "net").exists()
    )


def bad_weights(folder: Path) -> Path:
    torch.save(
        {
            "0.weight": torch.ones(8, 1, 3, 3),
            "0.bias": torch.ones(8),
            "4.weight": torch.ones(12, 128),
            "4.bias": torch.ones(12),
        },
        folder / "bad.pt",
    )
    return folder / "bad.pt"


BAD: dict[str, Callable[[Path], list[str]]] = {
    "model must be FILE.py:NAME, such as ": lambda folder: ["--model", str(folder / "model.py")],
    "must define 'other'; it has model, pruned, without_dropout, Residual, bad, twelve, text": lambda folder: ["--model", f"{folder / 'model.py'}:other"],
    "must be a function, not int": lambda folder: ["--model", f"{folder / 'model.py'}:number"],
    "must give a torch.nn.Module, not str": lambda folder: ["--model", f"{folder / 'model.py'}:text"],
    "only one target can be steered to, not 2: cycles, mean_T": lambda folder: ["--target-cycles", "3", "--target-mean-T", "2"],
    "must be two numbers, quantized and snapped, such as 8,4, not '8'": lambda folder: ["--epochs", "8"],
    "must hold the state_dict of model(): missing are 0.weight, 0.bias, 1.weight and 7 more (it has weight); the model has no weight, bias": lambda folder: ["--weights", str(folder / "other.pt")],
    "digits: has 10 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), but the network has 12 outputs": lambda folder: ["--model", f"{folder / 'model.py'}:made", "--weights", str(twelve(folder))],
    "no accelerator has residual additions, so it has no cycles; use --target-mean-T or --target-events":
        lambda folder: ["--model", f"{folder / 'model.py'}:Residual", "--weights", str(residual(folder)), "--target-cycles", "100"],
    "preprocess must be levels:N, rate:T, frames:T:N, window:US:T:N": lambda folder: ["--preprocess", "level:15"],
    "dataset must be one of": lambda folder: ["--dataset", "digit"],
    "--trade must be a finite number at least 0, not -1": lambda folder: ["--trade", "-1"],
    "--steps must be a whole number from 1 to 65536, not 0": lambda folder: ["--steps", "0"],
    "--steps must be at most --max-T, 8, not 9: learning starts from it": lambda folder: ["--steps", "9", "--max-T", "8"],
    "--out must be a file, but /dev/null is something else": lambda folder: ["--out", "/dev/null"],
    "cannot be written: file name too long": lambda folder: ["--out", str(folder / ("x" * 300))],
    "is a file, not a folder": lambda folder: ["--out", str(folder / "model.py" / "net.safetensors")],
    "name must be 1 to 100 printable characters, no slash or backslash, no dot first, not 'xxxx": lambda folder: ["--name", "x" * 101],
}  # fmt: skip


def twelve(folder: Path) -> Path:
    torch.save({"1.weight": torch.ones(12, 64), "1.bias": torch.ones(12)}, folder / "twelve.pt")
    return folder / "twelve.pt"


@pytest.mark.parametrize("text", BAD)
def test_bad_command_lines(text: str, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(nn.Linear(3, 3).state_dict(), trained / "other.pt")
    assert main(command(trained, *BAD[text](trained))) == 2
    assert text in capsys.readouterr().err


def test_a_missing_folder_is_made(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "not" / "there" / "net.safetensors"
    assert converted(trained, capsys, "--out", str(out))[0] == 0 and out.is_file()


def lost_folder(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> str:
    """Convert into a folder that becomes a file while it trains; the error."""
    folder = tmp_path / "out"
    folder.unlink(missing_ok=True)

    def lose(*_: object) -> None:
        if not folder.exists():
            folder.write_text("a file now")

    with mock.patch(
        "polyrhythm.sw.training.run.trainer.Trainer.run",
        autospec=True,
        side_effect=lambda self, run=Trainer.run: (run(self), lose()),
    ):
        code, told, _ = converted(trained, capsys, "--out", str(folder / "net.safetensors"), *more)
    assert code == 2
    return str(told["error"])


def test_a_network_that_cannot_be_written_is_kept_elsewhere(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    error = lost_folder(trained, tmp_path, capsys)
    found = re.fullmatch(
        rf"{tmp_path}/out/net\.safetensors: cannot be written \(.*\); the trained network is kept: ([0-9a-f]{{16}}\.safetensors)",
        error,
    )
    assert found and Network.load(found[1]).name == "model"
    error = lost_folder(trained, tmp_path, capsys, "--run", str(tmp_path / "run"))
    assert (
        f"kept: {tmp_path}/run/" in error
        and len(list((tmp_path / "run").glob("*.safetensors"))) == 1
    )


def test_an_end_that_goes_wrong_names_the_trained_weights(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with mock.patch("polyrhythm.sw.training.run.whole.score", side_effect=ValueError("no score")):
        code, told, _ = converted(trained, capsys)
    assert code == 2 and told["error"] == "no score; the trained weights are kept: model.trained.pt"
    assert "layers.0.weight" in torch.load("model.trained.pt")


def test_labels_beyond_the_readout_are_refused_before_training(trained: Path) -> None:
    net = TrainableNetwork(
        (LayerSpec("out", 5, "readout"),), "two_phase", Input((1, 8, 8)), torch.Generator()
    )
    part = Samples(torch.zeros(3, 1, 8, 8), torch.tensor([0, 4, 5]), None, False)
    with pytest.raises(
        ValueError, match=r"^x: the readout has 5 classes, so labels must be 0\.\.4, not 0\.\.5$"
    ):
        whole.check_labels(replace(DIGITS, name="x"), net, part)


def test_the_ann_is_scored_before_training(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told, said = converted(trained, capsys, "--out", str(tmp_path / "net"))
    assert (
        code == 0
        and f"ANN: {100 * told['float_accuracy']:.2f} % of the test split, before anything is trained\n"
        in said
    )
    assert "chance" not in said and not any("chance" in note for note in told["notes"])


def test_an_ann_near_chance_is_told(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The classes in another order."""
    state = torch.load(trained / "weights.pt")
    torch.save(
        state | {key: state[key].roll(1, 0) for key in ("7.weight", "7.bias")},
        tmp_path / "rolled.pt",
    )
    code, told, said = converted(
        trained, capsys, "--out", str(tmp_path / "net"), "--weights", str(tmp_path / "rolled.pt")
    )
    note = f"ANN: {100 * told['float_accuracy']:.2f} % is near chance, which is 10.00 % for 10 classes: labels, the order of the classes, or what is white (--peak) probably do not fit the model"
    assert code == 0 and f"WARNING: {note}\n" in said and note in told["notes"]


@pytest.mark.parametrize("option", ["--weights", "--model", "--run", "hard link"])
def test_an_input_is_not_written_over(
    option: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in ("model.py", "weights.pt"):
        (tmp_path / file).write_bytes((trained / file).read_bytes())
    (tmp_path / "linked").hardlink_to(tmp_path / "weights.pt")
    out = (
        tmp_path
        / {"--weights": "weights.pt", "--model": "model.py", "--run": "run", "hard link": "linked"}[
            option
        ]
    )
    code, told, _ = converted(tmp_path, capsys, "--run", str(tmp_path / "run"), "--out", str(out))
    named = "--weights" if option == "hard link" else option
    given = tmp_path / "weights.pt" if option == "hard link" else out
    assert (code, told["error"]) == (
        2,
        f"--out must be another file than {named}: {given} would be written over",
    )
    assert (tmp_path / "weights.pt").read_bytes() == (trained / "weights.pt").read_bytes()


def test_a_file_that_is_no_network_is_not_written_over(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "notes.txt"
    out.write_text("mine")
    text = f"--out: {out} exists and is no network file of ours; delete it, or name another file"
    verbs = (
        ["train", "--recipe", "digits"],
        ["to-events", "NET"],
        ["cutoff", "NET"],
        ["tune", "NET", "--dataset", "digits"],
    )
    (net := tmp_path / "net.safetensors").touch()
    assert converted(trained, capsys, "--out", str(net))[0] == 0  # over an empty file
    assert converted(trained, capsys, "--out", str(net))[0] == 0  # over a network
    told = [converted(trained, capsys, "--out", str(out))[:2]]
    for words in verbs:
        code = main(
            [*(str(net) if word == "NET" else word for word in words), "--out", str(out), "--json"]
        )
        told.append((code, json.loads(capsys.readouterr().out)))
    assert [(code, text in found["error"]) for code, found in told] == [
        (2, True)
    ] * 5 and out.read_text() == "mine"


def test_a_message_leaves_a_path_as_it_is(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "A.pt").write_text("x")
    _, told, _ = converted(trained, capsys, "--out", str(tmp_path / "A.pt" / "o.safetensors"))
    assert (
        told["error"]
        == f"--out: {tmp_path}/A.pt/o.safetensors cannot be written: {tmp_path}/A.pt is a file, not a folder"
    )
