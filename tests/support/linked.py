"""An endpoint on a line: bytes in, bytes out, in Verilator; and frames as packets, and back."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polyrhythm.boards.link.endpoint import Endpoint
from polyrhythm.boards.link.framing import Deframer, frame
from polyrhythm.boards.link.layout import layout
from polyrhythm.boards.link.packets import FIRST, LAST, Kind, Message, decode, encode
from polyrhythm.hw.verilog import verilog
from polyrhythm.sim import bulk, verilator
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.network import plan

BIT, QUIET = 4, 20_000  # clocks
LINE = verilator.Program("line", Path(__file__).with_name("line.cpp"), bulk.FAST)
BROKEN, SILENCE = 0x100, 0x8000  # added to a symbol of line.cpp


class Board:
    """A network behind a line; through: makes other Verilog of that in a file."""

    def __init__(
        self,
        network: Network,
        root: Path,
        through: Callable[[Path], str] | None = None,
        **planned: Any,
    ):
        self.network, self.plan = network, plan(network, **planned)
        self.layout = layout(self.plan)
        with tempfile.TemporaryDirectory() as place:
            source = Path(place) / "line.v"
            source.write_text(verilog(Endpoint(self.plan, BIT * 1e6, 1e6), "line"))
            if through is not None:
                source.write_text(through(source))
            self._program = verilator.program(root, LINE, source, "line", {})

    def run(self, symbols: Iterable[int]) -> tuple[bytes, bool]:
        """What the board sends, and whether it shows an error, when these symbols have come."""
        line = [*symbols]
        done = subprocess.run(
            [self._program, str(BIT), str(QUIET)],
            input=struct.pack(f"<{len(line)}H", *line),
            stdout=subprocess.PIPE,
            timeout=300,
        )
        assert done.returncode == 0, "the board sent what is no byte"
        return done.stdout[:-1], bool(done.stdout[-1])

    def talk(self, packets: Iterable[bytes], gap: int = 0) -> list[Message]:
        """The board's packets in answer to bodies, with so many bits of silence behind each."""
        sent = [[*frame(body), SILENCE + gap] for body in packets]
        told, _ = self.run(symbol for packet in sent for symbol in packet)
        deframer = Deframer()
        messages = [decode(body) for body in deframer.feed(told)]
        assert not deframer.faults, f"the board sent broken packets: {deframer.faults}"
        return messages

    def words(self, inputs: np.ndarray) -> bytes:
        """A frame (T, *shape) as words."""
        made, size = b"", self.layout["word_bytes"]
        at = {name: place["low"] for name, place in self.layout["word"].items()}
        for tick, counts in enumerate(inputs):
            for index in np.argwhere(counts):
                word = _address(self.layout["strides"], index) << at["address"]
                word |= int(counts[tuple(index)]) << at["count"] if "count" in at else 0
                made += word.to_bytes(size, "little")
            closing = at["end" if tick == len(inputs) - 1 else "tick"]
            made += (1 << closing).to_bytes(size, "little")
        return made

    def pixels(self, inputs: np.ndarray) -> bytes:
        """The same as packed counts."""
        bits, made = self.layout["pixel_bits"], b""
        for counts in inputs:
            whole = sum(int(n) << bits * k for k, n in enumerate(counts.reshape(-1)))
            made += whole.to_bytes(-(-bits * counts.size // 8), "little")
        return made


def _address(strides: Sequence[int], index: Iterable[int]) -> int:
    return sum(int(n) * step for n, step in zip(index, strides, strict=False))


def chunks(kind: Kind, data: bytes, number: int, seq: int, size: int) -> list[bytes]:
    """Bodies of a frame's packets, with at most `size` bytes of data in each."""
    pieces = [data[k : k + size] for k in range(0, len(data), size)] or [b""]
    return [
        encode(
            kind,
            piece,
            seq=(seq + k) % 256,
            frame=number,
            chunk=k,
            flags=(FIRST if k == 0 else 0) | (LAST if k == len(pieces) - 1 else 0),
        )
        for k, piece in enumerate(pieces)
    ]


def answers(messages: Iterable[Message], board: Board) -> list[tuple[int, int, list[int]]]:
    """RESULT packets put together: number of the frame, class, logits, in the order of coming."""
    found: list[tuple[int, int, list[int]]] = []
    size, classes = board.layout["logit_bytes"], board.layout["classes"]
    for message in messages:
        if message.kind != Kind.RESULT:
            continue
        if message["first"] == 0:
            found.append((message["frame"], message["class"], []))
        number, chosen, logits = found[-1]
        assert (number, chosen, len(logits)) == (
            message["frame"],
            message["class"],
            message["first"],
        )
        for k in range(0, len(message.rest), size):
            logits.append(int.from_bytes(message.rest[k : k + size], "little", signed=True))
    assert all(len(logits) == classes for _, _, logits in found), "answers are whole"
    return found
