"""Addresses: how an event between two layers says which neuron spiked."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.network import Network

Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class AddressMap:
    """The neurons that a wire names: shape (C, H, W), (N, 1, 1) where there are no maps.

    An address is column, row and channel side by side, the column lowest, each in as many bits as
    it needs; so halving a map or cutting it into banks is taking bits, and where there are no maps
    the address is the neuron's number.
    """

    shape: tuple[int, int, int]

    @property
    def column_bits(self) -> int:
        return (self.shape[2] - 1).bit_length()

    @property
    def row_bits(self) -> int:
        return (self.shape[1] - 1).bit_length()

    @property
    def channel_low(self) -> int:
        """Lowest bit of the channel."""
        return self.column_bits + self.row_bits

    @property
    def neurons(self) -> int:
        return int(np.prod(self.shape))

    @property
    def address_count(self) -> int:
        """Addresses there are room for, used or not."""
        return self.shape[0] << self.channel_low

    def address(self, channel: int, row: int, column: int) -> int:
        return channel << self.channel_low | row << self.column_bits | column

    def addresses(self) -> Array:
        """Address of each neuron, by its flat (C, H, W) number."""
        channel, row, column = np.indices(self.shape, dtype=np.int64)
        return (channel << self.channel_low | row << self.column_bits | column).reshape(-1)


def input_addresses(network: Network, i: int) -> AddressMap:
    """The wire into layer i, before its pooling: a map where layer i or the one before it works on
    maps, else plain numbers."""
    shape, layer = network.in_shape(i), network.layers[i]
    maps = (
        layer.kind == "conv2d"
        or layer.pool > 1
        or (i > 0 and network.layers[i - 1].kind == "conv2d")
    )
    return AddressMap(tuple(shape) if maps else (int(np.prod(shape)), 1, 1))  # type: ignore[arg-type]


def pooled_addresses(network: Network, i: int) -> AddressMap:
    """The same behind layer i's pooling."""
    source, pool = input_addresses(network, i), network.layers[i].pool
    return (
        AddressMap((source.shape[0], source.shape[1] // pool, source.shape[2] // pool))
        if pool > 1
        else source
    )
