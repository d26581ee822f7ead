"""What tests/board is run on: a board on a port, or a simulated one of a network."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from polyrhythm.boards.driver import opening
from polyrhythm.boards.driver.device import Device
from polyrhythm.boards.driver.port import Transport
from polyrhythm.sw.network import Network


@dataclass(frozen=True)
class Linked:
    """A port, and the network that the board on it holds."""

    port: str
    network: Network

    def open(self, through: Callable[[Transport], Transport] = lambda line: line) -> Device:
        """The board, by way of a line that may do anything to the bytes."""
        connection, wanted, closing = opening.opened(
            self.port, self.network, None, "count", None, None, 5
        )
        connection.transport = through(connection.transport)
        return Device(connection, wanted, closing)

    def inputs(self, rng: np.random.Generator, frames: int) -> np.ndarray:
        """Random counts (B, T, *shape), of all densities."""
        source = self.network.input
        counts = rng.integers(0, source.max_count + 1, (frames, source.T, *source.shape))
        density = rng.random((frames, *[1] * (counts.ndim - 1)))
        return counts * (rng.random(counts.shape) < density)
