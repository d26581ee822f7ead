"""compare --profiles all: a test set through one circuit of all working points, each image under
one of them, in mixed order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.comparison import numbered
from polyrhythm.cli.progress import Stage
from polyrhythm.cli.report import FAILED, OK, Answer, average, percent, table

if TYPE_CHECKING:
    import numpy as np

    from polyrhythm.sim.design import Design
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.trace import Difference, Trace

SEED = 0  # of the order in which images get their working points
SLICE = 2048  # images that are in memory at a time
OWN = "its own"


@dataclass
class Point:
    """What came of the images of one working point."""

    T: tuple[int, ...]
    images: int = 0
    right: int = 0
    differences: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("predictions", "logits", "counts"), 0)
    )
    cycles: list[int] = field(default_factory=list)


def compare_mixed(
    network: "Network",
    inputs: "np.ndarray",
    labels: "np.ndarray",
    hardware: dict[str, Any],
    dataset: str,
) -> Answer:
    """Golden model against the Verilog, alone and back to back; 0 differences is exit code 0."""
    from polyrhythm.sim import bulk
    from polyrhythm.sim.design import export

    names = (None, *network.profiles)
    order = dealt(len(names), len(inputs))
    with Stage(f"writing the Verilog of {network.name}"):
        design = export(network, profiles=names, **hardware)
    with Stage("building the simulator"):
        bulk.compile(design)
    points = [Point(network.profile(name).T) for name in names]
    intervals, difference = list[int](), None
    with Stage(f"{len(names)} working points", len(inputs)) as stage:
        for first in range(0, len(inputs), SLICE):
            part = slice(first, first + SLICE)
            joined, found = send(design, network, inputs[part], order[part], labels[part], points)
            intervals += joined.tolist()
            if difference is None and found is not None:
                difference = numbered(found, first + found.frame)
            stage(min(first + SLICE, len(inputs)))
    report = {
        "network": network.name,
        "digest": network.digest,
        "dataset": dataset,
        "frames": len(inputs),
        "seed": SEED,
        "first_difference": difference,
        "interval": {"mean": sum(intervals) / max(1, len(intervals))},
        "profiles": [told(name, point) for name, point in zip(names, points, strict=True)],
        "verilog": str(design.folder),
    }
    return Answer(report, describe(report), FAILED if difference else OK)


def dealt(points: int, images: int) -> "np.ndarray":
    """The number of each image's working point: each as often as the others, in random order."""
    import numpy as np

    return np.random.default_rng(SEED).permutation(np.arange(images) % points)


def send(
    design: "Design",
    network: "Network",
    inputs: "np.ndarray",
    order: "np.ndarray",
    labels: "np.ndarray",
    points: Sequence[Point],
) -> "tuple[np.ndarray, Difference | None]":
    """Some images through golden model and Verilog, added up; the intervals back to back, and the
    first difference."""
    import numpy as np

    from polyrhythm.sim import bulk
    from polyrhythm.sim.job import Mode
    from polyrhythm.sw import golden
    from polyrhythm.sw.trace.frames import frames

    counts = frames(network, inputs)
    wanted = golden.run(network, counts, [design.profiles[k] for k in order])
    alone = bulk.simulate(design, counts, Mode(back_to_back=False), numbers=order).trace
    joined = bulk.simulate(design, counts, Mode(), numbers=order).trace
    for number, point in enumerate(points):
        own = np.flatnonzero(order == number)
        right = wanted[own]
        for trace in (alone[own], joined[own]):
            add(point, right, trace)
        point.images += len(own)
        point.right += int((right.answer == labels[own]).sum())
        assert alone.cycles is not None
        point.cycles += alone.cycles[own].tolist()
    assert joined.interval is not None
    found = wanted.first_difference(alone) or wanted.first_difference(joined)
    return joined.interval[1:], found


def add(point: Point, wanted: "Trace", got: "Trace") -> None:
    """Count what is not golden's."""
    found = wanted.differences(got)
    for what, key in (("predictions", "class"), ("logits", "logits"), ("counts", "count")):
        point.differences[what] += found[key]


def told(name: str | None, point: Point) -> dict[str, Any]:
    """A working point as JSON."""
    images = max(1, point.images)
    return {
        "name": name,
        "T": list(point.T),
        "images": point.images,
        "accuracy": point.right / images,
        "differences": point.differences,
        "cycles": {"mean": sum(point.cycles) / images},
    }


def describe(report: dict[str, Any]) -> str:
    """The table."""
    rows = [
        (
            row["name"] or OWN, ", ".join(map(str, row["T"])),
            percent(row["accuracy"], row["images"]),
            *row["differences"].values(), average(row["cycles"]["mean"]),
        )
        for row in report["profiles"]
    ]  # fmt: skip
    first = report["first_difference"]
    head = ("working point", "T", "accuracy", "predictions", "logits", "counts", "latency")
    return "\n".join([
        f"{report['network']} on {report['dataset']}, {report['frames']:,} test images in mixed "
        "order through one circuit; differences are from golden, alone and back to back",
        "", table(rows, head),
        "", f"first difference: {first}" if first else "no difference: every count and every logit "
                                                       "is the same",
        f"interval, back to back, mean {average(report['interval']['mean'])} cycles",
        f"Verilog: {report['verilog']}",
    ])  # fmt: skip
