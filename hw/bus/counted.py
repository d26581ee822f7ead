"""The accelerator with counters beside it: what went in, what came out, and how long it took."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.accelerator import Accelerator
from polyrhythm.hw.layer import result_of
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.input_checker import Status
from polyrhythm.sw.plan.network import NetworkPlan


class Counts(data.StructLayout):
    """Since reset, modulo 2^32 (in_flight: exact)."""

    def __init__(self) -> None:
        names = ("begun", "answered", "events", "stalls", "cycles")
        super().__init__({**dict.fromkeys(names, 32), "in_flight": 8})


class Counted(wiring.Component):
    """`Accelerator`, and counters of what passes its streams.

    Members
    -------
    i, o, error, status   of the accelerator
    counts                `Counts`
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
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = core = Accelerator(self._plan, self._rom)
        wiring.connect(m, wiring.flipped(self.i), core.i)
        wiring.connect(m, core.o, wiring.flipped(self.o))
        m.d.comb += [self.error.eq(core.error), self.status.eq(core.status)]
        word, counts = self.i.payload, self.counts
        # Behind registers: what moves is known late in a cycle.
        taken, waits, begins, answers, offered = (
            Signal(name=name) for name in ("taken", "waits", "begins", "answers", "offered")
        )
        between = Signal(init=1, name="between")  # no frame is open
        moves = self.i.valid & self.i.ready
        m.d.sync += [
            taken.eq(moves & ~word.tick & ~word.end),
            waits.eq(self.i.valid & ~self.i.ready),
            begins.eq(moves & between),
            answers.eq(self.o.valid & self.o.ready),
            offered.eq(self.o.valid & ~self.o.ready),
        ]
        with m.If(moves):
            m.d.sync += between.eq(word.end)
        m.d.sync += [
            counts.events.eq(counts.events + taken),
            counts.stalls.eq(counts.stalls + waits),
            counts.begun.eq(counts.begun + begins),
            counts.answered.eq(counts.answered + answers),
        ]
        with m.If(begins & ~answers):
            m.d.sync += counts.in_flight.eq(counts.in_flight + 1)
        with m.If(answers & ~begins):
            m.d.sync += counts.in_flight.eq(counts.in_flight - 1)
        # Since the frame's first word, or since the answer before, whichever is later.
        passed = Signal(32, name="passed")
        answered = self.o.valid & ~offered
        m.d.sync += passed.eq(Mux(begins & (counts.in_flight == 0), 1, passed + 1))
        with m.If(answered):
            m.d.sync += [counts.cycles.eq(passed), passed.eq(0)]
        return m
