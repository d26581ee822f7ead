"""The board's end of the link with its accelerator: two wires and two lights."""

from dataclasses import replace
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.boards.link.dispatcher import Dispatcher
from polyrhythm.boards.link.framer import Framer
from polyrhythm.boards.link.identity import ADDRESS, Identity, identity_table
from polyrhythm.boards.link.layout import pixel_bits
from polyrhythm.boards.link.receiver import FAULTS, Receiver
from polyrhythm.boards.link.results import ResultPacker, Tag
from polyrhythm.boards.link.sender import Sender
from polyrhythm.boards.link.uart import divisor
from polyrhythm.boards.link.unpack import PixelUnpacker, WordUnpacker
from polyrhythm.hw.bus.bank import Bank
from polyrhythm.hw.bus.counted import Counted
from polyrhythm.hw.bus.registers import Register, constants
from polyrhythm.hw.layer import result_of
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.queue import Queue
from polyrhythm.sw.plan.network import NetworkPlan

SLOTS = 4  # data packets that the host may have on their way
FRAMES = 3  # closed frames in the accelerator


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
        told = Identity.of(plan, self.clock_hz, SLOTS).encode()
        ident = constants("identity", ADDRESS, told, "the identification, see HELLO")
        m.submodules.accelerator = core = Counted(plan, self._rom)
        m.submodules.receiver = receiver = Receiver(self._divisor, SLOTS)
        m.submodules.sender = sender = Sender(self._divisor)
        m.submodules.dispatcher = dispatcher = Dispatcher((ident[0].address, len(ident)))
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
            results.cycles.eq(core.counts.cycles),
        ]
        with m.If(~words.o.valid):
            m.d.comb += framer.i.payload.eq(pixels.o.payload)
        self._arbitrate(m, dispatcher.o, results.o, sender.i)
        rows, shown = self._registers(m, core, receiver, dispatcher)
        if plan.swappable is not None:
            # Another network's digest must be able to take this one's place.
            ident = [replace(row, access="status", value=0) for row in ident]
            m.submodules.identity = memory = self._rom(identity_table(told))
            m.d.comb += memory.address.eq((dispatcher.port.address - ADDRESS)[2:])
            shown |= {row.name: memory.data for row in ident}
            rows += ident
            ident = []
        m.submodules.bank = bank = Bank([*ident, *rows])
        wiring.connect(m, dispatcher.port, bank.port)
        for row in rows:
            if row.access == "status":
                m.d.comb += getattr(bank, f"s_{row.name}").eq(shown[row.name])
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

    def _registers(
        self, m: Module, core: Counted, receiver: Receiver, dispatcher: Dispatcher
    ) -> tuple[list[Register], dict[str, Value]]:
        rows, shown, at = list[Register](), dict[str, Value](), 0x100
        for name in core.counts.shape().members:
            value = core.counts[name]
            rows.append(Register(name, at, "status", len(value), ""))
            shown[name] = value
            at += 4
        at = 0x140
        for name in core.status.shape().members:
            value = core.status[name]
            rows.append(Register(f"input_{name}", at, "status", len(value), ""))
            shown[f"input_{name}"] = value
            at += 4
        at = 0x180
        for k, name in enumerate((*FAULTS, "unknown")):
            total = Signal(16, name=f"link_{name}")
            hit = receiver.fault[k] if k < len(FAULTS) else dispatcher.unknown
            m.d.sync += total.eq(total + hit)
            rows.append(Register(f"link_{name}", at, "status", 16, ""))
            shown[f"link_{name}"] = total
            at += 4
        rows.append(Register("scratch", 0x8, "control", 8, ""))
        return rows, shown
