"""The inputs that an executor takes, checked once at its border."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sw.network import Network


def frames(network: Network, inputs: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Give legal input counts as (B, T_in, *shape) int32, read-only.

    `inputs` are integers 0..max_count: (B, T_in, *shape), or (B, *shape) where the network has one source tick.
    """
    array = np.asarray(inputs)
    if array.dtype.kind not in "iu":
        raise TypeError(f"inputs must be integers, not {array.dtype}")
    shape, ticks = network.input.shape, network.input.T
    if ticks == 1 and array.shape[1:] == shape:
        array = array[:, None]
    if array.shape[1:] != (ticks, *shape):
        flat = f" or {_text('B', *shape)}" if ticks == 1 else ""
        raise ValueError(f"inputs must have shape {_text('B', ticks, *shape)}{flat}, not {array.shape}")
    if array.size and not (array.min() >= 0 and array.max() <= network.input.max_count):
        place = tuple(int(k) for k in np.argwhere((array < 0) | (array > network.input.max_count))[0])
        raise ValueError(f"inputs must lie in 0..{network.input.max_count}, not {array[place]} at {list(place)}")
    legal = array.astype(np.int32)
    legal.flags.writeable = False
    return legal


def _text(*extents: Any) -> str:
    return f"({', '.join(str(extent) for extent in extents)})"
