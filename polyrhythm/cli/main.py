"""Polyrhythm's command line: a spiking network with mixed time steps, from training to Verilog that
agrees bit for bit.

Exit codes: 0 well, 1 a check failed, 2 usage or input, 3 a tool or a board is missing, 130
interrupted. With --json, stdout is one object and everything else is on stderr. Heavy imports
happen inside the verbs, so --help is quick.
"""

import argparse
import contextlib
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from polyrhythm.cli import console
from polyrhythm.cli.errors import explain
from polyrhythm.cli.report import INTERRUPTED, USAGE, Answer, nearest
from polyrhythm.cli.verbs import RENAMED, VERBS


class UsageError(Exception):
    """The command line is not one of ours; the text says why."""


class Parser(argparse.ArgumentParser):
    """argparse that raises where it would print an error and leave."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")

    def print_help(self, file: object = None) -> None:
        if not console.deliver(self.format_help(), end=""):
            raise SystemExit(USAGE)


def parser() -> Parser:
    """The whole command line."""
    what = "Spiking networks with mixed time steps, as bit-exact FPGA accelerators."
    top = Parser(prog="polyrhythm", description=what, allow_abbrev=False)
    top.add_argument("--version", action="store_true", help="print the program's version and leave")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    for name, (_, line, add) in VERBS.items():
        verb = verbs.add_parser(name, help=line, description=line, allow_abbrev=False)
        verb.add_argument(
            "--json",
            action="store_true",
            help="print one JSON object, and everything else on stderr",
        )
        if add is not None:
            add(verb)
    return top


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments; UsageError names the nearest verb or option for one that does not exist."""
    if argv and not argv[0].startswith("-") and argv[0] not in VERBS:
        raise UsageError(
            f"there is no verb {argv[0]!r}{nearest(argv[0], VERBS)} (verbs: {', '.join(VERBS)})"
        )
    if argv and argv[0].startswith("-") and argv[0] not in ("-h", "--help"):
        raise UsageError(
            f"polyrhythm does not know {argv[0]!r} before a "
            f"verb{nearest(argv[0], ('--help', '--version'))}"
        )
    top = parser()
    args, rest = top.parse_known_args(argv)
    if rest:
        options = [word for word in argv_options(args.verb) if word.startswith("--")]
        raise UsageError(
            f"{args.verb} does not know {rest[0]!r}{nearest(rest[0].split('=')[0], options)}"
        )
    return args


def argv_options(verb: str) -> list[str]:
    """The options of one verb."""
    known = Parser(add_help=True)
    add = VERBS[verb][2]
    if add is not None:
        add(known)
    return ["--json", *(word for action in known._actions for word in action.option_strings)]


def activate() -> None:
    """Put this Python's folder first on PATH, as an activated environment has it: Verilator's
    makefiles call `python`."""
    beside = os.path.dirname(sys.executable)
    if os.environ.get("PATH", "").split(os.pathsep)[0] != beside:
        os.environ["PATH"] = os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    console.prepare()
    activate()
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    try:
        answer = (
            version()
            if "--version" in words and set(words) <= {"--version", "--json"}
            else run(words, as_json)
        )
    except UsageError as error:
        return give_up(USAGE, str(error), as_json)
    except KeyboardInterrupt:
        return give_up(INTERRUPTED, "interrupted", as_json)
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        return give_up(*known, as_json)
    told = {"error": answer.error, "exit": answer.code} if answer.error else {}
    delivered = console.deliver(json.dumps(answer.data | told) if as_json else answer.text)
    if answer.error:
        console.tell(f"polyrhythm: {answer.error}")
    return answer.code if delivered else answer.code or USAGE


def run(words: Sequence[str], as_json: bool) -> Answer:
    """One verb's answer."""
    if words and words[0] in RENAMED:
        console.tell(f"polyrhythm: {words[0]} is called {RENAMED[words[0]]} now")
        words = [RENAMED[words[0]], *words[1:]]
    args = parse(words)
    room = importlib.import_module(f"polyrhythm.cli.{VERBS[args.verb][0]}")
    verb: Callable[[argparse.Namespace], Answer] = getattr(room, args.verb.replace("-", "_"))
    # A library that prints must not spoil the object on stdout.
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        return verb(args)


def version() -> Answer:
    """The program's own."""
    from polyrhythm.sw.lib import fix

    return Answer({"version": fix.version()}, f"polyrhythm {fix.version()}")


def give_up(code: int, text: str, as_json: bool) -> int:
    """Say why on stderr, and with --json on stdout too; returns the exit code."""
    console.tell(f"polyrhythm: {text}")
    if as_json:
        console.deliver(json.dumps({"error": text, "exit": code}))
    return code
