"""compare: one test set through float, torch, the golden model and the RTL, and every place where
they differ.

The promise is golden == RTL (and torch == golden) in every count and every logit; float is only
there to be looked at.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.comparison import Comparison
from polyrhythm.cli.executors import check_port
from polyrhythm.cli.files import circuit_of
from polyrhythm.cli.owndata import data_set
from polyrhythm.cli.report import FAILED, OK, Answer, average, one_of, percent, spread, table

if TYPE_CHECKING:
    from polyrhythm.sw.data.datasets import Dataset
    from polyrhythm.sw.network import Network


# Those that see every frame
SCORED = {"torch": "torch", "golden": "golden", "RTL": "RTL, back to back"}


def compare(args: argparse.Namespace) -> Answer:
    """Compare on a data set's test split."""
    from polyrhythm.sw import data

    one_of("executor", args.executor, ("rtl", "board"))
    check_port(args.executor, args.port, args.lanes, args.coding)
    if args.executor == "board" and args.alone is not None:
        raise ValueError("alone belongs to the RTL; leave --alone out with --executor board")
    if args.profiles and args.executor == "board":
        raise ValueError("--profiles is for the RTL: a board's circuit has one profile")
    network, profiles = circuit_of(args)
    preprocess = data.preprocess_of(network, args.preprocess, args.dataset or "own data")
    dataset = data_set(args, preprocess, ("test",), network)
    if args.limit is not None and args.limit < 1:
        raise ValueError(f"limit must be at least 1 frame, not {args.limit}")
    if args.alone is not None and args.alone < 1:
        raise ValueError(f"alone must be at least 1 frame, not {args.alone}")
    inputs, labels = data.inputs_for(network, dataset, "test", args.data, preprocess)
    whole = (
        not args.profile
        and args.T is None
        and scored_on(network, dataset)
        and (args.limit is None or args.limit >= len(labels))
    )
    hardware = {"lanes": args.lanes, "coding": args.coding}
    if len(profiles) > 1:
        from polyrhythm.cli.mixed import compare_mixed

        return compare_mixed(
            network, inputs[: args.limit], labels[: args.limit], hardware, dataset.name
        )
    if args.executor == "board":
        from polyrhythm.cli.boardcomparison import compare_board

        return compare_board(
            network, inputs[: args.limit], labels[: args.limit], hardware, args.port, dataset.name
        )
    return answer(
        Comparison(
            network, inputs[: args.limit], labels[: args.limit], whole, hardware, args.alone
        ),
        dataset.name,
    )


def scored_on(network: "Network", dataset: "Dataset") -> bool:
    """Whether the test split is the one that the network's file speaks of."""
    made = network.provenance
    if dataset.origin is None:
        return bool(dataset.name == made.get("dataset") and "data" not in made)
    known = made.get("data")
    return isinstance(known, dict) and known.get("test") == dataset.origin["test"]


def answer(task: Comparison, dataset: str) -> Answer:
    """Run every executor over the frames and report."""
    design = task.run()
    lanes = [layer["lanes"] for layer in design.interface["layers"]]
    hardware = {
        "verilog": str(design.folder),
        "lanes": lanes,
        "coding": design.interface.get("coding", "count"),
    }
    report = collect(task, dataset) | hardware
    return Answer(
        report, describe(task, report, lanes), FAILED if report["first_difference"] else OK
    )


def collect(task: Comparison, dataset: str) -> dict[str, Any]:
    """Everything that was found, as JSON."""
    import numpy as np

    frames, tallies = len(task.inputs), task.tallies
    names = [layer.name for layer in task.network.hidden]
    seconds = {name: tally.seconds for name, tally in tallies.items()} | {
        "build": task.build_seconds
    }
    return {
        "network": task.network.name,
        "digest": task.network.digest,
        "dataset": dataset,
        "frames": frames,
        "accuracy": {"float": task.network.provenance.get("float_accuracy") if task.whole else None}
        | {
            name: None if task.labels is None else tallies[of].right / frames
            for name, of in SCORED.items()
            if of in tallies
        },
        "differences": {
            name: tally.differences for name, tally in tallies.items() if name != "golden"
        },
        "first_difference": task.first_difference,
        "cycles": spread(np.concatenate(tallies["RTL"].cycles)),
        "interval": spread(np.concatenate(tallies["RTL, back to back"].interval)),
        "events_per_frame": {
            name: dict(zip(names, (tally.events / tally.frames).round(3).tolist(), strict=False))
            for name, tally in tallies.items()
            if tally.events is not None
        },
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


def describe(task: Comparison, report: dict[str, Any], lanes: Sequence[int]) -> str:
    """The tables."""
    frames, accuracy, differences = report["frames"], report["accuracy"], report["differences"]
    none: dict[str, int] = {}
    models = [
        ("float", "float"),
        ("quantized, torch", "torch"),
        ("integers, golden", "golden"),
        ("Verilog, frames alone", "RTL"),
        ("Verilog, frames back to back", "RTL, back to back"),
    ]
    rows = []
    for title, name in models:
        found, tally = differences.get(name, none), task.tallies.get(name)
        share = (
            tally.right / tally.frames if tally and task.labels is not None else accuracy.get(name)
        )
        seen = tally.frames if tally else frames
        rows.append(
            (
                title,
                percent(share, seen),
                *(found.get(what) for what in ("predictions", "logits", "counts")),
            )
        )
    layers = []
    for i, layer in enumerate(task.network.layers):
        sent = [
            report["events_per_frame"].get(name, {}).get(layer.name) for name in ("golden", "RTL")
        ]
        layers.append(
            (layer.name, layer.kind, task.network.n_out(i), layer.T, lanes[i], *map(average, sent))
        )
    timing = [
        (title, average(report[key]["mean"]), report[key]["p95"], report[key]["max"])
        for title, key in (
            ("latency, one frame alone", "cycles"),
            ("interval, frames back to back", "interval"),
        )
    ]
    first = report["first_difference"]
    return "\n".join([
        f"{report['network']} on {report['dataset']}, {frames:,} test images; differences are from "
        "golden",
        "", table(rows, ("model", "accuracy", "predictions", "logits", "counts")),
        "", table(timing, ("cycles per image", "mean", "p95", "max")),
        "", table(layers, ("layer", "kind", "neurons", "T", "lanes", "events per image", "in RTL")),
        "", f"first difference: {first}" if first else "no difference: every count and every logit "
                                                       "is the same",
        f"Verilog: {report['verilog']}",
    ])  # fmt: skip
