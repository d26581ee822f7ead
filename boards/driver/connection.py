"""Packets to a board and back: questions with their answers, and all else to whom it concerns."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from polyrhythm.boards.driver.errors import DeviceError
from polyrhythm.boards.driver.port import Transport
from polyrhythm.boards.link.framing import DELIMITER, Deframer, frame
from polyrhythm.boards.link.packets import Kind, Message, decode, encode

T = TypeVar("T")


@dataclass
class Traffic:
    """What went over the link since it was opened, as the host counts it.

    sent, received  bytes
    dropped         pieces that came and were no packet
    unknown         packets that came and are none of this protocol
    repeated        frames that were sent again
    resyncs         times that both ends were put in step again after a silence
    """

    sent: int = 0
    received: int = 0
    dropped: int = 0
    unknown: int = 0
    repeated: int = 0
    resyncs: int = 0


class Connection:
    """Packets over a transport.

    name: of the port, for messages; timeout_s: silence after which a question is asked again;
    tries: how often it is asked; other: what becomes of packets that answer no question.
    """

    def __init__(self, transport: Transport, name: str, timeout_s: float, tries: int) -> None:
        self.transport, self.name, self.timeout_s, self.tries = transport, name, timeout_s, tries
        self.traffic = Traffic()
        self.other: Callable[[Message], None] = lambda message: None
        self._deframer = Deframer()

    def send(self, kind: Kind, rest: bytes = b"", **fields: int) -> None:
        """Send one packet."""
        self._write(frame(encode(kind, rest, **fields)))

    def begin_anew(self) -> None:
        """Whatever was sent by half, or came onto the line by itself, ends here."""
        self._write(DELIMITER)

    def receive(self, seconds: float) -> Iterator[Message]:
        """The packets that come, waiting at most `seconds` for the first byte."""
        data = self.transport.read(seconds)
        self.traffic.received += len(data)
        for body in self._deframer.feed(data):
            try:
                message = decode(body)
            except ValueError:  # a kind or a length that this version does not know
                self.traffic.unknown += 1
                continue
            yield message
        self.traffic.dropped = self._deframer.faults.total()

    def ask(self, ask: Callable[[], None], answer: Callable[[Message], T | None]) -> T:
        """Call `ask` until a packet comes of which `answer` makes something.

        Raises DeviceError where none comes.
        """
        for _ in range(self.tries):
            ask()
            end, found = time.monotonic() + self.timeout_s, None
            while found is None and (left := end - time.monotonic()) > 0:
                for message in self.receive(left):
                    if found is None and (found := answer(message)) is not None:
                        continue
                    self.other(message)
            if found is not None:
                return found
        raise DeviceError(self._silence())

    def hello(self) -> Message:
        """Put both ends in step: the board forgets what is half there, and says who it is."""
        nonce = random.randrange(256)

        def ask() -> None:
            self.begin_anew()
            self.send(Kind.HELLO, nonce=nonce)

        def answer(message: Message) -> Message | None:
            return message if message.kind == Kind.IDENTITY and message["nonce"] == nonce else None

        return self.ask(ask, answer)

    def read(self, address: int, count: int) -> list[int]:
        """`count` registers of 32 bits that follow each other, 1..32."""

        def answer(message: Message) -> list[int] | None:
            if message.kind != Kind.VALUES or message["address"] != address:
                return None
            rest = message.rest
            values = [int.from_bytes(rest[k : k + 4], "little") for k in range(0, len(rest), 4)]
            return values if len(rest) == 4 * count else None

        return self.ask(lambda: self.send(Kind.READ, address=address, count=count), answer)

    def write(self, address: int, values: Sequence[int]) -> bool:
        """Write registers that follow each other; whether the board took all of them."""
        rest = b"".join(value.to_bytes(4, "little") for value in values)

        def answer(message: Message) -> bool | None:
            if message.kind != Kind.WRITTEN or message["address"] != address:
                return None
            return message["status"] == 0 if message["count"] == len(values) else None

        return self.ask(lambda: self.send(Kind.WRITE, rest, address=address), answer)

    def close(self) -> None:
        """Let the port go."""
        self.transport.close()

    def _write(self, data: bytes) -> None:
        self.transport.write(data)
        self.traffic.sent += len(data)

    def _silence(self) -> str:
        """What is told of a board that did not answer."""
        waited = f"{self.tries} times {self.timeout_s:g} s"
        traffic = self.traffic
        if not traffic.received:
            return (
                f"{self.name}: the board is silent, {waited} without a byte; look whether it has "
                "power, holds a bitstream of `polyrhythm build`, and has its UART on this port"
            )
        return (
            f"{self.name}: the board does not answer as one of ours, {waited} without an answer "
            f"among {traffic.received:,} bytes ({traffic.dropped:,} pieces were no packet); look "
            "at the baud, the bitstream and the port"
        )
