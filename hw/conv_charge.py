"""Charging in a convolution: the sums stand in memories, one for each bank, and every operation reads, adds and writes."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.conv_sequencer import ConvOp
from hw.events import delay
from hw.memory import Rom, table
from hw.times import times_count
from sw.architecture import fetch_stages, multiply_stages
from sw.rom_conv import ConvRom

AHEAD = 3  # operations that are under way behind a read: their results are not in the memory yet


class ConvCharge(wiring.Component):
    """Operations in, one word of sums out for every sweep: in each bank, `channel_lanes` neurons.

    The pipeline never stalls. While an operation's weights are on their way (row address -> memory -> lanes -> times count), its
    word of state is read; then the two meet. A word that one of the three operations before has just changed is not in the
    memory yet: it comes from their results instead. A finished sum is replaced by the start of the next one.

    Parameters
    ----------
    rom, name, op : how memories are built, the layer's name for their files, layout of `op`
    contents      : weights, starts, widths

    Members
    -------
    done, swept, sums, coming : as of the dense `Charge`
    """

    def __init__(self, rom: type[Rom], name: str, op: ConvOp, contents: ConvRom):
        self._rom, self._name, self._op, self._contents = rom, name, op, contents
        self._fetch = fetch_stages(len(contents.weights))
        sums = data.ArrayLayout(signed(contents.sum_bits), contents.lanes)
        super().__init__({"op": In(op), "done": Out(1), "coming": Out(op), "swept": Out(op), "sums": Out(sums)})

    @property
    def latency(self) -> int:
        """Cycles from a sweep operation to its word."""
        return self._fetch + multiply_stages(self._op.max_count) + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        contents, width = self._contents, self._contents.sum_bits
        terms = self._terms(m)
        ops = [self.op]  # as it was k cycles ago
        for k in range(self.latency + 1):
            ops.append(delay(m, ops[-1], 1, f"op_{k}"))
        meet = self.latency - 1  # how long after its issue an operation's sum and weights meet
        start = self._start(m, ops[meet - 1])
        lanes = contents.channel_lanes
        sums = []
        for bank in range(contents.banks):
            own = terms[bank * lanes :][:lanes]
            sums += self._bank(m, bank, [op.address[bank] for op in ops], [_writes(op, bank) for op in ops], ops[meet], own, start)
        m.d.sync += [self.sums[k].eq(value) for k, value in enumerate(sums)]
        m.d.comb += [self.coming.eq(ops[meet]), self.swept.eq(ops[meet + 1]), self.done.eq(ops[meet + 1].sweep)]
        assert len(start) == lanes * width
        return m

    def _terms(self, m: Module) -> list[Value]:
        """What each lane adds, `latency` - 1 cycles after its operation."""
        contents, bits = self._contents, self._contents.weight_bits
        m.submodules.weight = weight = self._rom(f"{self._name}_weight.hex", contents.lanes * bits, contents.weights)
        m.d.comb += weight.address.eq(self.op.row)
        word = delay(m, weight.data, self._fetch - 1, "travelled", reset_less=True)
        weights: list[Value] = [word.word_select(k, bits).as_signed() for k in range(contents.lanes)]
        if "count" not in self._op.amount:
            return weights
        return times_count(m, weights, delay(m, self.op.count, self._fetch, "count"), self._op.amount["count"])

    def _start(self, m: Module, op: data.View) -> Value:
        """What the sums behind a sweep begin with, in the next cycle."""
        width = self._contents.channel_lanes * self._contents.sum_bits
        return table(m, self._rom, f"{self._name}_start.hex", width, self._contents.starts, op.following)

    def _bank(
        self, m: Module, bank: int, address: list[Value], writes: list[Value], op: data.View, terms: list[Value], start: Value
    ) -> list[Value]:
        """One bank's state: give the sums that the operation at hand finds in its lanes."""
        width, size = self._contents.sum_bits, len(start)
        meet = self.latency - 1
        m.submodules[f"bank_{bank}"] = memory = Memory(shape=size, depth=self._contents.groups, init=[])
        read, write = memory.read_port(), memory.write_port()
        m.d.comb += read.addr.eq(address[meet - 2])
        stored = delay(m, read.data, 1, f"stored_{bank}", reset_less=True)
        result = Signal(size, name=f"result_{bank}")
        recent = [result]  # of the operations 1, 2, 3 before
        for k in range(1, AHEAD):
            recent.append(delay(m, recent[-1], 1, f"result_{bank}_{k}", reset_less=True))
        fresh = Cat(
            _registered(m, (address[meet - 1] == address[meet - 1 + k]) & writes[meet - 1 + k], f"fresh_{bank}_{k}")
            for k in range(1, AHEAD + 1)
        )
        found = Mux(fresh[0], recent[0], Mux(fresh[1], recent[1], Mux(fresh[2], recent[2], stored)))
        sums = [found.word_select(k, width).as_signed() for k in range(len(terms))]
        m.d.sync += result.eq(Cat((value + term)[:width] for value, term in zip(sums, terms, strict=True)))
        with m.If(op.sweep | op.clear):
            m.d.sync += result.eq(start)
        m.d.comb += [write.addr.eq(address[meet + 1]), write.data.eq(result), write.en.eq(writes[meet + 1])]
        return list(sums)


def _writes(op: data.View, bank: int) -> Value:
    """Whether an operation changes its word of a bank."""
    return op.enabled[bank] & (op.integrate | op.sweep | op.clear)


def _registered(m: Module, value: Value, name: str) -> Signal:
    later = Signal(name=name)
    m.d.sync += later.eq(value)
    return later


def silent(op: data.View, contents: ConvRom) -> Value:
    """Lanes of a swept word that have no neuron, because their bank lies beyond the map's edge there."""
    rows, columns = contents.rows, contents.columns
    outside = [
        (op.bottom if y >= rows.edge else Const(0)) | (op.right if x >= columns.edge else Const(0))
        for y in range(rows.banks)
        for x in range(columns.banks)
    ]
    return Cat(bank.replicate(contents.channel_lanes) for bank in outside)
