"""Fixtures that several rooms share."""

import fcntl
import importlib.util
import os
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from commands import digits_network

from polyrhythm.cli import progress
from polyrhythm.sim import verilator
from polyrhythm.sw import data

REPO = Path(__file__).resolve().parents[1]
UNPACK = REPO.parent / "shared" / "data" / "unpack.py"
SETS = {
    "mnist": "mnist",
    "fashion-mnist": "fashion-mnist",
    "cifar10": "cifar-10-batches-bin",
    "nmnist": "N-MNIST",
}


def unpacked(root: Path) -> Path:
    """Unpack the data sets below `root` once; a set takes its name when it is whole."""
    spec = importlib.util.spec_from_file_location("unpack", UNPACK)
    assert spec is not None and spec.loader is not None
    unpack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unpack)
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one worker unpacks, the others wait
        for name, folder in SETS.items():
            if not (root / folder).exists():
                # Whole arrays at once: an .npz that stays open decompresses an array anew for each
                # recording, minutes in all.
                whole = mock.patch.object(np, "load", lambda path, read=np.load: dict(read(path)))
                with tempfile.TemporaryDirectory(dir=root) as place, whole:
                    unpack.STEPS[name](Path(place))
                    (Path(place) / folder).rename(root / folder)
    return root


# Started first, so that no worker is left alone with one of minutes at the end; the longest first.
LONGEST = (
    "test_networks_swapped_one_after_the_other_are_those_built_from_scratch",
    "test_ten_thousand_faults",
    "test_digits_become_an_icebreakers_bitstream_and_the_same_one_again",
    "test_command_runs_and_prints_the_numbers_of_its_page",
    "test_convolutions_agree_in_every_count_and_cycle",
    "test_the_same_weights_without_a_clock_come_to_the_same_counts",
    "test_learned_time_steps_agree_in_every_count_and_cycle",
    "test_every_command_of_the_tutorial_runs_and_the_verilog_differs_nowhere",
    "test_mnist",
    "test_every_point_is_reached",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """LONGEST first, in its order; all others as they stand in their files."""
    place = {name: k for k, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.name.split("[")[0], len(LONGEST)))


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "of the board that tests/board is run on: a serial port, or sim (the whole board, simulated)"
    parser.addoption("--port", default="sim", help=told)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """A folder with MNIST, Fashion-MNIST, CIFAR-10 and N-MNIST in their publishers' formats."""
    if named := os.environ.get("POLYRHYTHM_DATA"):
        return Path(named)
    if not UNPACK.exists():
        pytest.skip(
            "needs the data sets: set POLYRHYTHM_DATA to a folder that holds mnist/, N-MNIST/, ..."
        )
    return unpacked(REPO / "build" / "data")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder that holds one network and four of its inputs."""
    monkeypatch.chdir(tmp_path)
    network = digits_network()
    network.save("tiny.safetensors")
    np.save("x.npy", data.inputs_for(network, "digits")[0][:4])
    return tmp_path


@pytest.fixture
def shared_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulators that are built once and found again by the next run of the tests."""
    monkeypatch.setenv("POLYRHYTHM_BUILD", str(REPO / "build"))


@pytest.fixture(autouse=True)
def quiet_stages(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """However slow the machine is, no progress stands among what a verb says, but where progress
    itself is tested."""
    if request.module.__name__ != "test_progress":
        monkeypatch.setattr(progress, "QUIET_S", 3600.0)


@pytest.fixture(autouse=True)
def quick_simulators(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Tests that simulate some thousand cycles of a design have it compiled without optimisation,
    which is most of their time: the fast ones, and those that ask for `few_cycles`."""
    if "long" not in request.keywords or "few_cycles" in request.fixturenames:
        monkeypatch.setattr(verilator, "OPTIMISE", "-O0")


@pytest.fixture
def few_cycles() -> None:
    """For long tests whose designs are sooner compiled than run: see `quick_simulators`."""
