"""The accelerator behind flat, documented ports, as the exported Verilog shows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from amaranth.hdl import Module, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.accelerator import Accelerator
from polyrhythm.hw.lib.rom import HexRom, Rom
from polyrhythm.hw.names import check_top, top_name
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.input_checker import FAULT_DOC
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import Map
from polyrhythm.sw.plan.parameters import Coding
from polyrhythm.sw.plan.rom_layers import Lanes


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
    "i_address": "neuron that spiked, 0..{last}; ascends within a time step, so none comes twice",
}


def _event_ports(prefix: str, direction: str, event: Event, last: int, most: int) -> Iterator[Port]:
    for field, shape in event.members.items():
        doc = EVENT_DOC.get(f"{prefix}_{field}", EVENT_DOC[field]).format(last=last, most=most)
        if field == "address" and event.source.channel_low:
            doc = doc.replace(f"0..{last}", _parts(event.source))
        yield Port(f"{prefix}_{field}", direction, Shape.cast(shape).width, doc)


def _parts(source: Map) -> str:
    """Where an address of a map has its channel, row and column."""
    low, high = source.column_bits, source.channel_low
    column = f"column 0..{source.shape[2] - 1} in bits [0 +: {low}]"
    row = f"row 0..{source.shape[1] - 1} in bits [{low} +: {high - low}]"
    return f"{column}, {row}, channel 0..{source.shape[0] - 1} above"


def ports_of(accelerator: Accelerator) -> list[Port]:
    """All ports of the top module in their order."""
    network, result = accelerator.network, accelerator.o.payload.shape()
    size = network.input.size
    logits = result["logits"].shape
    bits = logits.elem_shape.width
    packed = f"{logits.length} signed fields of {bits} bits, class k in bits [k * {bits} +: {bits}]"
    ports = [
        Port("clk", "input", 1, "clock, rising edge"),
        Port("rst", "input", 1, "synchronous reset, active high"),
        Port("i_valid", "input", 1, "an input word is offered"),
        Port("i_ready", "output", 1, "the word is taken at this clock edge if i_valid is high"),
        *_event_ports("i", "input", accelerator.input, size - 1, network.input.max_count),
        Port("o_valid", "output", 1, "a frame's answer is offered"),
        Port("o_ready", "input", 1, "the answer is taken at this clock edge if o_valid is high"),
        Port("o_class", "output", Shape.cast(result["class"].shape).width, "class with the largest logit, the lowest one on a tie"),
        Port("o_logits", "output", Shape.cast(logits).width, packed),
        Port("error", "output", 1, "malformed input was seen and corrected, counted by the status ports; stays high until rst"),
    ]
    for fault, width in accelerator.status.shape().members.items():
        told = f"since rst, at most {(1 << width) - 1}: {FAULT_DOC[fault].format(most=network.input.max_count)}"
        ports.append(Port(f"status_{fault}", "output", width, told))
    if network.schedule == "event_driven":
        live = len(accelerator.live.as_value())
        fields = packed.replace(f"{bits}", f"{live // logits.length}")
        told = f"at any moment the readout's sums of what has reached it of the frame at hand; {fields}"
        ports.append(Port("live_logits", "output", live, told))
    for k, layer in enumerate(network.layers[:-1]):
        event = getattr(accelerator, f"tap{k}").shape()
        ports.append(Port(f"tap{k}_valid", "output", 1, f"observer: layer {layer.name} sends a word at this clock edge"))
        ports += _event_ports(f"tap{k}", "output", event, event.neurons - 1, event.max_count)
    k = len(network.layers) - 1
    ports.append(Port(f"tap{k}_valid", "output", 1, "observer: the sums after one tick of the readout are complete"))
    ports.append(Port(f"tap{k}_logits", "output", Shape.cast(logits).width, packed))
    return ports


class Top(wiring.Component):
    """`Accelerator` with the ports of `ports_of`; nothing but wires.

    name: of the module, a Verilog identifier (default: made of the network's name); rom: how memories are built (default: as
    modules that read the export's hex files)
    """

    def __init__(
        self,
        network: Network,
        lanes: Sequence[Lanes],
        rom: type[Rom] | None = None,
        coding: Coding = "count",
        name: str | None = None,
    ):
        self.name = top_name(network.name) if name is None else check_top(name)
        self.accelerator = Accelerator(network, lanes, rom or HexRom.of(self.name), coding)
        self.ports = ports_of(self.accelerator)
        super().__init__({port.name: (In if port.dir == "input" else Out)(port.bits) for port in self.ports[2:]})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = core = self.accelerator
        for field in core.input.members:
            m.d.comb += core.i.payload[field].eq(getattr(self, f"i_{field}"))
        result = core.o.payload
        m.d.comb += [
            core.i.valid.eq(self.i_valid),
            self.i_ready.eq(core.i.ready),
            self.o_valid.eq(core.o.valid),
            core.o.ready.eq(self.o_ready),
            self.o_class.eq(result["class"]),
            self.o_logits.eq(result.logits),
            self.error.eq(core.error),
            *(getattr(self, f"status_{fault}").eq(core.status[fault]) for fault in core.status.shape().members),
        ]
        if core.network.schedule == "event_driven":
            m.d.comb += self.live_logits.eq(core.live)
        last = len(core.network.layers) - 1
        for k in range(last):
            tap = getattr(core, f"tap{k}")
            m.d.comb += getattr(self, f"tap{k}_valid").eq(getattr(core, f"tap{k}_valid"))
            m.d.comb += [getattr(self, f"tap{k}_{field}").eq(tap[field]) for field in tap.shape().members]
        m.d.comb += [getattr(self, f"tap{last}_valid").eq(core.tick), getattr(self, f"tap{last}_logits").eq(core.running)]
        return m
