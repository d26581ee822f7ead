"""The accelerator with counters beside it: what went in, what came out, and how long it took."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.accelerator import Accelerator
from polyrhythm.hw.layer import result_of
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.input_checker import Status
from polyrhythm.sw.plan.network import NetworkPlan

COUNTS = {
    "answered": (32, "frames answered since the reset, modulo 2^32"),
    "events": (32, "spikes taken since the reset, modulo 2^32: words that are no tick, no end"),
    "stalls": (32, "cycles since the reset in which a word waited, modulo 2^32"),
    "cycles": (
        32,
        "cycles of the frame that was answered last: from its first word to its answer, or from "
        "the answer before it where that came later",
    ),
    "in_flight": (8, "frames begun and not answered, modulo 2^8"),
}


class Counts(data.StructLayout):
    """What is counted, by name: `COUNTS`."""

    def __init__(self) -> None:
        super().__init__({name: bits for name, (bits, _) in COUNTS.items()})


class Now(data.StructLayout):
    """What happens, for one cycle each: what `events`, `stalls` and `answered` count, and an answer
    of which `cycles` tells."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(("events", "stalls", "answered", "timed"), 1))


class Counted(wiring.Component):
    """`Accelerator`, and counters of what passes its streams.

    Members
    -------
    i, o, error, status   of the accelerator
    counts                `Counts`, 2 cycles behind the streams; in_flight is right where frames are
                          closed by their `end`, as those of the link are
    now                   `Now`, a cycle before the counts follow
    turn                  rotate `counts.cycles` by a byte, the second one becomes the lowest
    """

    def __init__(self, plan: NetworkPlan, rom: type[Rom] = Rom):
        self._plan, self._rom = plan, rom
        event = Event.of(plan.input)
        super().__init__(
            {
                "i": In(stream.Signature(event)),
                "o": Out(stream.Signature(result_of(plan.readout))),
                "error": Out(1),
                "status": Out(Status(event, plan.ticks)),
                "counts": Out(Counts()),
                "now": Out(Now()),
                "turn": In(1),
            }
        )

    def shown(self) -> dict[str, Value]:
        """What the status registers of `hw.bus.map` read, by their names."""
        counts, faults = self.counts.shape().members, self.status.shape().members
        seen = {name: self.counts[name] for name in counts}
        return seen | {f"input_{name}": self.status[name] for name in faults}

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = core = Accelerator(self._plan, self._rom)
        wiring.connect(m, wiring.flipped(self.i), core.i)
        wiring.connect(m, core.o, wiring.flipped(self.o))
        m.d.comb += [self.error.eq(core.error), self.status.eq(core.status)]
        word, counts = self.i.payload, self.counts
        moves, answer = self.i.valid & self.i.ready, self.o.valid & self.o.ready
        between = Signal(init=1, name="between")  # the next word begins a frame
        with m.If(moves):
            m.d.sync += between.eq(word.end)
        # Behind registers: what moves is known late in a cycle.
        seen = {
            "events": moves & ~word.tick & ~word.end,
            "stalls": self.i.valid & ~self.i.ready,
            "answered": answer,
        }
        for name, happens in seen.items():
            m.d.sync += [self.now[name].eq(happens), counts[name].eq(counts[name] + self.now[name])]
        begins, answers = Signal(name="begins"), self.now.answered
        m.d.sync += begins.eq(moves & between)
        _count(m, counts.in_flight, begins, answers)
        self._time(m, begins)
        return m

    def _time(self, m: Module, begins: Value) -> None:
        """Cycles of a frame, from its beginning or from the answer before."""
        cycles, shown, offered = self.counts.cycles, Signal(name="shown"), self.now.timed
        passed, waits = Signal(32, name="passed"), Signal(name="waits")
        # A frame has begun, and all others have their answers, of which one may wait.
        m.d.sync += waits.eq((waits | offered) & ~self.now.answered)
        flying = self.counts.in_flight
        alone = begins & (flying[1:] == 0) & (waits | ~flying[0])
        # An answer is new where none was offered, or that one was taken.
        m.d.sync += [
            shown.eq(self.o.valid & ~self.o.ready),
            offered.eq(self.o.valid & ~shown),
            passed.eq(Mux(alone, 1, passed + 1)),
        ]
        with m.If(offered):
            m.d.sync += [cycles.eq(passed), passed.eq(1)]
        with m.Elif(self.turn):
            m.d.sync += cycles.eq(cycles.rotate_right(8))


def _count(m: Module, frames: Signal, comes: Value, goes: Value) -> None:
    """How many have come and not gone; never below 0, whatever goes."""
    with m.If(comes & ~goes):
        m.d.sync += frames.eq(frames + 1)
    with m.If(goes & ~comes & (frames != 0)):
        m.d.sync += frames.eq(frames - 1)
