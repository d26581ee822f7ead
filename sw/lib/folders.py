"""Where generated things go."""

import os
from pathlib import Path


def build_root() -> Path:
    """The folder for everything generated: $POLYRHYTHM_BUILD, else `build` in the current
    folder."""
    return Path(os.environ.get("POLYRHYTHM_BUILD", "build"))
