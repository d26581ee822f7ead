"""The answer: collects the readout's sums and finds the class, the lowest index on a tie
(docs/contract.md 1.4)."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import bits_for, delay
from polyrhythm.hw.lib.operations import CreditedSignature
from polyrhythm.hw.output.winner import Winner
from polyrhythm.sw.plan.parameters import STANDARD, Parameters


class Result(data.StructLayout):
    """class: the winner; logits: the sums of all classes."""

    def __init__(self, classes: int, bits: int):
        logits = data.ArrayLayout(signed(bits), classes)
        super().__init__({"class": bits_for(classes - 1), "logits": logits})


class SummedWord(data.StructLayout):
    """A swept group of a readout: its sums, which group, and whether in the frame's last tick."""

    def __init__(self, groups: int, lanes: int, bits: int):
        sums = data.ArrayLayout(signed(bits), lanes)
        super().__init__({"group": bits_for(groups - 1), "closing": 1, "sums": sums})


class Readout(wiring.Component):
    """Groups of finished sums in, one result per frame out.

    Latency is `Winner.latency` + 1 cycles from the frame's last word; one word per cycle.

    Members
    -------
    i        finished groups (`SummedWord`); the credit of a frame's last one is given back when its
             result is taken
    o        class and logits
    running  the sums of all classes, after each tick of the readout
    """

    def __init__(self, classes: int, lanes: int, bits: int, parameters: Parameters = STANDARD):
        self._classes, self._lanes, self._bits = classes, lanes, bits
        self._groups, self._parameters = -(-classes // lanes), parameters
        result = Result(classes, bits)
        running = stream.Signature(result["logits"].shape, always_ready=True)
        word = SummedWord(self._groups, lanes, bits)
        super().__init__(
            {
                "i": In(CreditedSignature(word)),
                "o": Out(stream.Signature(result)),
                "running": Out(running),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        done, word = self.i.words.valid, self.i.words.payload
        last, running = word.group == self._groups - 1, self.running.payload
        for n in range(self._classes):
            group, lane = divmod(n, self._lanes)
            with m.If(done & (word.group == group)):
                m.d.sync += running[n].eq(word.sums[lane])
        # Logits are copied with a frame's last group, so the next frame can begin to overwrite.
        # That group comes straight from its sums.
        answer, closes = self.o.payload, done & last & word.closing
        m.d.sync += self.running.valid.eq(done & last)
        before = (self._groups - 1) * self._lanes
        with m.If(closes):
            for n in range(self._classes):
                logit = running[n] if n < before else word.sums[n - before]
                m.d.sync += answer.logits[n].eq(logit)
        winning, ends = self._winning(m, done, last, closes)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(ends):
            m.d.sync += [self.o.valid.eq(1), answer["class"].eq(winning)]
        m.d.comb += self.i.returned.eq(self.o.valid & self.o.ready)
        return m

    def _winning(self, m: Module, done: Value, last: Value, closes: Value) -> tuple[Value, Value]:
        """The winning class of the groups up to one, and whether that is a frame's last group."""
        word, used = self.i.words.payload, self._classes - (self._groups - 1) * self._lanes
        m.submodules.winner = winner = Winner(self._lanes, used, self._bits, self._parameters)
        m.d.comb += [winner.i.eq(word.sums), winner.partial.eq(last)]
        done = delay(m, done, winner.latency, "done")
        group = delay(m, word.group, winner.latency, "group")
        ends = delay(m, closes, winner.latency, "closes")
        if self._groups == 1:
            return winner.lane, ends
        # Strictly better only: on a tie the earlier group, with the lower classes, stays.
        best = Signal(signed(self._bits), name="best")
        best_class = Signal(range(self._classes), name="best_class")
        base = Signal(range(self._groups * self._lanes), name="base")
        better = (group == 0) | (best - winner.best)[-1]
        chosen = Mux(better, base + winner.lane, best_class)
        with m.If(done):
            following = Mux(group == self._groups - 1, 0, base + self._lanes)
            m.d.sync += [best_class.eq(chosen), base.eq(following)]
            with m.If(better):
                m.d.sync += best.eq(winner.best)
        return chosen, ends
