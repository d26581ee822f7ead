"""sim.design: a simulator that was built is used again as long as nothing changed that the Verilog
may hang on."""

from pathlib import Path

import pytest

from polyrhythm.sim import design


@pytest.mark.parametrize(("file", "matters"), [
    ("hw/export.py", True), ("hw/conv/banks.py", True), ("sw/plan/deep/tables.py", True),
    ("sw/training/run/trainer.py", False), ("sim/bulk.py", False), ("cli/run.py", False),
])  # fmt: skip
def test_the_key_covers_the_generator_however_deep_it_lies(
    file: str, matters: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(design, "PACKAGE", tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text("size = 1\n")
    before = design._generator_key(None, "count", (None,))
    path.write_text("size = 2\n")
    assert (design._generator_key(None, "count", (None,)) != before) == matters


def test_a_file_that_moved_is_another_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(design, "PACKAGE", tmp_path)
    (tmp_path / "hw" / "conv").mkdir(parents=True)
    (tmp_path / "hw" / "banks.py").write_text("size = 1\n")
    before = design._generator_key(None, "count", (None,))
    (tmp_path / "hw" / "banks.py").rename(tmp_path / "hw" / "conv" / "banks.py")
    assert design._generator_key(None, "count", (None,)) != before


def test_the_rooms_of_the_house_are_covered() -> None:
    names = {path.relative_to(design.PACKAGE).as_posix() for path in design.generators()}
    assert {
        "hw/export.py",
        "hw/accelerator.py",
        "sw/network/network.py",
        "sw/plan/layer.py",
    } <= names
