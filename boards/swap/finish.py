"""From a placed template to a bitstream with a network's contents, every memory compared behind it.

No exit code is trusted: the bitstream is unpacked again, and what it holds of each memory, by the
position map, must be what was wanted.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from polyrhythm.boards.flow.place import flow_of, promised
from polyrhythm.boards.flow.stage import Tell, run_tool
from polyrhythm.boards.parts.parts import Part
from polyrhythm.boards.swap.blocks import Bits
from polyrhythm.boards.swap.contents import Contents
from polyrhythm.boards.swap.placed import PLACED
from polyrhythm.boards.swap.places import Places


class SwapFailed(RuntimeError):
    """A bitstream does not hold what was put into it."""


def finish(
    part: Part,
    text: str,
    places: Places,
    contents: Contents,
    folder: Path,
    name: str,
    packing: Sequence[str] = (),
    progress: Tell | None = None,
) -> Path:
    """The bitstream `folder`/`name`.* of a placed design `text` with `contents` in its memories,
    and the text itself beside it; both appear when every memory has been compared.

    packing: further words for the packer. Raises SwapFailed where a memory holds anything else,
    ValueError for contents of other memories, what `run_tool` raises.
    """
    flow, family = flow_of(part), PLACED[part.family.name]
    filled = places.filled(family.blocks, contents)
    new = family.replaced(text, filled)
    compare(places.held(family.blocks, family.read(new)), contents, "the placed design")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".swap.") as scratch:
        work = Path(scratch)
        routed, bitstream = work / f"design{flow.routed}", work / f"design{flow.bitstream}"
        routed.write_text(new)
        stage = "packing the bitstream"
        names = {"routed": routed.name, "bitstream": bitstream.name}
        command = [word.format(**names) for word in flow.packer]
        run_tool([*command, *packing], stage, work, "pack.log", progress=progress, extra=flow.extra)
        promised(stage, work / "pack.log", bitstream)
        if family.unpacker:
            again = work / f"again{flow.routed}"
            names["routed"] = again.name
            command = [word.format(**names) for word in family.unpacker]
            stage = "unpacking it again"
            run_tool(command, stage, work, "unpack.log", progress=progress, extra=flow.extra)
            promised(stage, work / "unpack.log", again)
            packed = family.read(again.read_text())
            compare(places.held(family.blocks, packed), contents, "the bitstream")
            compare_blocks(packed, filled)
        for path, suffix in ((routed, flow.routed), (bitstream, flow.bitstream)):
            os.replace(path, folder / f"{name}{suffix}")
    return folder / f"{name}{flow.bitstream}"


def compare(held: Contents, wanted: Contents, where: str) -> None:
    """Raise SwapFailed, with the first bit, unless every memory holds what was wanted."""
    if set(held) != set(wanted):
        raise SwapFailed(f"{where} must have the memories {sorted(wanted)}, not {sorted(held)}")
    for name, want in wanted.items():
        if len(wrong := np.argwhere(held[name] != want)):
            row, bit = (int(k) for k in wrong[0])
            raise SwapFailed(
                f"{where}: bit {bit} of row {row} of {name} must be {want[row, bit]}, but "
                f"{len(wrong)} of {want.size} bits differ"
            )


def compare_blocks(packed: Mapping[str, Bits], filled: Mapping[str, Bits]) -> None:
    """Raise SwapFailed unless the block RAMs hold no more than that: what no memory has is 0."""
    for key, bits in filled.items():
        if number := int((packed[key] != bits).sum()):
            raise SwapFailed(
                f"the bitstream: block RAM {key} must hold its memory alone, but {number} bits of "
                "none differ"
            )
