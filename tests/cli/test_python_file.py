"""Users' Python files: what lies beside them is theirs, what is ours stays ours, and what goes
wrong is one line with its place."""

import sys
from pathlib import Path

import pytest

from polyrhythm.cli import report
from polyrhythm.cli.python_file import call_object, load_object
from polyrhythm.sw.network import Network

MODEL = """
from __future__ import annotations
from dataclasses import dataclass
import sim, helper
import sw.x

@dataclass
class Sizes:
    hidden: int = 3

def words():
    import cli
    return [Sizes().hidden, sim.WORD, cli.WORD, sw.x.WORD, helper.WORD]

def needs(size, depth=2):
    return size

def fails():
    return helper.divide()

number = 3
"""
FILES = {
    "model.py": MODEL, "sim.py": "WORD = 'their sim'", "cli.py": "WORD = 'their cli'", "sw/x.py": "WORD = 'their sw.x'",
    "helper.py": "WORD = 'their helper'\n\ndef divide():\n    return 1 / 0\n", "lost.py": "import no_such_package\n",
    "broken.py": "x = 1\ndef f(:\n", "leaves.py": "import sys\n\nsys.exit(3)\n", "zeros.py": "x = '\0'\n",
    "other/helper.py": "WORD = 'the other helper'", "other/model.py": "import helper\nfrom polyrhythm.sw.network import Network\ndef word(): return helper.WORD, Network",
    "taken/polyrhythm.py": "WORD = 'their polyrhythm'", "taken/model.py": "def word():\n    import polyrhythm\n    return polyrhythm.WORD",
    "home/nets/__init__.py": "", "home/nets/parts.py": "SIZE = 4", "home/nets/model.py": "from .parts import SIZE\nfrom nets import parts\nimport parts as beside\n",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    # As for a user, who has our one name and not our folder on the path.
    monkeypatch.setattr(
        sys, "path", [place for place in sys.path if not Path(place, "polyrhythm").is_dir()]
    )
    for name in ("helper", "model", "parts", "nets"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def called(text: str) -> object:
    return call_object(load_object(text, "model"), text, "model")


def test_files_beside_it_are_its_own_and_ours_stay_ours(folder: Path) -> None:
    ours = {
        name: sys.modules[name]
        for name in (
            "polyrhythm",
            "polyrhythm.cli.report",
            "polyrhythm.sw",
            "polyrhythm.sw.network",
        )
    }
    theirs = [3, "their sim", "their cli", "their sw.x", "their helper"]
    assert called("model.py:words") == theirs
    from polyrhythm.sim import design

    assert (
        ours == {name: sys.modules[name] for name in ours}
        and Path(design.__file__).parent.name == "sim"
    )
    assert report.OK == 0 and Network.__module__ == "polyrhythm.sw.network.network"
    assert called(f"{folder}/model.py:words") == theirs
    assert called("taken/model.py:word") == "their polyrhythm"
    assert ours == {name: sys.modules[name] for name in ours}


def test_a_file_runs_once(folder: Path) -> None:
    assert load_object("model.py:Sizes", "model") is load_object(
        f"{folder / 'model.py'}:Sizes", "model"
    )


def test_two_files_of_one_name_have_their_own_neighbours(folder: Path) -> None:
    assert called("model.py:words")[-1] == "their helper"  # type: ignore[index]
    assert called("other/model.py:word") == ("the other helper", Network)
    assert called("model.py:words")[-1] == "their helper"  # type: ignore[index]


def test_a_file_of_a_package_imports_relatively(folder: Path) -> None:
    assert load_object("home/nets/model.py:SIZE", "model") == 4


def test_a_file_named_like_a_module_of_python_replaces_nothing(folder: Path) -> None:
    import json

    (folder / "json.py").write_text("number = 4")
    assert load_object("json.py:number", "recipe") == 4 and sys.modules["json"] is json


BAD = {
    "model.py": "model must be FILE.py:NAME, such as model.py:NAME, not 'model.py'",
    "": "model must be FILE.py:NAME, such as my_file.py:NAME, not ''",
    ":words": "model must be FILE.py:NAME, such as my_file.py:NAME, not ':words'",
    "model.py:a-b": "model must be FILE.py:NAME, such as my_file.py:NAME, not 'model.py:a-b'",
    "modle.py:words": "model must be FILE.py:NAME with a file that is there, but there is no 'modle.py'; did you mean model.py?",
    "other:words": "model must be FILE.py:NAME with a file that is there, but 'other' is a folder",
    "model.py:wrods": "model: model.py must define 'wrods'; did you mean words?",
    "model.py:xyz": "model: model.py must define 'xyz'; it has Sizes, words, needs, fails",
    "model.py:number": "model: number of model.py must be a function, not int",
    "model.py:needs": "model: needs of model.py must be called with no argument, but it takes (size, depth=2); write a function that needs no more and calls it",
    "model.py:fails": "model: fails: HERE/helper.py, line 4: ZeroDivisionError: division by zero",
    "lost.py:f": "model: lost.py, line 1: ModuleNotFoundError: No module named 'no_such_package'",
    "broken.py:f": "model: HERE/broken.py, line 2: must be Python, but: invalid syntax",
    "leaves.py:f": "model: leaves.py, line 3: must not leave the program; put that under if __name__ == '__main__'",
}


@pytest.mark.parametrize("text", BAD)
def test_what_goes_wrong_is_one_line(text: str, folder: Path) -> None:
    with pytest.raises(ValueError) as caught:
        called(text)
    assert str(caught.value) == BAD[text].replace("HERE", str(folder.resolve()))


def test_a_file_with_zeros_is_no_python(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"^model: .*zeros\.py.*null bytes"):
        called("zeros.py:f")
