"""cutoff: when an answer is good enough to be given before the last tick."""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.before import network_file
from polyrhythm.cli.files import chosen_network, load_network
from polyrhythm.cli.owndata import data_set
from polyrhythm.cli.progress import Stage
from polyrhythm.cli.report import Answer, one_of, percent, say, table

if TYPE_CHECKING:
    import numpy as np

    from polyrhythm.sw.data.datasets import Dataset
    from polyrhythm.sw.network import Exit, Network

RULES = ("margin", "softmax", "safe")
TIMED = 500  # test frames that the cycle model follows


def cutoff(args: argparse.Namespace) -> Answer:
    """Calibrate the rules on training images, score them on the test split, write the network with
    one of them."""
    from polyrhythm.sw import data, golden
    from polyrhythm.sw.network import exit_rule
    from polyrhythm.sw.training.methods import exit_rules

    if args.out:
        network_file(args, args.out)
    network = chosen_network(args)
    check(args, network)
    dataset = data_set(args, data.preprocess_of(network), network=network)
    check_data(network, dataset)
    say(f"{network.name}: {args.frames} training images calibrate the rules")
    counts, labels = exit_rules.training_frames(network, args.frames, args.data, dataset)
    rules = exit_rules.rules(sums(network, counts), labels, args.epsilon)
    inputs, labels = data.inputs_for(network, dataset, "test", args.data)
    with Stage(f"golden: {len(inputs):,} test frames"):
        trace = golden.run(replace(network, exit=None), inputs)
    assert trace.logits_t is not None
    ticks = known(network, inputs[:TIMED], args)
    found = [exit_rules.outcome(network, rule, trace.logits_t, labels, ticks) for rule in rules]
    accuracies = exit_rules.by_tick(trace.logits_t, labels)
    report: dict[str, Any] = {
        "network": network.name,
        "epsilon": args.epsilon,
        "accuracy_by_tick": accuracies,
        "rules": [
            asdict(row) | {"exit": exit_rule.entry(rule)}
            for row, rule in zip(found, rules, strict=True)
        ],
    }
    if args.out:
        chosen = next(rule for rule in rules if rule and rule.kind == args.rule)
        with_rule(args, network, chosen).save(args.out)
        report["out"] = args.out
    return Answer(report, describe(report))


def with_rule(args: argparse.Namespace, network: "Network", rule: "Exit") -> "Network":
    """The network with the rule; where a profile was calibrated, the whole one, and the rule is
    that profile's."""
    if args.profile is None:
        return replace(network, exit=rule)
    whole = load_network(args.network)
    profile = replace(whole.profiles[args.profile], exit=rule)
    return replace(whole, profiles=dict(whole.profiles) | {args.profile: profile})


def check_data(network: "Network", dataset: "Dataset") -> None:
    """Rules are calibrated on what the network was trained on."""
    trained, known = network.provenance.get("dataset"), network.provenance.get("data")
    if dataset.origin is None:
        if dataset.name != trained or known:
            raise ValueError(
                f"{network.name}: dataset must be {trained}, which it was trained on, not "
                f"{dataset.name}"
            )
    elif not isinstance(known, dict):
        raise ValueError(f"{network.name}: was trained on {trained}: say --dataset {trained}")
    elif known.get("train") != dataset.origin["train"]:
        raise ValueError(
            f"{network.name}: the training split must be the one that it was trained on, "
            f"{known['train']['samples']:,} samples "
            f"with SHA-256 {known['train']['sha256'][:16]}.., not "
            f"{dataset.origin['train']['samples']:,} with "
            f"{dataset.origin['train']['sha256'][:16]}.."
        )


def check(args: argparse.Namespace, network: "Network") -> None:
    """What can be refused before anything is computed."""
    if network.schedule != "time_stepped":
        raise ValueError(
            f"{network.name}: only a time_stepped network answers in ticks, not a "
            f"{network.schedule} one"
        )
    if args.frames < 1:
        raise ValueError(f"frames must be at least 1, not {args.frames}")
    if bool(args.out) != bool(args.rule):
        raise ValueError("--out and --rule belong together: the file that is written has that rule")
    if args.rule:
        one_of("rule", args.rule, RULES)
    if args.out and Path(args.out).resolve() == Path(args.network).resolve():
        raise ValueError(f"{args.out}: must be another file than the network's own")


def sums(network: "Network", counts: "np.ndarray") -> "np.ndarray":
    """The readout's sums after each tick."""
    from polyrhythm.sw import golden

    with Stage(f"golden: {len(counts):,} frames"):
        found = golden.run(replace(network, exit=None), counts).logits_t
    assert found is not None
    return found


def known(network: "Network", inputs: "np.ndarray", args: argparse.Namespace) -> "np.ndarray":
    """When the class after each tick is known, by the cycle model."""
    from polyrhythm.sw import golden
    from polyrhythm.sw.plan.network import plan
    from polyrhythm.sw.timing import cycles

    plain = replace(network, exit=None)
    trace = golden.run(plain, inputs, spikes=True)
    circuit = plan(plain, args.lanes, args.coding)
    return cycles.timing(circuit, trace, inputs, back_to_back=False).ticks


def describe(report: dict[str, Any]) -> str:
    """Both tables."""
    ticks = [(t, percent(accuracy)) for t, accuracy in enumerate(report["accuracy_by_tick"], 1)]
    full = report["rules"][0]
    rows = [
        (
            row["rule"],
            f"{row['mean_ticks']:.2f}",
            f"{full['mean_ticks'] / row['mean_ticks']:.2f} x",
            percent(row["accuracy"]),
            row["changed"],
            f"{row['cycles']:.1f}",
            f"{100 * (1 - row['cycles'] / full['cycles']):.1f} %",
        )
        for row in report["rules"]
    ]
    head = (
        "rule",
        "mean ticks",
        "fewer",
        "accuracy",
        "answers changed",
        f"cycles to the answer ({TIMED} images)",
        "saved",
    )
    told = (
        f"epsilon {report['epsilon']}. Exits are the golden model's, cycles the cycle model's for "
        "a circuit that leaves at once; the gateware answers after the last tick."
    )
    text = [table(ticks, ("tick", "accuracy")), "", table(rows, head), "", told]
    if "out" in report:
        text.append(f"Written with its rule: {report['out']}")
    return "\n".join(text)
