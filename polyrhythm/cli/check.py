"""check: what of a torch model or a network file can be built, every problem at once, before
anything is trained."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.ann_model import load_model
from polyrhythm.cli.errors import Problems
from polyrhythm.cli.files import load_network
from polyrhythm.cli.report import FAILED, OK, Answer, table

if TYPE_CHECKING:
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.training.ann.take import Taken

HEADER = ("layer", "kind", "inputs", "neurons", "weights", "potential")
BUT = "It converts, but"
COUNTS = 15  # of an input, where only the shape matters


def check(args: argparse.Namespace) -> Answer:
    """Look at a model (FILE.py:NAME) or at a network file; exit code 1 where something cannot be
    built."""
    if re.search(r":[^/\\:]*$", args.what) and not Path(args.what).exists():
        return check_model(args)
    if args.what.endswith(".py"):
        raise ValueError(
            f"a model must be FILE.py:NAME, the function that makes it, such as {args.what}:model"
        )
    if args.weights or args.shape or args.dataset:
        raise ValueError(
            "--weights, --shape and --dataset belong to a torch model, FILE.py:NAME; a network "
            "file has its own"
        )
    return check_network(args)


def check_network(args: argparse.Namespace) -> Answer:
    """What the gateware makes of a network file."""
    from polyrhythm.sw.plan.refusals import refusals

    network = load_network(args.what)
    return answer(network.name, network, refusals(network), [], widths=True)


def check_model(args: argparse.Namespace) -> Answer:
    """What becomes of a torch model; its weights may be as they are made."""
    from polyrhythm.sw.network import Input
    from polyrhythm.sw.plan.refusals import refusals
    from polyrhythm.sw.training.ann.take import read_model

    shape = shape_of(args)
    model, notes = load_model(args.what, args.weights)
    taken = read_model(model, Input(shape, 1, COUNTS))
    problems, notes = [str(problem) for problem in taken.problems], [*notes, *taken.notes]
    network = None if problems else taken.network(1, 8, None, False).shapes()
    if network is not None:
        problems += classes(args.dataset, taken)
        # There is no Verilog of it, though all else works
        notes += [f"{BUT} {told}" for told in refusals(network)]
    return answer(args.what, network, problems, notes, widths=False)


def shape_of(args: argparse.Namespace) -> tuple[int, ...]:
    """The shape of an input: as it is given, or a data set's."""
    from polyrhythm.sw import data

    if args.shape and args.dataset:
        raise ValueError("give --shape or --dataset, not both")
    if args.dataset:
        return data.find(args.dataset).shape
    if not args.shape:
        raise ValueError(
            "the shape of the model's inputs must be known: give --shape C,H,W (or --shape N), or "
            "--dataset NAME"
        )
    if not re.fullmatch(r"[1-9]\d{0,6}(,[1-9]\d{0,6}){0,2}", args.shape):
        raise ValueError(
            f"--shape must be one to three numbers, such as 1,28,28, not {args.shape!r}"
        )
    return tuple(map(int, args.shape.split(",")))


def classes(dataset: str | None, taken: "Taken") -> list[str]:
    """The readout against the labels of a data set."""
    from polyrhythm.sw import data

    problems = Problems()
    if dataset:
        problems.of(data.find(dataset).names, len(taken.parts[-1].weight))
    return [text for _, text in problems.found]


def answer(
    what: str, network: "Network | None", problems: list[str], notes: list[str], widths: bool
) -> Answer:
    """Sizes at a glance, and everything that stands in the way."""
    rows = [] if network is None else rows_of(network, widths)
    data: dict[str, Any] = {
        "checked": what,
        "buildable": not problems,
        "problems": problems,
        "notes": notes,
        "layers": [dict(zip(HEADER, row, strict=True)) for row in rows],
    }
    text = []
    if network is not None:
        source = network.input
        text = [f"{what}, input {'x'.join(map(str, source.shape))}", "", table(rows, HEADER), ""]
    text += [*notes, *([""] if notes else [])]
    if problems:
        count = f"{len(problems)} problems stand" if len(problems) > 1 else "One problem stands"
        text += [
            f"{count} in the way:",
            *(f"  {line}" for problem in problems for line in problem.splitlines()),
        ]
    else:
        text.append(
            "All of it can be "
            f"{'converted' if any(note.startswith(BUT) for note in notes) else 'built'}."
        )
    return Answer(data, "\n".join(text), FAILED if problems else OK)


def rows_of(network: "Network", widths: bool) -> list[tuple[object, ...]]:
    """Name, kind, inputs, neurons, weights and, where there are weights, the proven width of the
    potential."""
    from polyrhythm.sw.plan.widths import bounds, signed_width

    return [
        (layer.name, layer.kind, network.n_in(i), network.n_out(i), int(layer.weight.size),
         f"{signed_width(*bounds(network, i).v)} bit" if widths else None)
        for i, layer in enumerate(network.layers)
    ]  # fmt: skip
