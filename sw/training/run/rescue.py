"""A finished training is never lost.

Where its network cannot be written, or its end goes wrong, it is kept somewhere else.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from polyrhythm.sw.network import Network
from polyrhythm.sw.training.layers.network import TrainableNetwork


def save_network(network: Network, out: str | Path, folder: str | Path | None) -> None:
    """Write a network file.

    Where that fails, it goes into the run's folder, the current or the temporary one.

    ValueError names where it is then.
    """
    wanted = Path(out)
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        network.save(wanted)
    except OSError as error:
        name = f"{network.digest[:16]}.safetensors"
        folders = [each for each in (folder, ".", tempfile.gettempdir()) if each is not None]
        files = (Path(each) / name for each in folders)
        kept = next((file for file in files if _saved(network, file)), None)
        lost = "and nowhere else either, so the trained network is lost"
        where = f"the trained network is kept: {kept}" if kept else lost
        reason = error.strerror or error
        raise ValueError(f"{wanted}: cannot be written ({reason}); {where}") from None


def _saved(network: Network, file: Path) -> bool:
    try:
        network.save(file)
    except OSError:
        return False
    return True


@contextmanager
def rescued(net: TrainableNetwork, name: str, folder: Path | None) -> Iterator[None]:
    """What goes wrong behind the last epoch names where the trained weights are.

    That is the run's folder, or a file made now.
    """
    try:
        yield
    except Exception as error:
        kept = folder or _keep(net, name)
        lost = "the trained weights could not be kept anywhere"
        where = f"the trained weights are kept: {kept}" if kept else lost
        if isinstance(error, ValueError | OSError):
            raise ValueError(f"{error}; {where}") from error
        error.add_note(where)
        raise


def _keep(net: TrainableNetwork, name: str) -> Path | None:
    for folder in (Path(), Path(tempfile.gettempdir())):
        file = folder / f"{name}.trained.pt"
        try:
            torch.save(net.state_dict(), file)
        except (OSError, RuntimeError):
            continue
        return file
    return None
