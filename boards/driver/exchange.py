"""Frames to the board and answers back, whatever the link loses on the way.

The board has a buffer for packets; the host never has more on the way than it holds. Every sending
of a frame has a number of its own, and an answer counts only under a number that is waited for. So
a frame that was given up by either side can be sent again whole, and no late or doubled answer is
taken for another frame's.

Given up is a frame
- that the board refuses: a packet of it was lost or damaged;
- that was sent before one whose answer has come, since answers come in the order of frames;
- that is on the way when nothing has come for `timeout_s`: then both ends are put in step first.
"""

import random
import time
from collections import deque
from collections.abc import Callable

from polyrhythm.boards.driver.connection import Connection
from polyrhythm.boards.driver.errors import DeviceError
from polyrhythm.boards.driver.frame import Frame
from polyrhythm.boards.link.packets import CRC_BYTES, FIRST, LAST, PACKETS, Kind, Message, Reason

FLYING = 32  # frames that are on the way at most
NUMBERS = 1 << 16
# Bytes that a packet takes in the board beside its data: kind, head, CRC, and its length.
OVERHEAD = 1 + PACKETS[Kind.WORDS].head + CRC_BYTES + 1


class Exchange:
    """Sends frames in their order and hands them back with their answers, in that order too.

    buffer: bytes that the board has room for: bodies of packets, and one more byte for each.
    classes, logit_bytes: of an answer. in_flight: asks
    the board how many frames it has begun and not answered. done: set by who sends; takes each
    frame with its answer.
    """

    def __init__(
        self,
        connection: Connection,
        buffer: int,
        classes: int,
        logit_bytes: int,
        in_flight: Callable[[], int],
    ) -> None:
        self.connection, self.buffer = connection, buffer
        self.classes, self.logit_bytes = classes, logit_bytes
        self.in_flight = in_flight
        self.done: Callable[[Frame], None] = lambda frame: None
        self.busy = False  # somebody sends
        self._waiting: deque[Frame] = deque()
        self._flying: dict[int, Frame] = {}  # by number, in the order in which they were begun
        self._answered: list[Frame] = []  # whose answers wait for one that was sent again
        self._order: deque[Frame] = deque()  # all that were given and not handed back
        self._open: tuple[int, int] | None = None  # number, and the chunk that is next
        self._unacknowledged: deque[tuple[int, int]] = deque()  # number and bytes of each packet
        self._number, self._seq = random.randrange(NUMBERS), random.randrange(256)
        self._moved, self._silences = time.monotonic(), 0
        self._doubts = False  # the board has dropped a packet
        self._name, self._unsettled = connection.name, False  # unsettled: `forget` was called
        connection.other = self._take

    @property
    def pending(self) -> int:
        """Frames that were given and not handed back."""
        return len(self._order)

    def give(self, frame: Frame) -> None:
        """Queue one frame; it goes out while `pump` is called."""
        if self._unsettled:
            self.settle()
        if not self._order:
            self._moved, self._silences = time.monotonic(), 0
        self._order.append(frame)
        self._waiting.append(frame)

    def pump(self, seconds: float = 0.0) -> None:
        """Send what there is room for, and take what has come; waits at most `seconds` for it.

        Raises DeviceError where the board stays silent through `tries` attempts.
        """
        self._send()
        for message in self.connection.receive(seconds):
            self._take(message)
        if self._order and time.monotonic() - self._moved > self.connection.timeout_s:
            self._silences += 1
            self._in_step()
        elif self._doubts:
            self._in_step()
        self._send()

    def drain(self, most: int = 0) -> None:
        """Pump until at most `most` frames are pending."""
        while self.pending > most:
            self.pump(self.connection.timeout_s)

    def _send(self) -> None:
        """Send packets as long as there are some and the board has room for them."""
        while self._has_next():
            number, chunk = self._open or (self._begin(), 0)
            frame = self._flying[number]
            last = chunk == len(frame.chunks) - 1
            if not self._unacknowledged:
                self.connection.begin_anew()
            self._unacknowledged.append((self._seq, OVERHEAD + len(frame.chunks[chunk])))
            self._open = None if last else (number, chunk + 1)
            if last:
                frame.last_seq = self._seq
            self.connection.send(
                frame.kind,
                frame.chunks[chunk],
                seq=self._seq,
                frame=number,
                chunk=chunk,
                flags=FIRST * (chunk == 0) | LAST * last,
            )
            self._seq = (self._seq + 1) % 256

    def _has_next(self) -> bool:
        """Whether there is a packet to send, and room for it."""
        if self._open:
            data = self._flying[self._open[0]].chunks[self._open[1]]
        elif self._waiting and len(self._flying) < FLYING:
            data = self._waiting[0].chunks[0]
        else:
            return False
        held = sum(size for _, size in self._unacknowledged)
        return held + OVERHEAD + len(data) <= self.buffer

    def _begin(self) -> int:
        """Give the next frame a number; that number."""
        frame = self._waiting.popleft()
        if frame.sent > self.connection.tries:
            raise DeviceError(
                f"{self._name}: a frame was sent {frame.sent} times and never answered, though the "
                "board answers otherwise; look at its error counters (status) and the cable"
            )
        self.connection.traffic.repeated += frame.sent > 0
        frame.sent += 1
        frame.logits, frame.last_seq = {}, -1
        self._number = (self._number + 1) % NUMBERS
        self._flying[self._number] = frame
        return self._number

    def _take(self, message: Message) -> None:
        """One packet that came; what is none that is waited for changes nothing."""
        if message.kind == Kind.DONE:
            self._free(message["seq"])
        elif message.kind == Kind.RESULT:
            self._result(message)
        elif message.kind == Kind.REFUSED:
            # Whatever was dropped may have been a whole frame, which nothing names.
            self._doubts = self._doubts or message["reason"] == Reason.DROPPED
            if message["reason"] != Reason.DROPPED and message["frame"] in self._flying:
                self._give_up(message["frame"])

    def _free(self, seq: int) -> None:
        """A packet's slot is free, and so are all before it."""
        if any(seq == sent for sent, _ in self._unacknowledged):
            while self._unacknowledged.popleft()[0] != seq:
                pass
            self._progress()

    def _result(self, message: Message) -> None:
        data, size, first = message.rest, self.logit_bytes, message["first"]
        count, number = len(data) // size, message["frame"]
        frame = self._flying.get(number)
        if frame is None or frame.last_seq < 0:
            return  # answered before, given up, or not even sent to its end
        if len(data) % size or first + count > self.classes or message["class"] >= self.classes:
            return
        for k in range(count):
            part = data[k * size : (k + 1) * size]
            frame.logits[first + k] = int.from_bytes(part, "little", signed=True)
        frame.answer, frame.cycles = message["class"], message["cycles"]
        flying = list(self._flying)  # in the order in which they were begun
        for earlier in reversed(flying[: flying.index(number)]):
            self._give_up(earlier)
        self._free(frame.last_seq)
        self._progress()
        if len(frame.logits) == self.classes:
            del self._flying[number]
            self._answered.append(frame)
            self._hand_back()

    def _hand_back(self) -> None:
        while self._order and self._order[0] in self._answered:
            frame = self._order.popleft()
            self._answered.remove(frame)
            self.done(frame)

    def _give_up(self, number: int) -> None:
        """Send a frame again, before those that were not sent yet."""
        self._waiting.appendleft(self._flying.pop(number))
        if self._open and self._open[0] == number:
            self._open = None

    def _progress(self) -> None:
        self._moved, self._silences = time.monotonic(), 0

    def settle(self) -> None:
        """Put both ends in step: the board forgets what is half there and answers what it has
        begun, and its slots are free."""
        name, tries, timeout_s = self._name, self.connection.tries, self.connection.timeout_s
        self.connection.hello()
        end = time.monotonic() + tries * timeout_s
        while self.in_flight():
            if time.monotonic() > end:
                raise DeviceError(
                    f"{name}: frames in the board must be answered, but some have been there for "
                    f"{tries * timeout_s:g} s; press its reset button"
                )
        self._unacknowledged.clear()
        self._unsettled = self._doubts = False

    def forget(self) -> None:
        """Leave all that is pending; answers to it are not waited for any more."""
        self._waiting.clear()
        self._flying.clear()
        self._answered.clear()
        self._order.clear()
        self._open, self._unsettled = None, True

    def _in_step(self) -> None:
        """After a silence, or where a packet was dropped: what the board does not answer now is
        sent again."""
        if self._silences > self.connection.tries:
            raise DeviceError(
                f"{self._name}: the board answers questions, but no frame, {self._silences} times "
                f"{self.connection.timeout_s:g} s; look at its error counters (status), or open it "
                "again with a longer timeout_s"
            )
        self.connection.traffic.resyncs += 1
        self.settle()
        for number in reversed(list(self._flying)):
            self._give_up(number)
        self._moved = time.monotonic()
