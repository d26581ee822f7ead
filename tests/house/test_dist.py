"""The distribution: each check of tools/dist.py sees what it is for, and the whole holds."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from commands import REPO

sys.path.insert(0, str(REPO / "tools"))
import dist


def test_a_missing_and_a_stray_file_are_named() -> None:
    with pytest.raises(dist.Unfit) as caught:
        dist.check_names("wheel", {"a.py"}, {"a.py", "sim/harness.cpp"})
    assert str(caught.value) == "wheel lacks sim/harness.cpp"
    with pytest.raises(dist.Unfit) as caught:
        dist.check_names("sdist", {"a.py", "b.log"}, {"a.py"})
    assert str(caught.value) == "sdist must not hold b.log"


def test_the_wheel_is_every_package_with_its_data() -> None:
    wanted = dist.packaged()
    assert {
        f"polyrhythm/{name}"
        for name in ("py.typed", "cli/run.py", "sim/harness.cpp", "sw/training/train.py")
    } <= wanted
    assert not any(name.startswith(("tests", "tools", "models")) for name in wanted)


METADATA = """Metadata-Version: 2.4
Name: polyrhythm
Version: {version}
License-Expression: {licence}
Requires-Python: {python}
Description-Content-Type: text/markdown
Requires-Dist: {requires}

Page.
"""
GOOD = {
    "version": dist.VERSION,
    "licence": "Apache-2.0",
    "python": ">=3.11",
    "requires": "numpy>=2.0",
}


@pytest.mark.parametrize(("change", "text"), [
    ({"version": "9"}, f"the metadata's version must be {dist.VERSION}, not 9"),
    ({"licence": "MIT"}, "the metadata's licence must be Apache-2.0, not MIT"),
    ({"python": ">=3.9"}, "the metadata's Python must be >=3.11, not >=3.9"),
    ({"requires": "numpy >< 2"}, "the metadata is not valid: 'numpy >< 2' is invalid for 'requires-dist'"),
])  # fmt: skip
def test_metadata_that_is_not_ours_is_refused(
    change: dict[str, str], text: str, tmp_path: Path
) -> None:
    def wheel(values: dict[str, str]) -> Path:
        path = tmp_path / "w.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(
                f"polyrhythm-{dist.VERSION}.dist-info/METADATA", METADATA.format(**values)
            )
        return path

    dist.check_metadata(wheel(GOOD))
    with pytest.raises(dist.Unfit) as caught:
        dist.check_metadata(wheel(GOOD | change))
    assert str(caught.value) == text


@pytest.mark.long
def test_the_distribution_is_fit_to_be_released(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(REPO / "tools" / "dist.py"), str(tmp_path / "dist")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "dist").iterdir()) == [
        f"polyrhythm-{dist.VERSION}-py3-none-any.whl", f"polyrhythm-{dist.VERSION}.tar.gz",
    ]  # fmt: skip
