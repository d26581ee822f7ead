"""What a sequencer keeps count of besides its events: ticks of the frame, and places for the results of its sweeps."""

from collections.abc import Sequence

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.stream.event import bits_for


class Credits(wiring.Component):
    """`size` places: `free` while there is one, `take` it; `returned` gives one back, and so does `unused`.

    `free` is settled a cycle early: it decides whether a sequencer goes on, and all that waits for it.
    """

    def __init__(self, size: int):
        self._size = size
        super().__init__({"take": In(1), "returned": In(1), "unused": In(1), "free": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = Signal(range(self._size + 1), init=self._size, name="count")
        m.d.sync += count.eq(count - self.take + self.returned + self.unused)
        given = self.returned | self.unused
        with m.If(self.take & ~given):
            m.d.sync += self.free.eq(count != 1)
        with m.If(given & ~self.take):
            m.d.sync += self.free.eq(1)
        return m


class Ticks(wiring.Component):
    """Where a frame stands: how long the step at hand is held, and which row of the bias tables its tick begins at.

    Parameters
    ----------
    repeats : Sequence[int]     ticks that each step of a frame is held for
    phases : Sequence[int]      bias phase of each tick
    rows : int                  rows of a phase

    Members
    -------
    tick_done, step_done, ended : the last group of a tick is swept; of a step; and that step ends the frame
    further                     : ticks that this step is held for after its first one
    table, following            : where the rows of this tick and of the next one begin
    """

    def __init__(self, repeats: Sequence[int], phases: Sequence[int], rows: int):
        self._further, self._tables = [r - 1 for r in repeats], [phase * rows for phase in phases]
        row = bits_for(max(self._tables))
        super().__init__(
            {
                "tick_done": In(1),
                "step_done": In(1),
                "ended": In(1),
                "further": Out(bits_for(max(self._further))),
                "table": Out(row),
                "following": Out(row),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = Signal(range(max(len(self._further), 2)), name="step")
        tick = Signal(range(max(len(self._tables), 2)), name="tick")
        frame_done = self.step_done & self.ended
        next_tick = Mux(frame_done, 0, tick + 1)
        with m.If(self.step_done):
            m.d.sync += step.eq(Mux(frame_done, 0, step + 1))
        with m.If(self.tick_done):
            m.d.sync += tick.eq(next_tick)
        m.d.comb += [
            self.further.eq(_entry(step, self._further)),
            self.table.eq(_entry(tick, self._tables)),
            self.following.eq(_entry(next_tick, self._tables)),
        ]
        return m


def _entry(index: Value, values: Sequence[int]) -> Value:
    """values[index], a constant where all are equal."""
    shape = range(max(values) + 1)
    return Const(values[0], shape) if len(set(values)) == 1 else Array(Const(v, shape) for v in values)[index]
