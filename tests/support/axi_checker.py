"""The rules of AXI4-Stream and AXI4-Lite that a receiver may rely on, watched cycle by cycle.

A sample is what stands on the wires at a rising clock edge: name -> value, without the prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

STREAM = {"t": ("tdata", "tlast")}
LITE = {
    "aw": ("awaddr", "awprot"),
    "w": ("wdata", "wstrb"),
    "b": ("bresp",),
    "ar": ("araddr", "arprot"),
    "r": ("rdata", "rresp"),
}
OKAY, SLVERR = 0, 2


class ProtocolError(AssertionError):
    """A rule was broken."""


class Handshakes:
    """On each channel: what is offered stays as it is until it is taken, and nothing is offered in
    the cycle after a reset.

    stalls: cycles in which something waited, of each channel
    """

    def __init__(self, name: str, channels: Mapping[str, Iterable[str]]):
        self.name, self.channels = name, channels
        self.held: dict[str, dict[str, int] | None] = dict.fromkeys(channels)
        self.stalls = dict.fromkeys(channels, 0)
        self.cycle, self.reset = -1, True

    def sample(self, now: Mapping[str, Any], reset: bool) -> set[str]:
        """Take in a cycle; give the channels that transfer in it."""
        moves: set[str] = set()
        self.cycle += 1
        for channel, payload in self.channels.items():
            if self.reset and not reset and now[f"{channel}valid"]:
                self.wrong(f"{channel}valid is high right behind the reset")
            if reset:
                self.held[channel] = None
            elif self._moves(channel, {field: now[field] for field in payload}, now):
                moves.add(channel)
        self.reset = reset
        return moves

    def _moves(self, channel: str, payload: dict[str, int], now: Mapping[str, Any]) -> bool:
        valid, ready, held = now[f"{channel}valid"], now[f"{channel}ready"], self.held[channel]
        if held is not None and not valid:
            self.wrong(f"{channel}valid was withdrawn before {channel}ready came")
        for field, was in (held or {}).items():
            if payload[field] != was:
                self.wrong(f"{field} changed while it waited, from {was:#x} to {payload[field]:#x}")
        self.held[channel] = payload if valid and not ready else None
        self.stalls[channel] += self.held[channel] is not None
        return bool(valid and ready)

    def wrong(self, what: str) -> None:
        raise ProtocolError(f"{self.name}, cycle {self.cycle}: {what}")


class StreamChecker(Handshakes):
    """One AXI4-Stream; packets: those that passed whole, as lists of TDATA."""

    def __init__(self, name: str):
        super().__init__(name, STREAM)
        self.packets: list[list[int]] = []
        self.open: list[int] = []

    def see(self, now: Mapping[str, Any], reset: bool) -> None:
        if self.sample(now, reset):
            self.open.append(now["tdata"])
            if now["tlast"]:
                self.packets.append(self.open)
                self.open = []


class LiteChecker(Handshakes):
    """One AXI4-Lite: an answer comes behind its request, one for each, and says SLVERR exactly
    where a register is refused.

    reads, writes: addresses that can be; answers: how many of each response
    """

    def __init__(self, name: str, reads: Iterable[int], writes: Iterable[int]):
        super().__init__(name, LITE)
        self.reads, self.writes = frozenset(reads), frozenset(writes)
        self.addresses: list[int] = []
        self.data: list[tuple[int, int]] = []
        self.asked: list[int] = []
        self.answers: dict[tuple[str, int], int] = {}

    def see(self, now: Mapping[str, Any], reset: bool) -> None:
        moves = self.sample(now, reset)
        # An answer may be offered at the earliest in the cycle behind its request.
        if now["bvalid"] and not reset and not (self.addresses and self.data):
            self.wrong("bvalid is high, but no write was asked for")
        if now["rvalid"] and not reset and not self.asked:
            self.wrong("rvalid is high, but no read was asked for")
        if "b" in moves:
            address, (_, strb) = self.addresses.pop(0), self.data.pop(0)
            self._answer("write", address, address in self.writes and strb == 15, now["bresp"])
        if "r" in moves:
            address = self.asked.pop(0)
            self._answer("read", address, address in self.reads, now["rresp"])
        if "aw" in moves:
            self.addresses.append(now["awaddr"])
        if "w" in moves:
            self.data.append((now["wdata"], now["wstrb"]))
        if "ar" in moves:
            self.asked.append(now["araddr"])

    def _answer(self, what: str, address: int, legal: bool, response: int) -> None:
        if response != (OKAY if legal else SLVERR):
            self.wrong(f"the {what} at {address:#06x} must end with {0 if legal else 2}, "
                       f"not {response}")  # fmt: skip
        self.answers[what, response] = self.answers.get((what, response), 0) + 1
