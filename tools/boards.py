"""Builds the bitstreams behind the table of boards in docs/results.md, and writes their figures.

python tools/boards.py docs/results/boards.json [BOARD ...]: all rows, or those of these boards. A
row that is built takes the place of its older one in the file; five placements each.
"""

import json
import sys
from pathlib import Path
from typing import Any

from polyrhythm.boards.bitstream.build import build
from polyrhythm.sw.lib.atomic import write_whole
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import Lanes

SEEDS = range(1, 6)
# Network, board, lanes (None: as many as there are neurons, at most 64)
ROWS: tuple[tuple[str, str, list[Lanes] | None], ...] = (
    ("digits", "icebreaker", [8, 5]),
    ("digits", "tangnano9k", [20, 10]),
    ("digits", "colorlight-i5", [20, 10]),
    ("digits", "colorlight-5a-75b", [20, 10]),
    ("digits", "ecpix5-45", [20, 10]),
    ("mnist-mlp", "ulx3s-25f", None),
    ("mnist-mlp", "ulx3s-85f", None),
    ("mnist-mt", "ulx3s-25f", None),
    ("mnist-conv", "ulx3s-85f", None),
)
LEFT_OUT = ("link", "files", "work", "folder")  # of build.json


def row(network: str, board: str, lanes: list[Lanes] | None) -> dict[str, Any]:
    """The figures of one build."""
    loaded = Network.load(Path("models") / f"{network}.safetensors")
    made = build(loaded, board, lanes, seeds=SEEDS, progress=say)
    return {key: value for key, value in made.items() if key not in LEFT_OUT}


def say(line: object) -> None:
    print(line, file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    """Build, and write after each row."""
    target, only = Path(argv[0]), argv[1:]
    found = json.loads(target.read_text("utf-8")) if target.is_file() else []
    for network, board, lanes in ROWS:
        if only and board not in only:
            continue
        made = row(network, board, lanes)
        same = (made["network"], made["board"])
        found = [old for old in found if (old["network"], old["board"]) != same] + [made]
        write_whole(target, (json.dumps(found, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
