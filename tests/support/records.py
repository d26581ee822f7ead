"""What the reference networks gave when it was written down: `python tests/support/records.py --write`
writes it anew.

Inside and out may be built anew; a network's digest, its counts and its cycles stay. The Verilog
and the weight images are in fixtures/exports.json, see digests.py.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

REPO = Path(__file__).resolve().parents[2]
KEPT = REPO / "tests" / "fixtures" / "records.json"
sys.path.insert(0, str(REPO))

from polyrhythm.sw import golden  # noqa: E402
from polyrhythm.sw.network import Network  # noqa: E402
from polyrhythm.sw.plan.lanes import default_lanes  # noqa: E402
from polyrhythm.sw.plan.network import plan  # noqa: E402
from polyrhythm.sw.timing import cycles  # noqa: E402

FRAMES = 200
# Frames that are followed cycle by cycle in Python; of the others, all.
FEWER = {"cifar10-mt": 2, "cifar10-resnet18": 4, "fashion-mt": 5, "mnist-mt": 10, "nmnist-conv-events": 2, "nmnist-mtt": 4, "nmnist-conv": 10,
         "mnist-conv": 20, "mnist-conv-lif": 20, "mnist-conv-events": 10}  # fmt: skip
NAMES = sorted(path.stem for path in (REPO / "models").glob("*.safetensors"))


def frames(network: Network, name: str) -> np.ndarray:
    """Counts of which most are 0, the same on every machine."""
    rng = np.random.Generator(np.random.PCG64(16))
    shape = (FEWER.get(name, FRAMES), network.input.T, *network.input.shape)
    counts = rng.integers(0, network.input.max_count + 1, shape)
    return (counts * (rng.integers(0, 5, shape) == 0)).astype(np.int32)


def sha(*arrays: Any) -> str:
    """One digest of integers, whatever their width."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array, "<i8").tobytes())
    return found.hexdigest()[:16]


def record(name: str) -> dict[str, Any]:
    """Digest, answers, counts and cycles of one reference network."""
    network = Network.load(REPO / "models" / f"{name}.safetensors")
    inputs = frames(network, name)
    trace = golden.run(network, inputs, spikes=network.schedule == "time_stepped")
    told: dict[str, Any] = {
        "digest": network.digest,
        "frames": len(inputs),
        "counts": sha(*trace.counts.values()),
        "logits": sha(trace.logits),
    }
    if any(layer.skip is not None for layer in network.layers):
        return told  # no accelerator, so no cycles
    for flowing, key in ((False, "latency"), (True, "interval")):
        seen = cycles.timing(
            plan(network, default_lanes(network)), trace, inputs, back_to_back=flowing
        )
        values = np.asarray(seen.interval if flowing else seen.cycles)
        told[key] = {"sum": int(values.sum()), "each": sha(values)}
    return told


def main(words: list[str]) -> None:
    """Print or keep them."""
    found = {name: record(name) for name in [word for word in words if word != "--write"] or NAMES}
    if "--write" in words:
        KEPT.write_text(json.dumps(found, indent=1) + "\n")
    else:
        print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
