"""From what a user names, a port and a network, to a board that answers on it."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from polyrhythm.boards.driver.connection import Connection
from polyrhythm.boards.driver.errors import DeviceError
from polyrhythm.boards.driver.port import SerialPort
from polyrhythm.boards.link.identity import Identity
from polyrhythm.sim.board.process import Figures
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import Lanes
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.trace.frames import frames

if TYPE_CHECKING:
    from polyrhythm.boards.driver.simulated import Hardware

Ints = npt.NDArray[Any]
File = str | os.PathLike[str]
SIMULATED = "sim"
TIMEOUT_S, SIMULATED_TIMEOUT_S = 1.0, 60.0
# Tried in this order where nobody says which one it is.
BAUDS = (3_000_000, 12_000_000, 6_000_000, 4_000_000, 2_000_000, 1_500_000, 1_000_000, 115_200)
LOOK_S = 0.2  # how long a board may take to answer at one of them


@dataclass(frozen=True)
class Wanted:
    """What the board is to hold.

    layout   how frames are laid out on its link (`boards.link.layout`); None: not known
    network  where it is at hand; it knows the shape of its input
    baud     of its build
    """

    layout: Mapping[str, Any] | None = None
    network: Network | None = None
    baud: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, rows, columns) of the input; (N, 1, 1) where it has no maps."""
        assert self.layout is not None
        channels, rows, columns = self.layout["shape"]
        return channels, rows, columns

    @property
    def classes(self) -> int:
        """Of an answer."""
        assert self.layout is not None
        return int(self.layout["classes"])

    def counts(self, inputs: Any, preprocess: str | None = None, peak: float | None = None) -> Ints:
        """Inputs as counts (B, T, N); TypeError or ValueError for what are none."""
        assert self.layout is not None
        if preprocess is not None:
            inputs = self._encoded(inputs, preprocess, peak)
        ticks, places = int(self.layout["ticks"]), math.prod(self.layout["shape"])
        if self.network is not None:
            return frames(self.network, inputs).reshape(-1, ticks, places)
        array, most = np.asarray(inputs), self.layout["max_count"]
        if array.dtype.kind not in "iu":
            raise TypeError(f"inputs must be integers, not {array.dtype}")
        if array.ndim < 2 or math.prod(array.shape[1:]) != ticks * places:
            raise ValueError(
                f"inputs must have {ticks} x {places} counts for each frame, (B, T, ...), not "
                f"{array.shape}"
            )
        if array.size and not 0 <= array.min() <= array.max() <= most:
            raise ValueError(f"inputs must lie in 0..{most}, not {array.min()}..{array.max()}")
        return array.reshape(-1, ticks, places)

    def _encoded(self, images: Any, preprocess: str, peak: float | None) -> Ints:
        from polyrhythm.sw.data.own.pixels import check_pixels
        from polyrhythm.sw.data.preprocess import encode

        shape = self.network.input.shape if self.network is not None else None
        pixels = check_pixels("inputs", images, peak, shape)
        return encode(pixels.array, preprocess, pixels.peak)


Opened = tuple[Connection, Wanted, Callable[[], Figures | None]]


def opened(
    port: str,
    network: Network | File | None,
    lanes: Sequence[Lanes] | None,
    coding: Coding,
    baud: int | None,
    timeout_s: float | None,
    tries: int,
) -> Opened:
    """A connection, what the board is to hold, and how to end what was begun beside it. Raises what
    `Device.open` raises."""
    if not isinstance(port, str | os.PathLike):
        raise TypeError(f'port must be a path, or "sim", not {port!r}')
    if timeout_s is not None and not timeout_s > 0:
        raise ValueError(f"timeout_s must be above 0 seconds, not {timeout_s}")
    if tries < 1:
        raise ValueError(f"tries must be at least 1, not {tries}")
    port = os.fspath(port)
    kind, colon, file = port.partition(":")
    if kind == SIMULATED:
        build = Path(file) if colon and Path(file).is_dir() else None
        if colon and build is None and network is not None:
            raise ValueError(f'{port}: names a network, and another one came with it; say "sim"')
        network = file if colon and build is None else network
        if not isinstance(network, Network):
            network = _network_file(network)
        hardware = hardware_of(network, build, lanes, coding)
        return _simulated(network, hardware, timeout_s or SIMULATED_TIMEOUT_S, tries)
    if lanes is not None or coding != "count":
        raise ValueError(
            f"{port}: lanes and coding belong to the bitstream of a board; leave them out, or open "
            "sim"
        )
    wanted = wanted_of(network)
    return _hardware(port, wanted, baud or wanted.baud, timeout_s or TIMEOUT_S, tries)


def wanted_of(network: Network | File | None) -> Wanted:
    """What a network, its file, or the folder of a build ask for."""
    if network is None:
        return Wanted()
    if not isinstance(network, Network):
        path = Path(network)
        build = path / "build.json" if path.is_dir() else path
        if build.suffix == ".json":
            return _build(build)
        network = _network_file(network)
    from polyrhythm.boards.link.layout import layout
    from polyrhythm.sw.plan.network import plan

    return Wanted(layout(plan(network)), network)


def looked_up(wanted: Wanted, identity: Identity) -> Wanted:
    """What the board holds, where a build of it lies below the build folder."""
    from polyrhythm.sim.verilator import build_root

    root = build_root()
    for path in sorted([*root.glob("*/build.json"), *root.glob("*/simulated-*/build.json")]):
        try:
            found = _build(path)
        except ValueError:
            continue
        if found.layout and found.layout["digest"] == identity.digest:
            return replace(found, network=wanted.network)
    return wanted


def _build(path: Path) -> Wanted:
    """What the record of a build says."""
    try:
        told = json.loads(path.read_text("utf-8"))
        return Wanted(told["link"], baud=told.get("baud"))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: must be the build.json that `polyrhythm build` writes, but reading it failed "
            f"at {error!r}"
        ) from None


def hardware_of(
    network: Network, build: Path | None, lanes: Sequence[Lanes] | None, coding: Coding
) -> "Hardware":
    """Of a simulated board: that of a build, or the lanes and the coding that are asked for."""
    from polyrhythm.boards.driver.simulated import Hardware

    if build is None:
        return Hardware(lanes, coding)
    if lanes is not None or coding != "count":
        raise ValueError(f"{build}: lanes and coding are those of the build; leave them out")
    return Hardware.of_build(build, network)


def _network_file(network: File | None) -> Network:
    if network is None:
        raise ValueError('sim needs a network: "sim:FILE", or network=..., also beside "sim:BUILD"')
    return Network.load(network)


def _simulated(network: Network, hardware: "Hardware", timeout_s: float, tries: int) -> Opened:
    from polyrhythm.boards.driver import simulated

    folder = simulated.design(network, hardware)
    board = simulated.start(folder)
    try:
        port = SerialPort(board.port, hardware.baud)
    except BaseException:
        board.kill()
        raise
    board.opened()
    wanted = replace(_build(folder / "build.json"), network=network)
    return Connection(port, SIMULATED, timeout_s, tries), wanted, board.close


def _hardware(port: str, wanted: Wanted, baud: int | None, timeout_s: float, tries: int) -> Opened:
    rate = baud or _answered(port)
    wanted = replace(wanted, baud=rate)
    return Connection(SerialPort(port, rate), port, timeout_s, tries), wanted, lambda: None


def _answered(port: str) -> int:
    """The first of `BAUDS` at which a board answers; the first of all where none does."""
    for rate in BAUDS:
        try:
            connection = Connection(SerialPort(port, rate), port, LOOK_S, 1)
        except DeviceError:
            if rate == BAUDS[0]:
                raise
            continue  # a rate that this port does not have
        try:
            connection.hello()
            return rate
        except DeviceError:
            continue
        finally:
            connection.close()
    return BAUDS[0]
