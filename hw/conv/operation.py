"""What a convolution's sequencer asks its banks to do."""

from collections.abc import Sequence
from typing import Any

from amaranth.lib import data

from polyrhythm.hw.lib.bits import bits_for
from polyrhythm.hw.stream.event import Event, profile_field
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.steps import Steps


def banked_fields(synapses: ConvSynapses, event: Event) -> dict[str, Any]:
    """The fields of every operation on one word of each bank.

    integrate, amount  add the weights at `row`, as often as the fields of `Event.amount` say, in
                       the banks that are `enabled`
    clear              begin the word anew, after a reset
    address            the word, for each bank
    channels           its group of channels: its row of neuron constants
    bottom, right      the word is the banks' last one in its column, row: banks beyond the map's
                       edge have no neuron in it
    """
    return {
        "integrate": 1,
        "clear": 1,
        "row": bits_for(len(synapses.weights.values) - 1),
        **event.amount,
        "address": data.ArrayLayout(bits_for(synapses.groups - 1), synapses.banks),
        "enabled": synapses.banks,
        "channels": bits_for(synapses.channel_groups - 1),
        "bottom": 1,
        "right": 1,
    }


class ConvOp(data.StructLayout):
    """One operation on one word of each bank; nothing is asked where none of `integrate`, `sweep`,
    `clear` is set.

    sweep             the word is finished, and the next sum begins in it
    held, last, closing  as of the dense `Op`
    group, table      which word; its row of neuron constants in this tick's bias phase
    following         the same row in the phase of the sum that begins behind a sweep
    profile           the frame's (absent where there is one)
    the other fields  as of `banked_fields`
    """

    def __init__(self, synapses: ConvSynapses, steps: Sequence[Steps], event: Event):
        tables = (max(max(one.phases) for one in steps) + 1) * synapses.channel_groups
        self.amount, self.max_count = event.amount, event.max_count
        super().__init__(
            {
                **banked_fields(synapses, event),
                "sweep": 1,
                "held": 1,
                "closing": 1,
                "last": 1,
                "group": bits_for(synapses.groups - 1),
                "table": bits_for(tables - 1),
                "following": bits_for(tables - 1),
                **profile_field(event.profiles),
            }
        )
