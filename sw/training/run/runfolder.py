"""The folder of a training run, which can go on from it.

After each epoch it gets a checkpoint and a line of its log, each whole or not at all.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch

from polyrhythm.sw.lib.atomic import write_whole

FLOATS = "float.pt"
State = dict[str, Any]  # tensors, numbers, texts, and dicts and lists of them


class RunFolder:
    """One run, of these files.

    checkpoint.pt (the last epoch's), float.pt (behind the float stage), log.jsonl (epochs),
    config.json (what it is).

    A folder belongs to one configuration, and to what the run began with (`begun`, a digest):
    whoever comes with the same goes on behind its last epoch. ValueError where another run lies
    there, or a checkpoint that cannot be read.
    """

    def __init__(self, path: str | Path, config: dict[str, Any]):
        self.path = Path(path)
        self.checkpoint, self.log = self.path / "checkpoint.pt", self.path / "log.jsonl"
        self._check(json.loads(json.dumps(config)))

    def _check(self, config: dict[str, Any]) -> None:
        """Claim the folder, or find it claimed by the same run."""
        claim = self.path / "config.json"
        if not claim.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            write_whole(claim, (json.dumps(config, indent=1) + "\n").encode())
            return
        there = self._claimed(claim)
        if config.get("begun") != there.get("begun"):
            raise ValueError(
                f"{self.path}: the run that lies there began with another model or other weights "
                f"({_begun(there)}, this one with {_begun(config)}); name another folder, or "
                "delete this one"
            )
        for key in sorted({*config, *there}):
            if config.get(key) != there.get(key):
                raise ValueError(
                    f"{self.path}: the run that lies there has {key} {there.get(key)!r}, this one "
                    f"{config.get(key)!r}; "
                    "name another folder, or delete this one"
                )

    def _claimed(self, claim: Path) -> dict[str, Any]:
        try:
            there = json.loads(claim.read_text())
        except ValueError:
            there = None
        if not isinstance(there, dict):
            raise ValueError(
                f"{claim}: must be what a run writes, but cannot be read; name another folder, or "
                "delete this one"
            )
        return there

    def load(self) -> State | None:
        """The state behind the last epoch, None before the first.

        Log lines that came after it are dropped.
        """
        if not self.checkpoint.exists():
            self.log.unlink(missing_ok=True)
            return None
        try:
            state: State = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except Exception as error:
            text = f"must be a checkpoint of this run, but cannot be read ({error}); delete it"
            raise ValueError(f"{self.checkpoint}: {text}") from None
        lines = self.log.read_text().splitlines(keepends=True) if self.log.exists() else []
        write_whole(self.log, "".join(lines[: state["epochs"]]).encode())
        return state

    def save(self, state: State, row: dict[str, Any]) -> None:
        """Keep the state behind an epoch, and its line of the log.

        `state["epochs"]` says how many there have been.
        """
        with self.log.open("a") as file:
            file.write(json.dumps(row) + "\n")
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_whole(self.checkpoint, buffer.getvalue())

    def save_floats(self, state: State) -> None:
        """Keep the network as it was behind the float stage: other runs may begin with it."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_whole(self.path / FLOATS, buffer.getvalue())

    def rows(self) -> list[dict[str, Any]]:
        """The log, epoch by epoch."""
        return (
            [json.loads(line) for line in self.log.read_text().splitlines()]
            if self.log.exists()
            else []
        )


def _begun(config: dict[str, Any]) -> str:
    """What a run began with, for a message."""
    begun = config.get("begun")
    return "random ones" if begun is None else str(begun)[:12]


def digest_of(state: State) -> str:
    """SHA-256 over the tensors of a network."""
    total = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        total.update(
            f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
            + tensor.contiguous().numpy().tobytes()
        )
    return total.hexdigest()


def read_floats(folder: str | Path) -> State:
    """What a run's network was behind its float stage. ValueError where there is none."""
    path = Path(folder) / FLOATS
    if not path.exists():
        raise ValueError(
            f"{path}: must be there: a run of which the float stage is done, trained with a run "
            "folder"
        )
    state: State = torch.load(path, map_location="cpu", weights_only=True)
    return state
