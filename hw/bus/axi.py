"""The accelerator behind AXI: AXI4-Stream for frames and answers, AXI4-Lite for its registers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.bus.axi_lite import AxiLite, lite_ports
from polyrhythm.hw.bus.axi_stream import LAST_BITS, BeatsOut, WordsIn, beat_bits, word_bits
from polyrhythm.hw.bus.bank import Bank
from polyrhythm.hw.bus.counted import Counted
from polyrhythm.hw.bus.map import BUS, accelerator_map
from polyrhythm.hw.bus.registers import Register
from polyrhythm.hw.layer import result_of
from polyrhythm.hw.lib.rom import HexRom, Rom
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.top import Port
from polyrhythm.sw.plan.names import top_name
from polyrhythm.sw.plan.network import NetworkPlan

LAST_DOC = (
    "words since the reset whose TLAST was not their field end, at most "
    f"{(1 << LAST_BITS) - 1}: the frame ends where the field says so"
)


def registers(plan: NetworkPlan) -> list[Register]:
    """The register map: the network's digest at 0, counters, faults, and what AXI has of its
    own."""
    told = "of the network's digest, its first byte in bits [7:0]"
    rows = [
        replace(row, name=row.name.replace("identity", "digest"), doc=told)
        if row.access == "constant"
        else row
        for row in accelerator_map(plan, bytes.fromhex(plan.digest))
    ]
    return [*rows, Register("axi_last", BUS, "status", LAST_BITS, LAST_DOC)]


def ports_of(plan: NetworkPlan) -> list[Port]:
    """All ports of the top module in their order."""
    event, result = Event.of(plan.input), result_of(plan.readout)
    fields = ", ".join(
        f"{name} in bits [{at['low']} +: {at['bits']}]" for name, at in event.places.items()
    )
    beats = f"a beat for the class, then {result['logits'].shape.length} for the signed logits"
    there = [
        Port("aclk", "input", 1, "clock of all channels, rising edge"),
        Port("aresetn", "input", 1, "synchronous reset, active low"),
        *_stream("s_axis", "input", word_bits(event), fields, "on the word with end"),
        *_stream("m_axis", "output", beat_bits(result), beats, "on an answer's last beat"),
    ]
    lite = lite_ports().items()
    return there + [Port(f"s_axi_{name}", way, bits, _lite_doc(name)) for name, (way, bits) in lite]


def _stream(prefix: str, way: str, bits: int, told: str, last: str) -> list[Port]:
    back = "output" if way == "input" else "input"
    return [
        Port(f"{prefix}_tdata", way, bits, told),
        Port(f"{prefix}_tvalid", way, 1, "a beat is offered"),
        Port(f"{prefix}_tready", back, 1, "it is taken at this clock edge if tvalid is high"),
        Port(f"{prefix}_tlast", way, 1, last),
    ]


def _lite_doc(name: str) -> str:
    channel = name[: 2 if name[:2] in ("aw", "ar") else 1]
    told = {"prot": "is not looked at", "strb": "must be all ones, else the write is refused"}
    told |= {"resp": "0: OKAY; 2: SLVERR, refused and nothing changed"}
    return f"registers, channel {channel.upper()}{told.get(name[len(channel) :], '') and ': '}" + (
        told.get(name[len(channel) :], "")
    )


class AxiTop(wiring.Component):
    """`Counted` behind AXI, with the ports of `ports_of`; no path leads from an input to an output
    within a cycle.

    name, rom: as of `hw.top.Top`
    """

    def __init__(self, plan: NetworkPlan, rom: type[Rom] | None = None, name: str | None = None):
        self.name = name or top_name(plan.name)
        self.plan, self._rom = plan, rom or HexRom.of(self.name)
        self.ports = ports_of(plan)
        ways = {"input": In, "output": Out}
        super().__init__({port.name: ways[port.dir](port.bits) for port in self.ports})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync")
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        m.submodules.counted = counted = Counted(self.plan, self._rom)
        m.submodules.words = words = WordsIn(Event.of(self.plan.input))
        m.submodules.beats = beats = BeatsOut(result_of(self.plan.readout))
        m.submodules.lite = lite = AxiLite()
        m.submodules.bank = bank = Bank(registers(self.plan))
        wiring.connect(m, words.o, counted.i)
        wiring.connect(m, counted.o, beats.i)
        wiring.connect(m, lite.port, bank.port)
        m.d.comb += [
            words.i.payload.data.eq(self.s_axis_tdata),
            words.i.payload.last.eq(self.s_axis_tlast),
            words.i.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(words.i.ready),
            self.m_axis_tdata.eq(beats.o.payload.data),
            self.m_axis_tlast.eq(beats.o.payload.last),
            self.m_axis_tvalid.eq(beats.o.valid),
            beats.o.ready.eq(self.m_axis_tready),
        ]
        for name, (way, _) in lite_ports().items():
            ours, theirs = getattr(self, f"s_axi_{name}"), getattr(lite, name)
            m.d.comb += theirs.eq(ours) if way == "input" else ours.eq(theirs)
        self._show(m, bank, counted, words)
        return m

    def _show(self, m: Module, bank: Bank, counted: Counted, words: WordsIn) -> None:
        """What the status registers read."""
        shown = counted.shown() | {"axi_last": words.differs}
        for row in bank.rows:
            if row.access == "status":
                m.d.comb += getattr(bank, f"s_{row.name}").eq(shown[row.name])

    def usage(self) -> list[str]:
        """How it is used, for the head of the Verilog."""
        steps = self.plan.ticks
        return [
            "A frame goes in as words on s_axis, spikes and a last one with end and TLAST"
            + (f"; words with tick separate its {steps} time steps." if steps > 1 else "."),
            "Its answer comes out as beats on m_axis. registers.json has the registers of s_axi.",
        ]


def interface(top: AxiTop, plain: Mapping[str, Any]) -> dict[str, Any]:
    """What interface.json says of an AXI export; plain: of the same accelerator without a bus."""
    event, result = Event.of(top.plan.input), result_of(top.plan.readout)
    kept = ("format", "top", "digest", "network", "schedule", "coding", "input", "output", "layers")
    return {
        **{key: plain[key] for key in kept},
        "clock": "aclk",
        "reset": "aresetn",
        "bus": {
            "kind": "axi",
            "word_bits": word_bits(event),
            "word": event.places,
            "beat_bits": beat_bits(result),
            "beats": 1 + result["logits"].shape.length,
        },
        "files": plain["files"],
        "ports": [
            {"name": port.name, "dir": port.dir, "bits": port.bits, "doc": port.doc}
            for port in top.ports
        ],
    }
