"""The door: whatever words come in, legal frames go out, so that nothing behind it can overflow,
wait for ever, or mix frames.

Every fault is corrected word by word, where it is seen, and counted by its kind
(docs/decisions/0007-malformed-streams.md).
"""

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import below
from polyrhythm.hw.stream.event import Event

STATUS_BITS = 8  # of each counter of faults
FAULT_DOC = {
    "address": "spikes dropped: their address was no neuron's",
    "order": "spikes dropped: their address was not above the one before it in the time step",
    "count": "spikes dropped: their count was not in 1..{most}",
    "tick_missing": "empty time steps put in before an end that came early",
    "end_missing": "frames that a tick closed, because it stood where the end had to be",
    "end_late": "ends dropped: they came right behind a frame that a tick had closed",
    "profile": "words that named a profile that is not there, and were taken for 0, or another one "
    "than their frame's first word, which holds",
}


class Status(data.StructLayout):
    """A counter for each fault that words of `event` in frames of T time steps can have; it stays
    at its largest value."""

    def __init__(self, event: Event, T: int):
        impossible = {
            "address": event.neurons == 1 << Shape.cast(event.members["address"]).width,
            "count": event.max_count == 1,
            "tick_missing": T == 1,
            "profile": event.profiles == 1,
        }
        super().__init__({fault: STATUS_BITS for fault in FAULT_DOC if not impossible.get(fault)})


class InputChecker(wiring.Component):
    """Passes legal frames without a latency, and makes legal frames of all others.

    A frame has T closing words, the last one an `end`, and addresses that ascend within each time
    step. A spike that breaks this is dropped. A frame closes at its T-th closing word, whatever
    that says; an `end` that comes too early is preceded by the ticks that lack, one per cycle; one
    that comes right behind a frame closed by a tick is dropped. A word with both flags is an `end`.

    Members
    -------
    i, o                In, Out(stream) of `Event`
    error : Out(1)      a fault was seen; rises in the cycle after it and stays until reset
    status : Out        `Status`: how many of each since reset; a cycle later than `error`
    """

    def __init__(self, event: Event, T: int):
        self._event, self._T = event, T
        words = stream.Signature(event)
        super().__init__(
            {"i": In(words), "o": Out(words), "error": Out(1), "status": Out(Status(event, T))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word, out = self.i.payload, self.o.payload
        closing = word.tick | word.end
        moves = Signal(name="moves")
        overrun = Signal(name="overrun")  # nothing passed since a tick closed a frame
        # A frame is as long as it must be, whatever its flags say; they are made to agree.
        final = self._last_step(m, moves & closing)
        found = self._spike_faults(m, moves, closing)
        late = word.end & overrun
        early = word.end & ~final & ~late
        drop = late
        for fault in found.values():
            drop = drop | fault
        m.d.comb += [
            out.eq(word),
            out.tick.eq(closing & ~final),
            out.end.eq(closing & final),
            self.o.valid.eq(self.i.valid & ~drop),
            self.i.ready.eq((self.o.ready & ~early) | drop),
            moves.eq(self.o.valid & self.o.ready),
        ]
        with m.If(moves | (self.i.valid & late)):
            m.d.sync += overrun.eq(closing & final & ~word.end)
        found |= {
            "profile": self._profile(m, moves, closing & final) & ~late & ~early,
            "tick_missing": early,
            "end_missing": closing & final & ~word.end,
            "end_late": late,
        }
        self._count(
            m, {name: fault & self.i.valid & (drop | self.o.ready) for name, fault in found.items()}
        )
        return m

    def _last_step(self, m: Module, closes: Value) -> Value:
        """Whether the next closing word is the frame's last."""
        if self._T == 1:
            return Const(1)
        # Closing words before the last
        left = Signal(range(self._T), init=self._T - 1, name="left")
        with m.If(closes):
            m.d.sync += left.eq(Mux(left == 0, self._T - 1, left - 1))
        return left == 0

    def _profile(self, m: Module, moves: Value, closes: Value) -> Value:
        """A frame has the profile of its first word, or 0 where there is no such one; whether the
        word at hand says otherwise."""
        if self._event.profiles == 1:
            return Const(0)
        said, out = self.i.payload.profile, self.o.payload.profile
        between, frames = Signal(init=1, name="between"), Signal.like(said, name="frames_profile")
        known = said < self._event.profiles
        m.d.comb += out.eq(Mux(~between, frames, Mux(known, said, 0)))
        with m.If(moves):
            m.d.sync += [between.eq(closes), frames.eq(out)]
        return said != out

    def _spike_faults(self, m: Module, moves: Value, closing: Value) -> dict[str, Value]:
        """What is wrong with the word at hand, if it is a spike."""
        word, spike = self.i.payload, ~closing
        before = Signal.like(word.address, name="before")  # the spike before in this time step
        first = Signal(init=1, name="first")  # there is no such spike
        with m.If(moves):
            m.d.sync += [before.eq(word.address), first.eq(closing)]
        found = {
            "address": spike & ~self._event.names(word.address),
            "order": spike & ~first & ~below(before, word.address),
        }
        if self._event.max_count > 1:
            wrong = word.count == 0
            # Otherwise no count is too large
            if self._event.max_count < (1 << len(word.count)) - 1:
                wrong = wrong | (word.count > self._event.max_count)
            found["count"] = spike & wrong
        return found

    def _count(self, m: Module, found: dict[str, Value]) -> None:
        """One counter for each fault, behind a register, so that no comparison reaches a counter in
        the same cycle."""
        for name in self.status.shape().members:
            seen, total = Signal(name=f"seen_{name}"), self.status[name]
            m.d.sync += seen.eq(found[name])
            with m.If(seen & ~total.all()):
                m.d.sync += total.eq(total + 1)
            with m.If(found[name]):
                m.d.sync += self.error.eq(1)
