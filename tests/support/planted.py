"""Plants bugs in copies of the tree, one at a time, and says which test catches each
(`planted_bugs`).

    python tests/support/planted.py [--only WORDS] [--write]

Ends with exit code 1 when a bug goes through the tests that are to catch it. `--write` renews the
table in docs/planted-bugs.md.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO / "tests" / "support")]

from planted_bugs import BUGS, Bug  # noqa: E402  (found on the path that the line above makes)

TABLE = REPO / "docs" / "planted-bugs.md"
PARTS = ("polyrhythm", "tests", "docs", "pyproject.toml")  # what the tests of the gateware need
AT_A_TIME = 2
LIMIT_S = 300  # a bug that makes a test run for ever is caught too
HEAD = """\
# Planted bugs

A suite that has never failed has shown nothing. `make planted` breaks the gateware, or what its
memories hold, in these ways, one at a time, in a copy of the tree, and runs the tests of the room;
each bug must be caught. Written by that command.

| bug | where | caught by |
|---|---|---|
"""


def file_of(tree: Path, bug: Bug) -> Path:
    return tree / "polyrhythm" / bug.file


def planted(tree: Path, bug: Bug) -> str:
    """The file's text with the bug in it. ValueError where the text to change does not stand there
    once."""
    text = file_of(tree, bug).read_text()
    if (times := text.count(bug.old)) != 1:
        raise ValueError(
            f"{bug.file}: {bug.old!r} must stand there once, not {times} times; bring planted_bugs.py up to date"
        )
    return text.replace(bug.old, bug.new)


def files_of(bug: Bug) -> list[str]:
    """The files of its tests, in whatever room they lie. ValueError where there is none."""
    found = []
    for name in bug.tests.split():
        paths = list((REPO / "tests").rglob(f"test_{name}.py"))
        if len(paths) != 1:
            raise ValueError(f"{bug.what}: tests must have one test_{name}.py, not {len(paths)}")
        found.append(paths[0].relative_to(REPO).as_posix())
    return found


def caught_by(tree: Path, bug: Bug) -> str:
    """The first test that fails in a copy of the tree with the bug in it; "" where none does."""
    file = file_of(tree, bug)
    text = file.read_text()
    file.write_text(planted(tree, bug))
    # No bytecode: two texts of one length, written in one second, would share it.
    env = os.environ | {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "POLYRHYTHM_BUILD": str(tree / "build"),
        "COLUMNS": "400",  # pytest cuts the names of tests to the width of a terminal
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-o",
        "addopts=",
    ]
    try:
        done = subprocess.run(
            [*command, "-m", "not long", *files_of(bug)],
            cwd=tree,
            env=env,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return f"{files_of(bug)[0]} (does not end)"
    finally:
        file.write_text(text)
    if done.returncode not in (0, 1):
        raise RuntimeError(
            f"{bug.what}: pytest must run the tests, but said:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    found = re.search(
        r"^(?:FAILED|ERROR) tests/(\S+?)(?:\[.*)?(?: - .*)?$", done.stdout, re.MULTILINE
    )
    return found.group(1) if found else ""


def hunt(bugs: list[Bug]) -> dict[str, str]:
    """Plant each of `bugs`, `AT_A_TIME` at once; give the test that catches it, by bug."""
    with tempfile.TemporaryDirectory(prefix="polyrhythm-") as scratch:
        trees: queue.Queue[Path] = queue.Queue()
        for k in range(AT_A_TIME):
            trees.put(copy(Path(scratch) / str(k)))

        def one(bug: Bug) -> str:
            tree = trees.get()
            try:
                caught = caught_by(tree, bug)
            finally:
                trees.put(tree)
            print(
                f"{'caught' if caught else 'MISSED'}  {bug.what}: {caught or ', '.join(files_of(bug))}",
                flush=True,
            )
            return caught

        with ThreadPoolExecutor(AT_A_TIME) as pool:
            return dict(zip((bug.what for bug in bugs), pool.map(one, bugs), strict=True))


def copy(target: Path) -> Path:
    target.mkdir()
    for part in PARTS:
        source = REPO / part
        if source.is_dir():
            shutil.copytree(
                source, target / part, ignore=shutil.ignore_patterns("__pycache__", "build")
            )
        else:
            shutil.copy(source, target / part)
    return target


def table(caught: dict[str, str]) -> str:
    """The page: a row for each bug."""
    rows = [f"| {bug.what} | `{bug.file}` | `{caught[bug.what] or 'NO TEST'}` |\n" for bug in BUGS]
    return HEAD + "".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description="Plant bugs in the gateware and see each caught.")
    parser.add_argument("--only", default="", help="bugs whose words or file contain this")
    parser.add_argument("--write", action="store_true", help="renew docs/planted-bugs.md")
    chosen = parser.parse_args()
    bugs = [bug for bug in BUGS if chosen.only in bug.what or chosen.only in bug.file]
    caught = hunt(bugs)
    missed = [what for what, by in caught.items() if not by]
    print(f"{len(bugs) - len(missed)} of {len(bugs)} caught")
    if chosen.write and len(bugs) == len(BUGS):
        TABLE.write_text(table(caught))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
