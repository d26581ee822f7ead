"""Executors over the same frames, a slice at a time so that memory stays bounded, and every place
where they differ from golden."""

import itertools
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.progress import Stage
from polyrhythm.cli.report import say
from polyrhythm.sw.lib import fix

if TYPE_CHECKING:
    import numpy as np

    from polyrhythm.sim.design import Design
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.trace import Trace

# Frames sent ahead of a wrong one when its tick is looked for: what went wrong may hang on what
# went before
BEFORE = 8
SLICE_VALUES = 1 << 27  # counts that one executor may hold at a time: half a gigabyte

Executor = Callable[..., "Trace"]


@dataclass(frozen=True)
class Telling:
    """How those who wait hear of it: lines, and stages that tell how far they are."""

    say: Callable[[str], None] = say
    stage: Callable[[str], AbstractContextManager[Callable[..., None]]] = Stage


def silent() -> Telling:
    """Nobody waits."""
    return Telling(lambda text: None, lambda what: nullcontext(lambda *done: None))


@dataclass
class Tally:
    """What is kept of one executor."""

    frames: int = 0
    right: int = 0
    seconds: float = 0.0
    differences: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("predictions", "logits", "counts"), 0)
    )
    events: Any = None  # of all frames, (spiking layers,)
    cycles: list["np.ndarray"] = field(default_factory=list)
    # Without a slice's first frame, which finds the pipeline empty
    interval: list["np.ndarray"] = field(default_factory=list)


@dataclass
class Comparison:
    """A test set and what came of it."""

    network: "Network"
    inputs: "np.ndarray"  # (B, *shape) or (B, T_in, *shape)
    labels: "np.ndarray | None"  # (B,); None: nobody knows the right classes
    whole: bool  # the whole test split of the data set that the network was scored on
    # Options of `hw.export.export`: lanes, coding
    hardware: dict[str, Any] = field(default_factory=dict)
    alone: int | None = None  # frames that also go one at a time; None: all
    told: Telling = field(default_factory=Telling)
    tallies: dict[str, Tally] = field(default_factory=dict)
    # Of the first slice with one: where, down to the tick where the schedule has ticks
    first_difference: str | None = None
    build_seconds: float = 0.0

    def run(self) -> "Design":
        """Build the simulator and send every frame through every executor."""
        from polyrhythm.sim import bulk

        design, executors = self.build(), self.executors()
        for start, end in self.slices(bulk.PART):
            if self.alone is not None and start >= self.alone:
                executors.pop("RTL", None)
            self.slice(executors, start, end)
        return design

    def slices(self, part: int) -> list[tuple[int, int]]:
        """Frames start..end of each slice; those that go alone end with one.

        A slice is 1, 2, 4, .. parts of a simulation, so that no core waits for the last of them.
        """
        neurons = max(1, sum(self.network.n_out(i) for i in range(len(self.network.hidden))))
        parts, last = max(1, SLICE_VALUES // neurons // part), len(self.inputs)
        step = part << (parts.bit_length() - 1)
        alone = last if self.alone is None else min(self.alone, last)
        edges = sorted({*range(0, alone, step), *range(alone, last, step), last})
        return list(itertools.pairwise(edges))

    def build(self) -> "Design":
        from polyrhythm.sim import bulk
        from polyrhythm.sim.design import export

        self.told.say("writing Verilog and building the simulator (kept for the next time)")
        start = time.monotonic()
        with self.told.stage(f"writing the Verilog of {self.network.name}"):
            design = export(self.network, **self.hardware)
        with self.told.stage("building the simulator"):
            bulk.compile(design)
        self.build_seconds = round(time.monotonic() - start, 2)
        self.told.say(f"build: {self.build_seconds:.1f} s")
        return design

    def executors(self) -> dict[str, Executor]:
        """Golden first."""
        from polyrhythm.sim import bulk
        from polyrhythm.sw import golden

        torch = torch_executor(self.network, self.told.say)
        rtl = partial(bulk.run, self.network, **self.hardware)
        return {
            "golden": partial(golden.run, self.network),
            **({"torch": torch} if torch else {}),
            "RTL": partial(rtl, back_to_back=False),  # one frame at a time
            "RTL, back to back": partial(rtl, back_to_back=True),
        }

    def slice(self, executors: dict[str, Executor], start: int, end: int) -> None:
        """Frames start..end through all, compared and added up."""
        import numpy as np

        golden: Trace | None = None
        for name, run in executors.items():
            tally, began = self.tallies.setdefault(name, Tally()), time.monotonic()
            said = (
                f"{end - start:,} frames"
                if end - start == len(self.inputs)
                else f"frames {start:,} to {end - 1:,}"
            )
            with self.told.stage(f"{name}, {said}") as stage:
                trace = run(
                    self.inputs[start:end],
                    **({"progress": stage} if name.startswith(("RTL", "board")) else {}),
                )
            tally.seconds += time.monotonic() - began
            self.told.say(f"{name}: {said} in {time.monotonic() - began:.1f} s")
            tally.frames += end - start
            if self.labels is not None:
                tally.right += int(np.count_nonzero(trace.answer == self.labels[start:end]))
            if trace.events is not None:
                tally.events = trace.events.sum(axis=0) + (
                    0 if tally.events is None else tally.events
                )
            if trace.cycles is not None:
                tally.cycles.append(trace.cycles)
            if trace.interval is not None:
                tally.interval.append(
                    trace.interval[1:] if len(trace.interval) > 1 else trace.interval
                )
            if golden is None:
                golden = trace
            else:
                self.count(name, golden, trace, start)

    def count(self, name: str, golden: "Trace", trace: "Trace", start: int) -> None:
        """Add up predictions, logits and counts of single neurons that are not golden's; keep the
        first place."""
        found, total = golden.differences(trace), self.tallies[name].differences
        for what, key in (("predictions", "class"), ("logits", "logits"), ("counts", "count")):
            total[what] += found[key]
        if (
            self.first_difference is None
            and (difference := golden.first_difference(trace)) is not None
        ):
            frame = start + difference.frame
            place = self.locate(frame) if name.startswith("RTL") else None
            self.first_difference = f"{name}: {place or numbered(difference, frame)}"

    def locate(self, frame: int) -> str | None:
        """The first difference once more with every spike recorded: layer, tick and neuron of its
        origin."""
        from polyrhythm.sim import bulk
        from polyrhythm.sw import golden

        if self.network.schedule != "time_stepped":
            return None
        start = max(0, frame - BEFORE)
        window = self.inputs[start : frame + 1]
        wanted = golden.run(self.network, window, spikes=True)
        got = bulk.run(self.network, window, **self.hardware, back_to_back=False, spikes=True)
        difference = wanted.first_difference(got)
        return None if difference is None else numbered(difference, start + difference.frame)


def numbered(difference: Any, frame: int) -> str:
    """The difference with the frame's number in the whole set."""
    return str(difference).replace(f"frame {difference.frame}", f"frame {frame}", 1)


def torch_executor(network: "Network", say: Callable[[str], None]) -> Executor | None:
    """The quantized network in torch, where torch is installed and knows the schedule."""
    try:
        from polyrhythm.sw.training.arithmetic.exact import TorchNetwork
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        say(f"torch is not installed, so its row stays empty; fix it with: {fix.extra('train')}")
        return None
    if network.schedule not in ("two_phase", "time_stepped"):
        say(f"torch has no {network.schedule} schedule, so its row stays empty")
        return None
    from polyrhythm.sw.trace import Trace

    def run(inputs: "np.ndarray") -> Trace:
        result = TorchNetwork.from_network(network).run(inputs)
        return Trace(result.answer, result.logits, counts=result.counts)

    return run
