"""A time-stepped network and what becomes of it without a clock: accuracy and spikes, by the golden model and by the Verilog.

    python tools/study_events.py models/nmnist-mtt.safetensors TUNED.safetensors

Three networks see the official test split: the one with ticks, the same weights as unsigned event-driven neurons, and those tuned
(`sw.clockless`). SD = sum |s0 - s| / sum s0 over all neurons and frames, s0 the spikes of the network with ticks.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from cli.report import percent, table
from sim import bulk
from sw import data, golden
from sw.network import Network
from sw.recipe import Clockless
from sw.trace import Trace
from sw.trainable import TrainableNetwork


def untuned(stepped: Network, tuned: Network) -> Network:
    """The weights of `stepped` as they are, fed and cut off as `tuned` is."""
    chosen = Clockless(T=tuned.hidden[0].T)
    named = {"provenance": tuned.provenance, "labels": tuned.labels}
    return TrainableNetwork.without_clock(stepped, tuned.input, chosen).export("untuned", **named)


def difference(before: Trace, after: Trace) -> float:
    """SD of all hidden neurons."""
    pairs = [(count.astype(np.int64), after.counts[name].astype(np.int64)) for name, count in before.counts.items()]
    return sum(int(np.abs(a - b).sum()) for a, b in pairs) / sum(int(a.sum()) for a, _ in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description="what a time-stepped network loses without a clock, and what tuning mends")
    parser.add_argument("stepped", help="a time_stepped network file")
    parser.add_argument("tuned", help="the event_driven file that was tuned from it")
    parser.add_argument("--data", help="folder with the data sets ($POLYRHYTHM_DATA)")
    parser.add_argument("--out", help="JSON file to write")
    args = parser.parse_args()
    stepped, tuned = Network.load(args.stepped), Network.load(args.tuned)
    named = {"time_stepped": stepped, "event_driven, the same weights": untuned(stepped, tuned), "event_driven, tuned": tuned}
    rows: list[dict[str, Any]] = []
    first: dict[str, Trace] = {}
    for name, network in named.items():
        inputs, labels = data.inputs_for(network, tuned.provenance["dataset"], "test", args.data)
        row: dict[str, Any] = {"network": name, "frames": len(labels)}
        for executor, trace in (("golden", golden.run(network, inputs)), ("RTL", bulk.run(network, inputs))):
            start = first.setdefault(executor, trace)
            spikes = sum(int(count.sum()) for count in trace.counts.values()) / len(labels)
            row[executor] = {"accuracy": float((trace.answer == labels).mean()), "spikes": spikes, "SD": difference(start, trace)}
            if trace.cycles is not None:
                row["cycles"] = float(trace.cycles.mean())
        rows.append(row)
    shown = [
        (row["network"], *(f(row[executor][what]) for what, f in WHAT for executor in ("golden", "RTL")), f"{row['cycles']:,.0f}")
        for row in rows
    ]
    heads = [f"{what}, {executor}" for what, _ in WHAT for executor in ("golden", "RTL")]
    print(table(shown, (f"network ({rows[0]['frames']} frames)", *heads, "cycles")))
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(args.out).write_text(json.dumps(rows, indent=1) + "\n")


WHAT = (("accuracy", percent), ("spikes", lambda value: f"{value:,.1f}"), ("SD", lambda value: f"{value:.3f}"))

if __name__ == "__main__":
    main()
