"""What a dense layer's sequencer asks its neurons to do."""

from amaranth.lib import data

from polyrhythm.hw.lib.bits import bits_for
from polyrhythm.hw.stream.event import Event, profile_field


class Op(data.StructLayout):
    """One operation on one group of neurons; nothing is asked where neither `integrate` nor `sweep`
    is set.

    row                    weight row of the event
    count, negative        how many spikes it stands for, as of `Event`
    held                   sweep with the current of the sweep before
    group, table           which group, and its row of neuron constants (bias phase and group)
    last, closing          whether it is the last group, and in the frame's last tick
    following              of a sweep, the `table` of the sum that begins behind it
    profile                the frame's (absent where there is one)
    """

    def __init__(
        self,
        rows: int,
        max_count: int,
        groups: int,
        tables: int,
        signed: bool = False,
        profiles: int = 1,
    ):
        event = Event(1, max_count, signed)
        self.amount, self.max_count, self.signed = event.amount, max_count, signed
        super().__init__(
            {
                "integrate": 1,
                "sweep": 1,
                "row": bits_for(rows - 1),
                **event.amount,
                "held": 1,
                "closing": 1,
                "last": 1,
                "group": bits_for(groups - 1),
                "table": bits_for(tables - 1),
                "following": bits_for(tables - 1),
                **profile_field(profiles),
            }
        )
