"""The accelerator: a network's layers, one behind the other, joined by queues of events."""

import itertools
import operator
from collections.abc import Sequence
from typing import Any, get_args

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.event_driven.layer import EventLayer
from polyrhythm.hw.layer import DenseReadout, SpikingLayer
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.names import stems
from polyrhythm.hw.stream.aligner import Aligner
from polyrhythm.hw.stream.event import Event, Queue
from polyrhythm.hw.stream.input_checker import Guard, Status
from polyrhythm.hw.stream.unary import Unary
from polyrhythm.sw.network import Layer, Network
from polyrhythm.sw.plan.addresses import wire
from polyrhythm.sw.plan.parameters import QUEUE_DEPTH, Coding
from polyrhythm.sw.plan.rom import Contents
from polyrhythm.sw.plan.rom_event import EventRom
from polyrhythm.sw.plan.rom_layers import Lanes, lay_out, no_adder


def refusals(network: Network) -> list[str]:
    """Why the gateware cannot build `network`: every reason, with its layer and what to do; none where it can."""
    found = []
    if network.exit is not None:
        found.append(
            f"{network.name}: the gateware has no early exit, but exit is {network.exit.kind!r}; save the network with exit null"
        )
    if network.schedule != "time_stepped" and network.input.T != 1:
        found.append(f"{network.name}: a {network.schedule} input has one source tick, not {network.input.T}")
    if network.schedule == "event_driven":
        found += _disorders(network)
    return found + [told for i in range(len(network.layers)) if (told := no_adder(network, i)) is not None]


def check_buildable(network: Network) -> None:
    """Raise ValueError, with every layer and reason, where the gateware cannot build `network`."""
    if found := refusals(network):
        raise ValueError("\n".join(found))


def _disorders(network: Network) -> list[str]:
    """Unsigned neurons follow the order of their events, which is the contract's only where all before them keep it."""
    return [
        f"layer {i} ({layer.name}): unsigned neurons need their events in order, but the signed ones of layer {i - 1} "
        f"({before.name}) send theirs in any; make layer {i} signed, or layer {i - 1} unsigned"
        for i, (before, layer) in enumerate(itertools.pairwise(network.hidden), 1)
        if (before.neuron, layer.neuron) == ("signed", "unsigned")
    ]


def _build(
    rom: type[Rom], name: str, event: Event, layer: Layer, contents: Contents
) -> "SpikingLayer | EventLayer | DenseReadout":
    if layer.kind == "readout":
        return DenseReadout(rom, name, event, layer, contents)
    if isinstance(contents, EventRom):
        return EventLayer(rom, name, event, contents)
    return SpikingLayer(rom, name, event, layer, contents)


def _check_readout(network: Network, lanes: Sequence[Lanes]) -> None:
    i = len(lanes) - 1
    if network.schedule == "event_driven" and lanes[i] != network.n_out(i):
        raise ValueError(
            f"layer {i} ({network.layers[i].name}): the readout of an event_driven network shows its sums at any moment, so lanes "
            f"must be {network.n_out(i)}, not {lanes[i]}"
        )


def _whole(network: Network, i: int, lanes: Any) -> Lanes:
    """Lanes of layer i as Python's own integers; TypeError where they are none."""
    try:
        return (operator.index(lanes[0]), operator.index(lanes[1])) if isinstance(lanes, tuple) else operator.index(lanes)
    except TypeError:
        raise TypeError(f"layer {i} ({network.layers[i].name}): lanes must be integers, not {lanes!r}") from None


class Accelerator(wiring.Component):
    """A whole network in gateware, events in, answers out, several frames in flight.

    Parameters
    ----------
    network : Network           of any schedule, without an exit
    lanes : Sequence[Lanes]     for each layer, neurons served per cycle, 1..N_out; in a convolution channels, or (channels, banks)
    rom : type[Rom]             how memories are built
    coding : Coding             how hidden layers send a neuron's several spikes: one event with their count, or an event each

    Members
    -------
    i : In(stream)              the frame's input events (`Event`)
    o : Out(stream)             `Result` of each frame, in order
    error, status               malformed input was corrected, and how much of each kind, see `Guard`
    tap<k>_valid, tap<k>        an event that hidden layer k sends in this cycle
    tick, running               the readout's sums after one of its ticks
    live                        its sums as they stand (of the group at hand, where it has several)
    """

    def __init__(self, network: Network, lanes: Sequence[Lanes], rom: type[Rom] = Rom, coding: Coding = "count"):
        check_buildable(network)
        if coding not in get_args(Coding):
            raise ValueError(f"coding must be one of {', '.join(get_args(Coding))}, not {coding!r}")
        if len(lanes) != len(network.layers):
            raise ValueError(f"lanes must name one number for each of the {len(network.layers)} layers, not {len(lanes)}")
        lanes = [_whole(network, i, n) for i, n in enumerate(lanes)]
        _check_readout(network, lanes)
        self.network, self.lanes, self.stems, self.coding = network, tuple(lanes), stems(network), coding
        self.contents = [lay_out(network, i, n) for i, n in enumerate(lanes)]
        event = self.input = Event(wire(network, 0), network.input.max_count)
        self.events: list[Event] = []  # of each layer's input
        self._layers: list[SpikingLayer | EventLayer | DenseReadout] = []
        self._unary: dict[int, Unary] = {}  # behind layers whose events would carry a count
        for k, (name, layer, contents) in enumerate(zip(self.stems, network.layers, self.contents, strict=True)):
            self.events.append(event)
            self._layers.append(_build(rom, name, event, layer, contents))
            event = self._layers[-1].o.payload.shape()
            if coding == "unary" and isinstance(event, Event) and event.max_count > 1:
                self._unary[k] = Unary(event)
                event = self._unary[k].o.payload.shape()
        hidden, readout = self._layers[:-1], self._layers[-1]
        taps = {f"tap{k}": Out(event) for k, event in enumerate(self.events[1:])}
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
                "live": Out(readout.live.shape()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.guard = guard = Guard(self.input, self.network.input.T)
        cleared = Cat(layer.cleared for layer in self._layers[:-1]).all()
        m.d.comb += [
            guard.i.payload.eq(self.i.payload),
            guard.i.valid.eq(self.i.valid & cleared),
            self.i.ready.eq(guard.i.ready & cleared),
        ]
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
            if k in self._unary:
                m.submodules[f"unary{k}"] = self._unary[k]
                wiring.connect(m, source, self._unary[k].i)
                source = self._unary[k].o
            if k < len(self._layers) - 1:
                m.d.comb += [
                    getattr(self, f"tap{k}").eq(source.payload),
                    getattr(self, f"tap{k}_valid").eq(source.valid & source.ready),
                ]
        wiring.connect(m, source, wiring.flipped(self.o))
        m.d.comb += [self.tick.eq(layer.tick), self.running.eq(layer.running), self.live.eq(layer.live)]
        return m
