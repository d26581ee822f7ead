"""What the driver does with what comes back, packet by packet, at a board that does as it is told."""

from collections.abc import Iterator
from typing import Any

import pytest

from polyrhythm.boards.driver.connection import Traffic
from polyrhythm.boards.driver.errors import DeviceError
from polyrhythm.boards.driver.exchange import FLYING, OVERHEAD, Exchange
from polyrhythm.boards.driver.frame import Frame
from polyrhythm.boards.link.packets import FIRST, LAST, Kind, Message, Reason


class Script:
    """Takes the place of a connection: keeps what is sent, and gives what the test puts there."""

    name, timeout_s, tries = "port", 60.0, 3  # seconds that no test waits

    def __init__(self) -> None:
        self.traffic, self.sent, self.coming = Traffic(), list[dict[str, Any]](), list[Message]()
        self.hellos, self.anew, self.in_flight = 0, 0, 0
        self.other: Any = None

    def send(self, kind: Kind, rest: bytes = b"", **fields: int) -> None:
        self.sent.append(fields | {"kind": kind, "rest": rest})

    def receive(self, seconds: float) -> Iterator[Message]:
        while self.coming:
            yield self.coming.pop(0)

    def begin_anew(self) -> None:
        self.anew += 1

    def hello(self) -> None:
        self.hellos += 1
        while self.coming:
            self.other(self.coming.pop(0))

    def done(self, k: int) -> None:
        """The packet that was sent as number k was dealt with."""
        self.coming.append(Message(Kind.DONE, {"seq": self.sent[k]["seq"]}))

    def result(self, number: int, logits: list[int], first: int = 0, answer: int = 1) -> None:
        fields = {"frame": number, "class": answer, "cycles": 50, "first": first}
        rest = b"".join(value.to_bytes(2, "little", signed=True) for value in logits)
        self.coming.append(Message(Kind.RESULT, fields, rest))

    def refuse(self, reason: Reason, number: int) -> None:
        self.coming.append(Message(Kind.REFUSED, {"reason": reason, "frame": number}))

    def numbers(self) -> list[int]:
        """Of the packets, the frames that they belong to."""
        return [packet["frame"] for packet in self.sent]


@pytest.fixture
def script() -> Script:
    return Script()


def exchange(script: Script, buffer: int = 1000) -> tuple[Exchange, list[Frame]]:
    made = Exchange(script, buffer, 3, 2, lambda: script.in_flight)  # type: ignore[arg-type]
    done: list[Frame] = []
    made.done = done.append
    return made, done


def give(made: Exchange, *chunks: list[bytes]) -> None:
    for one in chunks:
        made.give(Frame(Kind.PIXELS, one, one[0]))
    made.pump()


def test_an_answer_is_handed_back_with_its_frame(script: Script) -> None:
    made, done = exchange(script)
    give(made, [b"a"])
    (packet,) = script.sent
    assert (packet["chunk"], packet["flags"], packet["rest"]) == (0, FIRST | LAST, b"a")
    script.result(packet["frame"], [-300, 7, 2])
    made.pump()
    (frame,) = done
    assert (frame.tag, frame.answer, frame.cycles, frame.logits) == (
        b"a", 1, 50, {0: -300, 1: 7, 2: 2},
    )  # fmt: skip
    assert made.pending == 0 and script.hellos == 0


def test_an_answer_under_another_number_is_none(script: Script) -> None:
    made, done = exchange(script)
    give(made, [b"a"])
    number = script.sent[0]["frame"]
    script.result((number + 1) % 65536, [1, 2, 3])
    script.result((number - 1) % 65536, [1, 2, 3])
    made.pump()
    assert not done and made.pending == 1


def test_an_answer_before_the_end_of_its_frame_is_none(script: Script) -> None:
    made, done = exchange(script, buffer=OVERHEAD + 1)
    give(made, [b"a", b"b"])
    assert len(script.sent) == 1
    script.result(script.sent[0]["frame"], [1, 2, 3])
    made.pump()
    assert not done


WRONG = {
    "a class that is none": ([1, 2, 3], 0, 3),
    "more logits than classes": ([1, 2, 3, 4], 0, 1),
    "logits beyond the classes": ([1, 2], 2, 1),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_answer_that_cannot_be_is_none(case: str, script: Script) -> None:
    made, done = exchange(script)
    give(made, [b"a"])
    logits, first, answer = WRONG[case]
    script.result(script.sent[0]["frame"], logits, first, answer)
    made.pump()
    assert not done and made.pending == 1


def test_an_answer_may_come_in_parts(script: Script) -> None:
    made, done = exchange(script)
    give(made, [b"a"])
    script.result(script.sent[0]["frame"], [5], first=2)
    made.pump()
    assert not done
    script.result(script.sent[0]["frame"], [3, 4], first=0)
    made.pump()
    assert done[0].logits == {0: 3, 1: 4, 2: 5}


def test_a_doubled_answer_is_taken_once(script: Script) -> None:
    made, done = exchange(script)
    give(made, [b"a"], [b"b"])
    script.result(script.sent[0]["frame"], [1, 2, 3])
    script.result(script.sent[0]["frame"], [4, 5, 6])
    made.pump()
    assert [frame.tag for frame in done] == [b"a"] and made.pending == 1


def test_no_more_is_on_the_way_than_the_board_holds(script: Script) -> None:
    made, _ = exchange(script, buffer=3 * OVERHEAD + 12)
    give(made, *[[bytes(6)] for _ in range(6)])
    assert len(script.sent) == 2
    script.done(0)
    made.pump()
    assert len(script.sent) == 3
    script.done(2)  # stands for the one before it too
    made.pump()
    assert len(script.sent) == 5


def test_an_answer_stands_for_the_packets_of_its_frame(script: Script) -> None:
    made, _ = exchange(script, buffer=2 * OVERHEAD + 2)
    give(made, [b"a"], [b"b"], [b"c"])
    assert len(script.sent) == 2
    script.result(script.sent[0]["frame"], [1, 2, 3])
    made.pump()
    assert len(script.sent) == 3


def test_few_frames_are_on_the_way(script: Script) -> None:
    made, _ = exchange(script, buffer=1 << 16)
    give(made, *[[b"a"] for _ in range(FLYING + 5)])
    assert len(script.sent) == FLYING


def test_a_refused_frame_is_sent_again_whole_under_another_number(script: Script) -> None:
    made, done = exchange(script, buffer=2 * OVERHEAD + 2)
    give(made, [b"a", b"b", b"c"], [b"d"])
    first = script.sent[0]["frame"]
    script.refuse(Reason.MISSING, first)
    script.done(1)
    made.pump()
    assert [packet["rest"] for packet in script.sent] == [b"a", b"b", b"a", b"b"]
    again = script.sent[2]["frame"]
    assert again != first and script.numbers() == [first, first, again, again]
    script.result(first, [1, 2, 3])  # what was refused has no answer
    script.done(3)
    made.pump()
    assert not done and script.traffic.repeated == 1 and script.hellos == 0


def test_what_was_passed_over_is_sent_again_in_its_order(script: Script) -> None:
    made, done = exchange(script)
    give(made, [b"a"], [b"b"], [b"c"], [b"d"])
    script.result(script.sent[2]["frame"], [1, 2, 3])
    made.pump()
    assert [packet["rest"] for packet in script.sent[4:]] == [b"a", b"b"] and not done
    for k in (3, 4, 5):
        script.result(script.sent[k]["frame"], [k, k, k])
    made.pump()
    assert [(frame.tag, frame.logits[0]) for frame in done] == [
        (b"a", 4), (b"b", 5), (b"c", 1), (b"d", 3),
    ]  # fmt: skip


def test_where_a_packet_was_dropped_what_has_no_answer_is_sent_again_at_once(
    script: Script,
) -> None:
    made, done = exchange(script)
    give(made, [b"a"], [b"b"])
    script.refuse(Reason.DROPPED, script.sent[0]["frame"])
    script.result(script.sent[0]["frame"], [1, 2, 3])
    made.pump()
    assert [frame.tag for frame in done] == [b"a"] and script.hellos == 1
    assert [packet["rest"] for packet in script.sent] == [b"a", b"b", b"b"]


def test_after_a_silence_both_ends_are_put_in_step(script: Script) -> None:
    made, _ = exchange(script, buffer=OVERHEAD + 1)
    script.timeout_s = 0.01
    give(made, [b"a"], [b"b"])
    while not script.hellos:
        made.pump()
    assert [packet["rest"] for packet in script.sent] == [b"a", b"a"]
    assert script.traffic.resyncs == script.traffic.repeated == 1


def test_a_packet_after_a_pause_begins_anew(script: Script) -> None:
    made, _ = exchange(script)
    give(made, [b"a"], [b"b"])
    assert script.anew == 1
    for k in (0, 1):
        script.result(script.sent[k]["frame"], [1, 2, 3])
    made.pump()
    give(made, [b"c"])
    assert script.anew == 2


def test_a_board_that_answers_no_frame_is_given_up(script: Script) -> None:
    made, _ = exchange(script)
    script.timeout_s = 0.01
    give(made, [b"a"])
    with pytest.raises(DeviceError) as caught:
        made.drain()
    assert str(caught.value) == (
        "port: the board answers questions, but no frame, 4 times 0.01 s; look at its error counters (status), or open it "
        "again with a longer timeout_s"
    )


def test_a_frame_that_is_refused_again_and_again_is_given_up(script: Script) -> None:
    made, _ = exchange(script)
    give(made, [b"a"])
    with pytest.raises(DeviceError) as caught:
        while True:
            script.refuse(Reason.MALFORMED, script.sent[-1]["frame"])
            made.pump()
    assert len(script.sent) == 4
    assert str(caught.value) == (
        "port: a frame was sent 4 times and never answered, though the board answers otherwise; look at its error counters "
        "(status) and the cable"
    )


def test_frames_that_stay_in_the_board_are_told(script: Script) -> None:
    made, _ = exchange(script)
    script.in_flight, script.timeout_s = 1, 0.01
    with pytest.raises(DeviceError, match="^port: frames in the board must be answered, but some"):
        made.settle()


def test_what_was_forgotten_is_settled_before_the_next_frame(script: Script) -> None:
    made, done = exchange(script)
    give(made, [b"a"], [b"b"])
    made.forget()
    script.result(script.sent[0]["frame"], [1, 2, 3])
    give(made, [b"c"])
    assert script.hellos == 1 and not done and made.pending == 1
    script.result(script.sent[2]["frame"], [7, 8, 9])
    made.pump()
    assert [(frame.tag, frame.logits[0]) for frame in done] == [(b"c", 7)]
