"""Sum pooling as re-addressing: the blocks' addresses take the place of their places'."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.addresses import AddressMap


class Pool(wiring.Component):
    """Events of a map in, events of its blocks of pool x pool out, no latency; places that fill no
    block are dropped.

    Events of one block add up in whoever receives them. A dropped event costs its cycle.
    """

    def __init__(self, event: Event, pool: int):
        channels, rows, columns = event.source.shape
        self._event, self._pool = event, pool
        pooled = Event(
            AddressMap((channels, rows // pool, columns // pool)),
            event.max_count,
            event.signed,
            event.profiles,
        )
        super().__init__({"i": In(stream.Signature(event)), "o": Out(stream.Signature(pooled))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        source, target, word = self._event.source, self.o.payload.shape().source, self.i.payload
        low, high = source.column_bits, source.channel_low
        column, row = word.address[:low], word.address[low:high]
        # Rows and columns that fill no block belong to nobody.
        inside = (column < target.shape[2] * self._pool) & (row < target.shape[1] * self._pool)
        drop = ~inside & ~(word.tick | word.end)
        m.d.comb += [
            *(
                self.o.payload[field].eq(word[field])
                for field in word.shape().members
                if field != "address"
            ),
            self.o.payload.address.eq(
                Cat(
                    self._block(column, source.shape[2])[: target.column_bits],
                    self._block(row, source.shape[1])[: target.row_bits],
                    word.address[high:],
                )
            ),
            self.o.valid.eq(self.i.valid & ~drop),
            self.i.ready.eq(self.o.ready | drop),
        ]
        return m

    def _block(self, place: Value, size: int) -> Value:
        """place // pool: bits where the pool is a power of two, else a table."""
        blocks: Sequence[int] = [n // self._pool for n in range(size)]
        if self._pool & (self._pool - 1) == 0:
            return place[self._pool.bit_length() - 1 :]
        return Array(Const(block, max(blocks[-1].bit_length(), 1)) for block in blocks)[place]
