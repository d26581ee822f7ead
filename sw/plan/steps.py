"""When a layer integrates and when it fires: its steps in one profile (docs/contract.md 1.2)."""

import itertools
from dataclasses import dataclass

from polyrhythm.sw.network import Network
from polyrhythm.sw.network.align import boundaries


@dataclass(frozen=True)
class Steps:
    """A layer's frame: a step takes in the events of some source ticks, and fires in some ticks.

    T           the layer's
    repeats     ticks that each step's current is held for (T_in < T; else 1)
    kept_ticks  which source ticks end a step (T_in > T; else all)
    phases      of each tick, which bias it adds: a row of the neuron constants, counted through
                all profiles
    """

    T: int
    repeats: tuple[int, ...]
    kept_ticks: tuple[bool, ...]
    phases: tuple[int, ...]

    @property
    def held(self) -> bool:
        """Whether some current is used in more than one tick."""
        return max(self.repeats) > 1

    @property
    def sweeps(self) -> int:
        """Ticks of a frame in which the neurons are swept; 1 where there are no ticks."""
        return sum(self.repeats)

    @property
    def most_merged(self) -> int:
        """Most source ticks that one step adds up."""
        ends = [k for k, keep in enumerate(self.kept_ticks) if keep]
        return max(end - before for before, end in zip([-1, *ends], ends, strict=False))


def ticked_steps(network: Network, i: int, phases: tuple[int, ...]) -> Steps:
    """Steps of a time_stepped layer i."""
    t_in, t_out = network.t_in(i), network.layers[i].T
    edges = boundaries(t_in, t_out)
    if t_in >= t_out:
        kept = tuple(tick + 1 in edges for tick in range(t_in))
        return Steps(t_out, (1,) * t_out, kept, phases)
    repeats = tuple(b - a for a, b in itertools.pairwise(edges))
    return Steps(t_out, repeats, (True,) * t_in, phases)


def single_step(network: Network, i: int, phase: int) -> Steps:
    """The one step of a layer without ticks: everything comes in, then it answers."""
    return Steps(network.layers[i].T, (1,), (True,), (phase,))


def merged_ticks(network: Network, i: int) -> int:
    """Most source ticks that one step of layer i adds up."""
    if network.schedule != "time_stepped":
        return 1
    return ticked_steps(network, i, ()).most_merged
