"""A layer's memories for the parallelism that its user chose, whatever its kind and schedule."""

from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.rom import DenseRom, dense
from polyrhythm.sw.plan.rom_conv import ConvRom, conv, parallel_banks
from polyrhythm.sw.plan.rom_event import reaction

Lanes = int | tuple[int, int]  # of a layer: neurons at a time; of a convolution: channels at a time, and banks


def lay_out(network: Network, i: int, lanes: Lanes) -> DenseRom | ConvRom:
    """Layer i for a choice of parallelism: neurons at a time, or, in a convolution, channels at a time and banks (default: all)."""
    layer = network.layers[i]
    if (told := no_adder(network, i)) is not None:
        raise ValueError(told)
    if layer.kind != "conv2d" and isinstance(lanes, tuple):
        raise ValueError(f"layer {i} ({layer.name}): a {layer.kind} layer has no banks: lanes must be one number, not {lanes}")
    channels, banks = lanes if isinstance(lanes, tuple) else (lanes, default_banks(network, i))
    if network.schedule == "event_driven" and layer.kind != "readout":
        return reaction(network, i, channels, banks)
    return conv(network, i, channels, banks) if layer.kind == "conv2d" else dense(network, i, channels)


def no_adder(network: Network, i: int) -> str | None:
    """Why layer i cannot be laid out, if it has a residual addition."""
    layer = network.layers[i]
    if layer.skip is None:
        return None
    return (
        f"layer {i} ({layer.name}): no accelerator adds the counts of an earlier layer ({layer.skip.source}); "
        "such networks run in torch and in the golden model"
    )


def default_banks(network: Network, i: int) -> int:
    """As many banks as serve an event's whole neighbourhood at once; one where there is none, or where order matters."""
    layer = network.layers[i]
    ordered = network.schedule == "event_driven" and layer.neuron == "unsigned"
    return parallel_banks(network, i) if layer.kind == "conv2d" and not ordered else 1


def default_lanes(network: Network) -> list[Lanes]:
    """Lanes of each layer where the user names none: as many as neurons, at most 64; in a convolution all banks, at most 72."""
    lanes: list[Lanes] = []
    for i, layer in enumerate(network.layers):
        banks = default_banks(network, i)
        if network.schedule == "event_driven" and layer.kind == "readout":
            lanes.append(network.n_out(i))  # its sums can be read at any moment
        elif layer.kind != "conv2d":
            lanes.append(min(64, network.n_out(i)))
        elif network.schedule == "event_driven" and layer.neuron == "unsigned":
            lanes.append((1, 1))
        else:
            lanes.append((min(max(1, 72 // banks), len(layer.weight)), banks))
    return lanes
