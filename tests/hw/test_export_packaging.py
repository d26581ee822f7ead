"""hw.packaging: what other build systems read of an export names every file of it, once."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from networks import random_network

from polyrhythm.hw import packaging
from polyrhythm.hw.export import Beside, Bus, export
from polyrhythm.sim import testbench as benches
from polyrhythm.sw.network import Network


def network() -> Network:
    return random_network(
        np.random.default_rng(3),
        "two_phase",
        ("dense",),
        shape=(5,),
        sizes=(7,),
        T=(3, 2),
        max_count=3,
    )


def written(place: Path, *parts: Beside, bus: Bus = "none") -> Path:
    return export(network(), place / "out", [3, 2], beside=packaging.together(*parts), bus=bus)


def test_a_core_names_design_and_memories(tmp_path: Path) -> None:
    folder = written(tmp_path, packaging.fusesoc)
    text = (folder / "random.core").read_text()
    assert text.startswith("CAPI=2:\n") and "name: polyrhythm:accelerator:random:1.0" in text
    named = re.findall(r"^      - (\S+): \{", text, re.MULTILINE)
    hexes = [path.name for path in folder.glob("*.hex")]
    assert sorted(named) == sorted(["random.v", *hexes])
    assert re.findall(r"copyto: (\S+)\}", text) == named[1:]
    assert re.findall(r"^  (\w+):$", text, re.MULTILINE) == ["rtl", "memories", "default"]


def test_a_core_with_a_testbench_has_targets_for_it(tmp_path: Path) -> None:
    folder = written(tmp_path, benches.beside(benches.vectors(network(), 2)), packaging.fusesoc)
    text = (folder / "random.core").read_text()
    named = re.findall(r"^      - (\S+): \{", text, re.MULTILINE)
    tools = {path.name for path in folder.iterdir()} - {
        "Makefile", "manifest.json", "interface.json", "random.core", "random_tb.py",
    }  # fmt: skip
    assert sorted(named) == sorted(tools)
    targets = text[text.index("targets:") :]
    assert re.findall(r"^  (\w+):$", targets, re.MULTILINE) == [
        "default",
        "sim",
        "sim_verilator",
        "lint",
    ]
    assert re.findall(r"toplevel: (\w+)", targets) == ["random", "random_tb", "random_tb", "random"]


def test_a_core_is_listed_in_the_manifest_and_goes_with_the_export(tmp_path: Path) -> None:
    folder = written(tmp_path, packaging.fusesoc)
    assert "random.core" in json.loads((folder / "manifest.json").read_text())["sha256"]
    export(network(), folder, [3, 2])
    assert not (folder / "random.core").exists()


def test_the_script_of_an_ip_calls_what_it_must(tmp_path: Path) -> None:
    """In Tcl, with a stand-in for each command of Vivado, which writes down its words."""
    tkinter = pytest.importorskip("tkinter")
    folder = written(tmp_path, packaging.vivado, bus="axi")
    tcl, calls = tkinter.Tcl(), list[list[str]]()
    commands = (
        "create_project", "add_files", "set_property", "get_files", "current_fileset",
        "update_compile_order", "close_project", "ipx::package_project", "ipx::current_core",
        "ipx::associate_bus_interfaces", "ipx::create_xgui_files", "ipx::update_checksums",
        "ipx::check_integrity", "ipx::save_core",
    )  # fmt: skip
    tcl.eval("namespace eval ipx {}")
    for command in commands:

        def called(*words: str, command: str = command) -> str:
            calls.append([command, *words])
            return f"<{command}>"

        tcl.createcommand(command, called)
    tcl.eval("set argc 1; set argv xc7a35t")
    tcl.eval(f"source {{{folder / 'random_ip.tcl'}}}")
    added = [Path(words[-1]) for words in calls if words[0] == "add_files"]
    assert sorted(path.name for path in added) == sorted(
        ["random.v", *(path.name for path in folder.glob("*.hex"))]
    )
    assert all(path.is_file() for path in added)
    assert calls[0][:4] == ["create_project", "-force", "-part", "xc7a35t"]
    buses = [words[2] for words in calls if words[0] == "ipx::associate_bus_interfaces"]
    ports = [port["name"] for port in json.loads((folder / "interface.json").read_text())["ports"]]
    assert buses == ["s_axis", "m_axis", "s_axi"]
    assert all(any(port.startswith(f"{bus}_") for port in ports) for bus in buses)
    assert {words[0] for words in calls} == {*commands}


def test_an_ip_is_made_of_an_axi_export_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^Vivado's IP is made of an AXI export: say --bus axi$"):
        written(tmp_path, packaging.vivado)
    assert list(tmp_path.iterdir()) == []
