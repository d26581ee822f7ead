"""Suggestions are made where they are near, by one rule."""

from pathlib import Path

import pytest

from polyrhythm.cli.files import nearest_file
from polyrhythm.cli.report import nearest as told
from polyrhythm.sw.lib.check import near, nearest
from polyrhythm.sw.training.recipes import RECIPES

NEAR = [
    ("trian", ["train", "tune", "run"], ["train"]),  # neighbours that changed places
    ("rlt", ["golden", "rtl", "cocotb"], ["rtl"]),
    ("tun", ["train", "tune", "run"], ["tune"]),  # one letter too few
    ("--lane", ["--lanes", "--coding"], ["--lanes"]),
    ("-lanes", ["--lanes"], ["--lanes"]),
    ("save", ["margin", "softmax", "safe"], ["safe"]),  # one wrong
    ("MNIST_MT", list(RECIPES), ["mnist-mt"]),  # capitals, - and _
    ("cifar-10", ["cifar10", "mnist"], ["cifar10"]),
    ("fashion", ["fashion-mnist", "mnist"], ["fashion-mnist"]),  # the beginning of one alone
    ("exec", ["executor", "trace"], ["executor"]),
    # As near as each other
    ("ecp5-45k", ["ecp5-25k", "ecp5-85k", "up5k"], ["ecp5-25k", "ecp5-85k"]),
]
FAR = [
    ("nix", ["fix-mtt", "fix", "mix"]),  # names of three letters with one wrong
    ("mnist", list(RECIPES)),  # the beginning of many
    ("run", ["sum", "synth"]),
    ("5", ["2", "up5k"]),
    ("verify", ["verilog"]),
    ("", ["a", "info"]),
    ("help", ["tune", "demo"]),
    ("resnet50", ["resnet-cifar"]),
]


@pytest.mark.parametrize(("word", "known", "wanted"), NEAR)
def test_what_is_near(word: str, known: list[str], wanted: list[str]) -> None:
    assert near(word, known) == wanted


@pytest.mark.parametrize(("word", "known"), FAR)
def test_what_is_not_near(word: str, known: list[str]) -> None:
    assert near(word, known) == []


def test_both_phrases_follow_the_rule() -> None:
    assert told("ecp5-45k", ["ecp5-25k", "ecp5-85k"]) == "; did you mean ecp5-25k or ecp5-85k?"
    assert (told("nix", ["fix"]), told("leakshift", ["leak_shift"])) == (
        "",
        "; did you mean leak_shift?",
    )
    assert nearest("nix", ["six", "fix"]) == "known: fix, six"
    assert nearest("leakshift", ["leak_shift"]) == "did you mean 'leak_shift'?"


def test_files_are_compared_without_what_all_have_in_common(tmp_path: Path) -> None:
    """A long folder and the same suffix make no names alike."""
    folder = tmp_path / "a-folder-with-a-name-that-is-much-longer-than-its-files"
    folder.mkdir()
    (folder / "fix-mtt.safetensors").touch()
    assert nearest_file(f"{folder}/nix.safetensors", ".safetensors") == ""
    assert (
        nearest_file(f"{folder}/fix-mt.safetensors", ".safetensors")
        == f"; did you mean {folder}/fix-mtt.safetensors?"
    )
    assert (
        nearest_file(f"{folder}/fix-mtt", ".safetensors")
        == f"; did you mean {folder}/fix-mtt.safetensors?"
    )
    assert nearest_file(f"{tmp_path}/none/fix-mtt.safetensors", ".safetensors") == ""
