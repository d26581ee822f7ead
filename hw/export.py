"""Writes the accelerator: one Verilog file, its memories as hex files, what its ports mean, and a
manifest."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from polyrhythm.hw.bus import axi
from polyrhythm.hw.bus.axi import AxiTop
from polyrhythm.hw.bus.printers import c_header, registers_json
from polyrhythm.hw.interface import interface
from polyrhythm.hw.lib.rom import hex_file, rom_verilog, stored
from polyrhythm.hw.top import Top, ports_of
from polyrhythm.hw.verilog import verilog
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import Lanes
from polyrhythm.sw.plan.names import check_top, top_name
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.plan.shape import Shape
from polyrhythm.sw.plan.table import hex_lines

FORMAT = 1  # of manifest.json
WORK = ".export."  # how a folder begins in which an export is prepared
BUILT = "sim_build"  # the folder that tools fill beside the files of an export that are for them

# Makes further files of those that an export has: the names and texts of both
Beside = Callable[[Mapping[str, str]], Mapping[str, str]]
Bus = Literal["none", "axi"]  # what stands between the accelerator and its ports


def export(
    network: Network,
    out_dir: Path | str,
    lanes: Sequence[Lanes] | None = None,
    coding: Coding = "count",
    name: str | None = None,
    beside: Beside | None = None,
    bus: Bus = "none",
    shape: Shape | None = None,
    profiles: Sequence[str | None] = (None,),
) -> Path:
    """Write the Verilog of `network` into the new or empty folder `out_dir`, or over an export that
    lies there; return its path.

    lanes: neurons served per cycle in each layer, 1..N_out (default: `default_lanes`); coding: as
    of `plan`; name: of the top module, an identifier (default: made of the network's name). Every
    module and every file that a tool reads begins with it, so exports of other names can lie in one
    project. shape: of all networks that the circuit is for, profiles: that it has, as of `plan`.
    bus: "axi" puts AXI4-Stream and AXI4-Lite in front. beside: makes further files of those of the
    export, such as a testbench; what tools build of them in the folder BUILT goes when the export
    is written again.
    The files are the same byte for byte whenever the network and these are. Raises TypeError for
    lanes that are no integers, ValueError for what the gateware cannot build, for a wrong name, or
    a folder that holds anything but an export, OSError where it cannot be written.
    The folder appears complete or not at all.
    """
    out = Path(os.path.abspath(out_dir))
    _check_folder(out)
    called = top_name(network.name) if name is None else check_top(name)
    if bus not in get_args(Bus):
        raise ValueError(f"bus must be one of {', '.join(get_args(Bus))}, not {bus!r}")
    kind = AxiTop if bus == "axi" else Top
    files = texts(
        kind(plan(network, lanes, coding, shape=shape, profiles=profiles), name=called), beside
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    there = out.is_dir()
    # What exists is filled where it is: it may be the current folder, a link, or a mount, none of
    # which can be replaced.
    with tempfile.TemporaryDirectory(dir=out if there else out.parent, prefix=WORK) as work:
        new = Path(work) / "new"
        new.mkdir()
        for file, text in files.items():
            (new / file).write_text(text, encoding="ascii", newline="\n")
        if there:
            _exchange(out, new, Path(work))
        else:
            new.rename(out)
    return Path(out_dir)


def _exchange(out: Path, new: Path, work: Path) -> None:
    """Put the files of `new` into `out` for those that lie there, or leave those where they were;
    `work` lies in `out`."""
    old = work / "old"
    old.mkdir()
    moved: list[tuple[Path, Path]] = []
    try:
        for source, target in ((out, old), (new, out)):
            for path in sorted(source.iterdir()):
                if path != work:
                    path.rename(target / path.name)
                    moved.append((path, target / path.name))
    except BaseException:
        for was, now in reversed(moved):
            now.rename(was)
        raise


def texts(top: Top | AxiTop, beside: Beside | None = None) -> dict[str, str]:
    """All files of the export by name; `beside` as of `export`."""
    plan, name = top.plan, top.name
    source, files, used, roms = verilog(top, name), dict[str, str](), dict[str, Any](), ""
    for layer in plan.layers:
        for table in layer.memories:
            file, rows = hex_file(name, table.name), table.rows
            whole = stored(table)
            roms += rom_verilog(name, table.name, table.width, whole, table.swappable)
            files[file] = hex_lines(whole, table.width)
            used[file] = {
                "layer": layer.index,
                "rows": len(whole),
                "used_rows": len(rows),
                "row_bits": table.width,
                "layout": table.layout,
            }
    files[f"{name}.v"] = _header(top) + "\n" + roms + source
    told = interface(name, plan, ports_of(plan), used)
    if isinstance(top, AxiTop):
        told = axi.interface(top, told)
        files["registers.json"] = registers_json(axi.registers(plan))
        files[f"{name}_registers.h"] = c_header(axi.registers(plan), name.upper())
    files["interface.json"] = _json(told)
    if beside is not None:
        files |= beside(dict(files))
    sums = {file: hashlib.sha256(text.encode("ascii")).hexdigest() for file, text in files.items()}
    files["manifest.json"] = _json(
        {
            "format": FORMAT,
            "network": plan.name,
            "digest": plan.digest,
            "lanes": list(plan.lanes),
            "coding": plan.coding,
            "sha256": dict(sorted(sums.items())),
            **({} if beside is None else {"built": BUILT}),
        }
    )
    return files


def _header(top: Top | AxiTop) -> str:
    plan = top.plan
    steps = f"; words with i_tick = 1 separate its {plan.ticks} time steps."
    usage = [
        "A frame goes in as spikes and a last word with i_end = 1"
        + (steps if plan.ticks > 1 else ".")
    ]
    lines = [
        f"{top.name}: spiking network {plan.name}, schedule {plan.schedule}, digest {plan.digest}",
        f"lanes {list(plan.lanes)}, {plan.coding} coding",
        "Generated by Polyrhythm. This file belongs to whoever generated it.",
        "",
        "Simulate and synthesize in this folder: $readmemh reads the .hex files beside this file; "
        "interface.json has the layout.",
        *(usage if isinstance(top, Top) else top.usage()),
        "Addresses ascend within a time step. Frames may follow each other without a gap; answers "
        "come in their order.",
        "Malformed input is corrected and counted: what is wrong with a frame never reaches the "
        f"one behind the next {'i_end' if isinstance(top, Top) else 'end'}.",
        "",
        *(f"{port.dir:6} {port.name:19} {port.bits:4}  {port.doc}" for port in top.ports),
        "",
    ]
    return "".join(f"// {_printable(line)}".rstrip() + "\n" for line in lines)


def _printable(line: str) -> str:
    """ASCII on one line, whatever names the line holds."""
    return line.encode("unicode_escape").decode("ascii")


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1) + "\n"


def _check_folder(out: Path) -> None:
    """Refuse, before any work, a folder that is not ours to fill or that cannot be written."""
    if os.path.lexists(out) and not out.is_dir():
        what = "a link to nothing" if out.is_symlink() and not out.exists() else "a file"
        raise ValueError(
            f"{out}: the Verilog folder must be a folder, new or not, but it is {what}; name "
            "another one"
        )
    if out.is_dir() and any(out.iterdir()) and not _is_export(out):
        raise ValueError(
            f"{out}: the Verilog folder must be new, empty, or an earlier export, but it holds "
            "other files; name another folder"
        )
    first = next(place for place in (out, *out.parents) if place.exists())
    try:
        tempfile.TemporaryDirectory(dir=first, prefix=WORK).cleanup()
    except OSError as error:
        raise OSError(
            error.errno, f"cannot be written, {(error.strerror or str(error)).lower()}", str(out)
        ) from None


def _is_export(folder: Path) -> bool:
    """Whether all that lies in `folder` is what its manifest, one of ours, lists, and what tools
    have built of it."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="ascii"))
        known = {*manifest["sha256"], "manifest.json", manifest.get("built")}
        return {path.name for path in folder.iterdir()} <= known
    except (OSError, ValueError, KeyError, TypeError):
        return False
