"""The largest of many sums, and whose it is."""

from amaranth.hdl import Const, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import bits_for, delay
from polyrhythm.sw.plan.parameters import STANDARD, Parameters

Entry = tuple[Value, Value, Value]  # sum, lane, whether there is such a neuron


class Winner(wiring.Component):
    """The largest of `lanes` sums and its lane, the lowest on a tie; one word per cycle, `latency`
    cycles later.

    `partial` marks a word whose lanes from `used` on belong to no neuron.
    """

    def __init__(self, lanes: int, used: int, bits: int, parameters: Parameters = STANDARD):
        self._used, self._bits, self._radix = used, bits, parameters.winner_radix
        super().__init__(
            {
                "i": In(data.ArrayLayout(signed(bits), lanes)),
                "partial": In(1),
                "best": Out(signed(bits)),
                "lane": Out(bits_for(lanes - 1)),
            }
        )
        self.latency = parameters.winner_stages(lanes)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = len(self.i)
        entries: list[Entry] = [
            (self.i[k], Const(k, self.lane.shape()), ~self.partial if k >= self._used else Const(1))
            for k in range(lanes)
        ]
        for level in range(self.latency // 2):
            entries = [
                self._node(m, f"{level}_{k}", entries[k : k + self._radix])
                for k in range(0, len(entries), self._radix)
            ]
        m.d.comb += [self.best.eq(entries[0][0]), self.lane.eq(entries[0][1])]
        return m

    def _node(self, m: Module, name: str, entries: list[Entry]) -> Entry:
        """The winner of up to four entries in two stages: that of each pair, then of the pairs'."""
        for stage in range(2):
            entries = [
                self._pair(m, f"{name}_{stage}_{k // 2}", entries[k : k + 2])
                for k in range(0, len(entries), 2)
            ]
        return entries[0]

    def _pair(self, m: Module, name: str, entries: list[Entry]) -> Entry:
        """The better of two entries, or the only one, a cycle later."""
        value, lane, real = entries[0]
        if len(entries) == 2:
            later, later_lane, later_real = entries[1]
            # The sign of the difference is the comparison, and on a tie the lower lane stays. It is
            # real wherever the other one is.
            beats = later_real & (value - later)[-1]
            value, lane = _choice(beats, later, value), _choice(beats, later_lane, lane)
        best, winner = (
            Signal(signed(self._bits), name=f"best_{name}"),
            Signal.like(self.lane, name=f"lane_{name}"),
        )
        m.d.sync += [best.eq(value), winner.eq(lane)]
        return best, winner, _delay(m, real, 1, f"real_{name}")


def _choice(chosen: Value, this: Value, other: Value) -> Value:
    """`this` where it is chosen, else `other`; no `Mux`, of which synthesis would make resets where
    one side is a constant, and a reset comes a lookup table later."""
    every = chosen.replicate(len(this))
    return (this.as_unsigned() & every) | (other.as_unsigned() & ~every)


def _delay(m: Module, value: Value, cycles: int, name: str) -> Value:
    """`delay`, except that a constant stays one."""
    return value if isinstance(value, Const) else delay(m, value, cycles, name)
