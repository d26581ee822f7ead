"""The time_stepped neuron: leak, add the step's current and bias, compare, reset (docs/contract.md 1.2)."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.conv.sequencer import ConvOp
from polyrhythm.hw.dense.sequencer import Op
from polyrhythm.hw.lib.ring import Ring
from polyrhythm.hw.lib.rom import Rom, table
from polyrhythm.hw.stream.event import delay
from polyrhythm.sw.plan.rom import NeuronTables


@dataclass(frozen=True)
class Dynamics:
    """What a neuron does in a tick: leak_shift [bits] or None; reset "subtract" or "zero"; or, in a readout, no spikes at all."""

    leak_shift: int | None
    reset: str
    fires: bool


class Membrane(wiring.Component):
    """Sweeps groups of membrane potentials, one group per cycle.

    v <- v - (v >> leak_shift) + current + bias; a spike where v >= threshold; then v - threshold or 0. Here y = current + bias -
    threshold comes in as one number, so the sign of v + y is the comparison, and a neuron that stays silent gets its threshold
    back. The loop from v to v closes in one cycle: a group can be swept again in the next one.

    Members
    -------
    done, coming, swept, sums : as of `Charge`; the row of the neuron constants is the operation's `channels` where it has them,
                                else its `group`
    o_done, o_swept           : a swept word, `latency` cycles after `done`
    fire : Out(lanes)         : who spiked
    v                         : potentials after the reset
    """

    def __init__(
        self,
        rom: type[Rom],
        name: str,
        op: Op | ConvOp,
        tables: NeuronTables,
        dynamics: Dynamics,
        *,
        held: bool,
        sum_bits: int,
    ):
        self._rom, self._name, self._op, self._tables, self._dynamics = rom, name, op, tables, dynamics
        self._held = held
        lanes = tables.lanes
        super().__init__(
            {
                "done": In(1),
                "coming": In(op),
                "swept": In(op),
                "sums": In(data.ArrayLayout(signed(sum_bits), lanes)),
                "o_done": Out(1),
                "o_swept": Out(op),
                "fire": Out(lanes),
                "v": Out(data.ArrayLayout(signed(tables.v_bits), lanes)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from `done` to `o_done`: one more where the current is held, because the bias is added then."""
        return 2 if self._held else 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tables, dynamics = self._tables, self._dynamics
        if self._held:
            before, op, ys = self.swept, delay(m, self.swept, 1, "op"), self._hold(m)
        else:
            before, op, ys = self.coming, self.swept, [self.sums[k] for k in range(tables.lanes)]
        threshold = table(
            m, self._rom, f"{self._name}_threshold.hex", tables.lanes * tables.threshold_bits, tables.thresholds, _row(before)
        )

        v = [
            Signal(signed(tables.v_bits), init=tables.rest[0] >> k * tables.v_bits & (1 << tables.v_bits) - 1, name=f"v_{k}")
            for k in range(tables.lanes)
        ]
        after = [Signal(signed(tables.v_bits), name=f"after_{k}") for k in range(tables.lanes)]
        fire = Signal(tables.lanes, name="fire")
        for k, y in enumerate(ys):
            leaked = v[k] if dynamics.leak_shift is None else v[k] - (v[k] >> dynamics.leak_shift)
            above = Signal(signed(tables.above_bits), name=f"above_{k}")
            m.d.comb += above.eq(leaked + y)
            if not dynamics.fires:
                m.d.comb += after[k].eq(above)
                continue
            back = threshold.word_select(k, tables.threshold_bits) & (~fire[k]).replicate(tables.threshold_bits)
            silent = above + back
            m.d.comb += [fire[k].eq(above >= 0), after[k].eq(silent if dynamics.reset == "subtract" else Mux(fire[k], 0, silent))]
        self._store(m, op, before, v, after)
        m.d.sync += [self.fire.eq(fire), self.v.as_value().eq(Cat(after)), self.o_swept.eq(op), self.o_done.eq(op.sweep)]
        return m

    def _hold(self, m: Module) -> list[Value]:
        """Current plus bias minus threshold; the current is the finished sum, or in a held tick that of `groups` sweeps ago."""
        tables, width = self._tables, self.sums.shape().elem_shape.width
        m.submodules.held = ring = Ring(len(self.sums.as_value()), tables.groups)
        currents = Mux(self.swept.held, ring.o, self.sums.as_value())
        m.d.comb += [ring.move.eq(self.done), ring.i.eq(currents)]
        reach = table(m, self._rom, f"{self._name}_reach.hex", tables.lanes * tables.reach_bits, tables.reach, self.coming.table)
        ys = [Signal(signed(tables.y_bits), name=f"y_{k}") for k in range(tables.lanes)]
        for k, y in enumerate(ys):
            current = currents.word_select(k, width).as_signed()
            m.d.sync += y.eq(current + reach.word_select(k, tables.reach_bits).as_signed())
        return list(ys)

    def _store(self, m: Module, op: Value, before: Value, v: list[Signal], after: list[Signal]) -> None:
        """Put the swept word away and bring the next group's; a new frame's first sweeps find the resting state instead.

        `before` is the operation one cycle before it is `op`: time to read the next group's row.
        """
        groups, lanes = self._tables.groups, self._tables.lanes
        opening = Signal(init=1, name="opening")  # the groups at hand are in the first tick of a frame
        last_group = op.group == groups - 1
        stored = Cat(after)
        if groups > 1:
            m.submodules.state = ring = Ring(len(stored), groups - 1)
            m.d.comb += [ring.move.eq(op.sweep), ring.i.eq(stored)]
            stored = ring.o
        row, rows = _row(before), len(self._tables.rest)
        next_row = Mux(row == rows - 1, 0, row + 1) if rows > 1 else row
        rest = table(m, self._rom, f"{self._name}_rest.hex", lanes * self._tables.v_bits, self._tables.rest, next_row)
        with m.If(op.sweep):
            m.d.sync += Cat(v).eq(stored)
        with m.If(op.sweep & last_group):
            m.d.sync += opening.eq(op.closing)
        with m.If(op.sweep & Mux(last_group, op.closing, opening)):  # outermost, so that it can be the flip-flops' own reset
            m.d.sync += Cat(v).eq(rest)


def _row(op: data.View) -> Value:
    """Row of the neuron constants."""
    row: Value = op.channels if "channels" in op.shape().members else op.group
    return row
