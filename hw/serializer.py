"""Words of fired neurons in, one event per cycle out, lowest neuron first."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.events import Queue, bits_for, more_than_one
from sw.architecture import BLOCK


class Word(data.StructLayout):
    """A swept group: who fired, in which blocks of lanes somebody did, in which just one, and what it closes.

    last: the tick's last group; closing: the frame's last tick
    """

    def __init__(self, lanes: int):
        self.blocks = -(-lanes // BLOCK)
        super().__init__({"fire": lanes, "some": self.blocks, "single": self.blocks, "last": 1, "closing": 1})


class Pick(data.StructLayout):
    """One fired neuron, or the end of a tick or frame; like an event, but with the neuron's value."""

    def __init__(self, size: int, value_bits: int):
        value = {"value": value_bits} if value_bits else {}
        super().__init__({"address": bits_for(size - 1), **value, "tick": 1, "end": 1})


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
        m.d.comb += self.o.as_value().eq(_select(Cat(chosen), Cat(fields), len(self.o.as_value())))
        return m


class Serializer(wiring.Component):
    """Sends the fired neurons of each word, one per cycle, then the tick or the end that the word closes.

    Two stages, each small whatever the number of lanes: the first takes the next block of eight lanes in which somebody fired,
    the second sends that block's neurons. Silent blocks and words cost no cycle at the output as long as it is busy.

    Parameters
    ----------
    size, lanes, value_bits : int
    slots : int                    words that may wait; each is paid for by a credit, which `returned` gives back

    Members
    -------
    put, i, values : a word of fired neurons, and what their sums exceed their thresholds by (two_phase with T > 1)
    """

    def __init__(self, size: int, lanes: int, value_bits: int, slots: int):
        self._size, self._lanes, self._slots, self._value_bits = size, lanes, slots, value_bits
        self._word = Word(lanes)
        block_values = {"values": data.ArrayLayout(value_bits, BLOCK)} if value_bits else {}
        values = {"values": In(data.ArrayLayout(value_bits, lanes))} if value_bits else {}
        self._block = data.StructLayout(
            {"fire": BLOCK, "any": 1, "single": 1, "base": bits_for(size + lanes), "last": 1, "closing": 1, **block_values}
        )
        super().__init__(
            {"put": In(1), "i": In(self._word), **values, "returned": Out(1), "o": Out(stream.Signature(Pick(size, value_bits)))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.waiting = waiting = Queue(self._word, self._slots)
        block, busy, leaves = Signal(self._block), Signal(), Signal()
        m.d.comb += [
            waiting.i.valid.eq(self.put),
            waiting.i.payload.eq(self.i),
            self.returned.eq(waiting.o.valid & waiting.o.ready),
        ]
        self._next_block(m, waiting.o, block, busy, leaves)
        self._send_block(m, block, busy, leaves)
        return m

    def _next_block(self, m: Module, words: stream.Interface, block: data.View, busy: Signal, leaves: Value) -> None:
        """First stage: the oldest word's next block in which somebody fired; the word leaves with its last one."""
        shape, head = self._word, words.payload
        taken, todo, chosen = Signal(shape.blocks), Signal(shape.blocks), Signal(shape.blocks)  # chosen: one hot
        m.d.comb += [todo.eq(head.some & ~taken), chosen.eq(Cat(todo[k] & ~todo[:k].any() for k in range(shape.blocks)))]
        last_block = ~more_than_one(todo)
        speaks = todo.any() | head.last
        load = words.valid & speaks & (~busy | leaves)
        base = Signal(block.base.shape())  # of the word's group
        m.d.comb += words.ready.eq(~speaks | (load & last_block))
        values = self._bank(m, chosen, words.valid & words.ready) if self._value_bits else None
        with m.If(load):
            offsets = Cat(Const(k * BLOCK, len(base)) for k in range(shape.blocks))
            m.d.sync += [
                taken.eq(taken | chosen),
                busy.eq(1),
                block.base.eq(base + _select(chosen, offsets, len(base))),
                block.fire.eq(_select(chosen, head.fire, BLOCK)),
                block.any.eq(todo.any()),
                block.single.eq((chosen & head.single).any()),
                block.closing.eq(head.closing),
                block.last.eq(last_block & head.last),
            ]
            if values is not None:
                m.d.sync += block.values.eq(values)
        with m.Elif(leaves):
            m.d.sync += busy.eq(0)
        with m.If(words.valid & words.ready):
            m.d.sync += [taken.eq(0), base.eq(Mux(head.last, 0, base + self._lanes))]

    def _bank(self, m: Module, chosen: Value, take: Value) -> data.View:
        """The chosen block's values."""
        m.submodules.banks = banks = Banks(self._lanes, self._value_bits, self._slots)
        m.d.comb += [banks.put.eq(self.put), banks.i.eq(self.values), banks.take.eq(take), banks.chosen.eq(chosen)]
        return banks.o

    def _send_block(self, m: Module, block: data.View, busy: Value, leaves: Signal) -> None:
        """Second stage: the block's neurons, lowest first; then the tick or the end."""
        lowest = Signal(range(BLOCK))
        for k in reversed(range(BLOCK)):
            with m.If(block.fire[k]):
                m.d.comb += lowest.eq(k)
        pick = self.o.payload
        m.d.comb += [
            self.o.valid.eq(busy),
            pick.address.eq(Mux(block.any, block.base + lowest, 0)),
            pick.tick.eq(~block.any & ~block.closing),
            pick.end.eq(~block.any & block.closing),
            leaves.eq(self.o.ready & Mux(block.last, ~block.any, block.single)),
        ]
        if self._value_bits:
            m.d.comb += pick.value.eq(block.values[lowest])
        with m.If(busy & self.o.ready & ~leaves):
            rest = block.fire & (block.fire - 1)[:BLOCK]
            m.d.sync += [block.fire.eq(rest), block.any.eq(~block.single), block.single.eq(~more_than_one(rest))]


def _select(one_hot: Value, fields: Value, width: int) -> Value:
    """The field of `width` bits that the hot bit names."""
    padded = fields if len(fields) == width * len(one_hot) else Cat(fields, Const(0, width * len(one_hot) - len(fields)))
    selected: Value = Const(0, width)
    for k in range(len(one_hot)):
        selected = selected | (padded.word_select(k, width) & one_hot[k].replicate(width))
    return selected
