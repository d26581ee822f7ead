"""The time_stepped neuron: leak, add the step's current and bias, compare, reset (docs/contract.md
1.2)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import bits_for, constant_at, delay
from polyrhythm.hw.lib.loading import loading, row_of
from polyrhythm.hw.lib.operations import Finished, FinishedSignature
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.lib.rotating import RotatingMemory
from polyrhythm.sw.plan.neurons import HeldCurrent, TickingNeuron


class Membrane(wiring.Component):
    """Sweeps groups of membrane potentials.

    v <- v - (v >> leak_shift) + current + bias; a spike where v >= threshold; then v - threshold or
    0. The loop from v to v closes in one cycle: a group can be swept again in the next one. Latency
    is `latency` cycles; one group per cycle.

    Parameters
    ----------
    rom : type[Rom]            how memories are built
    op : data.StructLayout     layout of the operations; the row of the neuron constants is
                               `channels` where they have it, else `group`
    neuron : TickingNeuron
    groups : int               groups of neurons
    sums : data.ArrayLayout    of the finished groups: y = current + bias - threshold, or, where
                               currents are held, the current

    Members
    -------
    i    finished groups
    o    swept groups: their potentials behind the reset, and who fires
    """

    def __init__(
        self,
        rom: type[Rom],
        op: data.StructLayout,
        neuron: TickingNeuron,
        groups: int,
        sums: data.ArrayLayout,
    ):
        self._rom, self._neuron, self._groups, self._lanes = rom, neuron, groups, sums.length
        potentials = data.ArrayLayout(signed(neuron.v_bits), sums.length)
        swept = Finished(op, potentials, fire=sums.length)
        super().__init__(
            {
                "i": In(FinishedSignature(op, sums)),
                "o": Out(stream.Signature(swept, always_ready=True)),
            }
        )

    @property
    def latency(self) -> int:
        """One more where currents are held, because the bias is added then."""
        return 2 if self._neuron.held else 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        neuron, lanes, words = self._neuron, self._lanes, self.i.words
        if neuron.held:
            before, op = words.payload.op, delay(m, words.payload.op, 1, "op")
            ys = self._hold(m, neuron.held)
        else:
            before, op = self.i.coming.payload, words.payload.op
            ys = [words.payload.values[k] for k in range(lanes)]
        thresholds = neuron.thresholds
        threshold = row_of(m, self._rom, thresholds, self._threshold_row(before))
        first, loads = [0] * lanes, None
        if neuron.initial is not None:
            loads = loading(m, [neuron.initial])
            if loads is None:
                first = neuron.initial.values[0].tolist()
        v = [Signal(signed(neuron.v_bits), init=first[k], name=f"v_{k}") for k in range(lanes)]
        after = [Signal(signed(neuron.v_bits), name=f"after_{k}") for k in range(lanes)]
        fire = Signal(lanes, name="fire")
        for k, y in enumerate(ys):
            own = threshold.word_select(k, thresholds.bits)
            m.d.comb += self._tick(m, k, v[k], y, own, fire[k], after[k])
        self._store(m, op, before, v, after, loads)
        swept = self.o.payload
        m.d.sync += [
            swept.fire.eq(fire),
            swept.values.as_value().eq(Cat(after)),
            swept.op.eq(op),
            self.o.valid.eq(op.sweep),
        ]
        return m

    def _threshold_row(self, op: data.View) -> Value:
        """Its row of thresholds; profiles whose thresholds are the same share them."""
        row, rows, all_rows = _row(op), self._neuron.rows, len(self._neuron.thresholds.values)
        if all_rows == rows:
            return row
        first = constant_at(op.profile, range(0, all_rows, rows), bits_for(all_rows - 1))
        return (first + row)[: len(first)]

    def _tick(
        self, m: Module, k: int, v: Value, y: Value, threshold: Value, fire: Value, after: Signal
    ) -> list[Value]:
        """One neuron's tick: whether it fires, and its potential behind it."""
        neuron = self._neuron
        # The sign of v + current + bias - threshold is the comparison; a neuron that stays silent
        # gets its threshold back.
        leaked = v if neuron.leak_shift is None else v - (v >> neuron.leak_shift)
        above = Signal(signed(neuron.above_bits), name=f"above_{k}")
        reached = above.eq(leaked + y)
        if not neuron.fires:
            return [reached, after.eq(above)]
        silent = above + (threshold & (~fire).replicate(len(threshold)))
        reset = silent if neuron.reset == "subtract" else Mux(fire, 0, silent)
        return [reached, fire.eq(above >= 0), after.eq(reset)]

    def _hold(self, m: Module, held: HeldCurrent) -> list[Value]:
        """Current plus bias minus threshold; the current is the finished sum, or in a held tick
        that of `groups` sweeps ago."""
        words = self.i.words
        sums, op = words.payload.values, words.payload.op
        width = len(sums.as_value()) // self._lanes
        # Groups are swept in one order, so a step's currents go round until the next step.
        m.submodules.held = memory = RotatingMemory(len(sums.as_value()), self._groups)
        currents = Mux(op.held, memory.o, sums.as_value())
        m.d.comb += [memory.move.eq(words.valid), memory.i.eq(currents)]
        offset = row_of(m, self._rom, held.offset, self.i.coming.payload.table)
        ys = [Signal(signed(held.y_bits), name=f"y_{k}") for k in range(self._lanes)]
        for k, y in enumerate(ys):
            current = currents.word_select(k, width).as_signed()
            m.d.sync += y.eq(current + offset.word_select(k, held.offset.bits).as_signed())
        return list(ys)

    def _store(
        self,
        m: Module,
        op: data.View,
        before: data.View,
        v: list[Signal],
        after: list[Signal],
        loads: Value | None,
    ) -> None:
        """Put the swept word away and bring the next group's; a new frame's first sweeps find the
        initial state instead.

        `before` is the operation one cycle before it is `op`: time to read the next group's row.
        """
        groups = self._groups
        # The groups at hand are in the first tick of a frame
        # A ring of groups has no place for an initial state; a flag says to take it instead.
        opening = Signal(init=1, name="opening")
        last_group, stored = op.last, Cat(after)
        if groups > 1:
            m.submodules.state = memory = RotatingMemory(len(stored), groups - 1)
            m.d.comb += [memory.move.eq(op.sweep), memory.i.eq(stored)]
            stored = memory.o
        restored = self._restored(m, before, loads)
        with m.If(op.sweep):
            m.d.sync += Cat(v).eq(stored)
        with m.If(op.sweep & last_group):
            m.d.sync += opening.eq(op.closing)
        # Outermost, so that it can be the flip-flops' own reset.
        restores = op.sweep & Mux(last_group, op.closing, opening)
        with m.If(restores if loads is None else restores | loads):
            m.d.sync += Cat(v).eq(restored)

    def _restored(self, m: Module, before: data.View, loads: Value | None) -> Value:
        """What the next group begins a frame with."""
        initial = self._neuron.initial
        if initial is None:
            return Const(0)
        row, rows = _row(before), self._neuron.rows
        next_row = Mux(row == rows - 1, 0, row + 1) if rows > 1 else row
        if loads is not None:
            next_row = Mux(loads, 0, next_row)
        return row_of(m, self._rom, initial, next_row)


def _row(op: data.View) -> Value:
    """Row of the neuron constants."""
    row: Value = op.channels if "channels" in op.shape().members else op.group
    return row
