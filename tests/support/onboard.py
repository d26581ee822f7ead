"""What tests/board is run on: a board on a port, or a simulated one of a network."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyrhythm.boards.driver import opening, simulated
from polyrhythm.boards.driver.device import Device
from polyrhythm.boards.driver.port import Transport
from polyrhythm.sw.network import Network

MODELS = Path(__file__).resolve().parents[2] / "models"


@dataclass(frozen=True)
class Linked:
    """A port, and the network that the board on it holds."""

    port: str
    network: Network

    @classmethod
    def on(cls, port: str) -> "Linked":
        """What a port's board holds, which is one of models/; sim is a board of digits."""
        if port == "sim":
            return cls(port, Network.load(MODELS / "digits.safetensors"))
        with Device.open(port) as device:
            digest = device.identity.digest
        for path in sorted(MODELS.glob("*.safetensors")):
            network = Network.load(path)
            for profile in (None, *network.profiles):
                if network.profile(profile).digest == digest:
                    return cls(port, network.profile(profile))
        raise ValueError(f"{port}: the board must hold a network of models/, not {digest[:16]}")

    def open(self, through: Callable[[Transport], Transport] = lambda line: line) -> Device:
        """The board, by way of a line that may do anything to the bytes."""
        connection, wanted, closing = opening.opened(
            self.port, self.network, None, "count", None, None, 5
        )
        connection.transport = through(connection.transport)
        return Device(connection, wanted, closing)

    @contextlib.contextmanager
    def as_port(self) -> Iterator[str]:
        """The path of a serial port with this board behind it."""
        if self.port != "sim":
            yield self.port
            return
        board = simulated.start(simulated.design(self.network))
        try:
            yield board.port
        finally:
            board.close()

    def inputs(self, rng: np.random.Generator, frames: int) -> np.ndarray:
        """Random counts (B, T, *shape), of all densities."""
        source = self.network.input
        counts = rng.integers(0, source.max_count + 1, (frames, source.T, *source.shape))
        density = rng.random((frames, *[1] * (counts.ndim - 1)))
        return counts * (rng.random(counts.shape) < density)
