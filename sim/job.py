"""What every simulator is asked and what it answers."""

from dataclasses import dataclass

from polyrhythm.sim.design import Design
from polyrhythm.sw.trace import Trace

DONE = "done.txt"  # in the folder of a cocotb job: how many results have come


class SimulationError(RuntimeError):
    """The design broke its contract in simulation; the text names frame, place and cycle."""


@dataclass(frozen=True)
class Mode:
    """How frames are sent and what is recorded.

    back_to_back: frames follow each other without a gap (intervals), else each waits for the result
    before it (cycles). i_stall, o_stall: probability that the input pauses before a word, that the
    output is not ready in a cycle. spikes, logits_t: record them; they have a meaning in
    time_stepped alone.
    """

    back_to_back: bool = True
    i_stall: float = 0.0
    o_stall: float = 0.0
    seed: int = 0
    spikes: bool = False
    logits_t: bool = False

    def __post_init__(self) -> None:
        for name in ("i_stall", "o_stall"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be a probability from 0 to below 1, not {getattr(self, name)}"
                )

    def quiet_cycles(self, design: Design) -> int:
        """Cycles without any transfer after which something must be wrong, stalls that were asked
        for included."""
        return int(design.quiet_cycles / ((1 - self.i_stall) * (1 - self.o_stall)))


@dataclass(frozen=True)
class Outcome:
    """A trace, and how many cycles were lost where.

    stalls: `pause` the driver paused, `i` the input waited for the design, `o` the result waited to
    be taken
    """

    trace: Trace
    stalls: dict[str, int]
