"""Turns located events into visits of event-driven neurons, and lets them come to rest before a
frame ends."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.locate import Located
from polyrhythm.hw.conv.visits import Visits
from polyrhythm.hw.event_driven.operation import Visit
from polyrhythm.hw.lib.operations import operations
from polyrhythm.hw.lib.ticks import Credits
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.neurons import ReactingNeuron


class EventSequencer(wiring.Component):
    """Located events in, visits out. Latency is 2 cycles; one visit per cycle.

    An event costs its visits as in `ConvSequencer`; unsigned neurons take events that stand for
    several one by one, and in the order channel, row, column. Behind a frame's events signed
    neurons are visited, word by word, until nobody fires any more: passes of one cycle a word, and
    `drain` cycles for the verdict. A last pass puts the initial state back. Every visit takes a
    credit for what it may emit; `returned` and `unused` give one back.

    Members
    -------
    restless    a visit that settles made somebody fire
    """

    def __init__(
        self,
        located: Located,
        synapses: ConvSynapses,
        neuron: ReactingNeuron,
        event: Event,
        credits: int,
        drain: int,
    ):
        self._located, self._synapses, self._neuron = located, synapses, neuron
        self._credits, self._drain = credits, drain
        self._units = event.max_count > 1 and not neuron.signed
        self._shape = Visit(synapses, event if neuron.signed else Event(event.source, 1))
        super().__init__(
            {
                "i": In(stream.Signature(located)),
                "ops": Out(operations(self._shape)),
                "returned": In(1),
                "unused": In(1),
                "restless": In(1),
                "cleared": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        synapses, word = self._synapses, self.i.payload
        m.submodules.credits = credits = Credits(self._credits)
        asked = tuple(Signal(name=name) for name in ("integrate", "settle", "clear", "close"))
        integrate, settle, clear, close = asked
        channels = Signal(range(max(synapses.channel_groups, 2)), name="channels")
        at, row, column, last = self._round(m, settle | clear | close, channels)
        visits = Visits(self._located, synapses, word, channels)
        last_visit = visits.advance(m, integrate, channels_last=not self._neuron.signed)
        last_visit = self._units_of(m, integrate, last_visit)
        m.d.comb += [
            credits.take.eq(integrate | settle | close),
            credits.returned.eq(self.returned),
            credits.unused.eq(self.unused),
            self.i.ready.eq((integrate & last_visit) | (close & last)),
        ]
        self._states(m, credits.free, last, (integrate, settle, clear, close))

        op = Signal(self._shape, name="op")
        bottom, right = row == synapses.rows.words - 1, column == synapses.columns.words - 1
        m.d.sync += [
            op.integrate.eq(integrate),
            op.settle.eq(settle),
            op.clear.eq(clear),
            op.close.eq(close),
            op.channels.eq(channels),
            op.last.eq(close & last),
            op.bottom.eq(~integrate & bottom),
            op.right.eq(~integrate & right),
            *(op[field].eq(word[field]) for field in self._shape.amount),
            *self._positions(op, visits, integrate, row, column),
            self.ops.payload.eq(op),
        ]
        visits.place(m, op, self.ops.payload, integrate, at + channels)
        return m

    def _states(
        self, m: Module, free: Value, last: Value, asked: tuple[Signal, Signal, Signal, Signal]
    ) -> None:
        """clear after a reset; events; then passes until all rest; then the closing pass."""
        (integrate, settle, clear, close), word = asked, self.i.payload
        signed = self._neuron.signed
        opens = self._neuron.opens and not signed
        left = Signal(range(self._drain + 1), name="left")
        restless = Signal(name="restless")
        begin = "open" if opens else "live"
        # A pass in which somebody fired is followed by another one.
        with m.If(self.restless):
            m.d.sync += restless.eq(1)
        with m.FSM():
            with m.State("clear"):
                m.d.comb += clear.eq(1)
                with m.If(last):
                    m.d.sync += self.cleared.eq(1)
                    m.next = begin
            if opens:
                # What fires before the first event belongs to a frame that has begun
                with m.State("open"):
                    m.d.comb += settle.eq(free & self.i.valid)
                    with m.If(settle & last):
                        m.next = "live"
            with m.State("live"):
                m.d.comb += integrate.eq(self.i.valid & ~word.closes & free)
                with m.If(self.i.valid & word.closes):
                    m.d.sync += restless.eq(0)
                    m.next = "settle" if signed else "close"
            if signed:
                with m.State("settle"):
                    m.d.comb += settle.eq(free)
                    with m.If(settle & last):
                        m.d.sync += left.eq(self._drain)
                        m.next = "drain"
                with m.State("drain"):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 0):
                        m.d.sync += restless.eq(0)
                        with m.If(restless):
                            m.next = "settle"
                        with m.Else():
                            m.next = "close"
            with m.State("close"):
                m.d.comb += close.eq(free)
                with m.If(close & last):
                    m.next = begin

    def _round(self, m: Module, step: Value, channels: Signal) -> tuple[Value, Value, Value, Value]:
        """All words in the order of their neurons: first word of the position, its row and column
        of words, and the last one."""
        synapses = self._synapses
        row = Signal(range(max(synapses.rows.words, 2)), name="row")
        column = Signal(range(max(synapses.columns.words, 2)), name="column")
        at = Signal(range(max(synapses.groups, 2)), name="at")
        last_channels = channels == synapses.channel_groups - 1
        last_column, last_row = column == synapses.columns.words - 1, row == synapses.rows.words - 1
        position = last_column & last_row
        levels = [
            (last_channels, [channels.eq(Mux(last_channels, 0, channels + 1))]),
            (
                position,
                [
                    at.eq(Mux(position, 0, at + synapses.channel_groups)),
                    column.eq(Mux(last_column, 0, column + 1)),
                    row.eq(Mux(last_column, Mux(last_row, 0, row + 1), row)),
                ],
            ),
        ]
        # Where order is part of the contract, all positions of a channel come before the next one.
        done = step
        for final, ahead in levels if self._neuron.signed else levels[::-1]:
            with m.If(done):
                m.d.sync += ahead
            done = done & final
        return at, row, column, last_channels & position

    def _units_of(self, m: Module, step: Value, last_visit: Value) -> Value:
        """Repeat an event as often as its count says, where neurons take events one by one."""
        if not self._units:
            return last_visit
        unit = Signal.like(self.i.payload.count, name="unit")
        final = unit == self.i.payload.count - 1
        with m.If(step & last_visit):
            m.d.sync += unit.eq(Mux(final, 0, unit + 1))
        return last_visit & final

    def _positions(
        self, op: data.View, visits: Visits, integrate: Value, row: Value, column: Value
    ) -> list[Any]:
        """Where the banks' words stand in the map."""
        word, synapses = self.i.payload, self._synapses
        sides = (("rows", synapses.rows, "y", row), ("columns", synapses.columns, "x", column))
        statements = []
        for name, axis, side, at in sides:
            for bank in range(axis.banks):
                reached = word[side].positions[bank] + visits.done[side]
                swept = at * axis.banks + bank
                statements.append(op[name][bank].eq(Mux(integrate, reached, swept)))
        return statements
