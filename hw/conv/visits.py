"""The operations that one event asks for: the positions that it reaches, and all groups of channels
of each."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data

from polyrhythm.hw.conv.locate import Located, Side
from polyrhythm.sw.plan.conv import ConvSynapses


class Visits:
    """Walks through the visits of the located event `word`; the sequencers are built around it.

    `channels` is the group of channels at hand, which the sequencer's own sweeps move as well.
    """

    def __init__(self, located: Located, synapses: ConvSynapses, word: data.View, channels: Signal):
        self._located, self._synapses, self._word = located, synapses, word
        self._channels = channels
        # In each dimension that takes several visits: how many are done, and how far the visit at
        # hand is from the first one, in words of state and in rows of weights.
        self.done: dict[str, Value] = {"x": Const(0), "y": Const(0)}
        self._ahead: dict[str, tuple[Value, Value]] = {}

    def advance(self, m: Module, step: Value, *, channels_last: bool = False) -> Value:
        """With `step`, go on to the next visit; say whether this is the event's last one.

        channels_last: all positions of a group of channels before the next group.
        """
        channels, last_channels = self._channels, self._synapses.channel_groups - 1
        final = channels == last_channels
        levels = [(final, [channels.eq(Mux(final, 0, channels + 1))])]
        for name, side in (("x", self._located.x), ("y", self._located.y)):
            if side.most_visits == 1:
                self._ahead[name] = Const(0), Const(0)
            else:
                levels.append(self._positions(name, side))
        # Nested counters: each moves when all before it are at their last value.
        last: Value = Const(1)
        for final, ahead in levels[1:] + levels[:1] if channels_last else levels:
            with m.If(step & last):
                m.d.sync += ahead
            last = last & final
        return last

    def _positions(self, name: str, side: Side) -> tuple[Value, list[Value]]:
        """The counters of one dimension: whether they are at its last visit, and what moves them
        on."""
        far, stride = side.most_visits - 1, side.axis.stride
        done = Signal(range(side.most_visits), name=f"{name}_done")
        words = Signal(range(far * side.word_step + 1), name=f"{name}_words")
        weights = Signal(range(far * side.weight_step * stride + 1), name=f"{name}_weights")
        final = done == self._word[name].visits - 1
        self.done[name], self._ahead[name] = done, (words, weights)
        return final, [
            done.eq(Mux(final, 0, done + 1)),
            words.eq(Mux(final, 0, words + side.word_step)),
            weights.eq(Mux(final, 0, weights + side.weight_step * stride)),
        ]

    def place(
        self, m: Module, op: data.View, late: data.View, integrate: Value, group: Value
    ) -> None:
        """Fill in address, row and enabled of `late`, two cycles later; `op` is one cycle before
        it.

        integrate: the operation at hand is a visit; else it is on word `group` of every bank.
        """
        # Two stages: what each dimension adds, then their sum for each bank.
        word, channels, shape = self._word, self._channels, late.shape()
        (x_words, x_weights), (y_words, y_weights) = self._ahead["x"], self._ahead["y"]
        address = shape["address"].shape.elem_shape
        ys = [Signal(address, name=f"y_{k}") for k in range(len(word.y.words))]
        xs = [Signal(address, name=f"x_{k}") for k in range(len(word.x.words))]
        y_row, x_row = (Signal(shape["row"].shape, name=name) for name in ("y_row", "x_row"))
        y_enabled = Signal.like(word.y.enabled, name="y_enabled")
        x_enabled = Signal.like(word.x.enabled, name="x_enabled")
        x_first = [word.x.words[k] + x_words + channels for k in range(len(xs))]
        y_first = [word.y.words[k] + y_words for k in range(len(ys))]
        m.d.sync += [
            *(y.eq(Mux(integrate, first, group)) for y, first in zip(ys, y_first, strict=True)),
            *(x.eq(Mux(integrate, first, 0)) for x, first in zip(xs, x_first, strict=True)),
            y_row.eq(word.weight + word.y.weight - y_weights),
            x_row.eq(word.x.weight - x_weights + channels),
            y_enabled.eq(word.y.enabled),
            x_enabled.eq(word.x.enabled),
            late.row.eq(y_row + x_row),
        ]
        for bank in range(self._synapses.banks):
            y, x = divmod(bank, len(xs))
            m.d.sync += [
                late.address[bank].eq(ys[y] + xs[x]),
                late.enabled[bank].eq(~op.integrate | (y_enabled[y] & x_enabled[x])),
            ]
