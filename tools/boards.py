"""Builds the bitstreams behind the table of boards in docs/results.md, and measures them.

    python tools/boards.py docs/results/boards.json [BOARD ...]

Builds all rows, or those of these boards, five placements each, and sends test images through the
simulated board of each build; a row that is made takes the place of its older one in the file. Then
it prints the table. `--table` prints it alone. The data sets are looked for in $POLYRHYTHM_DATA.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from polyrhythm.boards.bitstream.build import build
from polyrhythm.boards.driver.device import Device
from polyrhythm.sw import data, golden
from polyrhythm.sw.lib.atomic import write_whole
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import Lanes
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.timing.cycles import timing

SEEDS = range(1, 6)
SMALL: list[Lanes] = [20, 10]
NARROW: list[Lanes] = [(12, 1), (24, 1), (32, 1), 10]
# Network, board, lanes (None: the default), test images that go through the simulated board
ROWS: tuple[tuple[str, str, list[Lanes] | None, int], ...] = (
    ("digits", "icebreaker", None, 360),
    ("digits", "tangnano9k", SMALL, 360),
    ("digits", "colorlight-i5", SMALL, 360),
    ("digits", "ecpix5-45", SMALL, 360),
    ("mnist-mlp", "ulx3s-25f", None, 1000),
    ("mnist-mlp", "ulx3s-85f", None, 1000),
    ("mnist-mt", "ulx3s-25f", NARROW, 200),
    ("mnist-conv", "ulx3s-85f", None, 200),
)
LEFT_OUT = ("link", "files", "work", "folder")  # of build.json
HEAD = (
    "network", "board", "lanes", "LUT4", "FF", "block RAM", "DSP", "Fmax, median of 5 [MHz]",
    "clock [MHz]", "latency [cycles]", "interval [cycles]", "frames/s at the clock",
    "frames/s over the link",
)  # fmt: skip


def row(name: str, board: str, lanes: list[Lanes] | None, images: int) -> dict[str, Any]:
    """The figures of one build."""
    network = Network.load(Path("models") / f"{name}.safetensors")
    made = build(network, board, lanes, seeds=SEEDS, progress=say)
    told = {key: value for key, value in made.items() if key not in LEFT_OUT}
    root = os.environ.get("POLYRHYTHM_DATA")
    inputs, _ = data.inputs_for(network, network.provenance["dataset"], "test", root)
    inputs = inputs[:images]
    chosen = [tuple(lane) if isinstance(lane, list) else lane for lane in made["lanes"]]
    return told | modelled(network, chosen, inputs) | linked(network, Path(made["folder"]), inputs)


def modelled(network: Network, lanes: list[Lanes], inputs: np.ndarray) -> dict[str, Any]:
    """Cycles of frames alone and of frames that follow each other, by the cycle model."""
    planned = plan(network, lanes)
    trace = golden.run(network, inputs, spikes=network.schedule == "time_stepped")
    alone = timing(planned, trace, inputs, back_to_back=False)
    joined = timing(planned, trace, inputs, back_to_back=True)
    means = {"latency": alone.cycles.mean(), "interval": joined.interval[1:].mean()}
    return {f"{key}_cycles": round(float(value), 1) for key, value in means.items()}


def linked(network: Network, folder: Path, inputs: np.ndarray) -> dict[str, Any]:
    """Frames a second through the UART pins of the simulated board, at its clock and baud; every
    class and every logit is held against the golden model."""
    with Device.open(f"sim:{folder}", network) as device:
        trace = device.run(inputs)
    first = golden.run(network, inputs).first_difference(trace)
    if first is not None:
        raise AssertionError(f"{network.name} in {folder}: {first}")
    assert device.figures is not None
    seconds = (device.figures.last - device.figures.first) / device.identity.clock_hz
    return {"images": len(inputs), "link_frames_per_s": round(len(inputs) / seconds)}


def table(rows: list[dict[str, Any]]) -> str:
    """The table of docs/results.md."""
    lines = [HEAD, ("---",) * len(HEAD), *map(cells, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """One build."""
    use, clock = row["use"], row["clock_hz"]
    reached = sorted(row["fmax_mhz_by_seed"].values())
    lanes = ["x".join(map(str, one)) if isinstance(one, list) else str(one) for one in row["lanes"]]
    return (
        f"`{row['network']}`", row["title"], ", ".join(lanes),
        f"{use['lut4']:,}" + (f" ({use['logic_cells']:,} cells)" if "logic_cells" in use else ""),
        *(f"{use.get(word, 0):,}" for word in ("ff", "bram", "dsp")),
        f"{row['fmax_mhz_median']:.1f} ({reached[0]:.1f} to {reached[-1]:.1f})",
        f"{clock / 1e6:.2f}",
        f"{row['latency_cycles']:,.1f}", f"{row['interval_cycles']:,.1f}",
        f"{clock / row['interval_cycles']:,.0f}", f"{row['link_frames_per_s']:,}",
    )  # fmt: skip


def say(line: object) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Build, and write after each row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("boards", nargs="*", metavar="BOARD", help="rows to build (all)")
    parser.add_argument("--network", help="rows of this network alone")
    parser.add_argument("--table", action="store_true", help="build nothing")
    args = parser.parse_args()
    found = json.loads(args.file.read_text("utf-8")) if args.file.is_file() else []
    for network, board, lanes, images in [] if args.table else ROWS:
        if (args.boards and board not in args.boards) or args.network not in (None, network):
            continue
        made = row(network, board, lanes, images)
        same = (made["network"], made["board"])
        found = [old for old in found if (old["network"], old["board"]) != same] + [made]
        order = [known[:2] for known in ROWS]
        found.sort(key=lambda one: order.index((one["network"], one["board"])))
        write_whole(args.file, (json.dumps(found, indent=1) + "\n").encode())
    print(table(found), end="")


if __name__ == "__main__":
    main()
