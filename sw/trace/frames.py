"""The inputs that an executor takes, checked once at its border."""

from typing import Any

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.network import Network


def frames(network: Network, inputs: npt.NDArray[Any], first: int = 0) -> npt.NDArray[np.int32]:
    """Give legal input counts as (B, T_in, *shape) int32, read-only.

    `inputs` are integers 0..max_count: (B, T_in, *shape), or (B, *shape) where the network has one
    source tick. `first` is the number of the first of them, for messages.
    """
    array = np.asarray(inputs)
    if array.dtype.kind not in "iu":
        raise TypeError(f"inputs must be integers, not {array.dtype}")
    check_shape(network, array.shape)
    if array.size and not (array.min() >= 0 and array.max() <= network.input.max_count):
        frame, *rest = (
            int(k) for k in np.argwhere((array < 0) | (array > network.input.max_count))[0]
        )
        value, place = array[(frame, *rest)], [first + frame, *rest]
        raise ValueError(f"inputs must lie in 0..{network.input.max_count}, not {value} at {place}")
    legal = array.reshape(len(array), network.input.T, *network.input.shape).astype(np.int32)
    legal.flags.writeable = False
    return legal


def check_shape(network: Network, found: tuple[int, ...]) -> None:
    """Refuse a shape of inputs that the network does not take."""
    shape, ticks = network.input.shape, network.input.T
    if len(found) == 0 or (
        found[1:] != (ticks, *shape) and not (ticks == 1 and found[1:] == shape)
    ):
        flat = f" or {_text('B', *shape)}" if ticks == 1 else ""
        raise ValueError(f"inputs must have shape {_text('B', ticks, *shape)}{flat}, not {found}")


def _text(*extents: Any) -> str:
    return f"({', '.join(str(extent) for extent in extents)})"
