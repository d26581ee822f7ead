"""interface.json: everything that a simulator, a driver or a user needs to know of an export."""

from collections.abc import Mapping, Sequence
from typing import Any

from polyrhythm.hw.top import Port
from polyrhythm.sw.plan.conv import ConvSynapses
from polyrhythm.sw.plan.layer import LayerPlan, Spikes
from polyrhythm.sw.plan.network import NetworkPlan
from polyrhythm.sw.plan.neurons import ReactingNeuron, TickingNeuron

FORMAT = 2  # of interface.json: 2 states ticks, largest count and repeats of every tap


def interface(
    name: str, plan: NetworkPlan, ports: Sequence[Port], files: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What interface.json says of the top module `name`; ports: of `hw.top.Top`; files: of each
    memory its file, layer, rows, bits and layout."""
    bits = {port.name: port.bits for port in ports}
    taps = [_tap(layer, bits) for layer in plan.layers]
    sums = {key: taps[-1][key] for key in ("classes", "logit_bits")}
    return {
        "format": FORMAT,
        "top": name,
        "digest": plan.digest,
        "network": plan.name,
        "schedule": plan.schedule,
        "coding": plan.coding,
        "clock": "clk",
        "reset": "rst",
        "input": {
            "address_bits": bits["i_address"],
            "count_bits": bits.get("i_count", 0),
            "size": plan.input.source.neurons,
            "shape": list(plan.input.source.shape),
            "T": plan.ticks,
            "max_count": plan.input.max_count,
        },
        "output": {"class_bits": bits["o_class"], **sums},
        **_profiles(plan),
        "taps": taps,
        "layers": [_layer(layer, files) for layer in plan.layers],
        "files": files,
        "ports": [
            {"name": port.name, "dir": port.dir, "bits": port.bits, "doc": port.doc}
            for port in ports
        ],
    }


def _profiles(plan: NetworkPlan) -> dict[str, Any]:
    """Where the circuit has several: of each, in the order of the numbers on the words, its name
    (null: the network's own), T of each layer, and the ticks that each layer's observer shows."""
    if len(plan.profiles) == 1:
        return {}
    told = []
    for k, name in enumerate(plan.profiles):
        steps = [layer.steps[k] for layer in plan.layers]
        T, ticks = [one.T for one in steps], [one.sweeps for one in steps]
        told.append({"name": name, "T": T, "ticks": ticks})
    return {"profiles": told}


def _tap(layer: LayerPlan, bits: Mapping[str, int]) -> dict[str, Any]:
    """What the observer of a layer shows.

    ticks      most ticks of a frame on the wire; 1 where there are none
    max_count  most spikes of one neuron in a tick
    repeats    whether a neuron may send several words in a tick
    """
    k = layer.index
    told = {"index": k, "layer": layer.name, "T": layer.T, "ticks": layer.ticks}
    if not isinstance(layer.output, Spikes):
        logit_bits = layer.potential_bits
        return told | {"logit_bits": logit_bits, "classes": layer.n_out}
    reacts, wire = isinstance(layer.neuron, ReactingNeuron), layer.output.wire
    most = 1 if isinstance(layer.neuron, TickingNeuron) else layer.T
    return told | {
        "size": layer.n_out,
        "shape": list(wire.source.shape),
        "max_count": most,
        "repeats": reacts or wire.each > 1,
        "address_bits": bits[f"tap{k}_address"],
        "count_bits": bits.get(f"tap{k}_count", 0),
    }


def _layer(layer: LayerPlan, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the generator made of a layer: its parallelism, and the proven bounds that set its
    widths."""
    synapses = layer.input.synapses
    channels = {"channel_lanes": synapses.channel_lanes, "banks": synapses.banks}
    return {
        "name": layer.name,
        "kind": layer.kind,
        "n_in": synapses.n_in,
        "n_out": layer.n_out,
        "T": layer.T,
        "lanes": layer.layout.lanes,
        "groups": layer.layout.groups,
        **(channels if isinstance(synapses, ConvSynapses) else {}),
        "acc_bits": layer.sums.bits,
        "acc_bounds": list(layer.sums.bounds),
        "v_bits": layer.potential_bits,
        "v_bounds": list(layer.v_bounds),
        "files": sorted(file for file, told in files.items() if told["layer"] == layer.index),
    }
