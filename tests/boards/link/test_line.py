"""boards.link: the serial line and both of its directions, in the simulator, against the host's own
framing."""

import itertools
import random
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from gateware import simulate

from polyrhythm.boards.link.framing import Deframer, frame
from polyrhythm.boards.link.packets import BODY_BYTES
from polyrhythm.boards.link.receiver import FAULTS, Receiver
from polyrhythm.boards.link.sender import BodyByte, Sender
from polyrhythm.boards.link.uart import UartReceiver, UartSender, divisor


def levels(symbols: list[tuple[int, int]], bit: float) -> list[int]:
    """The line, clock by clock: bytes, each with its stop bit's level; `bit` clocks each bit."""
    bits = [b for byte, stop in symbols for b in (0, *(byte >> k & 1 for k in range(8)), stop, 1)]
    return [bits[int(clock / bit)] for clock in range(int(len(bits) * bit))]


def heard(bit: int, line: list[int]) -> tuple[list[int], int]:
    """What a receiver makes of a line: bytes, and how often a stop bit lacked."""
    dut, found, broken = UartReceiver(bit), list[int](), 0

    async def bench(ctx: Any, _: Any) -> None:
        nonlocal broken
        for level in [*line, *[1] * 4 * bit]:
            ctx.set(dut.rx, level)
            if ctx.get(dut.valid):
                found.append(ctx.get(dut.byte))
            broken += ctx.get(dut.broken)
            await ctx.tick()

    simulate(dut, bench)
    return found, broken


@pytest.mark.parametrize("bit", [4, 5, 8, 16])
@pytest.mark.parametrize("drift", [0.985, 1.0, 1.015])
def test_receiver_follows_a_sender_that_is_off_by_the_tolerance(bit: int, drift: float) -> None:
    rng = random.Random(bit)
    sent = [rng.randrange(256) for _ in range(20)]
    assert heard(bit, levels([(byte, 1) for byte in sent], bit * drift)) == (sent, 0)


def test_receiver_reports_a_missing_stop_bit_and_goes_on() -> None:
    assert heard(8, levels([(0x55, 1), (0x33, 0), (0x0F, 1)], 8)) == ([0x55, 0x0F], 1)


def test_receiver_ignores_a_pulse_shorter_than_half_a_bit() -> None:
    line = [1] * 9 + [0] * 3 + [1] * 90 + levels([(0xA5, 1)], 8)
    assert heard(8, line) == ([0xA5], 0)


def test_receiver_waits_for_the_end_of_a_break() -> None:
    assert heard(8, [1] * 9 + [0] * 400 + [1] * 30 + levels([(0xA5, 1)], 8)) == ([0xA5], 1)


class Loop(wiring.Component):
    """A sender whose line goes into a receiver."""

    def __init__(self, bit: int):
        self._bit = bit
        super().__init__({"i": In(stream.Signature(8)), "byte": Out(8), "valid": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.sender = sender = UartSender(self._bit)
        m.submodules.receiver = receiver = UartReceiver(self._bit)
        wiring.connect(m, wiring.flipped(self.i), sender.i)
        m.d.comb += receiver.rx.eq(sender.tx)
        m.d.comb += [self.byte.eq(receiver.byte), self.valid.eq(receiver.valid)]
        return m


@pytest.mark.parametrize("bit", [4, 7])
def test_bytes_without_a_pause_take_ten_bits_each(bit: int) -> None:
    dut, rng = Loop(bit), random.Random(bit)
    sent, found, times = [rng.randrange(256) for _ in range(15)], list[int](), list[int]()

    async def bench(ctx: Any, _: Any) -> None:
        at = 0
        for clock in range(10 * bit * 18):
            ctx.set(dut.i.valid, at < len(sent))
            ctx.set(dut.i.payload, sent[min(at, len(sent) - 1)])
            at += ctx.get(dut.i.ready) and at < len(sent)
            if ctx.get(dut.valid):
                found.append(ctx.get(dut.byte))
                times.append(clock)
            await ctx.tick()

    simulate(dut, bench)
    assert found == sent
    assert {b - a for a, b in itertools.pairwise(times)} == {10 * bit}


@pytest.mark.parametrize(
    ("clock", "baud", "told"),
    [
        (
            12e6,
            4e6,
            "baud must be at most a 4th of the clock, 3,000,000 at 12,000,000 Hz, not 4,000,000",
        ),
        (
            25e6,
            3e6,
            "baud must divide the clock within 1.5%: 25,000,000 Hz has 3,125,000 near 3,000,000",
        ),
    ],
)
def test_refuses_a_baud_that_the_clock_has_not(clock: float, baud: float, told: str) -> None:
    with pytest.raises(ValueError) as error:
        divisor(clock, baud)
    assert str(error.value) == told
    assert divisor(48e6, 12e6) == 4 and divisor(24e6, 3e6) == 8


def test_sender_frames_every_body() -> None:
    rng = random.Random(5)
    sizes = [1, 2, 251, *(rng.randrange(1, 30) for _ in range(4))]
    sent = [bytes(rng.choice((0, 0, 7, 255)) for _ in range(size)) for size in sizes]
    sent[2] = bytes(range(1, 252))  # the longest run
    dut, line = Sender(4), list[int]()

    async def bench(ctx: Any, _: Any) -> None:
        todo = [(byte, k == len(body) - 1) for body in sent for k, byte in enumerate(body)]
        idle, offered = 0, False
        while idle < 200:
            offered = offered or (bool(todo) and rng.random() < 0.5)
            ctx.set(dut.i.valid, offered)
            if offered:
                ctx.set(dut.i.payload, BodyByte().const({"byte": todo[0][0], "last": todo[0][1]}))
            line.append(ctx.get(dut.tx))
            idle = 0 if todo or not line[-1] else idle + 1
            if offered and ctx.get(dut.i.ready):
                todo.pop(0)
                offered = False
            await ctx.tick()

    simulate(dut, bench)
    bytes_, broken = heard(4, line)
    deframer = Deframer()
    assert deframer.feed(bytes(bytes_)) == sent and not broken and not deframer.faults


def received(ring: int, line: list[int], read: int) -> tuple[list[bytes], dict[str, int]]:
    """Bodies that a receiver gives, without their CRC, and its faults; read: of 100 cycles, those in
    which the reader takes a byte."""
    dut, found, faults = Receiver(4, ring), list[int](), dict.fromkeys(FAULTS, 0)
    rng = random.Random(1)

    async def bench(ctx: Any, _: Any) -> None:
        for level in [*line, *[1] * 6000]:
            ctx.set(dut.rx, level)
            takes = rng.randrange(100) < read
            ctx.set(dut.o.ready, takes)
            if takes and ctx.get(dut.o.valid):
                found.append(ctx.get(dut.o.payload))
            for k, name in enumerate(FAULTS):
                faults[name] += ctx.get(dut.fault) >> k & 1
            await ctx.tick()

    simulate(dut, bench)
    bodies = []
    while found:
        size = found[0]
        bodies.append(bytes(found[1 : size - 1]))
        found = found[1 + size :]
    return bodies, {name: n for name, n in faults.items() if n}


def on_line(line: bytes) -> list[int]:
    return levels([(byte, 1) for byte in line], 4)


def test_receiver_gives_whole_packets_alone() -> None:
    good = [b"\x01\x02", bytes(20), bytes(range(1, 100))]
    wrong = frame(b"wrong")
    line = on_line(
        frame(good[0])
        + wrong[:2]
        + b"\x11"
        + wrong[3:]
        + frame(good[1])
        + wrong[:5]
        + b"\0"
        + b"\0\0"
        + b"\x02\x01\0"
        + frame(good[2])
    )
    found = received(1024, line, read=50)
    assert found == (good, {"crc": 1, "cobs": 1, "length": 1})


def test_receiver_takes_the_longest_body_and_no_longer_one() -> None:
    longest = bytes(range(1, BODY_BYTES - 1))
    line = on_line(
        b"\xff" + bytes([9]) * 254 + b"\0" + b"\xff" + bytes([9]) * 400 + b"\0" + frame(longest)
    )
    assert received(1024, line, read=50) == ([longest], {"length": 2})


def test_receiver_drops_what_has_no_room_and_goes_on() -> None:
    bodies = [bytes([k]) * 50 for k in range(1, 7)]
    line = on_line(b"".join(map(frame, bodies)))
    found, faults = received(128, line, read=0)
    assert (found, faults) == ([], {"overrun": 4})


def test_receiver_counts_a_broken_byte_once_for_its_packet() -> None:
    whole = [(byte, 1) for byte in frame(b"\x01\x02\x03\x04")]
    broken = [*whole[:2], (whole[2][0], 0), *whole[3:]]
    line = levels([*broken, *whole], 4)
    assert received(1024, line, read=50) == ([b"\x01\x02\x03\x04"], {"framing": 1})
