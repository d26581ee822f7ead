"""swap: another network of the same shape in a finished bitstream."""

import argparse
from pathlib import Path
from typing import Any

from polyrhythm.cli.files import chosen_network
from polyrhythm.cli.report import Answer, say, table


def swap(args: argparse.Namespace) -> Answer:
    """Put a network into a finished design."""
    from polyrhythm.boards.swap.design import swap as run

    network = chosen_network(args)
    result = run(Path(args.build), network, Path(args.out), progress=say)
    return Answer(result, describe(result))


def describe(result: dict[str, Any]) -> str:
    """What was put in, and what to do with it."""
    rows = [(name, f"{rows:,}", bits) for name, (rows, bits) in result["memories"].items()]
    bitstream = Path(result["folder"]) / result["bitstream"]
    build = result["build_seconds"]
    against = "" if build is None else f"; the build took {build / 60:.1f} minutes"
    return "\n".join(
        [
            f"{result['network']} in place on {result['title']}, {result['seconds']} s{against}",
            "",
            table(rows, ("memory, compared bit by bit", "rows", "bits")),
            "",
            f"{bitstream}; load it: polyrhythm program {bitstream}",
        ]
    )
