"""A soak: as many random accelerators as wanted, on all cores, each named by its seed
(`random_cases`).

    python tests/support/soak.py --first 0 --seeds 1000 [--waveform]

Ends with exit code 1 when a case differs, after a line with its seed and the first difference; its
Verilog and, on request, a waveform of the frames up to there are kept. Seeds that were done on the
same code are not done again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO), str(REPO / "tests" / "support")]

import random_cases  # noqa: E402  (found on the path that the lines above make)

from polyrhythm.sim import verilator  # noqa: E402

SOURCES = (
    "hw/**/*.py",
    "sw/**/*.py",
    "sim/*.py",
    "sim/*.cpp",
    "tests/support/networks.py",
    "tests/support/random_cases.py",
    "tests/support/stalling.py",
)


def code() -> str:
    """Names everything that a case's outcome hangs on."""
    found = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in REPO.glob(pattern)):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


class Log:
    """The seeds that are done, one JSON line each: {"seed": 3, "found": ""}; `found` says what
    differs."""

    def __init__(self, path: Path):
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self.done = {
            int(row["seed"]) for row in map(json.loads, filter(_whole, lines)) if not row["found"]
        }

    def add(self, seed: int, found: str) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps({"seed": seed, "found": found}) + "\n")


def _whole(line: str) -> bool:
    """Whether a line was written to its end."""
    return line.startswith("{") and line.endswith("}")


def one(seed: int, root: Path, waveform: bool) -> str:
    """Run a case; a failure to build or to run it is a finding too."""
    try:
        return random_cases.run(seed, root, waveform)
    except Exception as error:
        return f"{random_cases.draw(seed)}: {type(error).__name__}: {error}"


def soak(
    seeds: Iterable[int], root: Path, log: Log, waveform: bool = False, jobs: int | None = None
) -> list[str]:
    """Run all `seeds` that are not in the log; give what was found, and tell of it as it comes."""
    todo = [seed for seed in seeds if seed not in log.done]
    found: list[str] = []
    begun = told = time.monotonic()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs or verilator.cores(), mp_context=spawn) as pool:
        running: dict[Future[str], int] = {
            pool.submit(one, seed, root, waveform): seed for seed in todo
        }
        for n, future in enumerate(as_completed(running), 1):
            log.add(running[future], said := future.result())
            if said:
                found.append(said)
                print(said, flush=True)
            now = time.monotonic()
            if now - told > 10 or n == len(todo):
                told, rate = now, n / (now - begun) * 60
                print(
                    f"{n} of {len(todo)} cases, {len(found)} differ, {rate:.0f} a minute",
                    file=sys.stderr,
                    flush=True,
                )
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Run random accelerators against the golden model and the cycle model."
    )
    parser.add_argument("--first", type=int, default=0, help="first seed (default 0)")
    parser.add_argument("--seeds", type=int, default=100, help="how many (default 100)")
    parser.add_argument(
        "--waveform", action="store_true", help="write a VCD file of the frames up to a difference"
    )
    parser.add_argument("--jobs", type=int, help="cases at a time (default: one a core)")
    chosen = parser.parse_args(arguments)
    root = verilator.build_root() / "soak" / code()
    # Of the cases alone; what is found stays in `root`
    os.environ["POLYRHYTHM_BUILD"] = str(root / "build")
    log = Log(root / "done.jsonl")
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    before = len(log.done & set(seeds))
    if before:
        print(
            f"{before} of {len(seeds)} cases are done already, by {root / 'done.jsonl'}",
            file=sys.stderr,
        )
    return 1 if soak(seeds, root, log, chosen.waveform, chosen.jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
