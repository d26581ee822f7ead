"""run: frames from a file through one executor, a slice at a time, so that memory hangs on the
network and not on their number."""

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.errors import Problems, explain
from polyrhythm.cli.files import chosen_network
from polyrhythm.cli.inputs import open_input, right_classes
from polyrhythm.cli.progress import Stage
from polyrhythm.cli.report import USAGE, Answer, one_of, percent, say, table

if TYPE_CHECKING:
    import numpy as np

    from polyrhythm.cli.counts import Counts
    from polyrhythm.cli.executors import Executor
    from polyrhythm.cli.inputs import Held
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.trace import Trace
    from polyrhythm.sw.trace.file import TraceFile

EXECUTORS = ("golden", "rtl", "cocotb", "board")
nothing = contextlib.nullcontext
SHOWN = 20  # frames that `run` prints to people; JSON and the trace file have all
TOLD = {
    "class": "answer",
    "logits": "logits",
    "events": "events",
    "ticks": "ticks",
    "cycles": "cycles",
    "interval": "interval",
}


def run(args: argparse.Namespace) -> Answer:
    """Send frames through one executor."""
    executor, inputs, labels, file = prepared(args)
    result, kept = Result(executor.network, whole=args.json, right=labels), Kept(file, args.trace)
    with contextlib.closing(executor), contextlib.closing(file) if file else nothing():
        executor.begin()
        with Stage(f"{args.executor}: {executor.network.name}", len(inputs)) as stage:
            for first, end in inputs.slices(executor.frames()):
                trace = executor.run(inputs.legal(executor.network, first, end), first, stage)
                result.add(trace)
                kept.add(trace)
                stage(end)
        kept.finish()
    data = {"frames": len(inputs)} | result.data() | {"executor": args.executor, "trace": kept.path}
    return Answer(data, result.text(kept.path), USAGE if kept.error else 0, kept.error)


def prepared(
    args: argparse.Namespace,
) -> "tuple[Executor, Counts | Held, np.ndarray | None, TraceFile | None]":
    """All that the command line names, checked before anything runs; everything that is wrong is
    told at once."""
    from polyrhythm.cli.executors import Executor, check_port, check_tools

    problems = Problems()
    name = problems.of(one_of, "executor", args.executor, EXECUTORS)
    network = problems.of(chosen_network, args)
    inputs = problems.of(open_input, args, network)
    labels = problems.of(right_classes, args, network, inputs) if network and inputs else None
    if name == "golden" and (args.lanes or args.coding != "count"):
        problems.add(
            "lanes and coding belong to the hardware; leave --lanes and --coding out with "
            "--executor golden"
        )
    elif name and name != "golden":
        check_tools(problems, name, args.port)
        if network:
            problems.of(check_hardware, network, args.lanes, args.coding)
    if name:
        problems.of(check_port, name, args.port, args.lanes, args.coding)
    file = problems.of(open_trace, args) if args.trace else None
    try:
        problems.settle()
    except Exception:
        if file:
            file.close()
        raise
    assert name is not None and network is not None and inputs is not None
    spikes = bool(args.trace) and network.schedule == "time_stepped"
    return (
        Executor(name, network, {"lanes": args.lanes, "coding": args.coding}, spikes, args.port),
        inputs,
        labels,
        file,
    )


def check_hardware(network: "Network", lanes: Any, coding: Any) -> None:
    """Lanes that the gateware cannot have are told before it is written."""
    from polyrhythm.sw.plan.network import plan

    plan(network, lanes, coding)


def open_trace(args: argparse.Namespace) -> "TraceFile":
    """The trace file, begun: where it cannot be written this fails now and not behind the run."""
    from polyrhythm.sw.trace.file import TraceFile

    for what in ("input", "network"):
        if (
            Path(args.trace).exists()
            and Path(getattr(args, what)).exists()
            and Path(args.trace).samefile(getattr(args, what))
        ):
            raise ValueError(f"{args.trace}: must be another file than the {what}")
    return TraceFile(args.trace)


class Kept:
    """The trace file while frames come. That it cannot be written any more is told, and stops no
    run."""

    def __init__(self, file: "TraceFile | None", path: str | None) -> None:
        self.file, self.path = file, path
        self.error: str | None = None

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Go on without a file that fails."""
        try:
            yield
        except OSError as error:
            reason = explain(error)
            self.error = (
                f"the trace is lost, and the answer is not: {self.path}: "
                f"{reason[1] if reason else error}"
            )
            self.file = self.path = None
            say(self.error)

    def add(self, trace: "Trace") -> None:
        if self.file:
            with self.guarded():
                self.file.add(trace.arrays())

    def finish(self) -> None:
        if self.file:
            with self.guarded(), Stage(f"writing {self.path}", 0, "MB") as stage:
                self.file.finish(stage)


@dataclass
class Result:
    """What `run` answers: for people the first frames, for programs (whole) some numbers of every
    frame."""

    network: "Network"
    whole: bool
    right: "np.ndarray | None" = None  # classes (B,), where they are known
    hits: int = 0
    rows: list[tuple[object, ...]] = field(default_factory=list)
    frames: int = 0
    found: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, trace: "Trace") -> None:
        labels = self.network.labels
        for k in range(min(SHOWN - len(self.rows), len(trace))):
            answer = int(trace.answer[k])
            self.rows.append(
                (
                    self.frames + k,
                    labels[answer] if labels else answer,
                    int(trace.logits[k].max()),
                    None if trace.cycles is None else int(trace.cycles[k]),
                )
            )
        if self.right is not None:
            self.hits += int(
                (trace.answer == self.right[self.frames : self.frames + len(trace)]).sum()
            )
        self.frames += len(trace)
        for name, attribute in TOLD.items():
            if self.whole and (array := getattr(trace, attribute)) is not None:
                self.found.setdefault(name, []).extend(array.tolist())

    def data(self) -> dict[str, Any]:
        return dict(self.found) | (
            {} if self.right is None else {"accuracy": self.hits / self.frames}
        )

    def text(self, path: str | None) -> str:
        text = table(self.rows, ("frame", "class", "its logit", "cycles"))
        rest = self.frames - len(self.rows)
        text += f"\n... {rest:,} more; --json or --trace OUT.npz for all" if rest else ""
        if self.right is not None:
            text += f"\n\naccuracy {percent(self.hits / self.frames, self.frames)}"
        return text + (f"\n\ntrace: {path}" if path else "")
