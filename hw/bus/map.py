"""The registers of an accelerator: which there are, and where."""

from polyrhythm.hw.bus.counted import COUNTS
from polyrhythm.hw.bus.registers import Register, constants
from polyrhythm.hw.stream.event import Event
from polyrhythm.hw.stream.input_checker import FAULT_DOC, STATUS_BITS, Status
from polyrhythm.sw.plan.network import NetworkPlan

IDENTITY = 0x00  # 16 registers at most
COUNTERS = 0x40  # of COUNTS, in its order
INPUT = 0x60  # of FAULT_DOC, in its order: faults of the accelerator's input, those there can be
BUS = 0x80  # what the bus has of its own
SCRATCH = 0xBC
RESERVED = {
    "profiles": (0x1000, 0x1FFF),
    "thresholds and biases": (0x2000, 0xFFFF),
}


def accelerator_map(plan: NetworkPlan, identity: bytes) -> list[Register]:
    """The registers that every bus has.

    identity: what the design says of itself, at most 64 bytes.
    """
    rows = constants("identity", IDENTITY, identity, "identification, see HELLO")
    if len(rows) > (COUNTERS - IDENTITY) // 4:
        raise ValueError(f"an identification must have at most 64 bytes, not {len(identity)}")
    for k, (name, (bits, doc)) in enumerate(COUNTS.items()):
        rows.append(Register(name, COUNTERS + 4 * k, "status", bits, doc))
    found = Status(Event.of(plan.input), plan.ticks).members
    for k, (name, doc) in enumerate(FAULT_DOC.items()):
        if name in found:
            told = f"{doc.format(most=plan.input.max_count)}; stays at its largest value"
            rows.append(Register(f"input_{name}", INPUT + 4 * k, "status", STATUS_BITS, told))
    told = "keeps what is written, for whoever tries the bus"
    return [*rows, Register("scratch", SCRATCH, "control", 8, told)]
