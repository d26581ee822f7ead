"""Turns a layer's input words into operations on groups of neurons: integrate one event, or sweep
one group.

A layer serves `lanes` neurons at a time, so its neurons form `groups`. The events of a step are
integrated into group 0 while they arrive and are kept in a small memory; then they are replayed
once for each further group. Accumulators therefore stay in flip-flops, and a state word is touched
once per step, not once per event (docs/decisions/0006-group-outer-replay.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.dense.operation import Op
from polyrhythm.hw.dense.replay import Replay
from polyrhythm.hw.lib.operations import operations
from polyrhythm.hw.lib.ticks import Credits, Ticks
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.steps import Steps


class Sequencer(wiring.Component):
    """Events in, operations out: one operation per cycle, no gap between events or around sweeps.

    A step of E events costs (E + 1) * groups cycles, and `groups` more for each further tick that
    holds its current. Operations never wait once issued: a sweep is issued only while its result
    has room (`credits`, given back by `returned`), so no wait signal reaches the wide data path.
    Latency is 0 cycles with one group, 2 with more.

    Parameters
    ----------
    event : Event                the words of `i`
    groups, capacity : int       groups of neurons; most events of one step
    steps : Sequence[Steps]      of a frame, in each profile
    credits : int                room for sweep results
    closing_only : bool          only the frame's very last sweep takes a credit (a readout, whose
                                 other sums may be overwritten)
    """

    def __init__(
        self,
        event: Event,
        *,
        groups: int,
        capacity: int,
        steps: Sequence[Steps],
        credits: int,
        closing_only: bool = False,
    ):
        self._event, self._groups, self._capacity = event, groups, capacity
        self._steps, self._longest = steps, max(max(one.repeats) for one in steps)
        self._credits, self._closing_only = credits, closing_only
        phases = 1 + max(max(one.phases) for one in steps)
        rows, tables = groups * event.source.address_count, phases * groups
        self._shape = Op(rows, event.max_count, groups, tables, event.signed, event.profiles)
        super().__init__(
            {
                "i": In(stream.Signature(event)),
                "ops": Out(operations(self._shape)),
                "returned": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now = _Now.of(self._groups, self._longest)
        may_sweep = self._credit(m, now.sweep, now.closing & now.last_group)
        m.submodules.ticks = ticks = Ticks(self._steps, self._groups)
        m.d.comb += [
            ticks.tick_done.eq(now.sweep & now.last_group),
            ticks.step_done.eq(now.finish),
            ticks.ended.eq(now.ended),
        ]
        live, kept = self._states(m, now, may_sweep, ticks.further)
        op = Signal(self._shape, name="op")
        if self._event.profiles > 1:
            profile = self._profile(m, live)
            m.d.comb += [ticks.profile.eq(profile), op.profile.eq(profile)]
        m.d.comb += [
            op.integrate.eq(now.integrate),
            op.sweep.eq(now.sweep),
            op.held.eq(now.held),
            op.closing.eq(now.closing),
            op.last.eq(now.last_group),
            op.group.eq(now.group),
            op.table.eq(ticks.table + now.group),
            op.following.eq(Mux(now.last_group, ticks.following, ticks.table + now.group + 1)),
        ]
        if kept is None:
            self._fill(m, op, self.i.payload, self.i.payload.address)
            m.d.comb += self.ops.payload.eq(op)
        else:
            self._add_base(m, op, live, kept, now.sweep, now.last_group)
        return m

    def _profile(self, m: Module, live: Value) -> Value:
        """The frame's: that of the word at hand, or behind it of the last word that came."""
        word = self.i.payload
        last = Signal.like(word.profile, name="last_profile")
        with m.If(live & self.i.valid):
            m.d.sync += last.eq(word.profile)
        return Mux(live, word.profile, last)

    def _states(
        self, m: Module, now: "_Now", may_sweep: Value, repeats: Value
    ) -> tuple[Value, data.View | None]:
        """Events as they come; replays for further groups; ticks that the current is held for.
        `repeats`: how many such ticks.

        Returns whether events come in, and the word that is replayed (None with one group, where
        nothing is).
        """
        # One group and no held ticks: always live, so there is no state to keep.
        if self._groups == 1 and self._longest == 1:
            self._take(m, now, may_sweep, repeats)
            m.d.comb += now.finish.eq(now.sweep)
            return Const(1), None
        kept = None
        with m.FSM() as states:
            live = states.ongoing("live")
            with m.State("live"):
                # A readout's first group of several is never the one that takes a credit: its word
                # waits for nothing that is known late.
                never_last = self._closing_only and self._groups > 1
                self._take(m, now, Const(1) if never_last else may_sweep, repeats)
                self._after_sweep(m, now, repeats, "replay" if self._groups > 1 else "live")
            if self._groups > 1:
                replay = self._keep(m, live, now)
                kept = replay.o
                with m.State("replay"):
                    m.d.comb += [
                        now.integrate.eq(~replay.done),
                        now.sweep.eq(replay.done & may_sweep),
                        now.ended.eq(now.was_ended),
                        now.closing.eq(now.was_ended & (repeats == 0)),
                    ]
                    self._after_sweep(m, now, repeats, "replay")
            if self._longest > 1:
                with m.State("held"):
                    m.d.comb += [
                        now.held.eq(1),
                        now.sweep.eq(may_sweep),
                        now.ended.eq(now.was_ended),
                        now.closing.eq(now.was_ended & (now.left == 0)),
                    ]
                    self._after_sweep(m, now, now.left, "held")
        return live, kept

    def _take(self, m: Module, now: "_Now", may_sweep: Value, repeats: Value) -> None:
        """Group 0 takes the word at the input: an event at once, the end of a step where its sweep
        may go."""
        word = self.i.payload
        is_spike = ~(word.tick | word.end)
        m.d.comb += [
            self.i.ready.eq(is_spike | may_sweep),
            now.integrate.eq(self.i.valid & is_spike),
            now.sweep.eq(self.i.valid & ~is_spike & may_sweep),
            now.ended.eq(word.end),
            now.closing.eq(word.end & (repeats == 0)),
        ]

    def _after_sweep(self, m: Module, now: "_Now", further: Value, next_group: str) -> None:
        """The next group (in state `next_group`), a held tick, or the next step; `further` ticks
        hold the same current."""
        with m.If(now.sweep):
            m.d.sync += [
                now.group.eq(Mux(now.last_group, 0, now.group + 1)),
                now.was_ended.eq(now.ended),
            ]
        with m.If(now.sweep & ~now.last_group):
            m.next = next_group
        with m.Elif(now.sweep & (further == 0)):
            m.d.comb += now.finish.eq(1)
            m.next = "live"
        if self._longest > 1:
            with m.Elif(now.sweep):
                m.d.sync += now.left.eq(further - 1)
                m.next = "held"

    def _credit(self, m: Module, sweep: Value, very_last: Value) -> Value:
        """Whether the sweep at hand has a place to go; takes the place when it is issued."""
        m.submodules.credits = credits = Credits(self._credits)
        needs = very_last if self._closing_only else Const(1)
        m.d.comb += [credits.take.eq(sweep & needs), credits.returned.eq(self.returned)]
        return ~needs | credits.free

    def _keep(self, m: Module, live: Value, now: "_Now") -> Replay:
        """The step's events, written while they arrive, read again for every further group."""
        m.submodules.replay = replay = Replay(self._event, self._capacity)
        m.d.comb += [
            replay.push.eq(live & now.integrate),
            replay.i.eq(self.i.payload),
            replay.rewind.eq(live | now.sweep),
            replay.take.eq(now.integrate),
            replay.clear.eq(now.finish),
        ]
        return replay

    def _fill(self, m: Module, op: data.View, word: data.View, row: Value) -> None:
        m.d.comb += op.row.eq(row)
        m.d.comb += [op[field].eq(word[field]) for field in self._event.amount]

    def _add_base(
        self,
        m: Module,
        op: data.View,
        live: Value,
        kept: data.View,
        sweep: Value,
        last_group: Value,
    ) -> None:
        """Find the weight row of the word at hand in the group at hand."""
        # Two register stages: both words, of which one comes out of a memory; then one of them, and
        # its row.
        base = Signal(self._shape["row"].shape, name="base")
        with m.If(sweep):
            m.d.sync += base.eq(Mux(last_group, 0, base + self._event.source.address_count))
        op_1 = Signal(self._shape, name="op_1")
        base_1 = Signal.like(base, name="base_1")
        live_1 = Signal(name="live_1")
        word_1, kept_1 = (Signal(self._event, name=name) for name in ("word_1", "kept_1"))
        m.d.sync += [
            op_1.eq(op),
            base_1.eq(base),
            live_1.eq(live),
            word_1.eq(self.i.payload),
            kept_1.eq(kept),
        ]
        op_2 = Signal(self._shape, name="op_2")
        m.d.comb += op_2.eq(op_1)
        self._fill(m, op_2, kept_1, base_1 + kept_1.address)
        with m.If(live_1):  # group 0: no base
            self._fill(m, op_2, word_1, word_1.address)
        m.d.sync += self.ops.payload.eq(op_2)


@dataclass(frozen=True)
class _Now:
    """Signals of the cycle at hand, which every state sets, and of the step.

    integrate, sweep, held, closing, group : as of `Op`
    ended, was_ended    : the step ends the frame; the same, remembered while further groups and
                        held ticks follow
    last_group, finish  : a sweep would be the tick's last one; the sweep at hand is the step's last
                        one
    left                : further ticks that the current is held for
    """

    integrate: Signal
    sweep: Signal
    held: Signal
    ended: Signal
    closing: Signal
    finish: Signal
    group: Signal
    left: Signal
    was_ended: Signal
    last_group: Value

    @classmethod
    def of(cls, groups: int, longest: int) -> "_Now":
        """New signals for a layer of `groups` groups and steps held for at most `longest` ticks."""
        flags = {
            name: Signal(name=name)
            for name in ("integrate", "sweep", "held", "ended", "closing", "finish", "was_ended")
        }
        group = Signal(range(max(groups, 2)), name="group")
        return cls(
            **flags,
            group=group,
            left=Signal(range(longest), name="left"),
            last_group=group == groups - 1,
        )
