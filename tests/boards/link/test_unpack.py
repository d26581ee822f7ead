"""boards.link: bytes become words of the accelerator's input, and words become well-closed
frames."""

import random
from typing import Any

import pytest
from gateware import Word, simulate

from polyrhythm.boards.link.cobs import CobsDecoder
from polyrhythm.boards.link.framer import Framer
from polyrhythm.boards.link.framing import frame
from polyrhythm.boards.link.unpack import PixelUnpacker, WordUnpacker
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.addresses import AddressMap

SHAPES = [(5, 1, 1), (64, 1, 1), (1, 1, 1), (3, 5, 6), (2, 4, 8), (1, 1, 7), (2, 3, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("most", [1, 3, 7, 15, 255, 1000])
def test_pixels_become_spikes_and_closing_words(shape: tuple[int, int, int], most: int) -> None:
    seed = most
    rng, source = random.Random(seed), AddressMap(shape)
    event = Event(source, most)
    bits = next(b for b in (1, 2, 4, 8, 16) if most < 1 << b)
    sent, expected = [], list[Word]()
    for _ in range(3):
        counts = [
            rng.choice((0, 0, 1, most, rng.randrange(1 << bits))) for _ in range(source.neurons)
        ]
        whole = sum(n << bits * k for k, n in enumerate(counts))
        sent += whole.to_bytes(-(-bits * len(counts) // 8), "little")
        for address, count in zip(source.addresses().tolist(), counts, strict=True):
            if count:
                # What the field cannot hold is sent as 0: the accelerator drops and counts it.
                held = count if count < 1 << most.bit_length() else 0
                expected.append({"address": address, "count": held, "tick": 0, "end": 0})
        expected.append({"tick": 1, "end": 1})
    found = run_bytes(PixelUnpacker(event, bits), sent, seed)
    for word in found:
        if word["tick"]:
            word.pop("address")
            word.pop("count", None)
    kept = [{n: v for n, v in word.items() if n in event.members} for word in expected]
    assert found == kept


def run_bytes(dut: Any, sent: list[int], seed: int) -> list[Word]:
    """Words that bytes become, with random stalls on both sides."""
    rng, found = random.Random(seed), list[Word]()
    todo, members = [*sent], dut.o.payload.shape().members

    async def bench(ctx: Any, _: Any) -> None:
        idle, valid = 0, False
        while idle < 40:
            valid = valid or bool(todo and rng.random() < 0.5)
            ctx.set(dut.i.valid, valid)
            ctx.set(dut.i.payload, todo[0] if valid else rng.randrange(256))
            ready = rng.random() < 0.5
            ctx.set(dut.o.ready, ready)
            idle += 1
            if ctx.get(dut.o.valid) and ready:
                found.append({name: ctx.get(dut.o.payload[name]) for name in members})
                idle = 0
            if valid and ctx.get(dut.i.ready):
                todo.pop(0)
                valid, idle = False, 0
            await ctx.tick()
        assert not ctx.get(dut.part)

    simulate(dut, bench)
    assert not todo
    return found


@pytest.mark.parametrize(("shape", "most"), [((5, 1, 1), 1), ((3, 5, 6), 15), ((200, 30, 30), 255)])
def test_words_come_in_whole_bytes(shape: tuple[int, int, int], most: int) -> None:
    event, rng = Event(AddressMap(shape), most), random.Random(most)
    size = -(-event.size // 8)
    sent = [rng.getrandbits(event.size) for _ in range(20)]
    line = [byte for word in sent for byte in word.to_bytes(size, "little")]
    found = run_bytes(WordUnpacker(event), line, seed=most)
    at = {name: (event[name].offset, event[name].width) for name in event.members}
    wanted = [{n: w >> low & (1 << bits) - 1 for n, (low, bits) in at.items()} for w in sent]
    assert found == wanted


SPIKE, TICK, END = {"address": 1}, {"tick": 1}, {"end": 1}


@pytest.mark.parametrize(
    ("words", "wrong", "ended"),
    [
        ([SPIKE, TICK, SPIKE, TICK, SPIKE, END], False, True),
        ([TICK, TICK, END], False, True),
        ([SPIKE, TICK], False, False),
        ([], False, False),
        ([TICK, TICK, TICK], True, True),
        ([SPIKE, END], True, False),
        ([TICK, TICK, END, SPIKE], True, True),
        ([TICK, TICK, END, END], True, True),
    ],
)
def test_every_frame_is_closed_once(words: list[Word], wrong: bool, ended: bool) -> None:
    dut, out, rng = Framer(Event(4, 1), 3), list[Word](), random.Random(1)
    flags: list[tuple[int, int]] = []

    async def bench(ctx: Any, _: Any) -> None:
        async def step() -> None:
            ready = rng.random() < 0.4
            ctx.set(dut.o.ready, ready)
            if ready and ctx.get(dut.o.valid):
                names = ("address", "tick", "end")
                word = {name: ctx.get(dut.o.payload[name]) for name in names}
                out.append({name: value for name, value in word.items() if value})
            await ctx.tick()

        for _ in range(2):  # a frame leaves nothing behind for the next one
            ctx.set(dut.begin, 1)
            await step()
            ctx.set(dut.begin, 0)
            for word in words:
                ctx.set(dut.i.payload, {"address": 0, "tick": 0, "end": 0} | word)
                ctx.set(dut.i.valid, 1)
                while not ctx.get(dut.i.ready):
                    await step()
                await step()
                ctx.set(dut.i.valid, 0)
            await step()
            flags.append((ctx.get(dut.wrong), ctx.get(dut.ended)))
            ctx.set(dut.close, 1)
            while not ctx.get(dut.closed):
                await step()
            await step()
            ctx.set(dut.close, 0)
        for _ in range(30):
            await step()

    simulate(dut, bench)
    assert flags == [(wrong, ended)] * 2
    half = len(out) // 2
    closing = [word for word in out[:half] if "address" not in word]
    assert closing == [TICK, TICK, END] and out[half - 1] == END and out[half:] == out[:half]


def test_decoder_undoes_cobs() -> None:
    rng, dut = random.Random(2), CobsDecoder()
    bodies = [
        bytes(rng.choice((0, 0, 5, 255)) for _ in range(rng.randrange(1, 40))) for _ in range(20)
    ]
    bodies.append(bytes(range(1, 252)))
    found, held = [], list[int]()

    async def bench(ctx: Any, _: Any) -> None:
        for byte in b"".join(map(frame, bodies)):
            ctx.set(dut.byte, byte)
            ctx.set(dut.put, 1)
            if ctx.get(dut.valid):
                held.append(ctx.get(dut.o))
            if ctx.get(dut.ends):
                assert ctx.get(dut.whole) and not ctx.get(dut.empty)
                found.append(bytes(held[:-2]))
                held.clear()
            await ctx.tick()
            ctx.set(dut.put, 0)
            ctx.set(dut.byte, rng.randrange(256))
            await ctx.tick()

    simulate(dut, bench)
    assert found == bodies
