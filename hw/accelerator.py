"""The accelerator: a network's layers, one behind the other, joined by queues of events."""

from collections.abc import Sequence

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.aligner import Aligner
from hw.events import Event, Queue
from hw.guard import Guard, Status
from hw.layer import DenseLayer, DenseReadout
from hw.memory import Rom
from hw.names import stems
from sw import rom as contents_of
from sw.architecture import QUEUE_DEPTH
from sw.network import Network


def check_buildable(network: Network) -> None:
    """Raise ValueError, naming the layer and the reason, where the gateware cannot build `network`."""
    if network.schedule not in ("two_phase", "time_stepped"):
        raise ValueError(f"{network.name}: the gateware builds two_phase and time_stepped networks, not {network.schedule}")
    if network.exit is not None:
        raise ValueError(
            f"{network.name}: the gateware has no early exit, but exit is {network.exit['kind']!r}; save the network with exit null"
        )
    for i, layer in enumerate(network.layers):
        place = f"{network.name}: layer {i} ({layer.name})"
        if layer.kind == "conv2d":
            raise ValueError(f"{place}: the gateware builds dense layers and readouts, not conv2d")
        if layer.pool != 1:
            raise ValueError(f"{place}: the gateware builds no pooling: pool must be 1, not {layer.pool}")
    if network.schedule == "two_phase" and network.input.T != 1:
        raise ValueError(f"{network.name}: a two_phase input has one source tick, not {network.input.T}")


def default_lanes(network: Network) -> list[int]:
    """Lanes of each layer where the user names none: as many as neurons, at most 64."""
    return [min(64, network.n_out(i)) for i in range(len(network.layers))]


class Accelerator(wiring.Component):
    """A whole network in gateware, events in, answers out, several frames in flight.

    Parameters
    ----------
    network : Network           two_phase or time_stepped, dense layers and a readout
    lanes : Sequence[int]       neurons served per cycle, for each layer, 1..N_out
    rom : type[Rom]             how memories are built

    Members
    -------
    i : In(stream)              the frame's input events (`Event`)
    o : Out(stream)             `Result` of each frame, in order
    error, status               malformed input was mended, and how much of each kind, see `Guard`
    tap<k>_valid, tap<k>        an event that hidden layer k sends in this cycle
    tick, running               the readout's sums after one of its ticks
    """

    def __init__(self, network: Network, lanes: Sequence[int], rom: type[Rom] = Rom):
        check_buildable(network)
        if len(lanes) != len(network.layers):
            raise ValueError(f"lanes must name one number for each of the {len(network.layers)} layers, not {len(lanes)}")
        self.network, self.lanes, self.stems = network, tuple(lanes), stems(network)
        self.contents = [contents_of.dense(network, i, n) for i, n in enumerate(lanes)]
        event = self.input = Event(network.input.size, network.input.max_count)
        self.events: list[Event] = []  # of each layer's input
        self._layers: list[DenseLayer | DenseReadout] = []
        for name, layer, contents in zip(self.stems, network.layers, self.contents, strict=True):
            self.events.append(event)
            kind = DenseReadout if layer.kind == "readout" else DenseLayer
            self._layers.append(kind(rom, name, event, layer, contents))
            event = self._layers[-1].o.payload.shape()
        hidden, readout = self._layers[:-1], self._layers[-1]
        taps = {f"tap{k}": Out(layer.o.payload.shape()) for k, layer in enumerate(hidden)}
        valids = {f"tap{k}_valid": Out(1) for k in range(len(hidden))}
        super().__init__(
            {
                "i": In(stream.Signature(self.input)),
                "o": Out(stream.Signature(readout.o.payload.shape())),
                "error": Out(1),
                "status": Out(Status(self.input, network.input.T)),
                **taps,
                **valids,
                "tick": Out(1),
                "running": Out(readout.o.payload.shape()["logits"].shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.guard = guard = Guard(self.input, self.network.input.T)
        wiring.connect(m, wiring.flipped(self.i), guard.i)
        m.d.comb += [self.error.eq(guard.error), self.status.eq(guard.status)]
        source = guard.o
        for k, (layer, event, contents) in enumerate(zip(self._layers, self.events, self.contents, strict=True)):
            m.submodules[f"queue{k}"] = queue = Queue(event, QUEUE_DEPTH)
            m.submodules[f"layer{k}_{self.stems[k]}"] = layer
            if not all(contents.kept_ticks):
                m.submodules[f"aligner{k}"] = aligner = Aligner(event, contents.kept_ticks)
                wiring.connect(m, source, aligner.i)
                source = aligner.o
            wiring.connect(m, source, queue.i)
            wiring.connect(m, queue.o, layer.i)
            source = layer.o
            if k < len(self._layers) - 1:
                m.d.comb += [
                    getattr(self, f"tap{k}").eq(source.payload),
                    getattr(self, f"tap{k}_valid").eq(source.valid & source.ready),
                ]
        wiring.connect(m, source, wiring.flipped(self.o))
        m.d.comb += [self.tick.eq(layer.tick), self.running.eq(layer.running)]
        return m
