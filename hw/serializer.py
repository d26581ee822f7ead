"""Words of fired neurons in, one event per cycle out, lowest neuron first."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.events import bits_for
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


class Slots(wiring.Component):
    """Two words in flip-flops, first in first out; for words too wide for a memory. Never written while full: credits see to that."""

    def __init__(self, shape: data.StructLayout):
        super().__init__({"put": In(1), "i": In(shape), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        waiting = Signal(self.i.shape())
        waits = Signal()
        leaves = ~self.o.valid | self.o.ready
        with m.If(leaves):
            m.d.sync += [self.o.payload.eq(Mux(waits, waiting, self.i)), self.o.valid.eq(waits | self.put), waits.eq(waits & self.put)]
        with m.Elif(self.put):
            m.d.sync += waits.eq(1)
        with m.If(self.put):
            m.d.sync += waiting.eq(self.i)
        return m


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
        super().__init__({"put": In(1), "i": In(self._word), "returned": Out(1), "o": Out(stream.Signature(Pick(size, value_bits)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape = self._word
        head, valid, pop = self._store(m)

        # First stage: the next block with a fired neuron; the word leaves with its last one.
        taken = Signal(shape.blocks)
        todo = Signal(shape.blocks)
        chosen = Signal(shape.blocks)  # one hot
        m.d.comb += todo.eq(head.some & ~taken)
        m.d.comb += chosen.eq(Cat(todo[k] & ~todo[:k].any() for k in range(shape.blocks)))
        last_block = Signal()
        m.d.comb += last_block.eq((todo & ~chosen) == 0)

        block = Signal(data.StructLayout({"fire": BLOCK, "base": bits_for(self._size + self._lanes), "any": 1, "single": 1,
                                          "last": 1, "closing": 1,
                                          **({"values": data.ArrayLayout(shape.value_bits, BLOCK)} if shape.value_bits else {})}))
        busy, leaves = Signal(), Signal()
        group_base = Signal(bits_for(self._size + self._lanes))
        speaks = todo.any() | head.last
        load = valid & speaks & (~busy | leaves)
        m.d.comb += pop.eq(valid & (~speaks | (load & last_block)))
        with m.If(load):
            m.d.sync += [
                taken.eq(taken | chosen), busy.eq(1),
                block.fire.eq(_select(chosen, head.fire, BLOCK)), block.any.eq(todo.any()), block.single.eq((chosen & head.single).any()),
                block.closing.eq(head.closing), block.last.eq(last_block & head.last),
                block.base.eq(group_base + _select(chosen, Cat(Const(k * BLOCK, len(group_base)) for k in range(shape.blocks)),
                                                   len(group_base))),
            ]
            if shape.value_bits:
                m.d.sync += block.values.as_value().eq(_select(chosen, head.values.as_value(), BLOCK * shape.value_bits))
        with m.Elif(leaves):
            m.d.sync += busy.eq(0)
        with m.If(pop):
            m.d.sync += [taken.eq(0), group_base.eq(Mux(head.last, 0, group_base + self._lanes))]

        # Second stage: the block's neurons, lowest first; then the tick or the end.
        lowest = Signal(range(BLOCK))
        for k in reversed(range(BLOCK)):
            with m.If(block.fire[k]):
                m.d.comb += lowest.eq(k)
        m.d.comb += [
            self.o.valid.eq(busy), self.o.payload.address.eq(Mux(block.any, block.base + lowest, 0)),
            self.o.payload.tick.eq(~block.any & ~block.closing), self.o.payload.end.eq(~block.any & block.closing),
            leaves.eq(self.o.ready & Mux(block.last, ~block.any, block.single)),
        ]
        if shape.value_bits:
            m.d.comb += self.o.payload.value.eq(block.values[lowest])
        with m.If(busy & self.o.ready & ~leaves):
            m.d.sync += [block.fire.eq(block.fire & (block.fire - 1)[:BLOCK]), block.any.eq(~block.single),
                         block.single.eq(sum(block.fire[k] for k in range(BLOCK)) == 2)]
        return m

    def _store(self, m: Module) -> tuple[Value, Value, Signal]:
        """The words that wait: (oldest word, whether there is one, take it)."""
        pop = Signal()
        m.d.comb += self.returned.eq(pop)
        if self._word.value_bits:
            m.submodules.waiting = slots = Slots(self._word)
            m.d.comb += [slots.put.eq(self.put), slots.i.eq(self.i), slots.o.ready.eq(pop)]
            return slots.o.payload, slots.o.valid, pop
        m.submodules.waiting = store = fifo.SyncFIFO(width=self._word.size, depth=self._slots)
        head = Signal(self._word)
        m.d.comb += [store.w_en.eq(self.put), store.w_data.eq(self.i), store.r_en.eq(pop), head.eq(store.r_data)]
        return head, store.r_rdy, pop


def _select(one_hot: Value, fields: Value, width: int) -> Value:
    """The field of `width` bits that the hot bit names."""
    padded = fields if len(fields) == width * len(one_hot) else Cat(fields, Const(0, width * len(one_hot) - len(fields)))
    selected: Value = Const(0, width)
    for k in range(len(one_hot)):
        selected = selected | (padded.word_select(k, width) & one_hot[k].replicate(width))
    return selected
