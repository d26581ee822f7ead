"""hw.export: the same bytes every time, files that say what they hold, one whole folder or none."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from networks import random_network
from plans import layer_plan

from polyrhythm.hw.export import export
from polyrhythm.hw.stream.input_checker import FAULT_DOC
from polyrhythm.hw.top import ports_of
from polyrhythm.sw.network import Input, Layer, MarginExit, Network
from polyrhythm.sw.plan.names import identifier, stems, told_apart, top_name
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.widths import bounds, signed_width

SCHEDULES = ("two_phase", "time_stepped")
LANES = [3, 2]


def network_of(schedule: str) -> Network:
    rng = np.random.default_rng(3)
    return random_network(
        rng, schedule, ("dense",), shape=(5,), sizes=(7,), T=(3, 2), t_in=2, max_count=3
    )


@pytest.fixture(scope="module", params=SCHEDULES)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Network, Path]:
    """A small network and its export."""
    network = network_of(request.param)
    return network, export(network, tmp_path_factory.mktemp("export") / "out", LANES)


def interface_of(folder: Path) -> Any:
    return json.loads((folder / "interface.json").read_text())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# --- the same bytes ---


def test_bytes_are_the_same_twice_also_over_an_earlier_export(
    exported: tuple[Network, Path], tmp_path: Path
) -> None:
    network, folder = exported
    other = export(network_of("two_phase"), tmp_path / "deep" / "other", [7, 7])
    assert contents(other) != contents(folder)
    assert contents(export(network, other, LANES)) == contents(folder)


@pytest.mark.parametrize("seed", ["1", "77"])
def test_bytes_are_the_same_in_another_process(
    exported: tuple[Network, Path], tmp_path: Path, seed: str
) -> None:
    network, folder = exported
    network.save(tmp_path / "n.safetensors")
    call = "import sys; from polyrhythm.hw.export import export; from polyrhythm.sw.network import Network; export(Network.load(sys.argv[1]), sys.argv[2], [3, 2])"
    command = [sys.executable, "-c", call, str(tmp_path / "n.safetensors"), str(tmp_path / "out")]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(tmp_path / "out") == contents(folder)


def test_lanes_are_as_many_as_neurons_but_64_where_none_are_named(tmp_path: Path) -> None:
    layers = (
        Layer("fc", "dense", np.ones((65, 2), np.int8), np.zeros(65, np.int32), np.full(65, 2)),
        Layer("out", "readout", np.ones((2, 65), np.int8), np.zeros(2, np.int32)),
    )
    folder = export(Network("n", "two_phase", Input((2,)), layers), tmp_path / "out")
    assert [layer["lanes"] for layer in interface_of(folder)["layers"]] == [64, 2]


# --- what the files say ---


def rows_of(folder: Path, file: str) -> list[int]:
    """The rows of a hex file; interface.json names their number and their width."""
    told, lines = interface_of(folder)["files"][file], (folder / file).read_text().splitlines()
    assert len(lines) == told["rows"] and {len(line) for line in lines} == {
        -(-told["row_bits"] // 4)
    }
    rows = [int(line, 16) for line in lines]
    assert max(rows) < 1 << told["row_bits"] and not any(rows[told["used_rows"] :])
    return rows[: told["used_rows"]]


def weights_of(folder: Path, file: str, n_out: int, n_in: int) -> np.ndarray:
    """The weights that a file holds, read as its layout says in words."""
    told = re.fullmatch(
        r"row = group \* (\d+) \+ input; lane k in bits \[k \* (\d+) \+: (\d+)\], two's complement; neuron = group \* (\d+) \+ k",
        interface_of(folder)["files"][file]["layout"],
    )
    assert told is not None and told[2] == told[3]
    inputs, bits, lanes = int(told[1]), int(told[2]), int(told[4])
    weight, rows = np.zeros((n_out, n_in), int), rows_of(folder, file)
    for n in range(n_out):
        for j in range(n_in):
            value = rows[n // lanes * inputs + j] >> n % lanes * bits & (1 << bits) - 1
            weight[n, j] = value - (value >> bits - 1 << bits)
    return weight


def test_weights_can_be_read_back_by_the_layout_in_words(exported: tuple[Network, Path]) -> None:
    network, folder = exported
    for i, layer in enumerate(network.layers):
        assert (
            weights_of(folder, f"random.{layer.name}_weight.hex", network.n_out(i), network.n_in(i))
            == layer.weight
        ).all()


def test_hex_files_hold_the_rows_of_the_memories(exported: tuple[Network, Path]) -> None:
    network, folder = exported
    told, found = interface_of(folder), []
    for i, (layer, lanes) in enumerate(zip(network.layers, LANES, strict=True)):
        planned = layer_plan(network, i, lanes)
        for held in (planned.input.synapses.weights, planned.sums.start, *planned.neuron.tables):
            file = f"random.{held.name}.hex"
            if file in told["files"]:
                assert rows_of(folder, file) == list(held.rows), file
                found.append(file)
        assert [file for file in found if file.startswith(f"random.{layer.name}_")] == sorted(
            told["layers"][i]["files"], key=found.index
        )
    assert (
        sorted(found) == sorted(told["files"]) == sorted(path.name for path in folder.glob("*.hex"))
    )
    assert len(found) >= 5


def test_a_deep_memory_is_padded_and_says_so(tmp_path: Path) -> None:
    weight = np.random.default_rng(1).integers(-8, 8, (9, 130))
    layer = Layer("out", "readout", weight, np.arange(9), weight_bits=4)
    folder = export(Network("deep", "two_phase", Input((130,)), (layer,)), tmp_path / "out", [3])
    told = interface_of(folder)["files"]["deep.out_weight.hex"]
    assert (told["rows"], told["used_rows"]) == (512, 390)
    assert (weights_of(folder, "deep.out_weight.hex", 9, 130) == weight).all()


def verilog_ports(source: str, top: str) -> set[tuple[str, str, int]]:
    """Direction, name and width of each port of a module."""
    body = re.search(rf"^module {re.escape(top)}\(.*?^endmodule", source, re.MULTILINE | re.DOTALL)
    assert body is not None
    found = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", body[0], re.MULTILINE)
    return {(direction, name, int(high or 0) + 1) for direction, high, name in found}


def test_ports_are_those_of_the_verilog(exported: tuple[Network, Path]) -> None:
    network, folder = exported
    told = interface_of(folder)
    ports = {(port["dir"], port["name"], port["bits"]) for port in told["ports"]}
    source = (folder / f"{told['top']}.v").read_text()
    assert ports == verilog_ports(source, told["top"])
    assert all(port["doc"] for port in told["ports"])
    header = {
        tuple(line[3:].split()[:3])
        for line in source.splitlines()
        if line.startswith(("// input", "// output"))
    }
    assert header == {(direction, name, str(width)) for direction, name, width in ports}
    named = {
        "clk",
        "rst",
        "i_valid",
        "i_ready",
        "i_address",
        "i_count",
        "i_tick",
        "i_end",
        "o_valid",
        "o_ready",
        "o_class",
        "o_logits",
        "error",
    }
    taps = {"tap0_valid", "tap0_address", "tap0_tick", "tap0_end", "tap1_valid", "tap1_logits"}
    counted = {"tap0_count"} if network.schedule == "two_phase" else set()
    status = {
        f"status_{fault}"
        for fault in FAULT_DOC
        if fault != "profile" and (fault != "tick_missing" or network.input.T > 1)
    }
    assert {name for _, name, _ in ports} == named | taps | counted | status
    assert {width for _, name, width in ports if name in status} == {8}
    wide = ("_address", "_count", "_class", "_logits")
    assert all(
        width == 1 for _, name, width in ports if not name.endswith(wide) and name not in status
    )


def test_interface_says_what_the_network_is(exported: tuple[Network, Path]) -> None:
    network, folder = exported
    told = interface_of(folder)
    bits = {port["name"]: port["bits"] for port in told["ports"]}
    assert {name: told[name] for name in ("format", "top", "digest", "network", "schedule", "clock", "reset")} == {
        "format": 2, "top": "random", "digest": network.digest, "network": "random", "schedule": network.schedule, "clock": "clk", "reset": "rst",
    }  # fmt: skip
    assert told["input"] == {
        "address_bits": 3,
        "count_bits": 2,
        "size": 5,
        "shape": [5, 1, 1],
        "T": network.input.T,
        "max_count": 3,
    }
    width = bits["o_logits"] // 7
    assert told["output"] == {"classes": 7, "class_bits": 3, "logit_bits": width}
    counted, most, ticks = (2, 3, (1, 1)) if network.schedule == "two_phase" else (0, 1, (3, 2))
    assert told["taps"] == [
        {
            "index": 0,
            "layer": "l0",
            "size": 7,
            "shape": [7, 1, 1],
            "T": 3,
            "ticks": ticks[0],
            "max_count": most,
            "repeats": False,
            "address_bits": 3,
            "count_bits": counted,
        },
        {"index": 1, "layer": "l1", "T": 2, "ticks": ticks[1], "logit_bits": width, "classes": 7},
    ]
    for i, layer in enumerate(told["layers"]):
        held, proved = layer_plan(network, i, LANES[i]).sums, bounds(network, i)
        assert (layer["name"], layer["kind"], layer["T"]) == (
            network.layers[i].name,
            network.layers[i].kind,
            network.layers[i].T,
        )
        assert (layer["n_in"], layer["n_out"]) == (network.n_in(i), 7)
        assert (layer["lanes"], layer["groups"]) == (LANES[i], (3, 4)[i])
        assert (layer["acc_bits"], layer["acc_bounds"]) == (held.bits, list(held.bounds))
        assert layer["v_bounds"] == list(proved.v) and layer["v_bits"] >= signed_width(*proved.v)


def test_manifest_holds_the_hash_of_every_other_file(exported: tuple[Network, Path]) -> None:
    network, folder = exported
    told = json.loads((folder / "manifest.json").read_text())
    files = {
        name: hashlib.sha256(data).hexdigest()
        for name, data in contents(folder).items()
        if name != "manifest.json"
    }
    assert told == {
        "format": 1,
        "network": "random",
        "digest": network.digest,
        "lanes": LANES,
        "coding": "count",
        "sha256": files,
    }


def test_the_verilog_reads_every_hex_file_by_its_bare_name_and_names_no_place(
    exported: tuple[Network, Path],
) -> None:
    _, folder = exported
    source = (folder / "random.v").read_text()
    assert sorted(re.findall(r'\$readmemh\("(.*?)"', source)) == sorted(
        path.name for path in folder.glob("*.hex")
    )
    assert (
        str(folder.parent) not in source
        and "src" not in source
        and str(Path(__file__).parents[2]) not in source
    )


# --- refused ---


def layer_of(kind: str = "dense", **fields: Any) -> Layer:
    shape = (2, 1, 2, 2) if kind == "conv2d" else (2, 4) if fields.get("pool", 1) == 1 else (2, 1)
    return Layer(
        "first", kind, np.ones(shape, np.int8), np.zeros(2, np.int32), np.full(2, 2), **fields
    )


def refused(
    schedule: str = "two_phase", first: Layer | None = None, n_in: int = 2, **fields: Any
) -> Network:
    out = Layer("out", "readout", np.ones((3, n_in), np.int8), np.zeros(3, np.int32))
    return Network("net", schedule, Input((1, 2, 2)), (first or layer_of(), out), **fields)


REFUSED = {
    "banks": (
        refused(first=layer_of("conv2d")),
        [(1, 9), 3],
        "layer 0 (first): banks must be 1 (serial) or 4 (parallel), not 9",
    ),
    "channels": (
        refused(first=layer_of("conv2d")),
        [(3, 4), 3],
        "layer 0 (first): channel lanes must be 1..2, not 3",
    ),
    "banks of a dense layer": (
        refused(),
        [(2, 9), 3],
        "layer 0 (first): a dense layer has no banks: lanes must be one number, not (2, 9)",
    ),
    "unsigned in parallel": (
        refused("event_driven", first=layer_of("conv2d", neuron="unsigned")),
        [(2, 4), 3],
        "layer 0 (first): unsigned neurons emit in the order channel, row, column, so a convolution of them must have one lane and "
        "one bank, (1, 1), not (2, 4); signed neurons may have more",
    ),
    "readout in groups": (
        refused("event_driven"),
        [2, 2],
        "layer 1 (out): the readout of an event_driven network shows its sums at any moment, so lanes must be 3, not 2",
    ),
    "exit": (
        refused("time_stepped", exit=MarginExit((3,))),
        None,
        "net: the gateware has no early exit, but exit is 'margin'; save the network with exit null",
    ),
    "few lanes": (refused(), [2], "lanes must name one number for each of the 2 layers, not 1"),
    "many lanes": (
        refused(),
        [2, 3, 1],
        "lanes must name one number for each of the 2 layers, not 3",
    ),
    "no lane": (refused(), [0, 3], "layer 0 (first): lanes must be 1..2, not 0"),
    "lanes without neurons": (refused(), [2, 4], "layer 1 (out): lanes must be 1..3, not 4"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_gateware_cannot_build_is_refused(case: str, tmp_path: Path) -> None:
    network, lanes, text = REFUSED[case]
    with pytest.raises(ValueError) as error:
        export(network, tmp_path / "out", lanes)
    assert str(error.value) == text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("lanes", "text"),
    [
        ([2, 1.0], "layer 1 (out): lanes must be integers, not 1.0"),
        ("23", "layer 0 (first): lanes must be integers, not '2'"),
    ],
)
def test_lanes_must_be_integers(lanes: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError) as error:
        export(refused(first=layer_of()), tmp_path / "out", lanes)
    assert str(error.value) == text
    assert list(tmp_path.iterdir()) == []


def test_lanes_may_be_integers_of_numpy(tmp_path: Path) -> None:
    network = network_of("two_phase")
    assert contents(export(network, tmp_path / "numpy", np.array(LANES))) == contents(
        export(network, tmp_path / "own", LANES)
    )


# --- folders ---


def small() -> Network:
    return Network(
        "plain",
        "two_phase",
        Input((2,)),
        (Layer("out", "readout", np.ones((2, 2), np.int8), np.zeros(2, np.int32)),),
    )


def test_what_is_no_export_is_refused_and_left_untouched(tmp_path: Path) -> None:
    place = tmp_path / "mine"
    precious = place / "notes.txt"
    place.mkdir()
    precious.write_text("precious")
    with pytest.raises(ValueError) as error:
        export(small(), place)
    assert str(error.value) == (
        f"{place}: the Verilog folder must be new, empty, or an earlier export, but it holds other files; name another folder"
    )
    assert precious.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert export(small(), str(tmp_path / "out")) == tmp_path / "out"
    assert sorted(contents(tmp_path / "out")) == [
        "interface.json",
        "manifest.json",
        "plain.out_weight.hex",
        "plain.v",
    ]


@pytest.mark.parametrize("earlier", [False, True])
def test_an_interrupted_export_leaves_nothing_behind(
    earlier: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if earlier:
        export(network_of("two_phase"), tmp_path / "out")
    before = contents(tmp_path / "out") if earlier else {}
    write, calls = Path.write_text, []

    def interrupted(path: Path, *args: Any, **options: Any) -> int:
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return write(path, *args, **options)

    monkeypatch.setattr(Path, "write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(small(), tmp_path / "out")
    assert len(calls) == 3
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if earlier else [])
    assert not earlier or contents(tmp_path / "out") == before


# --- names ---


def named(network: str = "net", first: str = "fc", second: str = "out") -> Network:
    weight = np.arange(9).reshape(3, 3) - 4
    layers = (
        Layer(first, "dense", weight, np.arange(3), np.array([4, 5, 6]), T=3),
        Layer(second, "readout", weight, np.arange(3)),
    )
    return Network(network, "two_phase", Input((3,), 1, 3), layers)


def modules(folder: Path) -> set[str]:
    """Names of the modules, instances and files that a tool sees; every plain one must be an
    identifier."""
    told = interface_of(folder)
    source = (folder / f"{told['top']}.v").read_text()
    names = re.findall(r"^module (\\\S+ |[^(\n]*?) ?\(", source, re.MULTILINE)
    assert all(re.fullmatch(r"\\\S+ ?|[A-Za-z_]\w*", name) for name in names), names
    assert {port["name"] for port in told["ports"]} == {
        name for _, name, _ in verilog_ports(source, told["top"])
    }
    return set(names)


@pytest.mark.parametrize(
    ("network", "first", "second"),
    [
        ("7 of-9", "fc", "out"),
        ("module", "begin", "reg"),
        ("net", "i", "o"),
        ("net", "Fc", "fc"),
        pytest.param("größe", "fc", "out"),
        pytest.param("polyrhythm_demo", "fc", "out"),
        pytest.param("net", "polyrhythm_a", "out"),
        pytest.param("net", "hidden layer", "out"),
        pytest.param("net", "größe", "out"),
        pytest.param("net", "guard", "queue0"),
    ],
)
def test_any_legal_name_makes_legal_verilog(
    network: str, first: str, second: str, tmp_path: Path
) -> None:
    folder = export(named(network, first, second), tmp_path / "out")
    told = interface_of(folder)
    assert told["top"] in modules(folder)
    assert told["network"] == network
    assert [layer["name"] for layer in told["layers"]] == [first, second]
    read = re.findall(r'\$readmemh\("(.*?)"', (folder / f"{told['top']}.v").read_text())
    assert (
        sorted(read) == sorted(told["files"]) == sorted(path.name for path in folder.glob("*.hex"))
    )


def test_a_layer_lists_its_own_files_only(tmp_path: Path) -> None:
    folder = export(named("net", "fc", "fc_2"), tmp_path / "out")
    files = [layer["files"] for layer in interface_of(folder)["layers"]]
    assert files == [["net.fc_threshold.hex", "net.fc_weight.hex"], ["net.fc_2_weight.hex"]]


def test_somebody_elses_manifest_does_not_make_a_folder_an_export(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "manifest.json").write_text('{"name": "a web page", "icons": []}')
    (tmp_path / "site" / "index.html").write_text("precious")
    with pytest.raises(ValueError) as error:
        export(small(), tmp_path / "site")
    assert str(error.value) == (
        f"{tmp_path / 'site'}: the Verilog folder must be new, empty, or an earlier export, but it holds other files; name another folder"
    )
    assert (tmp_path / "site" / "index.html").read_text() == "precious"


def test_layers_whose_names_come_close_keep_their_own_files() -> None:
    assert stems(
        SimpleNamespace(layers=[SimpleNamespace(name=n) for n in ("a b", "a_b", "a_b_0")])
    ) == ["a_b_0", "a_b_1", "a_b_0_2"]


@pytest.mark.parametrize("fails", range(1, 8))
def test_a_failed_rename_gives_the_earlier_export_back(
    fails: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four files go out of the way and four come in: whichever is the last that succeeds."""
    out = export(network_of("two_phase"), tmp_path / "out")
    before, real, calls = contents(out), Path.rename, []

    def one_fails(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) == fails:
            raise OSError("no")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", one_fails)
    with pytest.raises(OSError, match="no"):
        export(small(), out)
    assert contents(out) == before


def test_the_current_folder_may_be_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    export(network_of("two_phase"), ".")
    export(small(), ".")
    assert sorted(path.name for path in Path.cwd().iterdir()) == [
        "interface.json",
        "manifest.json",
        "plain.out_weight.hex",
        "plain.v",
    ]
    assert Path.cwd().stat().st_ino == tmp_path.stat().st_ino  # a shell that stands here still does


def test_a_link_to_a_folder_is_filled_and_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    export(small(), tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "plain.v").is_file()


def test_a_place_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polyrhythm.hw.export.Top", lambda *_, **__: pytest.fail("work had begun"))
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as error:
        export(small(), tmp_path / "file" / "deep" / "out")
    assert (error.value.filename, error.value.strerror) == (
        str(tmp_path / "file" / "deep" / "out"),
        "cannot be written, not a directory",
    )
    with pytest.raises(OSError) as error:
        export(small(), "/proc/nowhere/out")
    assert error.value.filename == "/proc/nowhere/out" and str(error.value.strerror).startswith(
        "cannot be written, "
    )


# --- side by side ---


def test_everything_a_tool_reads_begins_with_the_name_of_the_top(tmp_path: Path) -> None:
    folder = export(named("net", "fc", "out"), tmp_path / "out", name="chosen")
    assert interface_of(folder)["top"] == "chosen"
    assert all(
        name in ("chosen", "\\chosen ") or name.startswith("\\chosen.") for name in modules(folder)
    )
    assert all(
        path.name.startswith("chosen.") for path in folder.iterdir() if path.suffix != ".json"
    )


def test_names_that_only_together_are_the_same_stay_apart(tmp_path: Path) -> None:
    one, two = (
        export(named(*names), tmp_path / names[0])
        for names in (("a", "b_c", "out"), ("a_b", "c", "out"))
    )
    both = [
        {path.name for path in folder.iterdir() if path.suffix != ".json"} | modules(folder)
        for folder in (one, two)
    ]
    assert not both[0] & both[1] and all(len(names) > 8 for names in both)


def test_layers_that_differ_in_capitals_alone_have_files_that_differ_in_more() -> None:
    assert stems(SimpleNamespace(layers=[SimpleNamespace(name=n) for n in ("Fc", "fc")])) == [
        "Fc_0",
        "fc_1",
    ]


WORDS = {
    "": "must be a Verilog identifier, letters, digits and underscores of ASCII, no digit first, not ''",
    "my-net": "must be a Verilog identifier, letters, digits and underscores of ASCII, no digit first, not 'my-net'",
    "1st": "must be a Verilog identifier, letters, digits and underscores of ASCII, no digit first, not '1st'",
    "gr\u00f6\u00dfe": "must be a Verilog identifier, letters, digits and underscores of ASCII, no digit first, not 'gr\u00f6\u00dfe'",
    "clk": "must not be 'clk', which is a port of the module; 'net_clk' would do",
    "tap12_valid": "must not be 'tap12_valid', which is a port of the module; 'net_tap12_valid' would do",
    "module": "must not be 'module', which is a reserved word of SystemVerilog or Verilator; 'net_module' would do",
    "TOP": "must not be 'TOP', which is a reserved word of SystemVerilog or Verilator; 'net_TOP' would do",
    "a"
    * 121: f"must have at most 120 characters, not the 121 of {'a' * 121!r}; choose one with --name",
}


@pytest.mark.parametrize("word", WORDS)
def test_a_name_that_verilog_does_not_take_is_refused(word: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        export(small(), tmp_path / "out", name=word)
    assert str(error.value) == f"the top module's name {WORDS[word]}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "apart"),
    [
        ("mnist-mlp", True),
        ("a b.c", True),
        ("\u00fc", False),
        ("___", False),
        ("clk", False),
        ("1st", False),
        ("a/b", False),
    ],
)
def test_a_name_that_cannot_be_read_off_its_module_is_told(name: str, apart: bool) -> None:
    assert told_apart(name) is apart


def test_a_name_without_a_letter_gets_some() -> None:
    assert [identifier(name) for name in ("\u00fc", "__", "_1", "_a")] == [
        "net__",
        "net___",
        "_1",
        "_a",
    ]


def test_a_folder_that_is_none_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name, what in (("file", "a file"), ("link", "a link to nothing")):
        with pytest.raises(ValueError) as error:
            export(small(), tmp_path / name)
        assert (
            str(error.value)
            == f"{tmp_path / name}: the Verilog folder must be a folder, new or not, but it is {what}; name another one"
        )
    assert (tmp_path / "file").read_text() == "mine"


def test_every_port_is_known_as_one() -> None:
    """A port that `sw.plan.names` does not know could be the name of a network."""
    for schedule, neuron in (
        ("two_phase", "signed"),
        ("time_stepped", "signed"),
        ("event_driven", "signed"),
    ):
        network = random_network(
            np.random.default_rng(3),
            schedule,
            ("dense",),
            shape=(5,),
            sizes=(7,),
            T=(3, 2),
            t_in=2,
            max_count=3,
            neuron=neuron,
        )
        ports = ports_of(plan(network, [3, 7]))
        assert all(top_name(port.name) == f"net_{port.name}" for port in ports), ports
