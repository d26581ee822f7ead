"""The best placement as a bitstream."""

from pathlib import Path

from polyrhythm.boards.flow.place import flow_of, promised
from polyrhythm.boards.flow.search import Built
from polyrhythm.boards.flow.stage import Tell, run_tool
from polyrhythm.sw.lib.atomic import write_whole


def pack(built: Built, folder: Path, name: str, progress: Tell | None = None) -> Path:
    """The bitstream of the best placement, `folder`/`name` with the family's suffix, and beside it
    what the placer wrote; both appear whole or not at all."""
    flow, work, routed = flow_of(built.board.part), built.work, built.best.routed
    part = work / f"part-{routed.name.removesuffix(flow.routed)}{flow.bitstream}"
    part.unlink(missing_ok=True)
    stage, log = f"bitstream of seed {built.best.seed}", "pack.log"
    command = [word.format(routed=routed.name, bitstream=part.name) for word in flow.packer]
    run_tool(
        [*command, *built.board.packing], stage, work, log, progress=progress, extra=flow.extra
    )
    promised(stage, work / log, part)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}{flow.routed}", routed.read_bytes())
    write_whole(folder / f"{name}{flow.bitstream}", part.read_bytes())
    return folder / f"{name}{flow.bitstream}"
