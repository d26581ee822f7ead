"""A time-stepped network and what becomes of it without time steps: accuracy and spikes, by the
golden model and by the Verilog.

    python tools/study_events.py models/nmnist-mtt.safetensors models/nmnist-conv-events.safetensors

Four networks see the official test split: the one with ticks, the same weights as event-driven
neurons, unsigned and signed, and the event-driven network whose weights were trained for that.
Golden model and Verilog must agree in every count. SD = sum |s0 - s| / sum s0 over all neurons and
frames, s0 the spikes of the network with ticks.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from polyrhythm.cli.report import percent, table
from polyrhythm.sim import bulk
from polyrhythm.sw import data, golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.trace import Trace
from polyrhythm.sw.training.methods.event_driven import to_events
from polyrhythm.sw.training.recipe import ToEvents


def deployed(stepped: Network, like: Network, neuron: str) -> Network:
    """The weights of `stepped` as they are, without time steps, fed and cut off as `like` is."""
    chosen = ToEvents(T=like.hidden[0].T)
    named = {"provenance": like.provenance, "labels": like.labels}
    network = to_events(stepped, like.input, chosen).export(neuron, **named)
    return replace(network, layers=tuple(replace(layer, neuron=neuron) for layer in network.layers))


def difference(before: Trace, after: Trace) -> float:
    """SD of all hidden neurons."""
    pairs = [
        (count.astype(np.int64), after.counts[name].astype(np.int64))
        for name, count in before.counts.items()
    ]
    return sum(int(np.abs(a - b).sum()) for a, b in pairs) / sum(int(a.sum()) for a, _ in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="what a time-stepped network loses without time steps, and what training "
        "corrects"
    )
    parser.add_argument("stepped", help="a time_stepped network file")
    parser.add_argument(
        "trained", help="an event_driven file of the same layers, trained to be one"
    )
    parser.add_argument("--data", help="folder with the data sets ($POLYRHYTHM_DATA)")
    parser.add_argument("--out", help="JSON file to write")
    args = parser.parse_args()
    stepped, trained = Network.load(args.stepped), Network.load(args.trained)
    same = {
        f"event_driven, {neuron}, the same weights": deployed(stepped, trained, neuron)
        for neuron in ("unsigned", "signed")
    }
    named = {
        "time_stepped": stepped,
        **same,
        f"event_driven, {trained.hidden[0].neuron}, trained for it": trained,
    }
    rows: list[dict[str, Any]] = []
    first: dict[str, Trace] = {}
    for name, network in named.items():
        inputs, labels = data.inputs_for(network, trained.provenance["dataset"], "test", args.data)
        row: dict[str, Any] = {"network": name, "frames": len(labels)}
        expected, got = golden.run(network, inputs), bulk.run(network, inputs, back_to_back=False)
        if (different := expected.first_difference(got)) is not None:
            raise RuntimeError(f"{name}: golden model and Verilog must agree, but {different}")
        for executor, trace in (("golden", expected), ("RTL", got)):
            start = first.setdefault(executor, trace)
            spikes = sum(int(count.sum()) for count in trace.counts.values()) / len(labels)
            row[executor] = {
                "accuracy": float((trace.answer == labels).mean()),
                "spikes": spikes,
                "SD": difference(start, trace),
            }
            if trace.cycles is not None:
                row["cycles"] = float(trace.cycles.mean())
        rows.append(row)
    shown = [
        (
            row["network"],
            *(f(row[executor][what]) for what, f in WHAT for executor in ("golden", "RTL")),
            f"{row['cycles']:,.0f}",
        )
        for row in rows
    ]
    heads = [f"{what}, {executor}" for what, _ in WHAT for executor in ("golden", "RTL")]
    print(table(shown, (f"network ({rows[0]['frames']} frames)", *heads, "cycles")))
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(args.out).write_text(json.dumps(rows, indent=1) + "\n")


WHAT = (
    ("accuracy", percent),
    ("spikes", lambda value: f"{value:,.1f}"),
    ("SD", lambda value: f"{value:.3f}"),
)

if __name__ == "__main__":
    main()
