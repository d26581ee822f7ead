"""The board's end of the link with its accelerator: two wires and two lights."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.boards.link.dispatcher import Dispatcher
from polyrhythm.boards.link.framer import Framer
from polyrhythm.boards.link.layout import pixel_bits
from polyrhythm.boards.link.ledger import Ledger
from polyrhythm.boards.link.map import LINK_FAULTS, RING_BYTES, link_map
from polyrhythm.boards.link.receiver import Receiver
from polyrhythm.boards.link.results import ResultPacker, Tag
from polyrhythm.boards.link.sender import Sender
from polyrhythm.boards.link.uart import divisor
from polyrhythm.boards.link.unpack import PixelUnpacker, WordUnpacker
from polyrhythm.hw.bus.counted import Counted
from polyrhythm.hw.layer import result_of
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.queue import Queue
from polyrhythm.sw.plan.network import NetworkPlan

FRAMES = 2  # closed frames in the accelerator


class Endpoint(wiring.Component):
    """A network on a serial line.

    Parameters
    ----------
    plan : NetworkPlan
    clock_hz : float      of the domain `sync`
    baud : float          of the line; the clock must divide into it, see `uart.divisor`
    rom : type[Rom]       how memories are built

    Members
    -------
    rx, tx    the line
    alive     blinks, about once a second
    error     malformed input was seen, on the line or by the accelerator; stays until a reset
    """

    def __init__(self, plan: NetworkPlan, clock_hz: float, baud: float, rom: type[Rom] = Rom):
        self.plan, self.clock_hz, self.baud, self._rom = plan, clock_hz, baud, rom
        self._divisor = divisor(clock_hz, baud)
        super().__init__({"rx": In(1), "tx": Out(1, init=1), "alive": Out(1), "error": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, event = self.plan, Event.of(self.plan.input)
        rows = link_map(plan, self.clock_hz)
        told = sum(row.access == "constant" for row in rows)  # registers of the identification
        m.submodules.accelerator = core = Counted(plan, self._rom)
        m.submodules.receiver = receiver = Receiver(self._divisor, RING_BYTES)
        m.submodules.sender = sender = Sender(self._divisor)
        m.submodules.dispatcher = dispatcher = Dispatcher(told)
        m.submodules.words = words = WordUnpacker(event)
        m.submodules.pixels = pixels = PixelUnpacker(event, pixel_bits(plan))
        m.submodules.framer = framer = Framer(event, plan.ticks)
        m.submodules.tags = tags = Queue(Tag(), FRAMES)
        m.submodules.results = results = ResultPacker(result_of(plan.readout))
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(sender.tx)]
        wiring.connect(m, receiver.o, dispatcher.i)
        wiring.connect(m, dispatcher.tags, tags.i)
        wiring.connect(m, tags.o, results.tags)
        wiring.connect(m, framer.o, core.i)
        wiring.connect(m, core.o, results.i)
        # Bytes go to one of the unpackers, words of that one to the framer.
        chosen = dispatcher.pixels
        m.d.comb += [
            words.i.payload.eq(dispatcher.data.payload),
            pixels.i.payload.eq(dispatcher.data.payload),
            words.i.valid.eq(dispatcher.data.valid & ~chosen),
            pixels.i.valid.eq(dispatcher.data.valid & chosen),
            dispatcher.data.ready.eq((words.i.ready & ~chosen) | (pixels.i.ready & chosen)),
            framer.i.payload.eq(words.o.payload),
            framer.i.valid.eq(words.o.valid | pixels.o.valid),
            words.o.ready.eq(framer.i.ready),
            pixels.o.ready.eq(framer.i.ready & ~words.o.valid),
            dispatcher.waits.eq(receiver.waits),
            dispatcher.dropped.eq(receiver.fault.any()),
            dispatcher.busy.eq(~words.i.ready | ~pixels.i.ready),
            dispatcher.part.eq(words.part | pixels.part),
            dispatcher.closed.eq(framer.closed),
            dispatcher.ended.eq(framer.ended),
            dispatcher.wrong.eq(framer.wrong),
            framer.close.eq(dispatcher.close),
            framer.loose.eq(chosen),
            framer.begin.eq(dispatcher.begin),
            pixels.begin.eq(dispatcher.begin),
            words.restart.eq(dispatcher.begin),
            results.cycles.eq(core.counts.cycles[:8]),
            core.turn.eq(results.turn),
        ]
        with m.If(~words.o.valid):
            m.d.comb += framer.i.payload.eq(pixels.o.payload)
        self._arbitrate(m, dispatcher.o, results.o, sender.i)
        faults = zip(LINK_FAULTS, (*receiver.fault, dispatcher.unknown), strict=True)
        happens = {f"link_{name}": seen for name, seen in faults}
        happens |= {name: core.now[name] for name in ("events", "stalls", "answered")}
        m.submodules.ledger = ledger = Ledger(rows, happens, self._rom)
        wiring.connect(m, dispatcher.port, ledger.port)
        m.d.comb += ledger.stale.eq(core.now.timed)
        m.d.comb += [getattr(ledger, f"n_{name}").eq(seen) for name, seen in happens.items()]
        for name, value in core.shown().items():
            if name not in happens:
                m.d.comb += getattr(ledger, f"s_{name}").eq(value)
        blink = Signal(max(1, int(self.clock_hz / 2)).bit_length(), name="blink")
        m.d.sync += blink.eq(blink + 1)
        m.d.comb += self.alive.eq(blink[-1])
        with m.If(core.error | receiver.fault.any() | dispatcher.unknown):
            m.d.sync += self.error.eq(1)
        return m

    def _arbitrate(self, m: Module, answers: Any, results: Any, sender: Any) -> None:
        owned, second = Signal(name="owned"), Signal(name="second")
        for k, source in enumerate((answers, results)):
            with m.If(owned & (second == k)):
                m.d.comb += [
                    sender.payload.eq(source.payload),
                    sender.valid.eq(source.valid),
                    source.ready.eq(sender.ready),
                ]
        with m.If(~owned):
            m.d.sync += [
                owned.eq(answers.valid | results.valid),
                second.eq(~answers.valid),
            ]
        with m.Elif(sender.valid & sender.ready & sender.payload.last):
            m.d.sync += owned.eq(0)
