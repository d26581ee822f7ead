"""What an event-driven layer's sequencer asks its neurons to do."""

from amaranth.lib import data

from polyrhythm.hw.conv.operation import banked_fields
from polyrhythm.hw.lib.bits import bits_for
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.conv import ConvSynapses


class Visit(data.StructLayout):
    """One operation on one word of each bank: `integrate` an event, `settle` (add nothing), or
    `close` (after it, a frame begins).

    rows, columns     positions of the banks' words
    last              the frame's last operation
    the other fields  as of `banked_fields`
    """

    def __init__(self, synapses: ConvSynapses, event: Event):
        self.amount, self.max_count, self.signed = event.amount, event.max_count, event.signed
        rows, columns = synapses.rows, synapses.columns
        row, column = (
            bits_for(rows.words * rows.banks - 1),
            bits_for(columns.words * columns.banks - 1),
        )
        super().__init__(
            {
                **banked_fields(synapses, event),
                "settle": 1,
                "close": 1,
                "last": 1,
                "rows": data.ArrayLayout(row, rows.banks),
                "columns": data.ArrayLayout(column, columns.banks),
            }
        )
