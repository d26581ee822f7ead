"""The numbers that fix the accelerator's pipeline: the gateware is built from them and the cycle law counts with them."""

from typing import Literal

Coding = Literal["count", "unary"]  # what stands for n spikes of a hidden neuron: an event that carries n, or n events
QUEUE_DEPTH = 17  # events between two layers: one in flip-flops, sixteen in the LUT RAMs of an ECP5
BLOCK = 8  # lanes whose spikes a serializer looks through in one cycle
COUNT_BITS_PER_STAGE = 4  # bits of an event's count that one pipeline stage multiplies by: three adders, two levels deep
WINNER_RADIX = 4  # sums among which one level of the readout's maximum chooses: one stage compares all pairs, one chooses
MASK_SLOTS = 8  # swept groups that wait for the serializer as bit masks: the round trip of a sweep, so none ever waits in vain
VALUE_SLOTS = 2  # the same where each lane comes with its value, too wide for more
FAR_LANES = 32  # more lanes than these are spread over the chip: who fired gets one cycle to travel to the serializer
STORED_WORDS = 32  # values of more words than these stand in block RAMs
MAP_SLOTS = 128  # the same in a convolution with banks: a whole tick's words, so that sweeping them waits for nobody
EVENT_SLOTS = 32  # visits of event-driven neurons that are under way or wait for the serializer with what they emit
TRAVEL_ROWS = 64  # weight memories of more rows may lie far from their lanes: their words get one more cycle to travel


def fetch_stages(rows: int) -> int:
    """Cycles from a weight row's address to the row in its lanes: memory, register, and one more register behind deep memories."""
    return 3 if rows > TRAVEL_ROWS else 2


def stored(valued: bool, words: int) -> bool:
    """Whether the values of `words` that wait fill block RAMs, which end in a register; fewer stand in lookup tables."""
    return valued and words > STORED_WORDS


def gather_stages(lanes: int, stored: bool) -> int:
    """Cycles from a finished group to its serializer; `stored`: with values in a memory, whose register wants one too."""
    return 1 if lanes > FAR_LANES or stored else 0


def slots(groups: int, banks: int, counted: bool) -> int:
    """Swept groups that may wait for a layer's serializer, with their values (`counted`) or as bit masks; banks: 1 if dense."""
    if banks > 1:
        return max(min(groups, MAP_SLOTS), VALUE_SLOTS)
    return VALUE_SLOTS if counted else MASK_SLOTS


def multiply_stages(max_count: int) -> int:
    """Pipeline stages that multiply a weight by an event's count."""
    return 0 if max_count == 1 else -(-max_count.bit_length() // COUNT_BITS_PER_STAGE)


def winner_stages(lanes: int) -> int:
    """Pipeline stages of the readout's maximum over `lanes` sums."""
    levels = 1
    while WINNER_RADIX**levels < lanes:
        levels += 1
    return 2 * levels
