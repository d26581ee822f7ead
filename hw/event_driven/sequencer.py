"""Turns located events into visits of event-driven neurons, and lets them come to rest before a frame ends."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.locate import Located
from polyrhythm.hw.conv.sequencer import ConvOp, ConvSequencer
from polyrhythm.hw.lib.ticks import Credits
from polyrhythm.hw.stream.event import Event, bits_for
from polyrhythm.sw.plan.rom_event import EventRom


class Visit(ConvOp):
    """One operation on one word of each bank: `integrate` an event, `settle` (add nothing), or `close` (after it, a frame begins).

    rows, columns : positions of the banks' words; last : the frame's last operation; the other fields as of `ConvOp`
    """

    def __init__(self, contents: EventRom, event: Event):
        super().__init__(contents, event if contents.signed else Event(event.source, 1))
        fields = {name: field.shape for name, field in self}
        rows, columns = contents.rows, contents.columns
        data.StructLayout.__init__(
            self,
            {name: fields[name] for name in ("integrate", "clear", "row", *self.amount, "address", "enabled", "channels")}
            | {
                "settle": 1,
                "close": 1,
                "last": 1,
                "bottom": 1,
                "right": 1,
                "rows": data.ArrayLayout(bits_for(rows.words * rows.banks - 1), rows.banks),
                "columns": data.ArrayLayout(bits_for(columns.words * columns.banks - 1), columns.banks),
            },
        )


class EventSequencer(ConvSequencer):
    """Located events in, visits out, one per cycle; a visit leaves two cycles after its issue.

    An event costs its visits as in `ConvSequencer`; unsigned neurons take events that stand for several one by one, and in the
    order channel, row, column. Behind a frame's events signed neurons are visited, word by word, until nobody fires any more:
    passes of one cycle a word, and `drain` cycles for the verdict. A last pass puts the initial state back. Every visit takes a
    place for what it may emit; `returned` and `unused` give one back.

    Members
    -------
    unrest : In(1)      a visit that settles made somebody fire
    """

    def __init__(self, located: Located, contents: EventRom, event: Event, credits: int, drain: int):
        self._located, self._contents, self._credits, self._drain = located, contents, credits, drain
        self._done: dict[str, Value] = {}
        self._shape = Visit(contents, event)
        self._units = event.max_count > 1 and not contents.signed
        wiring.Component.__init__(
            self,
            {
                "i": In(stream.Signature(located)),
                "op": Out(self._shape),
                "returned": In(1),
                "unused": In(1),
                "unrest": In(1),
                "cleared": Out(1),
            },
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        contents, word = self._contents, self.i.payload
        assert isinstance(contents, EventRom)
        m.submodules.credits = credits = Credits(self._credits)
        integrate, settle, clear, close = (Signal(name=name) for name in ("integrate", "settle", "clear", "close"))
        channels = Signal(range(max(contents.channel_groups, 2)), name="channels")
        at, row, column, last = self._round(m, settle | clear | close, channels)
        last_visit = self._units_of(m, integrate, self._visit(m, integrate, channels, channels_last=not contents.signed))
        m.d.comb += [
            credits.take.eq(integrate | settle | close),
            credits.returned.eq(self.returned),
            credits.unused.eq(self.unused),
            self.i.ready.eq((integrate & last_visit) | (close & last)),
        ]
        self._states(m, credits.free, last, (integrate, settle, clear, close))

        op = Signal(self._shape, name="op")
        bottom, right = row == contents.rows.words - 1, column == contents.columns.words - 1
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
            *self._positions(op, integrate, row, column),
        ]
        self._place(m, op, integrate, at + channels, channels)
        return m

    def _states(self, m: Module, free: Value, last: Value, asked: tuple[Signal, Signal, Signal, Signal]) -> None:
        """clear after a reset; events; then passes until all rest; then the closing pass."""
        (integrate, settle, clear, close), word = asked, self.i.payload
        contents = self._contents
        assert isinstance(contents, EventRom)
        opens = contents.opens and not contents.signed
        left = Signal(range(self._drain + 1), name="left")
        restless = Signal(name="restless")
        begin = "open" if opens else "live"
        with m.If(self.unrest):
            m.d.sync += restless.eq(1)
        with m.FSM():
            with m.State("clear"):
                m.d.comb += clear.eq(1)
                with m.If(last):
                    m.d.sync += self.cleared.eq(1)
                    m.next = begin
            if opens:
                with m.State("open"):  # what fires before the first event belongs to a frame that has begun
                    m.d.comb += settle.eq(free & self.i.valid)
                    with m.If(settle & last):
                        m.next = "live"
            with m.State("live"):
                m.d.comb += integrate.eq(self.i.valid & ~word.closes & free)
                with m.If(self.i.valid & word.closes):
                    m.d.sync += restless.eq(0)
                    m.next = "settle" if contents.signed else "close"
            if contents.signed:
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
        """All words in the order of their neurons: first word of the position, its row and column of words, and the last one."""
        contents = self._contents
        assert isinstance(contents, EventRom)
        row = Signal(range(max(contents.rows.words, 2)), name="row")
        column = Signal(range(max(contents.columns.words, 2)), name="column")
        at = Signal(range(max(contents.groups, 2)), name="at")
        last_channels = channels == contents.channel_groups - 1
        last_column, last_row = column == contents.columns.words - 1, row == contents.rows.words - 1
        position = last_column & last_row
        levels = [
            (last_channels, [channels.eq(Mux(last_channels, 0, channels + 1))]),
            (
                position,
                [
                    at.eq(Mux(position, 0, at + contents.channel_groups)),
                    column.eq(Mux(last_column, 0, column + 1)),
                    row.eq(Mux(last_column, Mux(last_row, 0, row + 1), row)),
                ],
            ),
        ]
        done = step
        for final, ahead in levels if contents.signed else levels[::-1]:
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

    def _positions(self, op: data.View, integrate: Value, row: Value, column: Value) -> list[data.View]:
        """Where the banks' words stand in the map."""
        word, contents = self.i.payload, self._contents
        statements = []
        for name, axis, side, at in (("rows", contents.rows, "y", row), ("columns", contents.columns, "x", column)):
            for bank in range(axis.banks):
                reached = word[side].places[bank] + self._done.get(side, 0)
                statements.append(op[name][bank].eq(Mux(integrate, reached, at * axis.banks + bank)))
        return statements
