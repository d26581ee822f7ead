"""synth: what a network takes on a part, and how fast it runs there."""

import argparse
from typing import Any

from polyrhythm.boards.parts.parts import PARTS, ROUTERS, TITLES
from polyrhythm.cli.files import circuit_of
from polyrhythm.cli.report import Answer, one_of, say, table


def synth(args: argparse.Namespace) -> Answer:
    """Synthesize, place and route."""
    from polyrhythm.boards.bare.synth import synth as run

    part = one_of("part", args.part, PARTS)
    router = one_of("router", args.router, ROUTERS) if args.router else None
    network, profiles = circuit_of(args)
    result = run(
        network,
        part,
        args.lanes,
        seeds_of(args),
        args.freq,
        args.coding,
        router,
        progress=say,
        swappable=args.swappable,
        profiles=profiles,
    )
    return Answer(result, describe(result))


def seeds_of(args: argparse.Namespace) -> range:
    """The seeds of all placements that are asked for."""
    if args.seeds < 1:
        raise ValueError(f"seeds must be at least 1 placement, not {args.seeds}")
    return range(args.seed, args.seed + args.seeds)


def describe(result: dict[str, Any]) -> str:
    """The figures in a table, with what the part has."""
    available = result["available"]
    rows = [
        (title, result[word], available.get(word))
        for word, title in TITLES.items()
        if word in result
    ]
    by_seed = result["fmax_mhz_by_seed"]
    fmax = f"Fmax {result['fmax_mhz']:.1f} MHz after routing"
    if len(by_seed) > 1:
        low, high = min(by_seed.values()), max(by_seed.values())
        fmax += f", the median of {len(by_seed)} placements ({low:.1f} .. {high:.1f})"
    ring = result["ring"]
    return "\n".join(
        [
            f"{result['network']} on {result['title']}, lanes "
            f"{', '.join(map(str, result['lanes']))}",
            "",
            table(rows, ("resource", "used", "of")),
            "",
            fmax,
            f"The ring of {ring['ff']} flip-flops and {ring['lut4']} LUT4 that stands in for pins "
            "is taken off.",
            f"Logs and netlist: {result['folder']}",
        ]
    )
