"""Named things that must happen in the suite: what happens in the golden model, and, cycle by
cycle, in the circuit.

A point of the circuit is an expression over ports of one kind of component; wherever an elaborated
design has such a component, the cycles in which the expression holds are counted.
"""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import gateware
import numpy as np
from amaranth.hdl import Const, Fragment, Signal, Value
from amaranth.sim import Simulator

from polyrhythm.hw.accelerator import Accelerator
from polyrhythm.hw.conv.charge import ConvCharge
from polyrhythm.hw.conv.locate import Locate
from polyrhythm.hw.conv.sequencer import ConvSequencer
from polyrhythm.hw.dense.replay import Replay
from polyrhythm.hw.dense.sequencer import Sequencer
from polyrhythm.hw.event_driven.layer import EventLayer
from polyrhythm.hw.event_driven.neuron import EventNeurons
from polyrhythm.hw.event_driven.sequencer import EventSequencer
from polyrhythm.hw.lib.state import AHEAD, State
from polyrhythm.hw.lib.ticks import Credits
from polyrhythm.hw.neuron.counter import Counter
from polyrhythm.hw.neuron.membrane import Membrane
from polyrhythm.hw.output.chooser import Chooser
from polyrhythm.hw.output.readout import Readout
from polyrhythm.hw.output.sender import Sender
from polyrhythm.hw.stream.aligner import Aligner
from polyrhythm.hw.stream.input_checker import InputChecker
from polyrhythm.hw.stream.pool import Pool
from polyrhythm.hw.stream.queue import Queue
from polyrhythm.hw.stream.unary import Unary
from polyrhythm.sw.network import Network
from polyrhythm.sw.trace import Trace

Points = Iterator[tuple[str, Value]]

STALLS = {
    InputChecker: "the door",
    Locate: "located events",
    Chooser: "the serializer's chooser",
    Sender: "the serializer's sender",
    Counter: "the counter",
    Unary: "a count that leaves as spikes",
    Readout: "the answer",
}
QUEUES = {
    "queue": "the queue between layers",
    "waiting": "the serializer's queue of words",
    "between": "the serializer's queue of choices",
}


# --- the circuit ---


def points(dut: Any, name: str, owner: Any, signals: dict[str, Signal]) -> Points:
    """What is to be seen at a component, which its `owner` holds as `name`; signals: its own, by
    name."""
    if isinstance(dut, Unary):
        yield "a count that leaves as several spikes", dut.o.valid & dut.o.ready & ~dut.i.ready
    if type(dut) in STALLS:
        yield (
            f"stall: {STALLS[type(dut)]}",
            _waits(dut.i if isinstance(dut, InputChecker) else dut.o),
        )
    elif isinstance(dut, Queue):
        of = (
            "the queue of located events"
            if isinstance(owner, Locate)
            else QUEUES[name.rstrip("0123456789")]
        )
        yield f"full: {of}", ~dut.i.ready
    elif isinstance(dut, Credits):
        yield from _places(dut, owner)
    elif isinstance(dut, Sequencer):
        word, alone = (
            dut.i.payload,
            dut.ops.payload.shape()["group"].width == 1 and "kept_1" not in signals,
        )
        waits = dut.i.valid & (word.tick | word.end) & ~dut.i.ready if alone else Const(0)
        yield "stall: a dense layer's sweep waits for a place", waits
    elif isinstance(dut, ConvSequencer):
        yield (
            "stall: an event waits while the one before is visited",
            dut.i.valid & ~dut.i.ready & dut.ops.payload.integrate,
        )
        yield "a held tick of a convolution", dut.ops.payload.sweep & dut.ops.payload.held
    elif isinstance(dut, State):
        yield from _forwarded(
            "convolution" if isinstance(owner, ConvCharge) else "event-driven layer", signals
        )
    elif isinstance(dut, ConvCharge):
        op = dut.o.words.payload.op
        yield "a position beyond the edge", op.sweep & (op.bottom | op.right)
    else:
        yield from _others(dut, signals)


def _others(dut: Any, signals: dict[str, Signal]) -> Points:
    if isinstance(dut, EventNeurons):
        yield "event driven: a neuron fires as its frame settles", dut.restless
        yield "event driven: a visit emits nothing", dut.unused
    elif isinstance(dut, EventLayer):
        negative = (
            dut.o.payload.negative if "negative" in dut.o.payload.shape().members else Const(0)
        )
        yield "event driven: a negative event", dut.o.valid & dut.o.ready & negative
    elif isinstance(dut, Pool):
        yield "a place that fills no block", dut.i.valid & ~dut.o.valid
    elif isinstance(dut, Aligner):
        yield "a tick inside a group", dut.i.valid & ~dut.o.valid
    elif isinstance(dut, Replay):
        yield "an event replayed for a further group", dut.take & ~dut.push
    elif isinstance(dut, Membrane):
        yield "a current held for a further tick", dut.i.words.valid & dut.i.words.payload.op.held
    elif isinstance(dut, Accelerator):
        yield "stall: the source, while words are cleared", dut.i.valid & ~dut.i.ready


def _waits(words: Any) -> Value:
    return words.valid & ~words.ready


def _places(dut: Credits, owner: Any) -> Points:
    if isinstance(owner, Sequencer):
        return  # its sweeps are looked at in `points`
    closes = owner.i.payload.closes
    if isinstance(owner, EventSequencer):
        yield "stall: a visit waits for a place", ~dut.free & owner.i.valid & ~closes
    else:
        yield "stall: a convolution's sweep waits for a place", ~dut.free & owner.i.valid & closes


def _forwarded(where: str, signals: dict[str, Signal]) -> Points:
    """A word that comes from the operation 1, 2, 3 before, not from the memory, and is changed."""
    changed: Value = signals[f"writes_{State.latency}"]
    for k in range(AHEAD):
        fresh = signals["fresh"][k]
        yield f"{where}: a word changed {k + 1} before", fresh & changed
        changed = changed & ~fresh


class Observed(Simulator):
    """A simulator that counts points while it runs."""

    counts: Counts[str]

    def __init__(self, top: Any):
        fragment = Fragment.get(top, platform=None)
        super().__init__(fragment)
        found = list(_walk(fragment, "", None))
        self.counts.update(dict.fromkeys((name for name, _ in found), 0))

        async def watch(ctx: Any) -> None:
            async for _, _, *seen in ctx.tick().sample(*(value.any() for _, value in found)):
                for (name, _), hit in zip(found, seen, strict=True):
                    self.counts[name] += hit

        self.add_testbench(watch, background=True)


def _walk(fragment: Fragment, name: str, owner: Any) -> Points:
    """All points of a design."""
    origins = [
        origin
        for origin in getattr(fragment, "origins", None) or []
        if hasattr(origin, "signature")
    ]
    signals = {
        signal.name: signal
        for rows in fragment.statements.values()
        for row in rows
        for signal in row._lhs_signals()
    }
    dut = origins[0] if origins else owner
    if origins:
        yield from points(dut, name, owner, signals)
    for part, part_name, _ in fragment.subfragments:
        yield from _walk(part, str(part_name), dut)


@contextmanager
def observed() -> Iterator[Counts[str]]:
    """Within it, `gateware` simulates with its eyes open; the counts are given."""
    counts: Counts[str] = Counts()
    kind = type("Counting", (Observed,), {"counts": counts})
    with mock.patch.object(gateware, "Simulator", kind):
        yield counts


# --- the golden model ---


def golden_points(network: Network, inputs: np.ndarray, trace: Trace) -> Counts[str]:
    """How often each point of the integers happened in a trace with potentials (and spikes, where
    there are ticks)."""
    counts: Counts[str] = Counts()
    top = trace.logits.max(axis=1, keepdims=True)
    counts["a tie of classes"] += int(((trace.logits == top).sum(axis=1) > 1).sum())
    counts["a negative logit"] += int((trace.logits < 0).sum())
    counts["a silent frame"] += int((inputs.reshape(len(inputs), -1) == 0).all(axis=1).sum())
    for i, layer in enumerate(network.hidden):
        v, n = (trace.v or {})[layer.name], trace.counts[layer.name]
        fired, threshold = (
            trace.spikes[layer.name] if trace.spikes else n,
            network.per_neuron(i, layer.threshold),
        )
        counts["v == threshold"] += (
            int(((v == 0) & (fired > 0)).sum()) if layer.reset == "subtract" else 0
        )
        counts["v == threshold - 1"] += int(((v == threshold - 1) & (fired == 0)).sum())
        counts["v == -1"] += int((v == -1).sum())
        counts["a leak of a negative odd v"] += (
            int(((v < 0) & (v % 2 == 1)).sum()) if layer.leak_shift else 0
        )
        counts["a reset to zero"] += int((fired > 0).sum()) if layer.reset == "zero" else 0
        if network.schedule != "time_stepped":
            counts["n == T with more to give"] += int(((n == layer.T) & (v >= threshold)).sum())
            counts["n == T exactly"] += int(((n == layer.T) & (v < threshold)).sum())
    return counts
