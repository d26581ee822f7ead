"""Wide words that wait where they were written, and the selection of their blocks."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import delay, select, spread
from polyrhythm.hw.lib.ram import memory_of, read_port, write_port

STANDING = 2  # so many words stand in flip-flops; more in a memory


class WaitingValues(wiring.Component):
    """The values of the words that wait, each word where it was put: moving it would take a wide
    enable. Two words stand in flip-flops, more in a memory. One word in and one out per cycle.

    Members
    -------
    put, i   a word
    take     the oldest word leaves
    chosen   one of its blocks, one hot
    o        that block's values
    readable they are those of the oldest word: from the second cycle after its put and the one
             after the take before it; `registered`, between registers: from the third after both
    """

    def __init__(
        self,
        blocks: Sequence[range],
        block: int,
        value_bits: int,
        words: int,
        registered: bool = False,
    ):
        """blocks: the lanes of each block, at most `block` of them."""
        self._blocks, self._words, self._registered = blocks, words, registered
        super().__init__(
            {
                "put": In(1),
                "i": In(data.ArrayLayout(value_bits, blocks[-1].stop)),
                "take": In(1),
                "chosen": In(len(blocks)),
                "o": Out(data.ArrayLayout(value_bits, block)),
                "readable": Out(1, init=1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        size = len(self.o.as_value())
        chosen, words = self._standing(m) if self._words == STANDING else self._stored(m)
        width = size // len(self.o)
        fields = [
            spread(word[lanes.start * width : lanes.stop * width], size)
            for word in words
            for lanes in self._blocks
        ]
        m.d.comb += self.o.as_value().eq(select(chosen, Cat(fields), size))
        return m

    def _standing(self, m: Module) -> tuple[Value, list[Value]]:
        """Two words in flip-flops: the choice among the blocks of both, and the words."""
        newest, oldest = (Signal(2, init=1, name=name) for name in ("newest", "oldest"))  # one hot
        with m.If(self.put):
            m.d.sync += newest.eq(newest.rotate_left(1))
        with m.If(self.take):
            m.d.sync += oldest.eq(oldest.rotate_left(1))
        words: list[Value] = []
        for k in range(2):
            word = Signal(len(self.i.as_value()), name=f"word_{k}")
            with m.If(self.put & newest[k]):
                m.d.sync += word.eq(self.i.as_value())
            words.append(word)
        return Cat(self.chosen & oldest[k].replicate(len(self.chosen)) for k in range(2)), words

    def _stored(self, m: Module) -> tuple[Value, list[Value]]:
        """Words in a memory, the oldest at its output.

        `registered`: a take reaches the memory's address a cycle later, and its word a register a
        cycle later.
        """
        attrs = {"no_rw_check": 1}  # a word that is read in the cycle of its put is not settled
        m.submodules.memory = memory = memory_of(len(self.i.as_value()), self._words, attrs=attrs)
        write, read = write_port(memory), read_port(memory)
        newest, oldest, upcoming = (
            Signal(range(self._words), name=name) for name in ("newest", "oldest", "upcoming")
        )
        with m.If(self.put):
            m.d.sync += newest.eq(Mux(newest == self._words - 1, 0, newest + 1))
        m.d.comb += [
            upcoming.eq(Mux(self.take, Mux(oldest == self._words - 1, 0, oldest + 1), oldest)),
            write.addr.eq(newest),
            write.data.eq(self.i.as_value()),
            write.en.eq(self.put),
            read.addr.eq(oldest if self._registered else upcoming),
        ]
        m.d.sync += oldest.eq(upcoming)
        if not self._registered:
            return self.chosen, [read.data]
        taken = Signal(name="taken")
        m.d.sync += [taken.eq(self.take), self.readable.eq(~(self.take | taken))]
        return self.chosen, [delay(m, read.data, 1, "word", reset_less=True)]
