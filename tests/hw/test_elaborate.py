"""The exported Verilog elaborates in Icarus, Yosys and Verilator, without a word about it, whatever
the network is called."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import pytest
from elaborators import icarus, lint, source, yosys

from polyrhythm.hw.export import export, texts
from polyrhythm.hw.top import Top
from polyrhythm.sw.network import Input, Layer, Network
from polyrhythm.sw.plan.network import plan

CASES = {"two_phase": (3, 2), "time_stepped": (2, 3)}  # T of the hidden layer and of the readout


@pytest.fixture(scope="module", params=CASES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small network's Verilog."""
    rng = np.random.default_rng(3)
    ticks = CASES[request.param]
    network = networks.random_network(
        rng, request.param, ("dense",), shape=(5,), sizes=(7,), T=ticks, t_in=2, max_count=3
    )
    return export(network, tmp_path_factory.mktemp("verilog") / request.param, [3, 2])


def spoil(folder: Path, to: Path) -> Path:
    """The same export with a port less on one instance's module, so that elaboration must
    complain."""
    shutil.copytree(folder, to)
    source = to / "random.v"
    source.write_text(
        source.read_text()
        + "\nmodule spoilt(input [3:0] a, output b); absent u (.a(a), .b(b)); endmodule\n"
    )
    return to


@pytest.mark.parametrize("standard", ["2005", "2012"])
def test_icarus_elaborates_without_a_word(exported: Path, standard: str) -> None:
    assert icarus(exported, standard) == ""


# What stays of -Wall: registers that begin with a value, which the design relies on; signals that
# are only names of parts of others or that an instance offers and nobody takes; and one file with
# many modules.
WALL = ("-Wall", "-Wno-PROCASSINIT", "-Wno-UNUSEDSIGNAL", "-Wno-DECLFILENAME")


def test_verilator_lints_without_a_word(exported: Path) -> None:
    assert lint(exported) == ""
    assert lint(exported, *WALL) == ""
    assert not re.search(r"\[-1:0\]", (exported / source(exported)).read_text())


def odd(seed: int) -> networks.Network:
    """A random network of any schedule, with sizes 1, prime and powers of two, of any T and any
    lanes."""
    rng = np.random.default_rng(seed)
    schedule = ("two_phase", "time_stepped", "event_driven")[seed % 3]
    return networks.random_network(
        rng,
        schedule,
        extreme=seed % 4 == 1,
        kinds=(None, ("conv2d",), ("conv2d", "dense"))[seed // 3 % 3],
    )


@pytest.mark.parametrize(
    "seed", [0, 4, 8, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(9, 27))]
)
def test_verilator_lints_odd_networks_without_a_word(seed: int, tmp_path: Path) -> None:
    network = odd(seed)
    rng = np.random.default_rng(seed)
    sizes = [len(layer.weight) for layer in network.layers]
    lanes = [int(rng.integers(1, n + 1)) for n in sizes[:-1]]
    last = sizes[-1] if network.schedule == "event_driven" else int(rng.integers(1, sizes[-1] + 1))
    folder = export(network, tmp_path / "out", [*lanes, last], ("count", "unary")[seed // 2 % 2])
    assert lint(folder) == ""
    assert not re.search(r"\[-1:0\]", (folder / source(folder)).read_text())


SMALLEST = {"one input": (1, 1, 2), "one neuron": (3, 1, 2), "two of each": (2, 2, 2)}


@pytest.mark.parametrize("sizes", SMALLEST.values(), ids=SMALLEST)
@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped", "event_driven"])
def test_verilator_lints_memories_of_one_row(
    schedule: str, sizes: tuple[int, int, int], tmp_path: Path
) -> None:
    """All lanes, so one word of state; one input, so one event to replay."""
    n_in, n, classes = sizes
    layers = (
        Layer("fc", "dense", np.ones((n, n_in), int), np.zeros(n, int), np.full(n, 2), 4, T=3),
        Layer("out", "readout", np.ones((classes, n), int), np.arange(classes), None, 4),
    )
    for lanes in ([n, classes], [1, classes]):
        folder = export(
            Network("smallest", schedule, Input((n_in,), 1, 3), layers),
            tmp_path / f"{lanes[0]}",
            lanes,
        )
        assert lint(folder) == ""
        assert not re.search(r"\[-1:0\]", (folder / source(folder)).read_text())


def test_yosys_elaborates_without_a_word(exported: Path) -> None:
    assert yosys(exported) == ""


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped", "event_driven"])
@pytest.mark.parametrize("kind", ["dense", "conv2d"])
def test_every_signal_of_ours_has_a_name(schedule: str, kind: str) -> None:
    network = networks.random_network(
        np.random.default_rng(5), schedule, (kind, "dense"), shape=(1, 5, 6), sizes=(7,), max_T=3
    )
    source = texts(Top(plan(network, [1, 2, 7])))[f"{network.name}.v"]
    assert not re.findall(r"[$](?:signal|like)\S*", source)


def test_a_missing_module_is_complained_about(exported: Path, tmp_path: Path) -> None:
    """The tests around this one can fail."""
    spoilt = spoil(exported, tmp_path / "spoilt")
    assert "absent" in lint(spoilt)
    assert "absent" in icarus(spoilt, "2005")
    assert "absent" in yosys(spoilt)


TOOLS = {"icarus": lambda folder: icarus(folder, "2012"), "yosys": yosys, "verilator": lint}


@pytest.fixture(scope="module", params=["module", "logic", "bool", "clk", "o_class", "std"])
def reserved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Verilog of a network, and of layers, that are called like a reserved word."""
    network = networks.random_network(
        np.random.default_rng(4), "two_phase", ("dense",), shape=(5,), sizes=(3,), T=(2, 1)
    )
    layers = tuple(
        replace(layer, name=name)
        for layer, name in zip(network.layers, (request.param, "wire"), strict=True)
    )
    named = replace(network, name=request.param, layers=layers)
    return export(named, tmp_path_factory.mktemp("reserved") / request.param, [2, 3])


@pytest.mark.parametrize("tool", TOOLS)
def test_a_reserved_word_as_a_name_makes_legal_verilog(reserved: Path, tool: str) -> None:
    assert TOOLS[tool](reserved) == ""
    assert source(reserved) == f"net_{reserved.name}.v"
