"""The synapses of a dense layer: which weight row an event reads, for `lanes` neurons at a time.

Neuron n is lane n % lanes of group n // lanes; lanes behind the last neuron have weights of 0.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import AddressMap, input_addresses, pooled_addresses
from polyrhythm.sw.plan.layout import Layout, dense_layout
from polyrhythm.sw.plan.table import Array, Table


@dataclass(frozen=True, eq=False)
class DenseSynapses:
    """weights: row group * addresses + address behind the pooling (`AddressMap.address_count`).

    source, pooled  addresses of events before and behind the pooling of pool x pool
    lanes, groups   neurons served at a time, and how many such groups there are
    capacity        most events of one step: they wait while further groups replay them
    """

    weights: Table
    source: AddressMap
    pooled: AddressMap
    pool: int
    lanes: int
    groups: int
    capacity: int

    banks = 1
    row = "group"

    @property
    def n_in(self) -> int:
        """Neurons that events can name, behind the pooling."""
        return self.pooled.neurons

    @property
    def channel_lanes(self) -> int:
        """Lanes of a row of neuron constants: each neuron has its own."""
        return self.lanes

    @property
    def channel_groups(self) -> int:
        """Rows of neuron constants."""
        return self.groups

    @property
    def neuron(self) -> str:
        """In words: which neuron a lane is."""
        return f"neuron = group * {self.lanes} + k"


def dense_synapses(
    network: Network, i: int, stem: str, lanes: int, spikes_of_a_step: int
) -> tuple[DenseSynapses, Layout]:
    """Synapses of dense layer or readout i, and where its neurons stand; 1 <= lanes <= N_out.

    spikes_of_a_step: events that one input neuron may send in one step.
    """
    layer, n_out = network.layers[i], network.n_out(i)
    check_lanes(network, i, lanes)
    groups, pooled, bits = -(-n_out // lanes), pooled_addresses(network, i), layer.weight_bits
    source = input_addresses(network, i)
    row, neuron = f"group * {pooled.address_count} + input", f"neuron = group * {lanes} + k"
    text = f"row = {row}; {fields(bits, neuron)}"
    weights = Table(f"{stem}_weight", _rows(layer.weight, pooled, lanes, groups), bits, text)
    capacity = source.neurons * spikes_of_a_step
    synapses = DenseSynapses(weights, source, pooled, layer.pool, lanes, groups, capacity)
    return synapses, dense_layout(n_out, lanes)


def check_lanes(network: Network, i: int, lanes: int) -> None:
    """ValueError where a layer without maps cannot have so many lanes."""
    n_out = network.n_out(i)
    if not 1 <= lanes <= n_out:
        raise ValueError(
            f"layer {i} ({network.layers[i].name}): lanes must be 1..{n_out}, not {lanes}"
        )


def fields(bits: int, neuron: str) -> str:
    """In words: where a lane's field is, and whose it is."""
    return f"lane k in bits [k * {bits} +: {bits}], two's complement; {neuron}"


def _rows(weight: npt.NDArray[np.integer], source: AddressMap, lanes: int, groups: int) -> Array:
    padded = np.zeros((groups * lanes, source.address_count), np.int64)
    padded[: len(weight), source.addresses()] = weight
    return padded.reshape(groups, lanes, -1).transpose(0, 2, 1).reshape(-1, lanes)
