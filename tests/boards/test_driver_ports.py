"""Every way in which a board cannot be reached: one clear line, and what helps."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from polyrhythm.boards.driver import opening, port
from polyrhythm.boards.driver.device import Device
from polyrhythm.boards.driver.errors import DeviceError


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal: the descriptor of its other side, and its path."""
    master, slave = os.openpty()
    yield master, os.ttyname(slave)
    for descriptor in (master, slave):
        os.close(descriptor)


def told(name: str, **options: object) -> str:
    with pytest.raises(DeviceError) as caught:
        Device.open(name, baud=3_000_000, tries=2, timeout_s=0.1, **options)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_port_that_is_missing_is_told_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "/dev/ttyUSB77"
    monkeypatch.setattr(port, "ports", lambda: [])
    assert told(name) == (
        f"{name}: no such port; plug the board in (this machine has no serial port)"
    )
    monkeypatch.setattr(port, "ports", lambda: ["/dev/ttyUSB0", "/dev/ttyS0"])
    assert told(name) == (
        f"{name}: no such port; plug the board in (ports here: /dev/ttyUSB0, /dev/ttyS0)"
    )


def test_a_missing_port_is_told_where_no_baud_is_known() -> None:
    with pytest.raises(DeviceError, match="no such port"):
        Device.open("/dev/ttyUSB77")


def test_a_port_without_permission_names_its_group(
    terminal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port: Permission denied")

    monkeypatch.setattr(serial, "Serial", refused)
    monkeypatch.setattr(port, "_group", lambda name: "dialout")
    assert told(terminal[1]) == (
        f"{terminal[1]}: you may not open this port; it belongs to group dialout: "
        "sudo usermod -aG dialout $USER, then log in again"
    )


def test_a_port_of_root_alone_needs_a_rule(terminal: tuple[int, str]) -> None:
    name, refused = terminal[1], serial.SerialException(errno.EACCES, "Permission denied")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(port, "_group", lambda name: "root")
        assert port.why_closed(name, 3_000_000, refused) == (
            f"{name}: you may not open this port; it belongs to root alone: give it to a group of yours with a udev rule, "
            "such as dialout"
        )


def test_a_port_that_another_program_has_is_busy(terminal: tuple[int, str]) -> None:
    with serial.Serial(terminal[1], exclusive=True):
        assert told(terminal[1]) == (
            f"{terminal[1]}: the port is busy: another program has it open; close that one first"
        )


def test_a_file_is_no_port(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.write_bytes(b"")
    assert told(str(path)).startswith(f"{path}: must be a serial port, and cannot be opened as one")


def test_a_silent_board(terminal: tuple[int, str]) -> None:
    assert told(terminal[1]) == (
        f"{terminal[1]}: the board is silent, 2 times 0.1 s without a byte; look whether it has power, holds a bitstream "
        "of `polyrhythm build`, and has its UART on this port"
    )


def test_a_port_that_talks_of_something_else(terminal: tuple[int, str]) -> None:
    over = threading.Event()

    def chatter() -> None:
        while not over.wait(0.01):
            os.write(terminal[0], b"U-Boot 2024.01\r\n\0")

    thread = threading.Thread(target=chatter)
    thread.start()
    try:
        text = told(terminal[1])
    finally:
        over.set()
        thread.join()
    assert text.startswith(
        f"{terminal[1]}: the board does not answer as one of ours, 2 times 0.1 s without an answer among "
    )
    assert "pieces were no packet); look at the baud, the bitstream and the port" in text


def test_a_port_that_goes_away_while_it_is_used() -> None:
    master, slave = os.openpty()
    line = port.SerialPort(os.ttyname(slave), 3_000_000)
    os.close(slave)
    os.close(master)
    with pytest.raises(DeviceError, match="the port went away while it was used"):
        line.read(0.1)
    line.close()


def test_every_baud_in_use_is_tried(
    terminal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    real = port.SerialPort

    def noted(name: str, baud: int) -> port.SerialPort:
        tried.append(baud)
        return real(name, baud)

    monkeypatch.setattr(opening, "SerialPort", noted)
    monkeypatch.setattr(opening, "LOOK_S", 0.02)
    with pytest.raises(DeviceError, match="silent"):
        Device.open(terminal[1], tries=1, timeout_s=0.05)
    assert tried == [*opening.BAUDS, opening.BAUDS[0]]


def test_lanes_belong_to_a_bitstream() -> None:
    with pytest.raises(ValueError, match="lanes and coding belong to the bitstream of a board"):
        Device.open("/dev/ttyUSB77", lanes=[1])


def test_a_port_is_a_text() -> None:
    with pytest.raises(TypeError, match='^port must be a path, or "sim", not 3$'):
        Device.open(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"timeout_s": 0}, {"tries": 0}])
def test_waits_and_tries_are_some(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="^(timeout_s|tries) must be "):
        Device.open("/dev/ttyUSB77", **options)  # type: ignore[arg-type]


def test_sim_takes_one_network() -> None:
    with pytest.raises(ValueError, match="^sim:a: names a network, and another one came with it"):
        Device.open("sim:a", "b")


def test_sim_needs_a_network() -> None:
    with pytest.raises(
        ValueError,
        match=r'^sim needs a network: "sim:FILE", or network=\.\.\., also beside "sim:BUILD"$',
    ):
        Device.open("sim")
