"""The largest of many sums, and whose it is."""

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
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
        """The winner of up to four entries in two stages: all comparisons side by side, then the
        choice that they make."""
        later = [
            (delay(m, value, 1, f"sum_{name}_{k}"), _delay(m, lane, 1, f"from_{name}_{k}"))
            for k, (value, lane, _) in enumerate(entries)
        ]
        # B beats a
        beats = {
            (a, b): Signal(name=f"beats_{name}_{a}_{b}")
            for b in range(len(entries))
            for a in range(b)
        }
        for (a, b), flag in beats.items():
            m.d.sync += flag.eq(entries[b][2] & (entries[b][0] > entries[a][0]))
        best, winner = (
            Signal(signed(self._bits), name=f"best_{name}"),
            Signal.like(self.lane, name=f"lane_{name}"),
        )
        sums, lanes = Const(0, self._bits), Const(0, len(winner))
        # It beats all before it and is beaten by none behind it
        for k, (value, lane) in enumerate(later):
            wins = Cat(
                [beats[a, k] for a in range(k)] + [~beats[k, b] for b in range(k + 1, len(entries))]
            ).all()
            sums = sums | (value.as_unsigned() & wins.replicate(self._bits))
            lanes = lanes | (lane & wins.replicate(len(winner)))
        m.d.sync += [best.eq(sums), winner.eq(lanes)]
        return best, winner, _delay(m, entries[0][2], 2, f"real_{name}")


def _delay(m: Module, value: Value, cycles: int, name: str) -> Value:
    """`delay`, except that a constant stays one."""
    return value if isinstance(value, Const) else delay(m, value, cycles, name)
