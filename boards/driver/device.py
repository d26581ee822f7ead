"""A board, real or simulated, that takes frames and gives a trace.

Axis order: B frames, T source ticks, N flat (C, H, W) places, C classes.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.boards.driver import opening, registers
from polyrhythm.boards.driver.connection import Connection, Traffic
from polyrhythm.boards.driver.encode import Encoder
from polyrhythm.boards.driver.exchange import Exchange
from polyrhythm.boards.driver.frame import Frame
from polyrhythm.boards.driver.identity import check_same, identity_of
from polyrhythm.boards.driver.opening import Wanted
from polyrhythm.boards.driver.stream import EventStream
from polyrhythm.sim.board.process import Figures
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import Lanes
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.trace import Trace

Ints = npt.NDArray[Any]
AHEAD = 64  # frames that are laid out and wait to be sent
File = str | os.PathLike[str]


class Device:
    """A board that is open, until its `with` block ends or `close` is called; `Device.open` makes
    one.

    `identity` is what the board says of itself; `figures`, of a simulated board that is closed, are
    its clocks and the bytes of its pins.
    """

    def __init__(
        self,
        connection: Connection,
        wanted: Wanted,
        closing: Callable[[], Figures | None] = lambda: None,
    ) -> None:
        self._connection, self._closing = connection, closing
        self.figures: Figures | None = None
        self._exchange: Exchange | None = None
        try:
            self.identity = identity_of(connection.name, connection.hello())
            self._wanted = wanted if wanted.layout else opening.looked_up(wanted, self.identity)
            if layout := self._wanted.layout:
                check_same(connection.name, self.identity, layout)
                self._encoder = Encoder(layout)
                self._exchange = Exchange(
                    connection,
                    self.identity.buffer,
                    layout["classes"],
                    layout["logit_bytes"],
                    lambda: self.read(registers.IN_FLIGHT),
                )
                self._exchange.settle()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(
        cls,
        port: str,
        network: Network | File | None = None,
        *,
        lanes: Sequence[Lanes] | None = None,
        coding: Coding = "count",
        baud: int | None = None,
        timeout_s: float | None = None,
        tries: int = 5,
    ) -> "Device":
        """Open the board on a serial port, or a simulated one.

        port: a path such as "/dev/ttyUSB0"; or "sim:FILE", which simulates the whole board of a
        network file; or "sim" with `network`; or "sim:BUILD" with `network`, which simulates the
        board of a build's folder: its lanes, clock and baud. network: what the board must hold: a
        Network, its file, or, of a real board, the folder of a build. Without it any board of ours
        is opened, and frames can be sent where its build is found below the build folder. lanes,
        coding: of a simulated board, as in `polyrhythm.run`. baud: of the port (default: as the
        build says, else those in use are tried). timeout_s: silence after which something is asked
        or sent again (1; simulated 60).
        tries: how often.

        Raises DeviceError where the port is missing, busy or not permitted, or where the board is
        silent or is none of ours; WrongBitstream, a ValueError, where it holds another network;
        ToolMissing and BuildError for what a simulation needs.
        """
        return cls(*opening.opened(port, network, lanes, coding, baud, timeout_s, tries))

    @property
    def traffic(self) -> Traffic:
        """What went over the link since it was opened, as the host counts it: bytes, what was
        dropped, what was sent again."""
        return self._connection.traffic

    @property
    def baud(self) -> int | None:
        """Of the link, where it is known."""
        return self._wanted.baud

    @property
    def name(self) -> str:
        """The port."""
        return self._connection.name

    def run(
        self,
        inputs: Ints,
        progress: Callable[[int, int], None] | None = None,
        *,
        preprocess: str | None = None,
        peak: float | None = None,
    ) -> Trace:
        """Send frames, and give class, logits and cycles of each.

        inputs: counts, ``(B, *shape)`` or ``(B, T_in, *shape)``; with `preprocess`, such as
        "levels:15", images (B, H, W) or (B, C, H, W), whose white is `peak` (255 for uint8, 1 for
        floats).
        progress(done, total) is told of answers as they come. What the link loses is sent again.
        The trace has no counts of hidden layers: they do not leave the board. `cycles` are the
        board's own.

        Raises TypeError or ValueError for inputs that are no legal counts or images, DeviceError
        where the board gives up.
        """
        counts = self._wanted.counts(inputs, preprocess, peak)  # (B, T, N)
        answered = list[Frame]()

        def taken(frame: Frame) -> None:
            answered.append(frame)
            if progress is not None:
                progress(len(answered), len(counts))

        with self._sending(taken) as exchange:
            for one in counts:
                exchange.give(self._encoder.frame(one))
                exchange.drain(AHEAD)
            exchange.drain()
        return self._trace(answered)

    def stream(self, us: int, *, t0: int | None = None, slack_us: int = 0) -> EventStream:
        """Events in as they come, answers out: `with device.stream(us=10_000) as stream`.

        us: length of a tick in microseconds, as in the word window:US:T:N; t0: where the first
        frame begins (with the first event); slack_us: how much longer a frame stays open for events
        that come late. See `EventStream`.
        """
        self._ready()
        return EventStream(self._sending, self._encoder, self._wanted.shape, us, t0, slack_us)

    def status(self) -> dict[str, int]:
        """Every register of the board that tells of itself, by name: counters, clock, frames in
        flight."""
        return registers.status(self._connection)

    def read(self, name: str) -> int:
        """One register. ValueError where there is none of that name."""
        return registers.read(self._connection, name)

    def write(self, name: str, value: int) -> None:
        """Write one register. ValueError where there is none of that name, or the board refuses
        it."""
        registers.write(self._connection, name, value)

    def close(self) -> None:
        """Let the port go, and end a simulated board; a second time changes nothing."""
        closing, self._closing = self._closing, lambda: None
        self._connection.close()
        self.figures = closing() or self.figures

    def __enter__(self) -> "Device":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ready(self) -> Exchange:
        if self._exchange is None:
            raise ValueError(
                f"{self.name}: the board holds network {self.identity.digest[:16]}, and its layout "
                "is not known here; say which network it is: Device.open(port, network=FILE)"
            )
        return self._exchange

    @contextlib.contextmanager
    def _sending(self, taken: Callable[[Frame], None]) -> Iterator[Exchange]:
        """The exchange, for one sender at a time, whose answers go to `taken`; what it leaves
        unanswered is forgotten."""
        exchange = self._ready()
        if exchange.busy:
            raise RuntimeError(f"{self.name}: frames are being sent already; end that stream first")
        exchange.busy, exchange.done = True, taken
        try:
            yield exchange
        except BaseException:
            exchange.forget()
            raise
        finally:
            exchange.busy = False

    def _trace(self, frames: Sequence[Frame]) -> Trace:
        classes = self._wanted.classes
        logits = np.array([[frame.logits[k] for k in range(classes)] for frame in frames], np.int64)
        return Trace(
            np.array([frame.answer for frame in frames], np.int64),
            logits.reshape(len(frames), classes),
            cycles=np.array([frame.cycles for frame in frames], np.int64),
        )
