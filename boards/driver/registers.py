"""The board's registers by name, at the addresses that every board of the link has them."""

from polyrhythm.boards.driver.connection import Connection
from polyrhythm.boards.link.map import LINK_FAULTS
from polyrhythm.hw.bus import map as places
from polyrhythm.hw.bus.counted import COUNTS
from polyrhythm.hw.stream.input_checker import FAULT_DOC
from polyrhythm.sw.lib.check import nearest

IN_FLIGHT = "in_flight"  # frames begun and not answered
MOST = 32  # registers that one packet reads
# A fault that an input cannot have has no register, and reads as 0.
STATUS = {
    **{name: places.COUNTERS + 4 * k for k, name in enumerate(COUNTS)},
    **{f"input_{name}": places.INPUT + 4 * k for k, name in enumerate(FAULT_DOC)},
    **{f"link_{name}": places.BUS + 4 * k for k, name in enumerate(LINK_FAULTS)},
}
ADDRESSES = STATUS | {"scratch": places.SCRATCH}


def address_of(name: str) -> int:
    """Where a register is; ValueError names those that are near."""
    if name not in ADDRESSES:
        raise ValueError(f"there is no register {name!r}; {nearest(name, ADDRESSES)}")
    return ADDRESSES[name]


def read(connection: Connection, name: str) -> int:
    """One register."""
    return connection.read(address_of(name), 1)[0]


def write(connection: Connection, name: str, value: int) -> None:
    """Write one register. ValueError where the board refuses it."""
    if not 0 <= value < 1 << 32:
        raise ValueError(f"register {name} must lie in 0..{(1 << 32) - 1}, not {value}")
    if not connection.write(address_of(name), [value]):
        raise ValueError(f"{connection.name}: register {name} cannot be written")


def status(connection: Connection) -> dict[str, int]:
    """Every register that tells of the board, by name."""
    low, high = min(STATUS.values()), max(STATUS.values()) + 4
    values: dict[int, int] = {}
    for start in range(low, high, 4 * MOST):
        count = min(MOST, (high - start) // 4)
        found = connection.read(start, count)
        values |= {start + 4 * k: value for k, value in enumerate(found)}
    return {name: values[at] for name, at in STATUS.items()}
