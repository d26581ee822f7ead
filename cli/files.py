"""Reading and writing what the verbs name on the command line."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.report import nearest

if TYPE_CHECKING:
    import numpy as np

    from sw.architecture import Coding
    from sw.network import Network


def load_network(path: str, profile: str | None = None) -> "Network":
    """The network in a file, at one of its working points; a wrong name gets the nearest one that exists."""
    from sw.network import Network

    file = Path(path)
    if not file.exists():
        there = [str(other) for other in file.parent.glob("*.safetensors")]
        raise ValueError(f"{path}: no such network file{nearest(path, there)}")
    return Network.load(path).profile(profile)


def load_inputs(path: str) -> "np.ndarray":
    """Integer counts from a .npy file: (B, *shape) or (B, T_in, *shape)."""
    import numpy as np

    try:
        with open(path, "rb") as file:
            inputs = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: must be a .npy array of integer counts, but cannot be read: {error}") from None
    if inputs.dtype.kind not in "iu":
        raise ValueError(f"{path}: must hold integer counts, not {inputs.dtype}; round and cast them first")
    return inputs


def export_verilog(network: "Network", folder: Path, lanes: Sequence[Any] | None, coding: "Coding" = "count") -> dict[str, Any]:
    """Write the accelerator into `folder`, which appears whole or not at all; the answer is its interface."""
    from hw.export import export

    export(network, folder, lanes, coding)
    interface: dict[str, Any] = json.loads((folder / "interface.json").read_text())
    return interface


def build_root() -> Path:
    """Where generated things go: $POLYRHYTHM_BUILD, else `build` in the current folder."""
    return Path(os.environ.get("POLYRHYTHM_BUILD", "build"))
