"""Words of fired neurons in, one event per cycle out, lowest neuron first."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.events import Queue, bits_for, more_than_one
from sw.architecture import BLOCK


class Word(data.StructLayout):
    """A swept group: who fired, in which blocks of lanes somebody did, in which just one, and what it closes.

    last: the tick's last group; closing: the frame's last tick; values: what the fired neurons' sums exceed their thresholds by
    (two_phase with T > 1; `value_bits` 0 otherwise)
    """

    def __init__(self, lanes: int, value_bits: int):
        self.lanes, self.value_bits, self.blocks = lanes, value_bits, -(-lanes // BLOCK)
        values = {"values": data.ArrayLayout(value_bits, lanes)} if value_bits else {}
        super().__init__({"fire": lanes, "some": self.blocks, "single": self.blocks, "last": 1, "closing": 1, **values})


class Pick(data.StructLayout):
    """One fired neuron, or the end of a tick or frame; like an event, but with the neuron's value."""

    def __init__(self, size: int, value_bits: int):
        value = {"value": value_bits} if value_bits else {}
        super().__init__({"address": bits_for(size - 1), **value, "tick": 1, "end": 1})


class Serializer(wiring.Component):
    """Sends the fired neurons of each word, one per cycle, then the tick or the end that the word closes.

    Two stages, each small whatever the number of lanes: the first takes the next block of eight lanes in which somebody fired,
    the second sends that block's neurons. Silent blocks and words cost no cycle at the output as long as it is busy.

    Parameters
    ----------
    size, lanes, value_bits : int
    slots : int                    words that may wait; each is paid for by a credit, which `returned` gives back
    """

    def __init__(self, size: int, lanes: int, value_bits: int, slots: int):
        self._size, self._lanes, self._slots = size, lanes, slots
        self._word = Word(lanes, value_bits)
        values = {"values": data.ArrayLayout(value_bits, BLOCK)} if value_bits else {}
        self._block = data.StructLayout(
            {"fire": BLOCK, "any": 1, "single": 1, "base": bits_for(size + lanes), "last": 1, "closing": 1, **values}
        )
        super().__init__(
            {"put": In(1), "i": In(self._word), "returned": Out(1), "o": Out(stream.Signature(Pick(size, value_bits)))}
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
            if shape.value_bits:
                m.d.sync += block.values.as_value().eq(_select(chosen, head.values.as_value(), BLOCK * shape.value_bits))
        with m.Elif(leaves):
            m.d.sync += busy.eq(0)
        with m.If(words.valid & words.ready):
            m.d.sync += [taken.eq(0), base.eq(Mux(head.last, 0, base + self._lanes))]

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
        if self._word.value_bits:
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
