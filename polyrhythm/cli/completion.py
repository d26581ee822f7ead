"""completion: the script that lets a shell complete verbs, options, files and names; written by
shtab."""

import argparse
import re
from collections.abc import Iterable

from polyrhythm.cli.report import Answer

FILES = re.compile(r"FILE|NETWORK|PORT|\.np[yz]|\.py")  # words of a metavar that mean a file
# A metavar that is a list of words: auto|cpu|cuda
WORDS = re.compile(r"[a-z0-9_.-]+(\|[a-z0-9_.-]+)+")


def completion(args: argparse.Namespace) -> Answer:
    """Write the script for one shell."""
    import shtab

    from polyrhythm.cli.main import parser

    top = parser()
    for action in actions(top):
        mark(action)
    script = shtab.complete(top, args.shell, preamble=functions())  # type: ignore[arg-type]
    return Answer({"shell": args.shell, "script": script}, script)


def actions(parser: argparse.ArgumentParser) -> Iterable[argparse.Action]:
    """Every argument of the command line and of its verbs."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from actions(verb)
        elif action.nargs != 0:  # a flag takes nothing
            yield action


def mark(action: argparse.Action) -> None:
    """Say what an argument's values are: from its metavar, and of names from the room that has
    them."""
    import shtab

    told = " ".join(action.metavar) if isinstance(action.metavar, tuple) else action.metavar or ""
    if action.choices:
        return
    if action.dest in NAMES and FILES.search(told):
        action.complete = names_or_files(action.dest)  # type: ignore[attr-defined]
    elif action.dest in NAMES:
        action.choices = NAMES[action.dest]()
    elif WORDS.fullmatch(told):
        action.choices = told.split("|")
    elif told == "DIR":
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    elif told == "NETWORK":
        action.complete = ending(".safetensors")  # type: ignore[attr-defined]
    elif found := re.fullmatch(r"[A-Z]+(\.np[yz])", told):
        action.complete = ending(found[1])  # type: ignore[attr-defined]
    elif FILES.search(told):
        action.complete = shtab.FILE  # type: ignore[attr-defined]


def ending(suffix: str) -> dict[str, object]:
    """Files of one suffix, and folders."""
    import shtab

    # One pattern in parentheses, as shtab writes it for zsh, is read by zsh as qualifiers of no
    # pattern at all.
    return {**shtab.glob(f"*{suffix}"), "zsh": f"_files -g '*{suffix}'"}


def names_or_files(dest: str) -> dict[str, object]:
    """Names of ours, and in bash files too; its function is defined by `functions`."""
    words = " ".join(NAMES[dest]())
    return {"bash": f"_polyrhythm_{dest}", "zsh": f"({words})", "tcsh": "f"}


def functions() -> dict[str, str]:
    """What the script defines before it completes anything: `names_or_files` for bash."""
    offered = {dest: " ".join(names()) for dest, names in NAMES.items()}
    each = (
        f'_polyrhythm_{dest}() {{ compgen -W "{words}" -- "$1"; compgen -f -- "$1"; }}\n'
        for dest, words in offered.items()
    )
    return {"bash": "".join(each)}


def recipes() -> list[str]:
    from polyrhythm.sw.training.recipes import RECIPES

    return list(RECIPES)


def port() -> list[str]:
    return ["sim"]


def datasets() -> list[str]:
    from polyrhythm.sw.data.datasets import DATASETS

    return list(DATASETS)


NAMES = {"recipe": recipes, "dataset": datasets, "port": port}  # by the argument's name
