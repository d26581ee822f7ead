"""Proofs about the gateware, for SymbiYosys: one file for each room of hw/, each with its list `PROOFS`. See docs/proofs.md."""

from . import alignment, counter, guard, queues, serializer, serializer_stages
from .sby import Proof

PROOFS: list[Proof] = [proof for room in (queues, alignment, guard, counter, serializer_stages, serializer) for proof in room.PROOFS]
