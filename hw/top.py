"""The accelerator behind flat, documented ports, as the exported Verilog shows it."""

from collections.abc import Iterator
from dataclasses import dataclass

from amaranth.hdl import Module, Shape
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.accelerator import Accelerator
from polyrhythm.hw.layer import result_of, sent_by
from polyrhythm.hw.lib.rom import HexRom, Rom
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.input_checker import FAULT_DOC, Status
from polyrhythm.sw.plan.addresses import AddressMap
from polyrhythm.sw.plan.names import top_name
from polyrhythm.sw.plan.network import NetworkPlan


@dataclass(frozen=True)
class Port:
    """One port of the top module; `dir` is "input" or "output"."""

    name: str
    dir: str
    bits: int
    doc: str


EVENT_DOC = {
    "address": "neuron that spiked, 0..{last}",
    "count": "how many spikes the word stands for, 1..{most}",
    "negative": "the word takes one spike back",
    "tick": "no spike: closes a time step that is not the frame's last",
    "end": "no spike: closes the frame's last time step, and the frame",
    "profile": "number of the frame's profile, the same on all its words",
    "i_profile": "number of the frame's profile, the same on all its words: {profiles}",
    "i_address": "neuron that spiked, 0..{last}; ascends within a time step, so none comes twice",
}


def _event_ports(
    prefix: str, direction: str, event: Event, last: int, most: int, profiles: str = ""
) -> Iterator[Port]:
    for field, shape in event.members.items():
        told = EVENT_DOC.get(f"{prefix}_{field}", EVENT_DOC[field])
        doc = told.format(last=last, most=most, profiles=profiles)
        if field == "address" and event.source.channel_low:
            doc = doc.replace(f"0..{last}", _parts(event.source))
        yield Port(f"{prefix}_{field}", direction, Shape.cast(shape).width, doc)


def _profiles(plan: NetworkPlan) -> str:
    """Which profile each number is."""
    told = []
    for k, name in enumerate(plan.profiles):
        T = ", ".join(str(layer.steps[k].T) for layer in plan.layers)
        told.append(f"{k} {'its own' if name is None else name}, T {T}")
    return "; ".join(told)


def _parts(source: AddressMap) -> str:
    """Where an address of a map has its channel, row and column."""
    low, high = source.column_bits, source.channel_low
    column = f"column 0..{source.shape[2] - 1} in bits [0 +: {low}]"
    row = f"row 0..{source.shape[1] - 1} in bits [{low} +: {high - low}]"
    return f"{column}, {row}, channel 0..{source.shape[0] - 1} above"


ERROR_DOC = (
    "malformed input was seen and corrected, counted by the status ports; stays high until rst"
)


def ports_of(plan: NetworkPlan) -> list[Port]:
    """All ports of the top module in their order."""
    result, most = result_of(plan.readout), plan.input.max_count
    logits = result["logits"].shape
    packed = _packed(logits.length, logits.elem_shape.width)
    class_bits = Shape.cast(result["class"].shape).width
    return [
        Port("clk", "input", 1, "clock, rising edge"),
        Port("rst", "input", 1, "synchronous reset, active high"),
        Port("i_valid", "input", 1, "an input word is offered"),
        Port("i_ready", "output", 1, "the word is taken at this clock edge if i_valid is high"),
        *_event_ports(
            "i",
            "input",
            Event.of(plan.input),
            plan.input.source.neurons - 1,
            most,
            _profiles(plan),
        ),
        Port("o_valid", "output", 1, "a frame's answer is offered"),
        Port("o_ready", "input", 1, "the answer is taken at this clock edge if o_valid is high"),
        Port(
            "o_class", "output", class_bits, "class with the largest logit, the lowest one on a tie"
        ),
        Port("o_logits", "output", Shape.cast(logits).width, packed),
        Port("error", "output", 1, ERROR_DOC),
        *_status_ports(plan),
        *_live_ports(plan, logits.elem_shape.width),
        *_tap_ports(plan, logits, packed),
    ]


def _packed(classes: int, bits: int) -> str:
    return f"{classes} signed fields of {bits} bits, class k in bits [k * {bits} +: {bits}]"


def _status_ports(plan: NetworkPlan) -> Iterator[Port]:
    most = plan.input.max_count
    for fault, width in Status(Event.of(plan.input), plan.ticks).members.items():
        told = f"since rst, at most {(1 << width) - 1}: {FAULT_DOC[fault].format(most=most)}"
        yield Port(f"status_{fault}", "output", width, told)


def _live_ports(plan: NetworkPlan, bits: int) -> Iterator[Port]:
    if plan.live:
        lanes = plan.readout.layout.lanes
        told = "at any moment the readout's sums of what has reached it of the frame at hand"
        yield Port("live_logits", "output", lanes * bits, f"{told}; {_packed(lanes, bits)}")


def _tap_ports(plan: NetworkPlan, logits: data.ArrayLayout, packed: str) -> Iterator[Port]:
    for layer in plan.hidden:
        k, event = layer.index, sent_by(layer)
        told = f"observer: layer {layer.name} sends a word at this clock edge"
        yield Port(f"tap{k}_valid", "output", 1, told)
        yield from _event_ports(f"tap{k}", "output", event, event.neurons - 1, event.max_count)
    k = plan.readout.index
    told = "observer: the sums after one tick of the readout are complete"
    yield Port(f"tap{k}_valid", "output", 1, told)
    yield Port(f"tap{k}_logits", "output", Shape.cast(logits).width, packed)


class Top(wiring.Component):
    """`Accelerator` with the ports of `ports_of`; nothing but wires.

    name: of the module, one that `check_top` passes (default: made of the network's name); rom: how
    memories are built (default: as modules that read the export's hex files)
    """

    def __init__(self, plan: NetworkPlan, rom: type[Rom] | None = None, name: str | None = None):
        self.name = name or top_name(plan.name)
        self.plan, self._rom = plan, rom or HexRom.of(self.name)
        self.ports = ports_of(plan)
        super().__init__(
            {port.name: (In if port.dir == "input" else Out)(port.bits) for port in self.ports[2:]}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = core = Accelerator(self.plan, self._rom)
        for field in core.input.members:
            m.d.comb += core.i.payload[field].eq(getattr(self, f"i_{field}"))
        result, faults = core.o.payload, core.status.shape().members
        m.d.comb += [
            core.i.valid.eq(self.i_valid),
            self.i_ready.eq(core.i.ready),
            self.o_valid.eq(core.o.valid),
            core.o.ready.eq(self.o_ready),
            self.o_class.eq(result["class"]),
            self.o_logits.eq(result.logits),
            self.error.eq(core.error),
            *(getattr(self, f"status_{fault}").eq(core.status[fault]) for fault in faults),
        ]
        if self.plan.live:
            m.d.comb += self.live_logits.eq(core.live)
        for layer in self.plan.layers:
            tap, k = getattr(core, f"tap{layer.index}"), layer.index
            m.d.comb += getattr(self, f"tap{k}_valid").eq(tap.valid)
            if layer is self.plan.readout:
                m.d.comb += getattr(self, f"tap{k}_logits").eq(tap.payload)
                continue
            for field in tap.payload.shape().members:
                m.d.comb += getattr(self, f"tap{k}_{field}").eq(tap.payload[field])
        return m
