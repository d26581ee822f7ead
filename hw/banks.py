"""Wide words that wait where they were written, and the selection of their blocks."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from sw.architecture import BLOCK


class Banks(wiring.Component):
    """The values of the words that wait, each word in a bank of its own, where it stays: moving it would take a wide enable.

    put, i: a word; take: the oldest word leaves; chosen: a block of it, one hot; o: that block's values
    """

    def __init__(self, lanes: int, value_bits: int, banks: int):
        self._banks = banks
        super().__init__(
            {
                "put": In(1),
                "i": In(data.ArrayLayout(value_bits, lanes)),
                "take": In(1),
                "chosen": In(-(-lanes // BLOCK)),
                "o": Out(data.ArrayLayout(value_bits, BLOCK)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        values = self.i.as_value()
        spare = Const(0, len(self.chosen) * len(self.o.as_value()) - len(values))
        newest, oldest = Signal(self._banks, init=1), Signal(self._banks, init=1)  # one hot
        with m.If(self.put):
            m.d.sync += newest.eq(newest.rotate_left(1))
        with m.If(self.take):
            m.d.sync += oldest.eq(oldest.rotate_left(1))
        chosen, fields = [], []
        for k in range(self._banks):
            bank = Signal.like(values, name=f"bank_{k}")
            with m.If(self.put & newest[k]):
                m.d.sync += bank.eq(values)
            chosen.append(self.chosen & oldest[k].replicate(len(self.chosen)))
            fields.append(Cat(bank, spare))
        m.d.comb += self.o.as_value().eq(select(Cat(chosen), Cat(fields), len(self.o.as_value())))
        return m


def select(one_hot: Value, fields: Value, width: int) -> Value:
    """The field of `width` bits that the hot bit names."""
    padded = fields if len(fields) == width * len(one_hot) else Cat(fields, Const(0, width * len(one_hot) - len(fields)))
    selected: Value = Const(0, width)
    for k in range(len(one_hot)):
        selected = selected | (padded.word_select(k, width) & one_hot[k].replicate(width))
    return selected
