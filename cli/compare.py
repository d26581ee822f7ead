"""compare: one test set through float, torch, the golden model and the RTL, and every place where they differ.

The promise is golden == RTL (and torch == golden) in every count and every logit; float is only there to be looked at.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cli.files import load_network
from cli.report import FAILED, OK, Answer, one_of, percent, say, table

if TYPE_CHECKING:
    import numpy as np

    from sw.network import Network
    from sw.trace import Trace

BEFORE = 8  # frames sent ahead of a wrong one when its tick is looked for: what went wrong may hang on what went before


@dataclass
class Comparison:
    """The executors' traces over the same frames, and what they differ in from golden."""

    network: "Network"
    inputs: "np.ndarray"  # (B, *shape) or (B, T_in, *shape)
    labels: "np.ndarray"  # (B,)
    whole: bool  # the whole test split of the data set that the network was scored on
    hardware: dict[str, Any] = field(default_factory=dict)  # options of `hw.export.export`: lanes, coding
    traces: dict[str, "Trace"] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, run: Callable[[], "Trace"]) -> None:
        """Run one executor, timed."""
        start = time.monotonic()
        self.traces[name] = run()
        self.seconds[name] = round(time.monotonic() - start, 2)
        say(f"{name}: {len(self.labels):,} frames in {self.seconds[name]:.1f} s")

    def accuracy(self, name: str) -> float:
        """Share of right answers."""
        return float((self.traces[name].answer == self.labels).mean())

    def differences(self) -> dict[str, dict[str, int]]:
        """For each executor but golden: predictions, logits and counts of single neurons that are not golden's."""
        golden = self.traces["golden"]
        found = {name: golden.differences(trace) for name, trace in self.traces.items() if name != "golden"}
        return {name: {"predictions": n["class"], "logits": n["logits"], "counts": n["count"]}
                for name, n in found.items()}

    def first_difference(self) -> str | None:
        """Where the first executor that differs does so first, down to the tick where the schedule has ticks."""
        golden = self.traces["golden"]
        for name, trace in self.traces.items():
            if (difference := golden.first_difference(trace)) is not None:
                place = self.locate(difference.frame) if name.startswith("RTL") else None
                return f"{name}: {place or difference}"
        return None

    def locate(self, frame: int) -> str | None:
        """The first difference once more with every spike recorded: layer, tick and neuron of its origin."""
        from sim import bulk
        from sw import golden

        if self.network.schedule != "time_stepped":
            return None
        start = max(0, frame - BEFORE)
        window = self.inputs[start : frame + 1]
        wanted = golden.run(self.network, window, spikes=True)
        got = bulk.run(self.network, window, **self.hardware, back_to_back=False, spikes=True)
        difference = wanted.first_difference(got)
        if difference is None:
            return None
        return str(difference).replace(f"frame {difference.frame}", f"frame {start + difference.frame}", 1)


def compare(args: argparse.Namespace) -> Answer:
    """Compare on a data set's test split."""
    from sw import data

    network = load_network(args.network, args.profile)
    dataset = one_of("dataset", args.dataset, data.DATASETS)
    if args.limit is not None and args.limit < 1:
        raise ValueError(f"limit must be at least 1 frame, not {args.limit}")
    inputs, labels = data.inputs_for(network, dataset, "test", args.data)
    whole = not args.profile and dataset == network.provenance.get("dataset") and (args.limit is None or args.limit >= len(labels))
    hardware = {"lanes": args.lanes, "coding": args.coding}
    return answer(Comparison(network, inputs[: args.limit], labels[: args.limit], whole, hardware), dataset)


def answer(task: Comparison, dataset: str) -> Answer:
    """Run every executor over the frames and report."""
    from sim import bulk
    from sim.design import export
    from sw import golden

    network = task.network
    task.add("golden", lambda: golden.run(network, task.inputs))
    add_torch(task)
    say("writing Verilog and building the simulator (kept for the next time)")
    start = time.monotonic()
    design = export(network, **task.hardware)
    bulk.compile(design)
    task.seconds["build"] = round(time.monotonic() - start, 2)
    say(f"build: {task.seconds['build']:.1f} s")
    task.add("RTL", lambda: bulk.run(network, task.inputs, **task.hardware, back_to_back=False))
    task.add("RTL, back to back", lambda: bulk.run(network, task.inputs, **task.hardware, back_to_back=True))
    report = collect(task, dataset) | {"verilog": str(design.folder)}
    lanes = [layer["lanes"] for layer in design.interface["layers"]]
    code = FAILED if report["first_difference"] else OK
    return Answer(report | {"lanes": lanes, "coding": design.interface.get("coding", "count")}, describe(task, report, lanes), code)


def add_torch(task: Comparison) -> None:
    """The quantized network in torch, where torch is installed and knows the schedule."""
    try:
        from sw.model import TorchNetwork
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        say("torch is not installed, so its row stays empty; mend it with: pip install 'polyrhythm[train]'")
        return
    if task.network.schedule not in ("two_phase", "time_stepped"):
        say(f"torch has no {task.network.schedule} schedule, so its row stays empty")
        return
    from sw.trace import Trace

    def run() -> Trace:
        result = TorchNetwork.from_network(task.network).run(task.inputs)
        return Trace(result.answer, result.logits, counts=result.counts)

    task.add("torch", run)


def collect(task: Comparison, dataset: str) -> dict[str, Any]:
    """Everything that was found, as JSON."""
    import numpy as np

    latency, steady = task.traces["RTL"].cycles, task.traces["RTL, back to back"].interval
    assert latency is not None and steady is not None
    events = {name: trace.events for name, trace in task.traces.items() if trace.events is not None}
    names = [layer.name for layer in task.network.hidden]
    differences = task.differences()
    return {
        "network": task.network.name, "digest": task.network.digest, "dataset": dataset, "frames": len(task.labels),
        "accuracy": {"float": task.network.provenance.get("float_accuracy") if task.whole else None}
        | {name: task.accuracy(name) for name in ("torch", "golden", "RTL") if name in task.traces},
        "differences": differences,
        "first_difference": task.first_difference() if any(sum(n.values()) for n in differences.values()) else None,
        "cycles": spread(latency),
        "interval": spread(steady[1:] if len(steady) > 1 else steady),
        "events_per_frame": {executor: dict(zip(names, np.asarray(seen).mean(axis=0).round(3).tolist(), strict=False))
                             for executor, seen in events.items()},
        "seconds": task.seconds,
    }  # fmt: skip


def spread(values: "np.ndarray") -> dict[str, float | int]:
    """Mean, 95th percentile (the smallest value that 95 % do not pass) and largest."""
    import numpy as np

    return {"mean": round(float(values.mean()), 2), "p95": int(np.percentile(values, 95, method="inverted_cdf")),
            "max": int(values.max())}


def describe(task: Comparison, report: dict[str, Any], lanes: Sequence[int]) -> str:
    """The tables."""
    frames, accuracy, differences = report["frames"], report["accuracy"], report["differences"]
    none: dict[str, int] = {}
    models = [("float", "float"), ("quantized, torch", "torch"), ("integers, golden", "golden"),
              ("Verilog, frames alone", "RTL"), ("Verilog, frames back to back", "RTL, back to back")]
    rows = []
    for title, name in models:
        found = differences.get(name, none)
        share = accuracy.get(name, task.accuracy(name) if name in task.traces else None)
        rows.append((title, percent(share, frames), *(found.get(what) for what in ("predictions", "logits", "counts"))))
    layers = []
    for i, layer in enumerate(task.network.layers):
        sent = [report["events_per_frame"].get(name, {}).get(layer.name) for name in ("golden", "RTL")]
        layers.append((layer.name, layer.kind, task.network.n_out(i), layer.T, lanes[i], *map(average, sent)))
    timing = [(title, average(report[key]["mean"]), report[key]["p95"], report[key]["max"])
              for title, key in (("latency, one frame alone", "cycles"), ("interval, frames back to back", "interval"))]
    first = report["first_difference"]
    return "\n".join([
        f"{report['network']} on {report['dataset']}, {frames:,} test images; differences are from golden",
        "", table(rows, ("model", "accuracy", "predictions", "logits", "counts")),
        "", table(timing, ("cycles per image", "mean", "p95", "max")),
        "", table(layers, ("layer", "kind", "neurons", "T", "lanes", "events per image", "in RTL")),
        "", f"first difference: {first}" if first else "no difference: every count and every logit is the same",
        f"Verilog: {report['verilog']}",
    ])  # fmt: skip


def average(value: float | None) -> str | None:
    """A mean with one decimal."""
    return None if value is None else f"{value:,.1f}"
