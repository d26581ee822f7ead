"""Finds what an event reaches in a convolution: its row, column and channel each look up a small
table."""

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from polyrhythm.hw.lib.bits import bits_for, constant_at
from polyrhythm.hw.stream.event import Event, profile_field
from polyrhythm.hw.stream.queue import Queue
from polyrhythm.sw.plan.conv import Axis, ConvSynapses


class Side(data.StructLayout):
    """What an event reaches in one dimension, in steps of the state's and the weights' addresses.

    words, enabled  for each bank the state word of its position, and whether there is one
    weight          row of its weights
    visits          operations that it takes (absent where always one)
    positions       the positions in the map (absent where nobody asks)
    """

    def __init__(self, axis: Axis, word_step: int, weight_step: int, positions: bool):
        self.most_visits = max(1, *(reach.visits for reach in axis.reaches))
        visits = {"visits": bits_for(self.most_visits)} if self.most_visits > 1 else {}
        bits = bits_for(axis.words * axis.banks - 1)
        asked = {"positions": data.ArrayLayout(bits, axis.banks)} if positions else {}
        super().__init__(
            {
                "words": data.ArrayLayout(bits_for((axis.words - 1) * word_step), axis.banks),
                "enabled": axis.banks,
                "weight": bits_for((axis.phases - 1) * weight_step),
                **visits,
                **asked,
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
            if "positions" in self.members:
                word["positions"] = [
                    n * self.axis.banks + bank for bank, n in enumerate(reach.words)
                ]
            rows.append(self.const(word).as_bits())
        return rows


class Located(data.StructLayout):
    """An event, or the word that closes a step (`closes`, and `end` for the frame's last), with
    what it reaches; positions: also where in the map."""

    def __init__(self, event: Event, synapses: ConvSynapses, *, positions: bool = False):
        groups, columns = synapses.channel_groups, synapses.columns
        self.y = Side(synapses.rows, columns.words * groups, columns.phases * groups, positions)
        self.x = Side(columns, groups, groups, positions)
        self.channel_step = synapses.rows.phases * columns.phases * groups
        weight = bits_for((synapses.source.shape[0] - 1) * self.channel_step)
        fields = {"closes": 1, "end": 1, **event.amount, **profile_field(event.profiles)}
        super().__init__({**fields, "y": self.y, "x": self.x, "weight": weight})


class Locate(wiring.Component):
    """Events in, located events out; an event that reaches nothing is dropped.

    Tables, then a queue of two words: nobody before it waits for a wire from behind it. Latency is
    1 cycle; one word per cycle.
    """

    def __init__(self, event: Event, synapses: ConvSynapses, *, positions: bool = False):
        self._event, self._source = event, synapses.source
        self._located = Located(event, synapses, positions=positions)
        super().__init__(
            {"i": In(stream.Signature(event)), "o": Out(stream.Signature(self._located))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = Queue(self._located, 2)
        word, found, located = self.i.payload, queue.i.payload, self._located
        low, high = self._source.column_bits, self._source.channel_low
        column, row, channel = word.address[:low], word.address[low:high], word.address[high:]
        # Stride, padding, pooling and edges are only contents of these tables.
        closes = word.tick | word.end
        y = data.View(located.y, constant_at(row, located.y.rows(), located.y.size))
        x = data.View(located.x, constant_at(column, located.x.rows(), located.x.size))
        channels = [c * located.channel_step for c in range(self._source.shape[0])]
        m.d.comb += [
            queue.i.valid.eq(self.i.valid & (closes | (y.enabled.any() & x.enabled.any()))),
            self.i.ready.eq(queue.i.ready),
            found.closes.eq(closes),
            found.end.eq(word.end),
            found.y.eq(y),
            found.x.eq(x),
            found.weight.eq(constant_at(channel, channels, located["weight"].width)),
            *(found[field].eq(word[field]) for field in self._event.amount),
            *([found.profile.eq(word.profile)] if self._event.profiles > 1 else []),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        return m
