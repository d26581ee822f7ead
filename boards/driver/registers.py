"""The board's registers by name."""

from polyrhythm.boards.driver.connection import Connection

IN_FLIGHT = "in_flight"
COUNTS = ("begun", "answered", "events", "stalls", "cycles", "in_flight")
MAP = {name: 0x100 + 4 * k for k, name in enumerate(COUNTS)}
MAP |= {
    f"link_{n}": 0x180 + 4 * k
    for k, n in enumerate(("framing", "overrun", "length", "cobs", "crc", "unknown"))
}


def read(connection: Connection, name: str) -> int:
    return connection.read(MAP[name], 1)[0]


def write(connection: Connection, name: str, value: int) -> None:
    if not connection.write(MAP[name], [value]):
        raise ValueError(name)


def status(connection: Connection) -> dict[str, int]:
    return {name: read(connection, name) for name in MAP}
