"""What the memories of a circuit hold, and a template that finds them again.

Memories are called by their table's name; their contents are bits, (rows, bits of a word), bit 0
first, with the rows that only the block RAMs have.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from polyrhythm.hw.lib.rom import padded, stored
from polyrhythm.sw.plan.layer import LayerPlan
from polyrhythm.sw.plan.network import NetworkPlan
from polyrhythm.sw.plan.neurons import CountingNeuron, ReactingNeuron, TickingNeuron
from polyrhythm.sw.plan.table import Table

Contents = Mapping[str, npt.NDArray[np.uint8]]


def tables(plan: NetworkPlan) -> dict[str, Table]:
    """The memories of a plan by name."""
    return {table.name: table for layer in plan.layers for table in layer.memories}


def contents_of(plan: NetworkPlan) -> Contents:
    """What the memories hold."""
    return {name: _bits(stored(table), table.width) for name, table in tables(plan).items()}


def _bits(words: list[int], width: int) -> npt.NDArray[np.uint8]:
    size = -(-width // 8)
    data = b"".join(word.to_bytes(size, "little") for word in words)
    whole = np.frombuffer(data, np.uint8).reshape(len(words), size)
    return np.unpackbits(whole, axis=1, bitorder="little")[:, :width]


def template(plan: NetworkPlan) -> NetworkPlan:
    """The same circuit with random words in every memory that may be swapped, the same ones for
    all networks of the shape."""
    if plan.shape is None:
        raise ValueError("a template is made of a plan with a shape; plan the network with one")
    return replace(plan, layers=tuple(_layer(layer) for layer in plan.layers))


def _layer(layer: LayerPlan) -> LayerPlan:
    edge, neuron = layer.input, layer.neuron
    synapses = replace(edge.synapses, weights=_random(edge.synapses.weights))
    match neuron:
        case CountingNeuron() | ReactingNeuron():
            neuron = replace(neuron, thresholds=_random(neuron.thresholds))
        case TickingNeuron():
            held = neuron.held and replace(neuron.held, offset=_random(neuron.held.offset))
            thresholds, initial = _random(neuron.thresholds), _random(neuron.initial)
            neuron = replace(neuron, thresholds=thresholds, initial=initial, held=held)
    return replace(
        layer,
        inputs=(replace(edge, synapses=synapses),),
        sums=replace(layer.sums, start=_random(layer.sums.start)),
        neuron=neuron,
    )


def _random(table: Table) -> Table:
    """Random words in a table, and in the rows behind it, by its name."""
    if not table.swappable:
        return table
    seed = hashlib.sha256(table.name.encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(seed[:8], "little")))
    made = replace(table, values=rng.integers(0, 1 << table.bits, table.values.shape))
    memory = made.memory
    behind = padded(memory) - len(memory.values)
    words = tuple(int.from_bytes(rng.bytes(-(-memory.width // 8)), "little") for _ in range(behind))
    return replace(made, behind=tuple(word & ((1 << memory.width) - 1) for word in words))
