"""What a build took, and what being swappable costs: told from the build.json of earlier builds."""

import json
from pathlib import Path
from typing import Any

SAME = ("board", "digest", "lanes", "coding", "tools")  # of two builds that can be compared


def earlier(folder: Path) -> dict[str, Any]:
    """The build.json of a folder; empty where there is none that can be read."""
    try:
        told = json.loads((folder / "build.json").read_text())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def seconds_of(told: dict[str, Any], before: dict[str, Any], seconds: float) -> float:
    """How long this build takes from nothing: where the same files were made before, longer than
    now, what was in the cache made the difference."""
    same = before.get("files") == told["files"]
    return round(max(seconds, float(before.get("seconds", 0)) if same else 0.0), 1)


def direct_of(told: dict[str, Any], other: dict[str, Any]) -> dict[str, Any] | None:
    """Use and Fmax of `other`, where that is the same network's direct build for the same board."""
    if not other or "swappable" in other or any(other.get(key) != told[key] for key in SAME):
        return None
    return {key: other[key] for key in ("use", "fmax_mhz_median", "clock_hz")}
