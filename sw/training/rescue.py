"""A finished training is never lost: where its network cannot be written, or its end goes wrong, it is kept somewhere else."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from polyrhythm.sw.network import Network
from polyrhythm.sw.training.trainable import TrainableNetwork


def save_network(network: Network, out: str | Path, folder: str | Path | None) -> None:
    """Write a network file; where that fails, in the run's folder, the current or the temporary one: ValueError says where."""
    wanted = Path(out)
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        network.save(wanted)
    except OSError as error:
        name = f"{network.digest[:16]}.safetensors"
        places = [Path(place) / name for place in (folder, ".", tempfile.gettempdir()) if place is not None]
        kept = next((place for place in places if _saved(network, place)), None)
        where = f"the trained network is kept: {kept}" if kept else "and nowhere else either, so the trained network is lost"
        raise ValueError(f"{wanted}: cannot be written ({error.strerror or error}); {where}") from None


def _saved(network: Network, place: Path) -> bool:
    try:
        network.save(place)
    except OSError:
        return False
    return True


@contextmanager
def rescued(net: TrainableNetwork, name: str, folder: Path | None) -> Iterator[None]:
    """What goes wrong behind the last epoch names where the trained weights are: the run's folder, or a file made now."""
    try:
        yield
    except Exception as error:
        kept = folder or _keep(net, name)
        told = f"the trained weights are kept: {kept}" if kept else "the trained weights could not be kept anywhere"
        if isinstance(error, ValueError | OSError):
            raise ValueError(f"{error}; {told}") from error
        error.add_note(told)
        raise


def _keep(net: TrainableNetwork, name: str) -> Path | None:
    for place in (Path(), Path(tempfile.gettempdir())):
        file = place / f"{name}.trained.pt"
        try:
            torch.save(net.state_dict(), file)
        except (OSError, RuntimeError):
            continue
        return file
    return None
