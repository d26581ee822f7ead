"""Writes the accelerator: one Verilog file, its memories as hex files, what its ports mean, and a manifest."""

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polyrhythm.hw.lib.rom import hex_file, padded, rom_module, rom_verilog
from polyrhythm.hw.top import Top
from polyrhythm.hw.verilog import verilog
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import wire
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.plan.rom import DenseRom, hex_lines
from polyrhythm.sw.plan.rom_conv import ConvRom
from polyrhythm.sw.plan.rom_event import EventRom
from polyrhythm.sw.plan.rom_layers import Lanes, default_lanes
from polyrhythm.sw.plan.widths import bounds

FORMAT = 1  # of interface.json and manifest.json
WORK = ".export."  # how a folder begins in which an export is prepared


def export(
    network: Network,
    out_dir: Path | str,
    lanes: Sequence[Lanes] | None = None,
    coding: Coding = "count",
    name: str | None = None,
) -> Path:
    """Write the Verilog of `network` into the new or empty folder `out_dir`, or over an export that lies there; return its path.

    lanes: neurons served per cycle in each layer, 1..N_out (default: `default_lanes`); coding: as of `Accelerator`; name: of the
    top module, an identifier (default: made of the network's name). Every module and every file that a tool reads begins with it,
    so exports of other names can lie in one project. The files are the same byte for byte whenever the network and these are.
    Raises TypeError for lanes that are no integers, ValueError for what the gateware cannot build, for a wrong name, or a folder
    that holds anything but an export, OSError where it cannot be written. The folder appears complete or not at all.
    """
    out = Path(os.path.abspath(out_dir))
    _check_folder(out)
    top = Top(network, default_lanes(network) if lanes is None else list(lanes), coding=coding, name=name)
    files = texts(top)
    out.parent.mkdir(parents=True, exist_ok=True)
    there = out.is_dir()
    # What exists is filled where it is: it may be the current folder, a link, or a mount, none of which can be replaced.
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
    """Put the files of `new` into `out` for those that lie there, or leave those where they were; `work` lies in `out`."""
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


def texts(top: Top) -> dict[str, str]:
    """All files of the export by name."""
    core, name = top.accelerator, top.name
    network = core.network
    source = verilog(top, name)
    files, used, roms = {}, {}, ""
    for k, (stem, contents) in enumerate(zip(core.stems, core.contents, strict=True)):
        for memory, (rows, bits, layout) in _memories(stem, contents).items():
            if f"\\{rom_module(name, memory)} " not in source:
                continue  # equal rows are constants
            file, whole = hex_file(name, memory), [*rows, *[0] * (padded(len(rows)) - len(rows))]
            roms += rom_verilog(name, memory, bits, whole)
            files[file] = hex_lines(whole, bits)
            used[file] = {"layer": k, "rows": len(whole), "used_rows": len(rows), "row_bits": bits, "layout": layout}
    files[f"{name}.v"] = _header(top, name) + "\n" + roms + source
    files["interface.json"] = _json(_interface(top, name, used))
    files["manifest.json"] = _json(
        {
            "format": FORMAT,
            "network": network.name,
            "digest": network.digest,
            "lanes": list(core.lanes),
            "coding": core.coding,
            "sha256": {file: hashlib.sha256(text.encode("ascii")).hexdigest() for file, text in sorted(files.items())},
        }
    )
    return files


def _memories(name: str, contents: DenseRom | ConvRom) -> dict[str, tuple[Sequence[int], int, str]]:
    """Rows, bits of a row, and layout of each memory that a layer may have."""
    tables, per_word = contents.tables, contents.lanes
    if isinstance(contents, ConvRom):
        channels, constants, row = contents.channel_lanes, contents.channel_groups, "channel group"
        lane = f"lane = (bank row * {contents.columns.banks} + bank column) * {channels} + channel lane"
        neuron = f"channel = channel group * {channels} + channel lane"
        weights = (
            f"row = ((input channel * {contents.rows.phases} + row phase) * {contents.columns.phases} + column phase)"
            f" * {constants} + channel group; {lane}"
        )
    else:
        channels, constants, row = contents.lanes, contents.groups, "group"
        neuron = f"neuron = group * {channels} + k"
        weights = f"row = group * {contents.pooled.places} + input"

    def fields(bits: int) -> str:
        return f"lane k in bits [k * {bits} +: {bits}], two's complement; {neuron}"

    phase = f"row = phase * {constants} + {row}, phase of tick t: {list(contents.phases)}[t]" if tables else f"row = {row}"
    bits = contents.weight_bits
    memories: dict[str, tuple[Sequence[int], int, str]] = {
        f"{name}_weight.hex": (
            contents.weights, per_word * bits, f"{weights}; {fields(bits)}",
        ),
        f"{name}_start.hex": (
            contents.starts, channels * contents.sum_bits, f"{phase}; what a sum starts with; {fields(contents.sum_bits)}",
        ),
    }  # fmt: skip
    if isinstance(contents, EventRom):
        memories[f"{name}_threshold.hex"] = (
            contents.v_thresholds,
            channels * contents.threshold_bits,
            f"row = {row}; threshold, unsigned; {fields(contents.threshold_bits)}",
        )
    if contents.thresholds is not None:
        memories[f"{name}_threshold.hex"] = (
            contents.thresholds, max(contents.thresholds).bit_length(), "row = neuron, or channel; threshold, unsigned",
        )  # fmt: skip
    if tables is not None:
        memories[f"{name}_reach.hex"] = (
            tables.reach, per_word * tables.reach_bits, f"{phase}; b(t) - threshold; {fields(tables.reach_bits)}",
        )  # fmt: skip
        memories[f"{name}_threshold.hex"] = (
            tables.thresholds,
            per_word * tables.threshold_bits,
            f"row = {row}; threshold, unsigned; {fields(tables.threshold_bits)}",
        )
        memories[f"{name}_rest.hex"] = (
            tables.rest,
            per_word * tables.v_bits,
            f"row = {row}; potential at the start of a frame; {fields(tables.v_bits)}",
        )
    return memories


def _interface(top: Top, name: str, files: dict[str, Any]) -> dict[str, Any]:
    core = top.accelerator
    network, bits = core.network, {port.name: port.bits for port in top.ports}
    last = len(network.layers) - 1
    taps: list[dict[str, Any]] = [
        {
            "index": k,
            "layer": layer.name,
            "size": network.n_out(k),
            "shape": list(wire(network, k + 1).shape),
            "T": layer.T,
            "address_bits": bits[f"tap{k}_address"],
            "count_bits": bits.get(f"tap{k}_count", 0),
        }
        for k, layer in enumerate(network.layers[:-1])
    ]
    classes = network.n_out(last)
    logit_bits = bits["o_logits"] // classes
    taps.append(
        {
            "index": last,
            "layer": network.layers[last].name,
            "T": network.layers[last].T,
            "logit_bits": logit_bits,
            "classes": classes,
        }
    )
    return {
        "format": FORMAT,
        "top": name,
        "digest": network.digest,
        "network": network.name,
        "schedule": network.schedule,
        "coding": core.coding,
        "clock": "clk",
        "reset": "rst",
        "input": {
            "address_bits": bits["i_address"],
            "count_bits": bits.get("i_count", 0),
            "size": network.input.size,
            "shape": list(wire(network, 0).shape),
            "T": network.input.T,
            "max_count": network.input.max_count,
        },
        "output": {"classes": classes, "class_bits": bits["o_class"], "logit_bits": logit_bits},
        "taps": taps,
        "layers": [_layer(top, i, files) for i in range(len(network.layers))],
        "files": files,
        "ports": [{"name": port.name, "dir": port.dir, "bits": port.bits, "doc": port.doc} for port in top.ports],
    }


def _layer(top: Top, i: int, files: dict[str, Any]) -> dict[str, Any]:
    """What the generator made of layer i: its parallelism, and the proven bounds that set its widths."""
    network, contents = top.accelerator.network, top.accelerator.contents[i]
    layer, proved = network.layers[i], bounds(network, i)
    tables = contents.tables
    return {
        "name": layer.name,
        "kind": layer.kind,
        "n_in": contents.n_in,
        "n_out": contents.n_out,
        "T": layer.T,
        "lanes": contents.lanes,
        "groups": contents.groups,
        **({"channel_lanes": contents.channel_lanes, "banks": contents.banks} if isinstance(contents, ConvRom) else {}),
        "acc_bits": contents.sum_bits,
        "acc_bounds": list(contents.sum_bounds),
        "v_bits": tables.v_bits if tables else contents.sum_bits,
        "v_bounds": list(proved.v),
        "files": sorted(file for file, told in files.items() if told["layer"] == i),
    }


def _header(top: Top, name: str) -> str:
    network = top.accelerator.network
    lines = [
        f"{name}: spiking network {network.name}, schedule {network.schedule}, digest {network.digest}",
        f"lanes {list(top.accelerator.lanes)}, {top.accelerator.coding} coding",
        "Generated by Polyrhythm. This file belongs to whoever generated it.",
        "",
        "Simulate and synthesize in this folder: $readmemh reads the .hex files beside this file; interface.json has the layout.",
        "A frame goes in as spikes and a last word with i_end = 1"
        + (f"; words with i_tick = 1 separate its {network.input.T} time steps." if network.input.T > 1 else "."),
        "Addresses ascend within a time step. Frames may follow each other without a gap; answers come in their order.",
        "Malformed input is corrected and counted: what is wrong with a frame never reaches the one behind the next i_end.",
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
        raise ValueError(f"{out}: the Verilog folder must be a folder, new or not, but it is {what}; name another one")
    if out.is_dir() and any(out.iterdir()) and not _is_export(out):
        raise ValueError(
            f"{out}: the Verilog folder must be new, empty, or an earlier export, but it holds other files; name another folder"
        )
    first = next(place for place in (out, *out.parents) if place.exists())
    try:
        tempfile.TemporaryDirectory(dir=first, prefix=WORK).cleanup()
    except OSError as error:
        raise OSError(error.errno, f"cannot be written, {(error.strerror or str(error)).lower()}", str(out)) from None


def _is_export(folder: Path) -> bool:
    """Whether all that lies in `folder` is what its manifest, one of ours, lists."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="ascii"))
        return {path.name for path in folder.iterdir()} <= {*manifest["sha256"], "manifest.json"}
    except (OSError, ValueError, KeyError, TypeError):
        return False
