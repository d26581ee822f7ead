"""An endpoint in the Amaranth simulator: bytes in, bytes out."""

from __future__ import annotations

from typing import Any

from gateware import simulate

from polyrhythm.boards.link.endpoint import Endpoint


def line_bits(sent: bytes) -> list[int]:
    """The levels of the line, one for each bit."""
    return [bit for byte in sent for bit in (0, *(byte >> k & 1 for k in range(8)), 1)]


class Line:
    """Levels of a line as bytes; the other end of the link, bit by bit."""

    def __init__(self, cycles: int):
        self._cycles, self._wait, self._bits = cycles, 0, list[int]()
        self._busy = False
        self.bytes = bytearray()

    def see(self, level: int) -> None:
        if not self._busy:
            if not level:
                self._busy, self._wait, self._bits = True, self._cycles // 2, []
            return
        if self._wait:
            self._wait -= 1
            return
        self._wait = self._cycles - 1
        self._bits.append(level)
        if len(self._bits) == 10:
            assert self._bits[0] == 0 and self._bits[9] == 1, self._bits
            self.bytes.append(sum(bit << k for k, bit in enumerate(self._bits[1:9])))
            self._busy = False


def talk(endpoint: Endpoint, sent: bytes, quiet: int = 3000) -> bytes:
    """Send bytes; return what came back until nothing came for `quiet` cycles."""
    cycles = endpoint._divisor
    line = Line(cycles)

    async def bench(ctx: Any, _: Any) -> None:
        levels = [bit for bit in line_bits(sent) for _ in range(cycles)]
        idle = at = 0
        while at < len(levels) or idle < quiet:
            ctx.set(endpoint.rx, levels[at] if at < len(levels) else 1)
            at += 1
            before = len(line.bytes)
            line.see(ctx.get(endpoint.tx))
            idle = 0 if len(line.bytes) > before or at < len(levels) else idle + 1
            await ctx.tick()

    simulate(endpoint, bench)
    return bytes(line.bytes)
