""".bin files as N-MNIST and N-Caltech101 have them: 5 bytes an event."""

import numpy as np

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events.recording import EVENT, Recording

# As y: the sensor's overflow mark, which moves the time of all that follow by 2^13 us and is no
# event
MARK = 240


def read_bin(where: str, data: bytes) -> Recording:
    """x, y, polarity in bit 23 and microseconds in bits 22..0, big-endian."""
    if len(data) % 5:
        raise DataError(f"{where}: must hold events of 5 bytes, not {len(data)} bytes")
    word = np.frombuffer(data, np.uint8).reshape(-1, 5).astype(np.int64)
    marks = word[:, 1] == MARK
    events = np.empty(len(word), EVENT)
    events["x"], events["y"], events["p"] = word[:, 0], word[:, 1], word[:, 2] >> 7
    events["t"] = ((word[:, 2] & 127) << 16 | word[:, 3] << 8 | word[:, 4]) + (
        np.cumsum(marks) << 13
    )
    return Recording(events[~marks])
