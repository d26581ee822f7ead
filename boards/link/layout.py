"""What a client must know of a design to speak to it: where the fields of a word stand, in which
order the inputs come, how large the answers are."""

from typing import Any

from polyrhythm.hw.layer import result_of
from polyrhythm.hw.stream.event import Event
from polyrhythm.sw.plan.network import NetworkPlan

PIXEL_BITS = (1, 2, 4, 8, 16)  # widths of a packed count


def word_bytes(plan: NetworkPlan) -> int:
    """Bytes of one word of the accelerator's input in a WORDS packet."""
    return -(-Event.of(plan.input).size // 8)


def pixel_bits(plan: NetworkPlan) -> int:
    """Bits of one count in a PIXELS packet."""
    need = plan.input.max_count.bit_length()
    for bits in PIXEL_BITS:
        if need <= bits:
            return bits
    raise ValueError(
        f"{plan.name}: the link carries counts of at most {(1 << PIXEL_BITS[-1]) - 1}, "
        f"not {plan.input.max_count}"
    )


def logit_bytes(plan: NetworkPlan) -> int:
    """Bytes of one logit in a RESULT packet."""
    return -(-plan.readout.potential_bits // 8)


def classes(plan: NetworkPlan) -> int:
    """Classes of the readout."""
    return int(result_of(plan.readout)["logits"].shape.length)


def layout(plan: NetworkPlan) -> dict[str, Any]:
    """The object `link` of a build: all that a client needs beside the protocol.

    word        field -> its lowest bit and its bits; a field that is not there is not sent
    strides     address = channel * strides[0] + row * strides[1] + column * strides[2]; addresses
                ascend within a tick, and the counts of a PIXELS packet come in their order
    """
    event, source = Event.of(plan.input), plan.input.source
    # Where no layer works on maps, an address is the number of the input, row by row.
    shape = plan.shape if len(plan.shape) == 3 else (*plan.shape, 1, 1)
    flat = [shape[1] * shape[2], shape[2], 1]
    mapped = [1 << source.channel_low, 1 << source.column_bits, 1]
    strides = mapped if source.shape == shape else flat
    return {
        "network": plan.name,
        "digest": plan.digest,
        "lanes": [list(lane) if isinstance(lane, tuple) else lane for lane in plan.lanes],
        "coding": plan.coding,
        "schedule": plan.schedule,
        "shape": list(shape),
        "ticks": plan.ticks,
        "max_count": plan.input.max_count,
        "signed": plan.input.signed,
        "word_bytes": word_bytes(plan),
        "word": event.places,
        "strides": strides,
        "pixel_bits": pixel_bits(plan),
        "classes": classes(plan),
        "logit_bytes": logit_bytes(plan),
    }
