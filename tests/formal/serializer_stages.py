"""The serializer's parts, each in every run: the chooser cuts words, the sender sends blocks,
values wait."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data

from polyrhythm.hw.lib.bits import bits_for
from polyrhythm.hw.output.chooser import Chooser
from polyrhythm.hw.output.sender import Sender
from polyrhythm.hw.output.values import STANDING, WaitingValues
from polyrhythm.hw.output.words import Choice, Fired, WaitingWord, describe
from polyrhythm.hw.stream.pick import Pick
from polyrhythm.sw.plan.addresses import AddressMap
from polyrhythm.sw.plan.layout import Layout, dense_layout, map_layout
from polyrhythm.sw.plan.parameters import STANDARD

from .bench import Bench, count, implies, side_by_side
from .sby import Proof

BLOCK = STANDARD.block


def addresses(layout: Layout) -> np.ndarray:
    """On the wire, of the neuron in each group and lane (groups, lanes); -1 where there is none."""
    return np.where(layout.neurons >= 0, layout.target.addresses()[layout.neurons], -1)


def chooser(m: Module, layout: Layout) -> None:
    """A word leaves as its blocks in which somebody fired, lowest first, each once, the last one
    marked; a silent word as one."""
    shape = WaitingWord(layout, BLOCK)
    bench = Bench(Chooser(shape, BLOCK), m)
    word, choice = bench.dut.i.payload, bench.dut.o.payload
    waits = bench.receives(bench.dut.i, "i")
    described, fired = Signal(shape), Signal(Fired(layout.lanes))
    m.d.comb += [
        fired.fire.eq(word.fire),
        fired.last.eq(word.last),
        fired.closing.eq(word.closing),
        *describe(described, fired),
    ]
    group = Signal(range(layout.groups))
    where = addresses(layout)
    real = Array(
        Const(sum(1 << k for k, a in enumerate(row) if a >= 0), layout.lanes) for row in where
    )[group]
    bench.assume(word.as_value() == described.as_value())
    bench.assume((word.last == (group == layout.groups - 1)) & ((word.fire & ~real) == 0))
    enters, leaves = bench.dut.i.valid & bench.dut.i.ready, bench.dut.o.valid & bench.dut.o.ready
    with m.If(enters):
        m.d.sync += group.eq(Mux(word.last, 0, group + 1))

    now, sent = Signal(layout.lanes), Signal(layout.lanes)
    m.d.comb += now.eq(
        Cat(
            Mux(choice.chosen[k], choice.fire, 0)[: len(lanes)]
            for k, lanes in enumerate(shape.blocks)
        )
    )
    with m.If(leaves):
        m.d.sync += sent.eq(Mux(choice.final, 0, sent | now))
    bench.sends(bench.dut.o, "o")
    bench.claim(bench.dut.o.valid == bench.dut.i.valid)
    bench.claim(bench.dut.i.ready == (bench.dut.o.ready & choice.final))
    with m.If(bench.dut.o.valid):
        bench.claim((now & ~(word.fire & ~sent)) == 0)  # fired, and not sent before
        bench.claim(
            now.any() | (word.fire == 0)
        )  # so a word takes no more cycles than it has blocks with spikes
        bench.claim(choice.final == ((sent | now) == word.fire))
        bench.claim((choice.last == (choice.final & word.last)) & (choice.closing == word.closing))
        bench.claim(choice.speaks == (now.any() | word.last))
        bench.claim(
            (choice.any == now.any()) & implies(choice.any, choice.single == (count(now) == 1))
        )
        for k, lanes in enumerate(shape.blocks):
            with m.If(choice.chosen[k]):
                bench.claim((word.fire & ~sent)[: lanes.start] == 0)  # lowest first
                bench.claim(choice.chosen == 1 << k)
                bench.claim(now[lanes.start : lanes.stop] == word.fire[lanes.start : lanes.stop])
            for lane in lanes:
                here = Array(Const(max(int(a), 0), len(choice.base)) for a in where[:, lane])[group]
                bench.claim(
                    implies(
                        now[lane],
                        first_of(choice) + ((lane - lanes.start) << layout.target.channel_low)
                        == here,
                    )
                )
    bench.reach(
        enters & (count(sent) > BLOCK // 2) & (group == 1) if len(shape.blocks) > 1 else enters
    )

    taken, started, two_left = (bench.inner(name) for name in ("taken", "started", "two_left"))
    bench.invariant(started == taken.any())
    bench.invariant(implies(started, waits & ((taken & ~word.some) == 0) & (taken != word.some)))
    bench.invariant(implies(started, two_left == (count(word.some & ~taken) <= 1)))
    bench.invariant(
        sent
        == Cat(
            Mux(taken[k], word.fire[b.start : b.stop], 0)[: len(b)]
            for k, b in enumerate(shape.blocks)
        )
    )
    bench.invariant(group < layout.groups)
    walks(bench, layout, "", group)


def first_of(choice: data.View) -> Value:
    """Address of a choice's first lane."""
    return (choice.base + choice.offset)[: len(choice.base)]


def walks(bench: Bench, layout: Layout, path: str, group: Value) -> None:
    """Invariant: the chooser's nested counters, `path` before their names, stand where `group`
    says."""
    span = 1
    for k, (size, by) in enumerate(layout.steps):
        if size > 1:
            digit = Array(Const(n // span % size, range(size)) for n in range(layout.groups))[group]
            bench.invariant(bench.inner(f"{path}done_{k}") == digit)
            bench.invariant(bench.inner(f"{path}base_{k}") == digit * by)
        span *= size


def sender(m: Module, target: AddressMap, value_bits: int) -> None:
    """A block leaves as its neurons, lowest first, each once with its value, then what it closes;
    in no cycle more than that."""
    layout, stride = map_layout(target, min(BLOCK, target.shape[0]), (1, 1)), target.channel_low
    choices = Choice(WaitingWord(layout, BLOCK), BLOCK)
    bench = Bench(Sender(choices, Pick(target, value_bits), stride, value_bits), m)
    dut, choice, pick = bench.dut, bench.dut.i.payload, bench.dut.o.payload
    bench.receives(dut.i, "i")
    bench.assume(
        (choice.any == choice.fire.any())
        & implies(choice.any, choice.single == (count(choice.fire) == 1))
    )
    bench.assume(choice.speaks == (choice.any | choice.last))
    leaves, final = dut.o.valid & dut.o.ready, Signal()
    busy, rest, closes, end = (
        Signal(),
        Signal(BLOCK),
        Signal(),
        Signal(),
    )  # what is still to be sent
    base, values = Signal.like(choice.base), Signal(BLOCK * value_bits)
    m.d.comb += final.eq(count(Cat(rest, closes)) == 1)
    with m.If(leaves):
        m.d.sync += [rest.eq(rest & (rest - 1)), closes.eq(closes & rest.any()), busy.eq(~final)]
    with m.If(dut.i.valid & dut.i.ready & choice.speaks):
        m.d.sync += [
            busy.eq(1),
            rest.eq(choice.fire),
            closes.eq(choice.last),
            base.eq(first_of(choice)),
            end.eq(choice.closing),
        ]
        m.d.sync += values.eq(dut.values.as_value() if value_bits else 0)

    bench.sends(dut.o, "o")
    bench.claim(dut.o.valid == busy)
    bench.claim(dut.i.ready == (~choice.speaks | ~busy | (leaves & final)))
    for k in range(BLOCK):
        lowest = dut.o.valid & rest[k] & ~rest[:k].any()
        bench.claim(
            implies(
                lowest,
                (pick.address == (base + (k << stride))[: len(pick.address)])
                & ~pick.tick
                & ~pick.end,
            )
        )
        if value_bits:
            bench.claim(implies(lowest, pick.value == values.word_select(k, value_bits)))
    bench.claim(
        implies(
            dut.o.valid & ~rest.any(),
            closes & (pick.tick == ~end) & (pick.end == end) & (pick.address == 0),
        )
    )
    bench.reach(leaves & final & pick.end & (values.any() if value_bits else 1))

    block = bench.inner("block")
    bench.invariant(bench.inner("busy") == busy)
    with m.If(busy):
        bench.invariant(
            (block.fire == rest)
            & (block.any == rest.any())
            & implies(rest.any(), block.single == (count(rest) == 1))
        )
        bench.invariant(
            (block.base == base)
            & (block.last == closes)
            & (block.closing == end)
            & (rest.any() | closes)
        )
        if value_bits:
            bench.invariant(bench.inner("values").as_value() == values)


def waiting_values(
    m: Module, lanes: int, value_bits: int, words: int, registered: bool = False
) -> None:
    """Of up to `words` words that wait, the blocks of the oldest one can be read as they were put:
    from the second cycle on, of a memory with a register from the third and wherever it is
    settled."""
    blocks = dense_layout(lanes, lanes).blocks(BLOCK)
    bench = Bench(WaitingValues(blocks, BLOCK, value_bits, words, registered), m)
    dut = bench.dut
    level, inside, fresh, young = Signal(range(words + 1)), Signal(), Signal(), Signal()
    ahead, value = Signal(range(words)), Signal(value_bits)
    lane = bench.constant(bits_for(lanes - 1), "lane")
    bench.assume(lane < lanes)
    bench.assume(implies(dut.put, level != words) & implies(dut.take, level != 0))
    m.d.sync += [level.eq(level + dut.put - dut.take), fresh.eq(0), young.eq(fresh)]
    with m.If(dut.put & ~inside & bench.free(1, "pick")):
        m.d.sync += [inside.eq(1), fresh.eq(1), ahead.eq(level - dut.take), value.eq(dut.i[lane])]
    with m.Elif(inside & dut.take):
        m.d.sync += [inside.eq(ahead != 0), ahead.eq(ahead - 1)]
    read = inside & ~fresh & (ahead == 0)
    moved = Signal()  # the word became the oldest one a cycle ago
    m.d.sync += moved.eq(dut.take)
    ready = read & dut.readable & (~young if registered else 1)
    for k, block in enumerate(blocks):
        with m.If(ready & (dut.chosen == 1 << k) & (lane >= block.start) & (lane < block.stop)):
            bench.claim(dut.o[(lane - block.start)[: BLOCK.bit_length() - 1]] == value)
            bench.reach(value.all() & (level == words))

    bench.invariant(implies(inside, ahead < level) & (level <= words))
    newest, oldest = bench.inner("newest"), bench.inner("oldest")
    if words == STANDING:
        places = [bench.inner(f"word_{k}") for k in range(2)]
        bench.invariant(
            ((oldest == 1) | (oldest == 2)) & (newest == Mux(level[0], ~oldest, oldest))
        )
        row = Mux((oldest == 1) == (ahead == 0), places[0], places[1])
    else:
        bench.invariant((oldest < words) & (newest == _wrapped(oldest + level, words)))
        row = bench.row("memory", _wrapped(oldest + ahead, words), "row")
        bench.invariant(
            implies(
                read & ~(moved if registered else Const(0)),
                bench.inner("read").data.word_select(lane, value_bits) == value,
            )
        )
        if registered:
            bench.invariant(
                implies(ready, bench.inner("word_1").word_select(lane, value_bits) == value)
            )
    bench.invariant(implies(inside, row.word_select(lane, value_bits) == value))


def _wrapped(place: Value, words: int) -> Value:
    return Mux(place >= words, place - words, place)


DENSE = [dense_layout(*sizes) for sizes in ((1, 1), (5, 3), (8, 8), (20, 9), (40, 17))]
MAPS = [
    map_layout(AddressMap((5, 3, 4)), 2, (2, 2)),
    map_layout(AddressMap((9, 2, 3)), 9, (1, 1)),
    map_layout(AddressMap((3, 5, 5)), 3, (3, 3)),
]


def name_of(layout: Layout) -> str:
    return f"{'x'.join(map(str, layout.target.shape))}-{layout.lanes}"


PROOFS = [
    Proof("chooser", side_by_side(chooser, *((layout,) for layout in DENSE))),
    Proof("chooser-of-maps", side_by_side(chooser, *((layout,) for layout in MAPS))),
    Proof(
        "sender",
        side_by_side(
            sender,
            (AddressMap((5, 1, 1)), 0),
            (AddressMap((20, 1, 1)), 3),
            (AddressMap((9, 2, 3)), 2),
        ),
    ),
    Proof(
        "values",
        side_by_side(
            waiting_values,
            (1, 2, 2),
            (9, 2, 2),
            (9, 2, 3),
            (17, 3, 4),
            (9, 2, 3, True),
            (17, 3, 4, True),
        ),
    ),
    Proof("chooser-reaches", side_by_side(chooser, (dense_layout(20, 9),)), "cover", 6),
    Proof("sender-reaches", side_by_side(sender, (AddressMap((20, 1, 1)), 3)), "cover", 6),
    Proof("values-reach", side_by_side(waiting_values, (9, 2, 2), (9, 2, 3)), "cover", 6),
]
