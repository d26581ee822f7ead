"""What a sequencer keeps count of besides its events: ticks of the frame, and room for the results
of its sweeps."""

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import bits_for, constant_in
from polyrhythm.sw.plan.steps import Steps


class Credits(wiring.Component):
    """`size` credits: `free` while there is one, `take` it; `returned` gives one back, and so does
    `unused`. One credit per cycle in each direction."""

    def __init__(self, size: int):
        self._size = size
        super().__init__(
            {"take": In(1), "returned": In(1), "unused": In(1), "free": Out(1, init=1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = Signal(range(self._size + 1), init=self._size, name="count")
        m.d.sync += count.eq(count - self.take + self.returned + self.unused)
        # `free` is known a cycle early: a sequencer, and all that waits for it, hangs on it.
        given = self.returned | self.unused
        with m.If(self.take & ~given):
            m.d.sync += self.free.eq(count != 1)
        with m.If(given & ~self.take):
            m.d.sync += self.free.eq(1)
        return m


class Ticks(wiring.Component):
    """Where a frame stands: how long the step at hand is held, and at which row of the neuron
    constants its tick begins.

    Parameters
    ----------
    steps : Sequence[Steps]     of each profile
    rows : int                  rows of neuron constants in one phase

    Members
    -------
    profile                     the frame's (absent where there is one)
    tick_done, step_done, ended the last group of a tick is swept; of a step; that step ends the
    frame
    further                     ticks that this step is held for after its first one
    table, following            where the rows of this tick and of the next one begin
    """

    def __init__(self, steps: Sequence[Steps], rows: int):
        self._further = [[repeat - 1 for repeat in one.repeats] for one in steps]
        self._tables = [[phase * rows for phase in one.phases] for one in steps]
        self._row_bits = bits_for(max(map(max, self._tables)))
        super().__init__(
            {
                **({"profile": In(bits_for(len(steps) - 1))} if len(steps) > 1 else {}),
                "tick_done": In(1),
                "step_done": In(1),
                "ended": In(1),
                "further": Out(bits_for(max(map(max, self._further)))),
                "table": Out(self._row_bits),
                "following": Out(self._row_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = Signal(range(max(2, *map(len, self._further))), name="step")
        tick = Signal(range(max(2, *map(len, self._tables))), name="tick")
        profile = self.profile if len(self._tables) > 1 else Const(0, 0)
        frame_done = self.step_done & self.ended
        # Behind a frame's last tick comes the first one of the next.
        following = [[*row[1:], row[0]] for row in self._tables]
        with m.If(self.step_done):
            m.d.sync += step.eq(Mux(frame_done, 0, step + 1))
        with m.If(self.tick_done):
            m.d.sync += tick.eq(Mux(frame_done, 0, tick + 1))
        m.d.comb += [
            self.further.eq(constant_in(profile, step, self._further, len(self.further))),
            self.table.eq(constant_in(profile, tick, self._tables, self._row_bits)),
            self.following.eq(constant_in(profile, tick, following, self._row_bits)),
        ]
        return m
