"""What a forward pass shows of its inside, to whoever asks for it."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class Seen:
    """Filled layer after layer; the last two by time_stepped networks alone.

    received: what comes into each layer: counts (B, *map), or spikes (T, B, *map) in time_stepped.
    left: potentials behind each reset, in thresholds, (T, B, *map).
    sums: the readout's after each tick, in units of logits, (T, B, C).
    """

    received: list[Tensor] = field(default_factory=list)
    left: list[Tensor] = field(default_factory=list)
    sums: Tensor | None = None
