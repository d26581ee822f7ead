"""Proofs about the gateware, for SymbiYosys: one file for each room of hw/, each with its list
`PROOFS`. See docs/proofs.md."""

from . import (
    alignment,
    axi,
    counter,
    input_checker,
    queues,
    reach,
    serializer,
    serializer_stages,
    state,
)
from .sby import Proof

ROOMS = (
    queues, alignment, input_checker, counter, serializer_stages, serializer, reach, state, axi,
)  # fmt: skip
PROOFS: list[Proof] = [proof for room in ROOMS for proof in room.PROOFS]
