"""Turns a convolution's located events into operations on its banks: integrate a neighbourhood, or sweep a word of every bank."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.locate import Located, Side
from polyrhythm.hw.lib.ticks import Credits, Ticks
from polyrhythm.hw.stream.event import Event, bits_for
from polyrhythm.sw.plan.rom_conv import ConvRom


class ConvOp(data.StructLayout):
    """One operation on one word of each bank; nothing is asked where none of `integrate`, `sweep`, `clear` is set.

    integrate, amount      : add the weights at `row`, as often as the fields of `Event.amount` say, in the banks that are `enabled`
    sweep, clear           : the word is finished, or to be cleared after a reset; the next sum begins in it
    address                : the word, for each bank
    held, closing          : as of the dense `Op`
    group, channels, table : which word, which row of the neuron constants, and that row in this tick's bias phase
    following              : the same row in the phase of the sum that begins behind a sweep
    bottom, right          : the word is the banks' last one in its column, row: banks beyond the map's edge have no neuron in it
    """

    def __init__(self, contents: ConvRom, event: Event):
        groups, rows = contents.groups, contents.channel_groups
        tables = (max(contents.phases) + 1) * rows
        self.amount, self.max_count, self.signed = event.amount, event.max_count, event.signed
        super().__init__(
            {
                "integrate": 1,
                "sweep": 1,
                "clear": 1,
                "row": bits_for(len(contents.weights) - 1),
                **self.amount,
                "address": data.ArrayLayout(bits_for(groups - 1), contents.banks),
                "enabled": contents.banks,
                "held": 1,
                "closing": 1,
                "group": bits_for(groups - 1),
                "channels": bits_for(rows - 1),
                "table": bits_for(tables - 1),
                "following": bits_for(tables - 1),
                "bottom": 1,
                "right": 1,
            }
        )


class ConvSequencer(wiring.Component):
    """Located events in, operations out, one per cycle; an operation leaves two cycles after its issue.

    An event costs its visits times the groups of channels: one visit where its whole neighbourhood lies in different banks, else
    one for each output position that it reaches. A tick costs a cycle for each word and group of channels, and is issued only while
    its result has a place to go (`credits`, given back by `returned`). After a reset all words are cleared; `cleared` says so.
    """

    def __init__(self, located: Located, contents: ConvRom, event: Event, credits: int):
        self._located, self._contents, self._credits = located, contents, credits
        self._done: dict[str, Value] = {}  # visits that the event at hand has behind it, in each dimension that takes several
        self._shape = ConvOp(contents, event)
        super().__init__(
            {"i": In(stream.Signature(located)), "op": Out(self._shape), "returned": In(1), "cleared": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        contents, word, rows = self._contents, self.i.payload, self._contents.channel_groups
        m.submodules.credits = credits = Credits(self._credits)
        m.submodules.ticks = ticks = Ticks(contents.repeats, contents.phases, rows)
        integrate, sweep, clear, leaves = (Signal(name=name) for name in ("integrate", "sweep", "clear", "leaves"))
        channels = Signal(range(max(rows, 2)), name="channels")
        left = Signal.like(ticks.further, name="left")
        held = Signal(name="held")
        further = Mux(held, left, ticks.further)
        group, bottom, right = self._walk(m, sweep | clear, channels)
        last_group = bottom & right & (channels == rows - 1)
        last_visit = self._visit(m, integrate, channels)
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
        with m.If(sweep & last_group):
            m.d.sync += [held.eq(further != 0), left.eq(further - 1)]
        with m.If(clear & last_group):
            m.d.sync += self.cleared.eq(1)

        op = Signal(self._shape, name="op")
        m.d.sync += [
            op.integrate.eq(integrate),
            op.sweep.eq(sweep),
            op.clear.eq(clear),
            op.held.eq(held),
            op.closing.eq(word.end & (further == 0)),
            op.group.eq(group),
            op.channels.eq(channels),
            op.table.eq(ticks.table + channels),
            op.following.eq(Mux(clear, 0, ticks.following) + channels),
            op.bottom.eq(bottom),
            op.right.eq(right),
        ]
        m.d.sync += [op[field].eq(word[field]) for field in self._shape.amount]
        self._place(m, op, integrate, group, channels)
        return m

    def _walk(self, m: Module, step: Value, channels: Signal) -> tuple[Value, Value, Value]:
        """The word that is swept: its number, and whether it is the last one in its column and in its row."""
        contents = self._contents
        group = Signal(range(max(contents.groups, 2)), name="group")
        row = Signal(range(max(contents.rows.words, 2)), name="row")
        column = Signal(range(max(contents.columns.words, 2)), name="column")
        bottom, right = row == contents.rows.words - 1, column == contents.columns.words - 1
        last = channels == contents.channel_groups - 1
        with m.If(step):
            m.d.sync += [channels.eq(Mux(last, 0, channels + 1)), group.eq(Mux(bottom & right & last, 0, group + 1))]
            with m.If(last):
                m.d.sync += column.eq(Mux(right, 0, column + 1))
                with m.If(right):
                    m.d.sync += row.eq(Mux(bottom, 0, row + 1))
        return group, bottom, right

    def _visit(self, m: Module, step: Value, channels: Signal, *, channels_last: bool = False) -> Value:
        """Go on to the next group of channels and the next position that the event reaches; say whether this is the last one.

        channels_last: all positions of a group of channels before the next group.
        """
        final = channels == self._contents.channel_groups - 1
        levels = [(final, [channels.eq(Mux(final, 0, channels + 1))])]
        self._offsets: dict[str, tuple[Value, Value]] = {}
        for name, side in (("x", self._located.x), ("y", self._located.y)):
            if side.most_visits == 1:
                self._offsets[name] = Const(0), Const(0)
                continue
            done, words, weights = Signal(range(side.most_visits), name=f"{name}_done"), *self._steps(side, name)
            final = done == self.i.payload[name].visits - 1
            ahead = [
                done.eq(Mux(final, 0, done + 1)),
                words.eq(Mux(final, 0, words + side.word_step)),
                weights.eq(Mux(final, 0, weights + side.weight_step * side.axis.stride)),
            ]
            levels.append((final, ahead))
            self._offsets[name] = words, weights
            self._done[name] = done
        last: Value = Const(1)
        for final, ahead in levels[1:] + levels[:1] if channels_last else levels:
            with m.If(step & last):
                m.d.sync += ahead
            last = last & final
        return last

    def _steps(self, side: Side, name: str) -> tuple[Signal, Signal]:
        """How far the visit at hand is from the first one, in words of state and in rows of weights."""
        far = side.most_visits - 1
        return (
            Signal(range(far * side.word_step + 1), name=f"{name}_words"),
            Signal(range(far * side.weight_step * side.axis.stride + 1), name=f"{name}_weights"),
        )

    def _place(self, m: Module, op: data.View, integrate: Value, group: Value, channels: Value) -> None:
        """Addresses in two stages: what each dimension adds, then their sum for each bank."""
        word, shape = self.i.payload, self._shape
        (x_words, x_weights), (y_words, y_weights) = self._offsets["x"], self._offsets["y"]
        ys = [Signal(shape["address"].shape.elem_shape, name=f"y_{k}") for k in range(len(word.y.words))]
        xs = [Signal(shape["address"].shape.elem_shape, name=f"x_{k}") for k in range(len(word.x.words))]
        y_row, x_row = (Signal(shape["row"].shape, name=name) for name in ("y_row", "x_row"))
        y_enabled = Signal.like(word.y.enabled, name="y_enabled")
        x_enabled = Signal.like(word.x.enabled, name="x_enabled")
        m.d.sync += [
            *(y.eq(Mux(integrate, word.y.words[k] + y_words, group)) for k, y in enumerate(ys)),
            *(x.eq(Mux(integrate, word.x.words[k] + x_words + channels, 0)) for k, x in enumerate(xs)),
            y_row.eq(word.weight + word.y.weight - y_weights),
            x_row.eq(word.x.weight - x_weights + channels),
            y_enabled.eq(word.y.enabled),
            x_enabled.eq(word.x.enabled),
        ]
        m.d.sync += [self.op.eq(op), self.op.row.eq(y_row + x_row)]
        for bank in range(self._contents.banks):
            y, x = divmod(bank, len(xs))
            m.d.sync += [
                self.op.address[bank].eq(ys[y] + xs[x]),
                self.op.enabled[bank].eq(~op.integrate | (y_enabled[y] & x_enabled[x])),
            ]
