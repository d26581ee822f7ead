"""The answer: collects the readout's sums and finds the class, the lowest index on a tie (docs/contract.md 1.4)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.stream.event import bits_for, delay
from polyrhythm.sw.plan.parameters import WINNER_RADIX, winner_stages

Entry = tuple[Value, Value, Value]  # sum, lane, whether there is such a neuron


class Result(data.StructLayout):
    """class: the winner; logits: the sums of all classes."""

    def __init__(self, classes: int, bits: int):
        super().__init__({"class": bits_for(classes - 1), "logits": data.ArrayLayout(signed(bits), classes)})


class Winner(wiring.Component):
    """The largest of `lanes` sums and its lane, the lowest on a tie; one word per cycle, `latency` cycles later.

    `partial` marks a word whose lanes from `used` on belong to no neuron.
    """

    def __init__(self, lanes: int, used: int, bits: int):
        self._used, self._bits = used, bits
        super().__init__(
            {
                "i": In(data.ArrayLayout(signed(bits), lanes)),
                "partial": In(1),
                "best": Out(signed(bits)),
                "lane": Out(bits_for(lanes - 1)),
            }
        )
        self.latency = winner_stages(lanes)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = len(self.i)
        entries: list[Entry] = [
            (self.i[k], Const(k, self.lane.shape()), ~self.partial if k >= self._used else Const(1)) for k in range(lanes)
        ]
        for level in range(self.latency // 2):
            entries = [self._node(m, f"{level}_{k}", entries[k : k + WINNER_RADIX]) for k in range(0, len(entries), WINNER_RADIX)]
        m.d.comb += [self.best.eq(entries[0][0]), self.lane.eq(entries[0][1])]
        return m

    def _node(self, m: Module, name: str, entries: list[Entry]) -> Entry:
        """The winner of up to four entries in two stages: all comparisons side by side, then the choice that they make."""
        later = [
            (delay(m, value, 1, f"sum_{name}_{k}"), _delay(m, lane, 1, f"from_{name}_{k}"))
            for k, (value, lane, _) in enumerate(entries)
        ]
        beats = {(a, b): Signal(name=f"beats_{name}_{a}_{b}") for b in range(len(entries)) for a in range(b)}  # b beats a
        for (a, b), flag in beats.items():
            m.d.sync += flag.eq(entries[b][2] & (entries[b][0] > entries[a][0]))
        best, winner = Signal(signed(self._bits), name=f"best_{name}"), Signal.like(self.lane, name=f"lane_{name}")
        sums, lanes = Const(0, self._bits), Const(0, len(winner))
        for k, (value, lane) in enumerate(later):  # it beats all before it and is beaten by none behind it
            wins = Cat([beats[a, k] for a in range(k)] + [~beats[k, b] for b in range(k + 1, len(entries))]).all()
            sums = sums | (value.as_unsigned() & wins.replicate(self._bits))
            lanes = lanes | (lane & wins.replicate(len(winner)))
        m.d.sync += [best.eq(sums), winner.eq(lanes)]
        return best, winner, _delay(m, entries[0][2], 2, f"real_{name}")


def _delay(m: Module, value: Value, cycles: int, name: str) -> Value:
    """`delay`, except that a constant stays one."""
    return value if isinstance(value, Const) else delay(m, value, cycles, name)


class Readout(wiring.Component):
    """Groups of finished sums in, one result per frame out.

    Members
    -------
    done, group, closing, sums : a finished word, as of `Charge` or `Membrane`
    returned                   : gives back the credit of the frame's last sweep: its result has been taken
    o                          : class and logits, `Winner.latency` + 1 cycles after the frame's last word
    tick, running              : the sums after one tick of the readout stand on `running`
    """

    def __init__(self, classes: int, lanes: int, bits: int):
        self._classes, self._lanes, self._bits, self._groups = classes, lanes, bits, -(-classes // lanes)
        super().__init__(
            {
                "done": In(1),
                "group": In(bits_for(self._groups - 1)),
                "closing": In(1),
                "sums": In(data.ArrayLayout(signed(bits), lanes)),
                "returned": Out(1),
                "o": Out(stream.Signature(Result(classes, bits))),
                "tick": Out(1),
                "running": Out(data.ArrayLayout(signed(bits), classes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        last = self.group == self._groups - 1
        for n in range(self._classes):
            group, lane = divmod(n, self._lanes)
            with m.If(self.done & (self.group == group)):
                m.d.sync += self.running[n].eq(self.sums[lane])
        answer = self.o.payload
        m.d.sync += self.tick.eq(self.done & last)
        with m.If(delay(m, self.done & last & self.closing, 1, "complete")):
            m.d.sync += answer.logits.eq(self.running)

        m.submodules.winner = winner = Winner(self._lanes, self._classes - (self._groups - 1) * self._lanes, self._bits)
        m.d.comb += [winner.i.eq(self.sums), winner.partial.eq(last)]
        done, group = delay(m, self.done, winner.latency, "done"), delay(m, self.group, winner.latency, "group")
        closes = delay(m, self.done & last & self.closing, winner.latency, "closes")
        winning = self._over_groups(m, winner, done, group)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(closes):
            m.d.sync += [self.o.valid.eq(1), answer["class"].eq(winning)]
        m.d.comb += self.returned.eq(self.o.valid & self.o.ready)
        return m

    def _over_groups(self, m: Module, winner: Winner, done: Value, group: Value) -> Value:
        """The winning class of the groups up to this one."""
        if self._groups == 1:
            return winner.lane
        best = Signal(signed(self._bits), name="best")
        best_class = Signal(range(self._classes), name="best_class")
        base = Signal(range(self._groups * self._lanes), name="base")
        better = (group == 0) | (winner.best > best)
        chosen = Mux(better, base + winner.lane, best_class)
        with m.If(done):
            m.d.sync += [best_class.eq(chosen), base.eq(Mux(group == self._groups - 1, 0, base + self._lanes))]
            with m.If(better):
                m.d.sync += best.eq(winner.best)
        return chosen
