"""Turns a convolution's located events into operations on its banks: integrate a neighbourhood, or
sweep a word of every bank."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.locate import Located
from polyrhythm.hw.conv.operation import ConvOp
from polyrhythm.hw.conv.visits import Visits
from polyrhythm.hw.lib.operations import operations
from polyrhythm.hw.lib.ticks import Credits, Ticks
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.steps import Steps


class ConvSequencer(wiring.Component):
    """Located events in, operations out. Latency is 2 cycles; one operation per cycle.

    An event costs its visits times the groups of channels: one visit where its whole neighbourhood
    lies in different banks, else one for each output position that it reaches. A tick costs a cycle
    for each word and group of channels, and a sweep is issued only while its result has room
    (`credits`, given back by `returned`). After a reset all words are cleared; `cleared` says so.
    """

    def __init__(
        self,
        located: Located,
        synapses: ConvSynapses,
        steps: Sequence[Steps],
        event: Event,
        credits: int,
    ):
        self._located, self._synapses, self._steps = located, synapses, steps
        self._credits, self._shape = credits, ConvOp(synapses, steps, event)
        super().__init__(
            {
                "i": In(stream.Signature(located)),
                "ops": Out(operations(self._shape)),
                "returned": In(1),
                "cleared": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word, rows = self.i.payload, self._synapses.channel_groups
        m.submodules.credits = credits = Credits(self._credits)
        m.submodules.ticks = ticks = Ticks(self._steps, rows)
        flags = ("integrate", "sweep", "clear", "leaves", "held")
        integrate, sweep, clear, leaves, held = (Signal(name=name) for name in flags)
        channels = Signal(range(max(rows, 2)), name="channels")
        left = Signal.like(ticks.further, name="left")
        further = Mux(held, left, ticks.further)
        group, bottom, right = self._walk(m, sweep | clear, channels)
        last_group = bottom & right & (channels == rows - 1)
        visits = Visits(self._located, self._synapses, word, channels)
        last_visit = visits.advance(m, integrate)
        m.d.comb += [
            clear.eq(~self.cleared),
            integrate.eq(self.cleared & self.i.valid & ~word.closes),
            sweep.eq(self.cleared & self.i.valid & word.closes & credits.free),
            leaves.eq(Mux(word.closes, sweep & last_group & (further == 0), last_visit)),
            self.i.ready.eq(self.cleared & leaves),
            credits.take.eq(sweep),
            credits.returned.eq(self.returned),
            ticks.tick_done.eq(sweep & last_group),
            ticks.step_done.eq(sweep & last_group & (further == 0)),
            ticks.ended.eq(word.end),
        ]
        if len(self._steps) > 1:
            m.d.comb += ticks.profile.eq(word.profile)
        # A current that is held for further ticks: the same words are swept again.
        with m.If(sweep & last_group):
            m.d.sync += [held.eq(further != 0), left.eq(further - 1)]
        with m.If(clear & last_group):
            m.d.sync += self.cleared.eq(1)

        # First of two stages: everything but the addresses, which `Visits` adds up meanwhile.
        op = Signal(self._shape, name="op")
        m.d.sync += [
            op.integrate.eq(integrate),
            op.sweep.eq(sweep),
            op.clear.eq(clear),
            op.held.eq(held),
            op.closing.eq(word.end & (further == 0)),
            op.last.eq(last_group),
            op.group.eq(group),
            op.channels.eq(channels),
            op.table.eq(ticks.table + channels),
            op.following.eq(Mux(clear, 0, ticks.following) + channels),
            op.bottom.eq(bottom),
            op.right.eq(right),
            *(op[field].eq(word[field]) for field in self._shape.amount),
            *([op.profile.eq(word.profile)] if len(self._steps) > 1 else []),
            self.ops.payload.eq(op),
        ]
        visits.place(m, op, self.ops.payload, integrate, group)
        return m

    def _walk(self, m: Module, step: Value, channels: Signal) -> tuple[Value, Value, Value]:
        """The word that is swept: its number, and whether it is the last one in its column and in
        its row."""
        synapses = self._synapses
        group = Signal(range(max(synapses.groups, 2)), name="group")
        row = Signal(range(max(synapses.rows.words, 2)), name="row")
        column = Signal(range(max(synapses.columns.words, 2)), name="column")
        bottom, right = row == synapses.rows.words - 1, column == synapses.columns.words - 1
        last = channels == synapses.channel_groups - 1
        with m.If(step):
            m.d.sync += [
                channels.eq(Mux(last, 0, channels + 1)),
                group.eq(Mux(bottom & right & last, 0, group + 1)),
            ]
            with m.If(last):
                m.d.sync += column.eq(Mux(right, 0, column + 1))
                with m.If(right):
                    m.d.sync += row.eq(Mux(bottom, 0, row + 1))
        return group, bottom, right
