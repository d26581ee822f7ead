"""build, boards, program: a network on a board."""

import argparse
from pathlib import Path
from typing import Any

from polyrhythm.boards.parts.parts import ROUTERS, TITLES
from polyrhythm.cli.files import chosen_network
from polyrhythm.cli.place import seeds_of
from polyrhythm.cli.report import Answer, one_of, say, table


def build(args: argparse.Namespace) -> Answer:
    """Build the bitstream, or the project for the maker's tools."""
    from polyrhythm.boards.bitstream.build import build as run
    from polyrhythm.boards.bitstream.projects import write_project
    from polyrhythm.boards.catalog.rows import board_named
    from polyrhythm.sw.plan.shape import Shape

    row = board_named(args.board)
    router = one_of("router", args.router, ROUTERS) if args.router else None
    seeds = seeds_of(args)
    network = chosen_network(args)
    out = Path(args.out) if args.out else None
    if row.part.family.flow is None:
        if args.swappable:
            raise ValueError(
                f"{row.name}: --swappable is for boards that the open tools build for; without it "
                "a project is written"
            )
        project = write_project(
            network, row, args.lanes, args.coding, args.freq, args.baud, out, progress=say
        )
        return Answer(project, describe_project(project))
    result = run(
        network,
        row.name,
        args.lanes,
        args.coding,
        args.freq,
        args.baud,
        seeds,
        router,
        out,
        progress=say,
        shape=Shape.of(network) if args.swappable else None,
    )
    return Answer(result, describe(result))


def describe(result: dict[str, Any]) -> str:
    """What was built, in a table, and what to do with it."""
    rows = [
        (title, result["use"][word], result["available"].get(word))
        for word, title in TITLES.items()
        if word in result["use"]
    ]
    clock = result["clock_hz"] / 1e6
    by_seed = result["fmax_mhz_by_seed"]
    fmax = ", ".join(f"{mhz:.2f} MHz" for mhz in result["fmax_mhz"].values())
    told = f"Fmax {fmax} of {clock:.2f} MHz asked, seed {result['seed']}"
    if len(by_seed) > 1:
        told += (
            f", the best of {len(by_seed)} (median {result['fmax_mhz_median']:.2f}, "
            f"lowest {min(by_seed.values()):.2f} MHz)"
        )
    bitstream = Path(result["folder"]) / result["bitstream"]
    swappable = [f"Takes {line}" for line in result.get("swappable", [])]
    if swappable:
        swappable.append(cost(result))
        swappable.append(f"Another network: polyrhythm swap {result['folder']} NETWORK --out NEW")
    return "\n".join(
        [
            f"{result['network']} on {result['title']} ({result['part']}), lanes "
            f"{', '.join(map(str, result['lanes']))}",
            "",
            table(rows, ("resource", "used", "of")),
            "",
            told,
            f"Longest path: {result['critical_path']}",
            f"Clock {clock:.2f} MHz, link {result['baud']:,} baud",
            *swappable,
            f"{bitstream}; load it: polyrhythm program {bitstream}",
        ]
    )


def cost(result: dict[str, Any]) -> str:
    """What being swappable costs, against the network's direct build."""
    direct = result["direct"]
    if direct is None:
        return (
            "What being swappable costs: not known, since the same network is not built without "
            "--swappable"
        )
    parts = [
        f"{TITLES[word]} {direct['use'][word]:,} -> {result['use'][word]:,}"
        for word in TITLES
        if direct["use"].get(word) or result["use"].get(word)
    ]
    fmax = f"Fmax {direct['fmax_mhz_median']:.2f} -> {result['fmax_mhz_median']:.2f} MHz"
    return f"What being swappable costs: {', '.join([*parts, fmax])}"


def describe_project(project: dict[str, Any]) -> str:
    """What was written, and what Yosys counts in it."""
    rows = [
        (TITLES[word], number, project["available"].get(word))
        for word, number in project["mapped"].items()
    ]
    return "\n".join(
        [
            f"{project['network']} on {project['title']} ({project['part']})",
            "",
            table(rows, ("resource, as Yosys maps it, pads apart", "used", "of")),
            "",
            f"Clock {project['clock_hz'] / 1e6:.2f} MHz, link {project['baud']:,} baud; whether "
            "the clock is met, the maker's tools say",
            f"Project: {project['folder']}; build it there: {project['command']}",
        ]
    )


def boards(args: argparse.Namespace) -> Answer:
    """All boards with their parts, clocks and links."""
    from polyrhythm.boards.bitstream.projects import TOOLS
    from polyrhythm.boards.catalog.rows import ROWS

    rows = [
        {
            "name": row.name,
            "board": row.title,
            "part": row.part.title,
            "clock_mhz": row.clock_mhz,
            "baud_max": row.baud_max,
            "link": row.link,
            "tool": TOOLS[row.part.family.name],
            "note": row.note,
        }
        for row in ROWS
    ]
    wide = {key: max(len(str(row[key])) for row in rows) for key in ("board", "part", "tool")}
    shown = [
        (
            row["name"],
            str(row["board"]).ljust(wide["board"]),
            str(row["part"]).ljust(wide["part"]),
            f"{row['clock_mhz']:g}",
            row["baud_max"],
            str(row["tool"]).ljust(wide["tool"]),
        )
        for row in rows
    ]
    lines = [
        f"{row['name']}: {row['link']}" + (f"; {row['note']}" if row["note"] else "")
        for row in rows
    ]
    header = (
        "name",
        "board".ljust(wide["board"]),
        "part".ljust(wide["part"]),
        "MHz",
        "baud, most",
        "built by".ljust(wide["tool"]),
    )
    return Answer({"boards": rows}, "\n".join([table(shown, header), "", *lines]))


def program(args: argparse.Namespace) -> Answer:
    """Load a bitstream into a board."""
    from polyrhythm.boards.bitstream.program import load

    done = load(Path(args.bitstream), args.board, args.flash, progress=say)
    where = "flash, and starts from there" if done["flash"] else "FPGA, until the power goes"
    return Answer(done, f"{done['bitstream']} is in the {where} ({done['title']})")
