"""The numbers that fix the accelerator's pipeline: gateware and cycle model both read them from the
plan."""

from dataclasses import dataclass
from typing import Literal

# What stands for n spikes of a hidden neuron: one event that carries n, or n events.
Coding = Literal["count", "unary"]


@dataclass(frozen=True)
class Parameters:
    """Sizes and pipeline depths of every accelerator; the defaults are what is built.

    queue_depth           events between two layers: one in flip-flops, sixteen in LUT RAMs, or in a
                          block RAM where a part has none
    block                 lanes whose spikes a serializer looks through in one cycle
    count_bits_per_stage  bits of an event's count that one pipeline stage multiplies by: three
                          adders, two levels deep
    winner_radix          sums among which one level of the readout's maximum chooses, at most four
    mask_slots            swept groups that wait for the serializer as bit masks: the round trip of
                          a sweep, so none ever waits in vain
    value_slots           the same where each lane comes with its value, too wide for more
    map_slots             the same in a convolution with banks: a whole tick's words, so that
                          sweeping them waits for nobody
    event_slots           visits of event-driven neurons that are under way or wait for the
                          serializer
    stored_words          values of more words than these stand in block RAMs
    far_lanes             more lanes than these are spread over the chip: who fired gets one cycle
                          to travel to the serializer
    travel_rows           weight memories of more rows may lie far from their lanes: their words get
                          one more cycle to travel
    """

    queue_depth: int = 17
    block: int = 8
    count_bits_per_stage: int = 4
    winner_radix: int = 4
    mask_slots: int = 8
    value_slots: int = 2
    map_slots: int = 128
    event_slots: int = 32
    stored_words: int = 32
    far_lanes: int = 32
    travel_rows: int = 64

    def fetch_stages(self, rows: int) -> int:
        """Cycles from a weight row's address to the row in its lanes: memory, register, and one
        more register behind deep memories."""
        return 3 if rows > self.travel_rows else 2

    def stored(self, valued: bool, words: int) -> bool:
        """Whether the values of `words` that wait fill block RAMs, which end in a register; fewer
        stand in lookup tables."""
        return valued and words > self.stored_words

    def gather_stages(self, lanes: int, stored: bool) -> int:
        """Cycles from a finished group to its serializer; `stored`: with values in a memory, whose
        register wants one too."""
        return 1 if lanes > self.far_lanes or stored else 0

    def slots(self, groups: int, banks: int, counted: bool) -> int:
        """Swept groups that may wait for a layer's serializer, with their values (`counted`) or as
        bit masks; banks: 1 if dense."""
        if banks > 1:
            return max(min(groups, self.map_slots), self.value_slots)
        return self.value_slots if counted else self.mask_slots

    def multiply_stages(self, max_count: int) -> int:
        """Pipeline stages that multiply a weight by an event's count."""
        return 0 if max_count == 1 else -(-max_count.bit_length() // self.count_bits_per_stage)

    def winner_stages(self, lanes: int) -> int:
        """Pipeline stages of the readout's maximum over `lanes` sums: two in each level, of which
        either halves the sums."""
        levels = 1
        while self.winner_radix**levels < lanes:
            levels += 1
        return 2 * levels


STANDARD = Parameters()
