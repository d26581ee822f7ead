"""The parts of docs/link.md that are made of the data: python -m polyrhythm.boards.link.page FILE
fills them in."""

import re
import sys
from pathlib import Path

from polyrhythm.boards.link.map import with_line
from polyrhythm.boards.link.packets import PACKETS, REASON_DOC, Packet
from polyrhythm.hw.bus.map import RESERVED, accelerator_map
from polyrhythm.hw.bus.printers import table

IDENTITY_BYTES = 56  # of an identification with a version of 7 characters: 14 registers


def filled(text: str) -> str:
    """The page with its parts as the data are now: each stands between `<!-- NAME -->` and
    `<!-- end -->`."""
    parts = {"packets": _packets(), "reasons": _reasons(), "registers": _registers()}

    def part(found: re.Match[str]) -> str:
        return f"<!-- {found[1]} -->\n{parts[found[1]]}<!-- end -->"

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- end -->", part, text, flags=re.DOTALL)


def _packets() -> str:
    lines = ["| kind | | body behind the kind | |", "|---|---|---|---|"]
    return "\n".join([*lines, *map(_packet, PACKETS.values()), ""])


def _packet(row: Packet) -> str:
    fields = [f"{field.name}:u{8 * field.bytes}" for field in row.fields]
    fields += [row.rest] if row.rest else []
    return f"| 0x{row.kind.value:02X} | {row.kind.name} | {', '.join(fields)} | {row.doc} |"


def _reasons() -> str:
    rows = [f"| {why.value} | {why.name} | {doc} |" for why, doc in REASON_DOC.items()]
    return "\n".join(["| reason | | |", "|---|---|---|", *rows, ""])


def _registers() -> str:
    rows = with_line(accelerator_map(None, bytes(IDENTITY_BYTES)))
    kept = [
        f"Addresses from 0x{first:04X} on are kept for {what}." for first, what in RESERVED.items()
    ]
    return table(rows) + "\n" + "\n".join(kept) + "\n"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
