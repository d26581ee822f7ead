"""A serial port, real or simulated, and one clear line for each way in which it cannot be used."""

import contextlib
import errno
import grp
import math
import os
import termios
from typing import Any, Protocol

from polyrhythm.boards.driver.errors import DeviceError

STEP_S = 0.01  # what one look at the port waits for a byte
WRITE_S = 10.0  # what a write may wait for the port to take it
HELD = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)


class Transport(Protocol):
    """What moves bytes to a board and back, nothing lost that the wire did not lose."""

    def read(self, seconds: float) -> bytes:
        """What has come; b"" where nothing comes within about `seconds`."""

    def write(self, data: bytes) -> None:
        """Send all of it."""

    def close(self) -> None:
        """Let the port go."""


class SerialPort:
    """A port opened by pyserial for this program alone, 8N1.

    Raises DeviceError where it is missing, not permitted, busy, or no serial port; and where it
    goes away while it is used.
    """

    def __init__(self, name: str, baud: int) -> None:
        import serial

        self.name = name
        try:
            self._port: Any = serial.Serial(
                name, baud, timeout=STEP_S, write_timeout=WRITE_S, exclusive=True
            )
        except (OSError, ValueError, termios.error) as error:
            raise DeviceError(why_closed(name, baud, error)) from None

    def read(self, seconds: float) -> bytes:
        """What has come; waits for the first byte in steps of STEP_S."""
        with self._going_away():
            if seconds <= 0:
                return bytes(self._port.read(self._port.in_waiting))
            for _ in range(math.ceil(seconds / STEP_S)):
                if first := self._port.read(1):
                    return bytes(first + self._port.read(self._port.in_waiting))
            return b""

    def write(self, data: bytes) -> None:
        """Send all of it."""
        import serial

        with self._going_away():
            try:
                self._port.write(data)
            except serial.SerialTimeoutException:
                raise DeviceError(
                    f"{self.name}: the port took no byte for {WRITE_S:g} s; look at the cable and "
                    "open it again"
                ) from None

    def close(self) -> None:
        """Let the port go; a second time changes nothing."""
        with contextlib.suppress(OSError):
            self._port.close()

    @contextlib.contextmanager
    def _going_away(self) -> Any:
        try:
            yield
        except OSError as error:  # of which pyserial's own exceptions are kinds
            raise DeviceError(
                f"{self.name}: the port went away while it was used ({error}); look at the cable "
                "and open it again"
            ) from None
        except TypeError:  # pyserial's descriptor when another thread has closed it
            raise DeviceError(f"{self.name}: the port was closed while it was used") from None


def why_closed(name: str, baud: int, error: Exception) -> str:
    """Why a port could not be opened, and what helps."""
    number = getattr(error, "errno", None)
    if number == errno.ENOENT or not os.path.exists(name):
        there = ports()
        known = f"ports here: {', '.join(there)}" if there else "this machine has no serial port"
        return f"{name}: no such port; plug the board in ({known})"
    if number in (errno.EACCES, errno.EPERM):
        group = _group(name)
        if group == "root":
            return (
                f"{name}: you may not open this port; it belongs to root alone: give it to a group "
                "of yours with a udev rule, such as dialout"
            )
        return (
            f"{name}: you may not open this port; it belongs to group {group}: "
            f"sudo usermod -aG {group} $USER, then log in again"
        )
    if number in HELD:
        return f"{name}: the port is busy: another program has it open; close that one first"
    if isinstance(error, ValueError):
        return f"{name}: the port does not take {baud:,} baud: {error}"
    return f"{name}: must be a serial port, and cannot be opened as one: {error}"


def ports() -> list[str]:
    """The serial ports of this machine by their paths, USB ones first."""
    from serial.tools import list_ports

    found = list_ports.comports()
    return [port.device for port in sorted(found, key=lambda port: (port.vid is None, port.device))]


def _group(name: str) -> str:
    """The group that may open a port."""
    try:
        return grp.getgrgid(os.stat(name).st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"
