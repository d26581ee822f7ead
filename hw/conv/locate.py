"""Finds what an event reaches in a convolution: its row, column and channel each look up a small table."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Array, Const, Module, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.stream.event import Event, Queue, bits_for
from polyrhythm.sw.plan.rom_conv import Axis, ConvRom
from polyrhythm.sw.plan.rom_event import EventRom


class Side(data.StructLayout):
    """What an event reaches in one dimension, in steps of the state's and the weights' addresses.

    words, enabled: for each bank the state word of its position, and whether there is one; weight: row of its weights;
    visits: operations that it takes (absent where always one); places: the positions (absent where nobody asks)
    """

    def __init__(self, axis: Axis, word_step: int, weight_step: int, placed: bool):
        self.most_visits = max(1, *(reach.visits for reach in axis.reaches))
        self.place_bits = bits_for(axis.words * axis.banks - 1)
        visits = {"visits": bits_for(self.most_visits)} if self.most_visits > 1 else {}
        places = {"places": data.ArrayLayout(self.place_bits, axis.banks)} if placed else {}
        super().__init__(
            {
                "words": data.ArrayLayout(bits_for((axis.words - 1) * word_step), axis.banks),
                "enabled": axis.banks,
                "weight": bits_for((axis.phases - 1) * weight_step),
                **visits,
                **places,
            }
        )
        self.axis, self.word_step, self.weight_step = axis, word_step, weight_step

    def rows(self) -> list[int]:
        """The table: one row for each coordinate."""
        rows = []
        for reach in self.axis.reaches:
            word: dict[str, Any] = {
                "words": [n * self.word_step for n in reach.words],
                "enabled": sum(on << bank for bank, on in enumerate(reach.enabled)),
                "weight": reach.phase * self.weight_step,
            }
            if self.most_visits > 1:
                word["visits"] = reach.visits
            if "places" in self.members:
                word["places"] = [n * self.axis.banks + bank for bank, n in enumerate(reach.words)]
            rows.append(self.const(word).as_bits())
        return rows


class Located(data.StructLayout):
    """An event, or the word that closes a step (`closes`, and `end` for the frame's last), with what it reaches."""

    def __init__(self, event: Event, contents: ConvRom):
        groups, columns, placed = contents.channel_groups, contents.columns, isinstance(contents, EventRom)
        self.y = Side(contents.rows, columns.words * groups, columns.phases * groups, placed)
        self.x = Side(columns, groups, groups, placed)
        self.channel_step = contents.rows.phases * columns.phases * groups
        channels = contents.source.shape[0]
        weight = bits_for((channels - 1) * self.channel_step)
        super().__init__({"closes": 1, "end": 1, **event.amount, "y": self.y, "x": self.x, "weight": weight})


class Locate(wiring.Component):
    """Events in, located events out, one cycle later; an event that reaches nothing is dropped.

    Tables, then a queue of two words: a word per cycle, and nobody before it waits for a wire from behind it.
    """

    def __init__(self, event: Event, contents: ConvRom):
        self._event, self._contents, self._located = event, contents, Located(event, contents)
        super().__init__({"i": In(stream.Signature(event)), "o": Out(stream.Signature(self._located))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = Queue(self._located, 2)
        word, found, located = self.i.payload, queue.i.payload, self._located
        low, rows = self._contents.source.column_bits, self._contents.source.row_bits
        column, row, channel = word.address[:low], word.address[low:][:rows], word.address[low + rows :]
        closes = word.tick | word.end
        y, x = (
            data.View(side, _look_up(side.rows(), index, side.size))
            for side, index in ((located.y, row), (located.x, column))
        )
        channels = [c * located.channel_step for c in range(self._contents.source.shape[0])]
        m.d.comb += [
            queue.i.valid.eq(self.i.valid & (closes | (y.enabled.any() & x.enabled.any()))),
            self.i.ready.eq(queue.i.ready),
            found.closes.eq(closes),
            found.end.eq(word.end),
            found.y.eq(y),
            found.x.eq(x),
            found.weight.eq(_look_up(channels, channel, located["weight"].width)),
            *(found[field].eq(word[field]) for field in self._event.amount),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        return m


def _look_up(rows: Sequence[int], index: Value, width: int) -> Value:
    """rows[index], in lookup tables; the last row stands for all behind it."""
    return Const(rows[0], width) if len(rows) == 1 else Array(Const(row, width) for row in rows)[index]
