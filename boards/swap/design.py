"""Swappable builds: the template placed once, and any network of its shape put into it.

A build keeps, beside its bitstream, what the placer wrote and `swap.json`: the shape that networks
must have, and the position map. `swap` needs nothing else of it.
"""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.boards.design.registers import write_registers
from polyrhythm.boards.flow.place import flow_of
from polyrhythm.boards.flow.stage import Tell
from polyrhythm.boards.link.layout import layout
from polyrhythm.boards.link.map import identity_table, link_map
from polyrhythm.boards.parts.parts import Part
from polyrhythm.boards.swap.contents import contents_of, tables_of, template_of
from polyrhythm.boards.swap.finish import finish
from polyrhythm.boards.swap.placed import PLACED
from polyrhythm.boards.swap.places import Places, find
from polyrhythm.sw.lib.atomic import write_whole
from polyrhythm.sw.plan.network import NetworkPlan, plan
from polyrhythm.sw.plan.shape import Shape
from polyrhythm.sw.plan.table import Table

if TYPE_CHECKING:
    from polyrhythm.boards.flow.search import Built
    from polyrhythm.sw.network import Network

FORMAT = 1  # of swap.json
RECORD = "swap.json"
OF_THE_BUILD = ("direct",)  # what build.json says of the first network alone


def places_of(part: Part, module: dict[str, Any], text: str, tables: list[Table]) -> Places:
    """The position map of a template: its netlist `module`, and what the placer made of that."""
    family = PLACED[part.family.name]
    found = find(module, family.blocks, template_of(tables))
    return found.keyed(family.blocks, module, family.read(text))


def board_tables(planned: NetworkPlan, clock_hz: float) -> list[Table]:
    """The memories of a board's design: the accelerator's, and what it says of itself."""
    return [*tables_of(planned), identity_table(link_map(planned, clock_hz))]


def pack_swappable(
    built: "Built", planned: NetworkPlan, folder: Path, progress: Tell | None
) -> Path:
    """The bitstream of `planned` in a template that is placed, and swap.json beside it."""
    from polyrhythm.boards.design.prepare import TOP
    from polyrhythm.boards.flow.mapping import module_of

    part, text = built.board.part, built.best.routed.read_text()
    tables = board_tables(planned, built.target.mhz * 1e6)
    places = places_of(part, module_of(built.work, TOP), text, tables)
    contents, name = contents_of(tables), planned.name
    packing = built.board.packing
    bitstream = finish(part, text, places, contents, folder, name, packing, progress)
    assert planned.swappable is not None
    told = {"format": FORMAT, "shape": planned.swappable.to_json(), **places.to_json()}
    write_whole(folder / RECORD, (json.dumps(told) + "\n").encode())
    return bitstream


def swap(
    build: Path, network: "Network", out: Path, progress: Tell | None = None
) -> dict[str, Any]:
    """Put `network` into the finished design of the folder `build`; the result, a folder like it,
    is `out`.

    The answer is the new build.json with the seconds that it took, and those of the build. Raises
    ValueError for a folder that is no swappable build, or a network that is not of its shape, with
    every reason; what `finish` raises.
    """
    from polyrhythm.boards.catalog.rows import board_named

    begin = time.monotonic()
    told, record = _read(build, "build.json"), _read(build, RECORD)
    board = board_named(str(told["board"]))
    shape, places = Shape.from_json(record["shape"]), Places.from_json(record)
    lanes = [tuple(lane) if isinstance(lane, list) else lane for lane in told["lanes"]]
    planned = plan(network, lanes, told["coding"], shape=shape)
    flow = flow_of(board.part)
    text = _unchanged(build, told, Path(told["bitstream"]).stem + flow.routed)
    contents = contents_of(board_tables(planned, float(told["clock_hz"])))
    bitstream = finish(
        board.part, text, places, contents, out, network.name, board.packing, progress
    )
    made = [
        bitstream,
        bitstream.with_name(bitstream.stem + flow.routed),
        *write_registers(planned, float(told["clock_hz"]), out),
    ]
    new = {key: value for key, value in told.items() if key not in OF_THE_BUILD} | {
        "network": network.name,
        "digest": network.digest,
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made},
        "bitstream": bitstream.name,
        "link": layout(planned),
    }
    if out.resolve() != build.resolve():
        write_whole(out / RECORD, (build / RECORD).read_bytes())
    write_whole(out / "build.json", (json.dumps(new, indent=1) + "\n").encode())
    seconds = round(time.monotonic() - begin, 1)
    memories = {name: list(size) for name, size in places.memories.items()}
    more = {"seconds": seconds, "build_seconds": told.get("seconds"), "memories": memories}
    return new | {"folder": os.fspath(out)} | more


def _read(build: Path, name: str) -> dict[str, Any]:
    """A JSON file of a build. Raises ValueError where there is none of ours."""
    try:
        told: dict[str, Any] = json.loads((build / name).read_text())
    except FileNotFoundError:
        what = "polyrhythm build NETWORK --board NAME --swappable"
        raise ValueError(
            f"{build} must be the folder of a swappable build, but it has no {name}; make one "
            f"with: {what}"
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{build / name} must be JSON as a build writes it: {error}") from None
    if told.get("format") != FORMAT:
        raise ValueError(f"{build / name} must have format {FORMAT}, not {told.get('format')!r}")
    return told


def _unchanged(build: Path, told: dict[str, Any], name: str) -> str:
    """The text of the placed design. Raises ValueError where it is not the build's own."""
    path = build / name
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != told["files"].get(name):
        raise ValueError(
            f"{path} must be what the placer wrote for this build, but it is missing or changed; "
            "build again"
        )
    return data.decode()
