"""Words of state that stand in a memory, and operations that change them."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import bits_for, delay
from polyrhythm.hw.lib.ram import memory_of, read_port, write_port

AHEAD = 3  # operations that are under way behind a read: their results are not in the memory yet


class State(wiring.Component):
    """`words` words of `width` bits; each operation finds its word as those before it have left it.
    One operation per cycle.

    Read, change, write: nobody waits. A word that one of the three operations before has changed is
    not in the memory yet; it comes from their results instead, the newest first. Which one is
    known a cycle early, while the memory's word comes.

        cycle      0         1                    2                  3
        operation  address   compare, memory  ->  found -> result    written

    Members
    -------
    address, writes : in each cycle an operation: its word, and whether it leaves a result there
    found           : the word, `latency` cycles later; anything where no operation has written it
                    since the last reset
    result          : what the operation leaves, in the cycle of `found`, on which it may depend

    A word that is written must be one of the `words`. A reset drops what is under way and leaves
    the memory as it is.
    """

    latency = 2  # cycles from an operation to the word that it finds

    def __init__(self, width: int, words: int):
        self._words = words
        super().__init__(
            {
                "address": In(bits_for(words - 1)),
                "writes": In(1),
                "found": Out(width),
                "result": In(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A word that is read in the cycle of its write comes from the results
        attrs = {"no_rw_check": 1}
        m.submodules.memory = memory = memory_of(len(self.result), self._words, attrs=attrs)
        read, write = read_port(memory), write_port(memory)
        written = self.latency + 1  # cycles from an operation to its write
        address, writes = (
            self._history(m, self.address, "address"),
            self._history(m, self.writes, "writes"),
        )
        # What the operations 1, 2, 3 before left: the memory does not have it yet.
        recent = [
            Signal.like(self.result, name=f"result_{k}", reset_less=k > 1)
            for k in range(1, AHEAD + 1)
        ]
        m.d.sync += [later.eq(value) for value, later in pairwise([self.result, *recent])]
        # Compared a cycle early, while the memory reads: the choice costs no comparison later.
        fresh = Signal(AHEAD, name="fresh")
        m.d.sync += fresh.eq(
            Cat((address[1] == address[1 + k]) & writes[1 + k] for k in range(1, AHEAD + 1))
        )
        stored = delay(m, read.data, 1, "stored", reset_less=True)
        m.d.comb += [
            read.addr.eq(self.address),
            self.found.eq(
                Mux(fresh[0], recent[0], Mux(fresh[1], recent[1], Mux(fresh[2], recent[2], stored)))
            ),
            write.addr.eq(address[written]),
            write.data.eq(recent[0]),
            write.en.eq(writes[written]),
        ]
        return m

    def _history(self, m: Module, value: Value, name: str) -> list[Value]:
        """`value` as it was 0, 1, ... cycles ago, back to the oldest operation that is forwarded
        from."""
        past = [
            value,
            *(Signal.like(value, name=f"{name}_{k}") for k in range(1, self.latency + AHEAD)),
        ]
        m.d.sync += [later.eq(now) for now, later in pairwise(past)]
        return past
