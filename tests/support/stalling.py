"""Gateware that hesitates: the accelerator's own queues, with random pauses on both sides, so that
every stream inside waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.stream.queue import Queue


class Hesitant(wiring.Component):
    """A `Queue` that now and then takes no word (`closes`), and now and then offers none that it
    has.

    A word once offered stays. The pauses come from a shift register with feedback (x^16 + x^14 +
    x^13 + x^11 + 1).
    """

    def __init__(self, shape: data.StructLayout, depth: int, seed: int, closes: bool):
        self._queue, self._seed, self._closes = Queue(shape, depth), seed, closes
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = self._queue
        noise, takes, shows, offered = (
            Signal(16, init=self._seed),
            Signal(init=1),
            Signal(),
            Signal(),
        )
        m.d.sync += [
            noise.eq(Cat(noise[1:], noise[0] ^ noise[2] ^ noise[3] ^ noise[5])),
            offered.eq(self.o.valid & ~self.o.ready),
        ]
        if self._closes:
            m.d.comb += takes.eq(noise[4] | noise[9])
        m.d.comb += [
            shows.eq(offered | noise[7] | noise[12]),
            queue.i.payload.eq(self.i.payload),
            queue.i.valid.eq(self.i.valid & takes),
            self.i.ready.eq(queue.i.ready & takes),
            self.o.payload.eq(queue.o.payload),
            self.o.valid.eq(queue.o.valid & shows),
            queue.o.ready.eq(self.o.ready & shows),
        ]
        return m


@contextmanager
def stalls(seed: int) -> Iterator[None]:
    """Within it, accelerators are built with hesitant queues between layers and inside serializers.

    A serializer's queue of finished words never refuses one, for each is paid for by a credit, so
    it only hesitates to give.
    """
    made = 0

    def hesitant(closes: bool) -> Any:
        def make(shape: data.StructLayout, depth: int) -> Hesitant:
            nonlocal made
            made += 1
            return Hesitant(shape, depth, 1 + (seed * 7919 + made * 104_729) % 65_535, closes)

        return make

    with (
        mock.patch("polyrhythm.hw.accelerator.Queue", hesitant(True)),
        mock.patch("polyrhythm.hw.output.serializer.Queue", hesitant(False)),
    ):
        yield
