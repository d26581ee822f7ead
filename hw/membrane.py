"""The time_stepped neuron: leak, add the step's current and bias, compare, reset (design.md 1.2)."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.events import delay
from hw.memory import Rom, table
from hw.ring import Ring
from hw.sequencer import Op
from sw.rom import NeuronTables


@dataclass(frozen=True)
class Dynamics:
    """What a neuron does in a tick: leak_shift [bits] or None; reset "subtract" or "zero"; or, in a readout, no spikes at all."""

    leak_shift: int | None
    reset: str
    fires: bool


class Membrane(wiring.Component):
    """Sweeps groups of membrane potentials, one group per cycle, in two pipeline stages.

    v <- v - (v >> leak_shift) + current + bias; a spike where v >= threshold; then v - threshold or 0. Both outcomes, v + X and
    v + Y with X = current + bias and Y = X - threshold, are computed side by side, so the loop from v to v is one adder, one
    multiplexer and the leak: a group can be swept again in the next cycle.

    Members
    -------
    done, coming, swept, sums : as of `Charge`
    o_done, o_swept           : a swept word, two cycles after `done`
    fire : Out(lanes)         : who spiked
    v                         : potentials after the reset
    """

    def __init__(self, rom: type[Rom], name: str, op: Op, tables: NeuronTables, dynamics: Dynamics, *, held: bool, sum_bits: int):
        self._rom, self._name, self._op, self._tables, self._dynamics = rom, name, op, tables, dynamics
        self._held = held
        lanes = tables.lanes
        super().__init__({
            "done": In(1), "coming": In(op), "swept": In(op), "sums": In(data.ArrayLayout(signed(sum_bits), lanes)),
            "o_done": Out(1), "o_swept": Out(op), "fire": Out(lanes), "v": Out(data.ArrayLayout(signed(tables.v_bits), lanes)),
        })

    latency = 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tables, dynamics = self._tables, self._dynamics
        currents = self._hold(m) if self._held else [self.sums[k] for k in range(tables.lanes)]
        bias = table(m, self._rom, f"{self._name}_bias.hex", tables.lanes * tables.bias_bits, tables.bias, self.coming.table)
        reach = table(m, self._rom, f"{self._name}_reach.hex", tables.lanes * tables.reach_bits, tables.reach, self.coming.table)
        op = delay(m, self.swept, 1, "op")

        rest = tables.rest[0]
        v = [Signal(signed(tables.v_bits), init=(rest >> k * tables.v_bits) % (1 << tables.v_bits), name=f"v_{k}")
             for k in range(tables.lanes)]
        after = [Signal(signed(tables.v_bits), name=f"after_{k}") for k in range(tables.lanes)]
        fire = Signal(tables.lanes)
        for k, current in enumerate(currents):
            x = Signal(signed(tables.x_bits), name=f"x_{k}")
            m.d.sync += x.eq(current + bias.word_select(k, tables.bias_bits).as_signed())
            leaked = v[k] if dynamics.leak_shift is None else v[k] - (v[k] >> dynamics.leak_shift)
            if not dynamics.fires:
                m.d.comb += after[k].eq(leaked + x)
                continue
            y = Signal(signed(tables.y_bits), name=f"y_{k}")
            m.d.sync += y.eq(current + reach.word_select(k, tables.reach_bits).as_signed())
            above = Signal(signed(tables.above_bits), name=f"above_{k}")
            m.d.comb += [
                above.eq(leaked + y), fire[k].eq(above >= 0),
                after[k].eq(Mux(fire[k], above if dynamics.reset == "subtract" else 0, leaked + x)),
            ]
        self._store(m, op, v, after)
        m.d.sync += [self.fire.eq(fire), self.v.as_value().eq(Cat(after)), self.o_swept.eq(op), self.o_done.eq(op.sweep)]
        return m

    def _hold(self, m: Module) -> list[Value]:
        """The step's current: the finished sum, or in a held tick the one that was used `groups` sweeps ago."""
        width = self.sums.shape().elem_shape.width
        m.submodules.held = ring = Ring(len(self.sums.as_value()), self._tables.groups)
        currents = Mux(self.swept.held, ring.o, self.sums.as_value())
        m.d.comb += [ring.move.eq(self.done), ring.i.eq(currents)]
        return [currents.word_select(k, width).as_signed() for k in range(self._tables.lanes)]

    def _store(self, m: Module, op: Value, v: list[Signal], after: list[Signal]) -> None:
        """Put the swept word away and bring the next group's; a new frame's first sweeps find the resting state instead."""
        groups, lanes = self._tables.groups, self._tables.lanes
        opening = Signal(init=1)  # the groups at hand are in the first tick of a frame
        last_group = op.group == groups - 1
        stored = Cat(after)
        if groups > 1:
            m.submodules.state = ring = Ring(len(stored), groups - 1)
            m.d.comb += [ring.move.eq(op.sweep), ring.i.eq(stored)]
            stored = ring.o
        upcoming = Mux(self.swept.group == groups - 1, 0, self.swept.group + 1) if groups > 1 else self.swept.group
        rest = table(m, self._rom, f"{self._name}_rest.hex", lanes * self._tables.v_bits, self._tables.rest, upcoming)
        with m.If(op.sweep):
            m.d.sync += Cat(v).eq(Mux(Mux(last_group, op.closing, opening), rest, stored))
            with m.If(last_group):
                m.d.sync += opening.eq(op.closing)
