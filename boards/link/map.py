"""The registers of a board with the link: the accelerator's, and those of the line."""

from collections.abc import Sequence

import numpy as np

from polyrhythm.boards.link.identity import Identity
from polyrhythm.boards.link.receiver import FAULTS
from polyrhythm.hw.bus.map import BUS, accelerator_map
from polyrhythm.hw.bus.registers import Register
from polyrhythm.sw.plan.network import NetworkPlan
from polyrhythm.sw.plan.table import Table

RING_BYTES = 1024  # of the ring in which packets wait that have come
CONTROL_BYTES = 16  # of it, for HELLO, READ and a short WRITE
LINK_BITS = 8  # of each counter of faults
LINK_DOC = {
    "framing": "a byte had no stop bit",
    "overrun": "there was no room for it",
    "length": "its body had less than 3 or more than 253 bytes",
    "cobs": "a run of bytes was cut short",
    "crc": "its CRC was wrong",
    "unknown": "it had no known kind, or another length than its kind has",
}
LINK_FAULTS = (*FAULTS, "unknown")


def link_map(plan: NetworkPlan, clock_hz: float) -> list[Register]:
    """The registers of an `Endpoint`, its identification among them."""
    told = Identity.of(plan, clock_hz, RING_BYTES - CONTROL_BYTES).encode()
    return with_line(accelerator_map(plan, told))


def with_line(rows: Sequence[Register]) -> list[Register]:
    """An accelerator's registers, and those of the line."""
    doc = f"packets dropped since the reset, modulo {1 << LINK_BITS}:"
    line = [
        Register(f"link_{name}", BUS + 4 * k, "status", LINK_BITS, f"{doc} {LINK_DOC[name]}")
        for k, name in enumerate(LINK_FAULTS)
    ]
    return [*rows, *line]


def identity_table(rows: Sequence[Register]) -> Table:
    """The identification as a memory of its registers' bytes. Contents may be swapped: another
    network's digest must be able to take this one's place."""
    values = [row.value for row in rows if row.access == "constant"]
    content = np.array(values, "<u4").view(np.uint8).astype(np.int64)[:, None]
    return Table("identity", content, 8, "row = byte of the identification", swappable=True)
