"""Words of fired neurons in, one event per cycle out, lowest neuron first."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import delay
from polyrhythm.hw.lib.operations import CreditedSignature
from polyrhythm.hw.output.chooser import Chooser
from polyrhythm.hw.output.sender import Sender
from polyrhythm.hw.output.values import WaitingValues
from polyrhythm.hw.output.words import FiredWord, WaitingWord, describe
from polyrhythm.hw.stream.pick import Pick
from polyrhythm.hw.stream.queue import Queue
from polyrhythm.sw.plan.layout import Layout
from polyrhythm.sw.plan.parameters import STANDARD, Parameters


class Serializer(wiring.Component):
    """Sends the fired neurons of each word, then the tick or the end that the word closes.

    Two stages, each small whatever the number of lanes: `Chooser` takes the next block of lanes in
    which somebody fired, `Sender` sends that block's neurons. Silent blocks and words cost no cycle
    at the output as long as it is busy. Words wait as bit masks; their values stay where they were
    put (`WaitingValues`). Latency is `Parameters.gather_stages` cycles to the queue, then at least
    2; one event per cycle.

    Parameters
    ----------
    layout : Layout      where the neurons of each word's lanes stand
    value_bits : int     of what a lane says beside that it fired; 0: nothing
    slots : int          words that may wait, each of which has taken a credit
    position             layout of a word's position, given where words come in any order
    """

    def __init__(
        self,
        layout: Layout,
        value_bits: int,
        slots: int,
        position: data.StructLayout | None = None,
        parameters: Parameters = STANDARD,
        profiles: int = 1,
    ):
        self._layout, self._slots, self._value_bits = layout, slots, value_bits
        self._word = WaitingWord(layout, parameters.block, position, profiles)
        self._block = parameters.block
        self._stored = parameters.stored(bool(value_bits), slots)
        self._gather = parameters.gather_stages(layout.lanes, self._stored)
        word = FiredWord(layout.lanes, value_bits, position, profiles)
        pick = Pick(layout.target, value_bits, profiles)
        super().__init__({"i": In(CreditedSignature(word)), "o": Out(stream.Signature(pick))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pick, stride = self.o.payload.shape(), self._layout.target.channel_low
        m.submodules.waiting = waiting = Queue(self._word, self._slots)
        m.submodules.chooser = chooser = Chooser(self._word, self._block)
        choice = chooser.o.payload.shape()
        m.submodules.sender = sender = Sender(choice, pick, stride, self._value_bits)
        wiring.connect(m, waiting.o, chooser.i)
        word = self.i.words.payload
        # Far lanes get a cycle to travel; values are not moved at all.
        gathered = delay(m, word.fired, self._gather, "gathered", reset_less=True)
        m.d.comb += [
            waiting.i.valid.eq(delay(m, self.i.words.valid, self._gather, "put")),
            *describe(waiting.i.payload, gathered),
            self.i.returned.eq(sender.i.valid & sender.i.ready & sender.i.payload.final),
        ]
        if self._value_bits:
            self._with_values(m, chooser, sender)
        else:
            wiring.connect(m, chooser.o, sender.i)
        wiring.connect(m, sender.o, wiring.flipped(self.o))
        return m

    def _with_values(self, m: Module, chooser: Chooser, sender: Sender) -> None:
        """Between the two stages each choice finds its lanes' values."""
        # A queue gives the choice of a block a cycle to reach them. Where there are several blocks
        # it has two places, so that its `ready`, on which the choice hangs, comes from a flip-flop.
        m.submodules.between = between = Queue(
            chooser.o.payload.shape(), min(2, len(self._word.blocks))
        )
        m.submodules.values = values = WaitingValues(
            self._word.blocks, self._block, self._value_bits, self._slots, self._stored
        )
        wiring.connect(m, chooser.o, between.i)
        goes = values.readable | ~between.o.payload.any  # who says nothing needs no values
        m.d.comb += [
            sender.i.payload.eq(between.o.payload),
            sender.i.valid.eq(between.o.valid & goes),
            between.o.ready.eq(sender.i.ready & goes),
            values.put.eq(self.i.words.valid),
            values.i.eq(self.i.words.payload["values"]),
            values.take.eq(self.i.returned),
            values.chosen.eq(sender.i.payload.chosen),
            sender.values.eq(values.o),
        ]
