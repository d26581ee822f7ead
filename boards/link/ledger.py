"""The registers behind the link, a byte at a time, and the counters among them in a memory."""

from collections.abc import Iterable

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.boards.link.map import identity_table
from polyrhythm.hw.bus.bank import select
from polyrhythm.hw.bus.registers import Register, checked
from polyrhythm.hw.lib.ram import memory_of, read_port, write_port
from polyrhythm.hw.lib.rom import Rom

WORD_BITS = 6  # of a register's number: all of them stand in the first 256 bytes
PHASES = 3  # cycles of a byte


class BytePort(wiring.Signature):
    """How registers are reached, seen from the link.

    ask      for one cycle: a request; the next one at the earliest behind `done`
    address  in bytes; held until `done`, as is write
    write    write `data`; else read
    data     the register's byte, lowest first; the next one behind each `beat`
    beat     for one cycle: `data` is taken, `value` is the register's byte, lowest first; 4 times,
             or, of a read, 8, 12, ... : the last four are the register as it was at one time
    value    0 where there is no register
    done     with the last beat
    refused  with `done`: there is no register, or it was to be written and is none that can be
    """

    def __init__(self) -> None:
        asked = {"ask": Out(1), "address": Out(16), "write": Out(1), "data": Out(8)}
        told = {"beat": In(1), "value": In(8), "done": In(1), "refused": In(1)}
        super().__init__(asked | told)


class Ledger(wiring.Component):
    """The registers of a map: constants in a memory, counters in another one.

    Of a counter only what changes fast is in flip-flops: of one with 32 bits its lowest byte, of
    one with 8 bits whether it is odd. One after the other is taken round by round, and its bytes in
    the memory made to follow; behind each round a request is served, so that no byte of a register
    changes while it is read.

    registers: all below address 256, constants from 0 on, control registers of at most 8 bits.
    counters: those of the status registers, of 8 or 32 bits, that count here, modulo 2^bits.

    Members
    -------
    port        In(BytePort); a request takes at most 2 * `round` cycles
    n_<name>    In(1): the counter goes on by one; one of 8 bits at most once in `round` cycles
    s_<name>    what another status register shows
    stale       for one cycle: a status register of more than a byte has changed
    c_<name>    what the control register holds
    """

    def __init__(
        self, registers: Iterable[Register], counters: Iterable[str], rom: type[Rom] = Rom
    ):
        self.rows, self._rom = checked(registers), rom
        names = {*counters}
        self._counters = [row for row in self.rows if row.name in names]
        self._shown = [r for r in self.rows if r.name not in names and r.access != "constant"]
        wide = sum(row.bits > 8 for row in self._counters)
        # Each counter's lowest byte, all bytes of the wide ones, and a request
        self.round = PHASES * (len(self._counters) + 3 * wide + 4) + 1
        assert self.round < 128 and self.rows[-1].address < 4 << WORD_BITS
        members: dict[str, Out] = {"port": In(BytePort()), "stale": In(1)}
        for row in self._counters:
            members[f"n_{row.name}"] = In(1)
        for row in self._shown:
            if row.access == "status":
                members[f"s_{row.name}"] = In(row.bits)
            else:
                assert row.bits <= 8
                members[f"c_{row.name}"] = Out(row.bits, init=row.value)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        port = self.port
        m.submodules.memory = memory = memory_of(8, 4 << WORD_BITS)
        m.submodules.identity = told = self._rom(identity_table(self.rows))
        write, read = write_port(memory), read_port(memory, "comb")
        first = self._counters[0].address >> 2
        word, byte = Signal(WORD_BITS, init=first, name="word"), Signal(2, name="byte")
        # One of three: memories are read, their bytes go into a register, the new byte is put
        reads, keeps, puts = Signal(init=1), Signal(), Signal()
        serves, waits, fresh = Signal(name="serves"), Signal(name="waits"), Signal(init=1)
        old, kept, new = (Signal(8, name=name) for name in ("old", "kept", "new"))
        carry = Signal(name="carry")
        m.d.sync += [reads.eq(puts), keeps.eq(reads), puts.eq(keeps)]
        with m.If(port.ask):
            m.d.sync += waits.eq(1)
        m.d.comb += [
            read.addr.eq(Cat(byte, word)),
            write.addr.eq(Cat(byte, word)),
            write.data.eq(new),
            write.en.eq(puts & ~serves),
            told.address.eq(Cat(byte, word)),
        ]
        with m.If(~write.en):
            m.d.sync += old.eq(read.data)
        none, fixed, counts, constant, short = self._decode(m)
        blank = serves & (none | (short & (byte != 0)))
        low, odd, wide = self._fast(m, word, byte, blank)
        # After a reset the memory holds anything.
        m.d.sync += kept.eq(Mux(serves & constant, told.data, old))
        with m.If(fresh):
            m.d.sync += kept.eq(0)
        lowest = byte == 0
        wraps = wide & kept[7] & ~low[7]
        total = kept + (Mux(lowest, (odd ^ kept[0]) & ~wide, carry) & ~serves)
        # The new byte comes from `low`
        aside = Mux(serves, ~(counts | constant), lowest & wide)
        m.d.comb += new.eq(Mux(aside, low, total))
        with m.If(puts):
            m.d.sync += carry.eq(Mux(lowest, wraps, total[8]))
        self._rounds(m, word, byte, puts, serves, waits, fresh, ~lowest | wraps)
        m.d.comb += [port.value.eq(new), port.refused.eq(none | (port.write & fixed))]
        for row in self._shown:
            if row.access == "control":
                with m.If(port.beat & port.write & ~none & lowest & (word == row.address >> 2)):
                    m.d.sync += getattr(self, f"c_{row.name}").eq(port.data)
        return m

    def _decode(self, m: Module) -> tuple[Signal, Signal, Signal, Signal, Signal]:
        """Whether there is no register at the port's address, it cannot be written, it is a
        counter, it is a constant, it has one byte; a cycle later."""
        port = self.port
        none, fixed = Signal(name="none"), Signal(name="fixed")
        counts, constant = Signal(name="counts"), Signal(name="constant")
        short = Signal(name="short")
        outside = port.address[:2].any() | port.address[2 + WORD_BITS :].any()
        m.d.sync += [none.eq(1), fixed.eq(1), counts.eq(0), constant.eq(0), short.eq(0)]
        with m.Switch(port.address[2 : 2 + WORD_BITS]):
            for row in self.rows:
                with m.Case(row.address >> 2):
                    m.d.sync += [
                        none.eq(outside),
                        fixed.eq(row.access != "control"),
                        counts.eq(row in self._counters and ~outside),
                        short.eq(row.bits <= 8),
                        constant.eq((row.access == "constant") and ~outside),
                    ]
        return none, fixed, counts, constant, short

    def _fast(
        self, m: Module, word: Value, byte: Value, blank: Value
    ) -> tuple[Signal, Signal, Signal]:
        """Of the register at hand, a cycle later: its byte in flip-flops, 0 where it is `blank`;
        whether it is odd; whether it is a counter of more than 8 bits."""
        low, odd, wide = Signal(8, name="low"), Signal(name="odd"), Signal(name="wide")
        bytes_: dict[int, Value] = {}
        odds: dict[int, Value] = {}
        wides: dict[int, Value] = {}
        for row in self._counters:
            number, happens = row.address >> 2, getattr(self, f"n_{row.name}")
            fast = Signal(8 if row.bits > 8 else 1, name=f"fast_{row.name}")
            m.d.sync += fast.eq(fast + happens)
            wides[number] = Const(row.bits > 8, 1)
            (bytes_ if row.bits > 8 else odds)[number] = fast
        for row in self._shown:
            value = getattr(self, f"{row.access[0]}_{row.name}")
            each = {k: value[8 * k : 8 * k + 8] for k in range(-(-row.bits // 8))}
            bytes_[row.address >> 2] = select(byte, each)
        m.d.sync += [low.eq(select(word, bytes_)), odd.eq(select(word, odds))]
        m.d.sync += wide.eq(select(word, wides))
        with m.If(blank):
            m.d.sync += low.eq(0)
        return low, odd, wide

    def _rounds(
        self, m: Module, word: Signal, byte: Signal, puts: Value, serves: Signal, waits: Signal,
        fresh: Signal, more: Value,
    ) -> None:  # fmt: skip
        """From byte to byte, from counter to counter, then to a request that waits."""
        port, torn = self.port, Signal(name="torn")
        words = [row.address >> 2 for row in self._counters]
        ends = (byte == 3) | ~(serves | more | fresh)
        m.d.comb += [port.beat.eq(puts & serves), port.done.eq(port.beat & ends & ~torn)]
        # What has changed between its first byte and its last one is read again in the next round.
        m.d.sync += torn.eq(serves & ~port.write & (torn | self.stale))
        with m.If(puts):
            m.d.sync += byte.eq(Mux(ends, 0, byte + 1))
        with m.If(puts & ends):
            m.d.sync += [word.eq(word + 1), serves.eq(0)]
            for here, after in zip(words, [*words[1:], words[0]], strict=True):
                if after != here + 1:
                    with m.If(word == here):
                        m.d.sync += word.eq(after)
            with m.If(serves):
                m.d.sync += [word.eq(words[0]), waits.eq(torn)]
            with m.Elif(word == words[-1]):
                m.d.sync += fresh.eq(0)
                with m.If(waits):
                    m.d.sync += [serves.eq(1), word.eq(port.address[2 : 2 + WORD_BITS])]
