"""The accelerator: a network's layers, one behind the other, joined by queues of events."""

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.layer import ReadoutLayer, hidden_layer, result_of, sent_by
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.stream.aligner import Aligner
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.input_checker import InputChecker, Status
from polyrhythm.hw.stream.queue import Queue
from polyrhythm.hw.stream.unary import Unary
from polyrhythm.sw.plan.layer import LayerPlan, Spikes
from polyrhythm.sw.plan.network import NetworkPlan


class Accelerator(wiring.Component):
    """A whole network in gateware, events in, answers out, several frames in flight.

    Parameters
    ----------
    plan : NetworkPlan
    rom : type[Rom]             how memories are built

    Members
    -------
    i              the frame's input events (`Event`)
    o              `Result` of each frame, in order
    error, status  malformed input was corrected, and how much of each kind, see `InputChecker`
    tap<k>         the events that hidden layer k sends, as they are taken; of the readout its sums
                   after each of its ticks
    live           the readout's sums as they stand (of the group at hand, where it has several)
    """

    def __init__(self, plan: NetworkPlan, rom: type[Rom] = Rom):
        self.plan, self._rom = plan, rom
        self.input = Event.of(plan.input)
        readout, result = plan.readout, result_of(plan.readout)
        taps = [*map(sent_by, plan.hidden), result["logits"].shape]
        live = result["logits"].shape.elem_shape
        super().__init__(
            {
                "i": In(stream.Signature(self.input)),
                "o": Out(stream.Signature(result)),
                "error": Out(1),
                "status": Out(Status(self.input, plan.ticks)),
                **{
                    f"tap{k}": Out(stream.Signature(tap, always_ready=True))
                    for k, tap in enumerate(taps)
                },
                "live": Out(data.ArrayLayout(live, readout.layout.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.input_checker = checker = InputChecker(self.input, self.plan.ticks)
        m.d.comb += [self.error.eq(checker.error), self.status.eq(checker.status)]
        source, cleared = checker.o, []
        for plan in self.plan.hidden:
            layer = hidden_layer(self._rom, plan)
            self._place(m, plan, layer, source)
            cleared.append(layer.cleared)
            source = self._sends(m, plan, layer.o)
        readout = ReadoutLayer(self._rom, self.plan.readout)
        self._place(m, self.plan.readout, readout, source)
        if self.plan.swappable is not None:
            cleared.append(readout.cleared)
        wiring.connect(m, readout.o, wiring.flipped(self.o))
        tap = getattr(self, f"tap{self.plan.readout.index}")
        wiring.connect(m, readout.running, wiring.flipped(tap))
        # Nothing comes in before every layer has its initial state.
        ready = Cat(cleared).all()
        m.d.comb += [
            checker.i.payload.eq(self.i.payload),
            checker.i.valid.eq(self.i.valid & ready),
            self.i.ready.eq(checker.i.ready & ready),
            self.live.eq(readout.live),
        ]
        return m

    def _place(self, m: Module, plan: LayerPlan, layer: wiring.Component, source: Any) -> None:
        """Put a layer behind its queue, and that behind `source`."""
        k, event = plan.index, Event.of(plan.input.word)
        m.submodules[f"queue{k}"] = queue = Queue(event, self.plan.parameters.queue_depth)
        m.submodules[f"layer{k}_{plan.stem}"] = layer
        # Fewer ticks than the source: those inside a group are dropped before they wait.
        kept = [steps.kept_ticks for steps in plan.steps]
        if not all(map(all, kept)):
            m.submodules[f"aligner{k}"] = aligner = Aligner(event, kept)
            wiring.connect(m, source, aligner.i)
            source = aligner.o
        wiring.connect(m, source, queue.i)
        wiring.connect(m, queue.o, layer.i)

    def _sends(self, m: Module, plan: LayerPlan, source: Any) -> Any:
        """A hidden layer's events as they go on the wire, and into its tap."""
        assert isinstance(plan.output, Spikes)
        if plan.output.wire != plan.output.word:
            m.submodules[f"unary{plan.index}"] = unary = Unary(Event.of(plan.output.word))
            wiring.connect(m, source, unary.i)
            source = unary.o
        tap = getattr(self, f"tap{plan.index}")
        m.d.comb += [tap.payload.eq(source.payload), tap.valid.eq(source.valid & source.ready)]
        return source
