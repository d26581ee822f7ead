"""`polyrhythm tune`: a network learns on without its clock, and what cannot is refused by name."""

import json
from pathlib import Path

import pytest

from polyrhythm.cli.main import main
from polyrhythm.sw import data, golden
from polyrhythm.sw.network import Network

MODELS = Path(__file__).parents[2] / "models"


def command(model: str, *more: str) -> list[str]:
    return [
        "tune",
        str(MODELS / f"{model}.safetensors"),
        "--dataset",
        "digits",
        "--device",
        "cpu",
        *more,
    ]


def test_dense_digits_lose_their_clock_and_keep_their_accuracy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """96.67 % as two_phase neurons, 73.61 % as unsigned ones of the same weights, 96.67 % when
    these were tuned."""
    out = tmp_path / "net.safetensors"
    assert (
        main([*command("digits", "--bins", "64", "--name", "events", "--out", str(out)), "--json"])
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    network = Network.load(out)
    assert (
        network.name == "events"
        and network.schedule == "event_driven"
        and network.hidden[0].neuron == "unsigned"
    )
    assert told["start_accuracy"] < 0.8 and told["accuracy"] > 0.95
    inputs, labels = data.inputs_for(network, "digits", "test")
    assert (
        (golden.run(network, inputs).answer == labels).mean()
        == told["accuracy"]
        == network.provenance["accuracy"]
    )
    assert network.provenance["config"]["clockless"] == {"T": 15, "bins": 64}


def test_people_read_three_accuracies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "net.safetensors"
    assert main(command("digits", "--epochs", "1", "--steps", "3", "--out", str(out))) == 0
    told = capsys.readouterr().out
    assert (
        "its weights as they were, golden" in told
        and "tuned, torch, events in 16 bins" in told
        and f": {out}\n" in told
    )
    assert Network.load(out).layers[0].T == 3


def test_a_run_belongs_to_the_network_that_it_began_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, run = str(tmp_path / "net.safetensors"), ["--run", str(tmp_path / "run"), "--epochs", "1"]
    assert main(command("digits", *run, "--out", out)) == 0
    first = Network.load(out).digest
    assert main(command("digits", *run, "--out", out)) == 0 and Network.load(out).digest == first
    assert (
        main(
            [
                "tune",
                out,
                "--dataset",
                "digits",
                "--device",
                "cpu",
                *run,
                "--out",
                str(tmp_path / "other"),
            ]
        )
        == 2
    )
    assert (
        "the run that lies there began with another model or other weights"
        in capsys.readouterr().err
    )


BAD = {
    "layer 0 (fc1): without time steps nothing leaks": ["digits-lif", "--preprocess", "levels:15"],
    "preprocess must be levels:N": ["digits", "--preprocess", "level:3"],
    "recipe tuned: preprocess rate:4 gives 4 ticks, but event_driven networks have none; choose levels:N, counts:N or frames:1:N": [
        "digits", "--preprocess", "rate:4"
    ],
    "layer 2 (conv2_1b): skip must be null without time steps, not an addition of 'conv1'": ["cifar10-resnet18", "--dataset", "cifar10"],
    "argument --bins: must be a whole number of at least 1, not '0'": ["digits", "--bins", "0"],
    "dataset must be one of": ["digits", "--dataset", "digitz"],
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_bad_command_lines(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(*BAD[text])) == 2
    assert text in capsys.readouterr().err
