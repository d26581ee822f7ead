"""Events in, frames out: ticks and frames are closed as window:US:T says, and every event is counted
once, as sent, late or above."""

import contextlib
from collections.abc import Callable, Iterator

import networks
import numpy as np
import pytest

from polyrhythm.boards.driver.encode import Encoder
from polyrhythm.boards.driver.frame import Frame
from polyrhythm.boards.driver.stream import EventStream
from polyrhythm.boards.link.layout import layout
from polyrhythm.sw import data
from polyrhythm.sw.data.events.recording import EVENT
from polyrhythm.sw.plan.network import plan

US, T, SHAPE, MOST = 10, 3, (2, 4, 5), 2


class Sent:
    """Takes the place of the exchange: keeps the counts of every frame, and answers at once."""

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []
        self.starts: list[int] = []

    @contextlib.contextmanager
    def sending(self, taken: Callable[[Frame], None]) -> Iterator["Sent"]:
        self.taken = taken
        yield self

    def give(self, frame: Frame) -> None:
        frame.answer, frame.logits, frame.cycles = 1, {0: -5, 1: 7}, 9
        assert isinstance(frame.tag, int)
        self.starts.append(frame.tag)
        self.taken(frame)

    def pump(self, seconds: float = 0.0) -> None:
        pass

    def drain(self, most: int = 0) -> None:
        pass


class Kept(Encoder):
    """Keeps the counts of each frame beside what is made of them."""

    def frame(self, counts: np.ndarray, tag: object = None) -> Frame:
        self.sent.frames.append(counts.reshape(T, *SHAPE).copy())
        return super().frame(counts, tag)

    sent: Sent


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def encoder(sent: Sent) -> Kept:
    network = networks.random_network(
        np.random.default_rng(1), "time_stepped", ("conv2d",), shape=SHAPE, t_in=T, max_count=MOST
    )
    made = Kept(layout(plan(network)))
    made.sent = sent
    return made


def stream(sent: Sent, encoder: Kept, **options: int) -> EventStream:
    return EventStream(sent.sending, encoder, SHAPE, US, **options)  # type: ignore[arg-type]


def events(rng: np.random.Generator, number: int, until: int) -> np.ndarray:
    """Random events (t, x, y, p) in the order of their times."""
    found = np.zeros(number, EVENT)
    found["t"] = np.sort(rng.integers(1000, 1000 + until, number))
    for name, size in zip("pyx", SHAPE, strict=True):
        found[name] = rng.integers(0, size, number)
    return found


def send(stream: EventStream, some: np.ndarray) -> None:
    stream.send(some["t"], some["p"], some["y"], some["x"])


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_the_first_frame_is_that_of_window(step: int, sent: Sent, encoder: Kept) -> None:
    """And each further one is that of the events from its begin on."""
    found = events(np.random.default_rng(5), 400, 10 * T * US)
    with stream(sent, encoder) as one:
        for low in range(0, len(found), step):
            send(one, found[low : low + step])
    t0 = int(found["t"][0])
    assert sent.starts == [t0 + k * T * US for k in range(10)]
    for start, counts in zip(sent.starts, sent.frames, strict=True):
        inside = found[(found["t"] >= start) & (found["t"] < start + T * US)]
        # An event at the very begin, whose place is taken off again, is what `window` counts from.
        anchor = np.zeros(1, EVENT)
        anchor["t"] = start
        both = np.empty(1, object)
        both[0] = np.concatenate([anchor, inside])
        wanted = data.encode(both, f"window:{US}:{T}:9999", shape=SHAPE)[0]
        wanted[0, 0, 0, 0] -= 1
        assert np.array_equal(counts, np.minimum(wanted, MOST))
    assert one.tally.late == 0 and one.tally.events == 400 and one.tally.frames == 10
    assert one.tally.above == 400 - sum(int(counts.sum()) for counts in sent.frames) > 0


def test_events_of_an_open_frame_come_in_any_order(sent: Sent, encoder: Kept) -> None:
    with stream(sent, encoder, t0=0) as one:
        one.send([25, 3, 14], 0, [1, 1, 1], [0, 1, 2])
    (counts,) = sent.frames
    assert [(int(tick), int(column)) for tick, _, _, column in np.argwhere(counts)] == [
        (0, 1), (1, 2), (2, 0),
    ]  # fmt: skip
    assert one.tally.late == 0


def test_an_event_of_a_closed_frame_is_late(sent: Sent, encoder: Kept) -> None:
    with stream(sent, encoder, t0=0) as one:
        one.send([5, 30, 29, 31], [0] * 4, [0] * 4, [0, 1, 2, 3])
        one.send(12, 1, 1, 1)
    assert one.tally.late == 2 and one.tally.events == 5
    assert [int(counts.sum()) for counts in sent.frames] == [1, 2]


def test_slack_keeps_a_frame_open_longer(sent: Sent, encoder: Kept) -> None:
    with stream(sent, encoder, t0=0, slack_us=5) as one:
        one.send([5, 34, 29], [0] * 3, [0] * 3, [0, 1, 2])
        assert not sent.frames
        one.send([35, 28], [0] * 2, [0] * 2, [3, 4])
        assert [int(counts.sum()) for counts in sent.frames] == [2]
    assert one.tally.late == 1
    assert [int(counts.sum()) for counts in sent.frames] == [2, 2]


def test_frames_without_an_event_are_counted_and_not_sent(sent: Sent, encoder: Kept) -> None:
    with stream(sent, encoder, t0=0) as one:
        one.send([5, 10**12], [0] * 2, [0] * 2, [0, 1])
    assert sent.starts == [0, 10**12 // 30 * 30]
    assert one.tally.empty == 10**12 // 30 - 1 and one.tally.frames == 2


def test_time_that_passes_without_an_event_closes(sent: Sent, encoder: Kept) -> None:
    with stream(sent, encoder) as one:
        one.advance(500)  # no frame has begun yet
        one.send(100, 0, 0, 0)
        one.advance(129)
        assert not sent.frames
        one.advance(130)
        assert len(sent.frames) == 1
        (answer,) = one
        assert (answer.start_us, answer.answer, answer.cycles) == (100, 1, 9)
        assert answer.logits.tolist() == [-5, 7] and list(one) == []


def test_no_event_at_all_sends_nothing(sent: Sent, encoder: Kept) -> None:
    with stream(sent, encoder) as one:
        one.send([], [], [], [])
    assert not sent.frames and one.tally.events == 0


WRONG = {
    "polarity": (([1], [2], [0], [0]), "channel must lie in 0..1, not 2"),
    "row": (([1], [0], [4], [0]), "row must lie in 0..3, not 4"),
    "column": (([1], [0], [0], [-1]), "column must lie in 0..4, not -1"),
    "lengths": (([1, 2], [0, 0, 0], [0, 0], [0, 0]), "channel must have one value for each event, (2,), not (3,)"),
    "floats": (([0.5], [0], [0], [0]), "t must be integers, not float64"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_event_is_refused_and_nothing_of_it_taken(
    case: str, sent: Sent, encoder: Kept
) -> None:
    wrong, text = WRONG[case]
    with stream(sent, encoder) as one:
        with pytest.raises((TypeError, ValueError)) as caught:
            one.send(*wrong)
        assert str(caught.value) == text
        assert one.tally.events == 0


def test_a_block_that_fails_sends_nothing_more(sent: Sent, encoder: Kept) -> None:
    with pytest.raises(KeyError), stream(sent, encoder) as one:
        one.send(1, 0, 0, 0)
        raise KeyError
    assert not sent.frames
