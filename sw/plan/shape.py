"""The shape of a network: what a circuit is built for when its contents come later.

Two networks have one shape where they differ in weights, thresholds, biases, start potentials and
names alone, and thresholds and biases keep to the ranges that the shape states.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from polyrhythm.sw.network import Layer, Network

ROOM_BITS = 1  # thresholds and biases of another training may be twice as large
MOST_BITS = 32  # of a bias; a threshold is never negative and has one less


@dataclass(frozen=True)
class LayerShape:
    """What all networks of a shape have in common at one layer; None where the schedule does not
    ask.

    weight          shape of the weights: (N_out, N_in) or (C_out, C_in, K, K)
    bias_bits       biases fit so many bits, two's complement
    threshold_bits  thresholds are 1..2^bits - 1; None on the readout
    """

    kind: str
    weight: tuple[int, ...]
    weight_bits: int
    pool: int
    stride: int
    padding: int
    T: int | None
    leak_shift: int | None
    reset: str | None
    bias_mode: str | None
    neuron: str | None
    bias_bits: int
    threshold_bits: int | None

    @property
    def biases(self) -> tuple[int, int]:
        """Least and greatest bias."""
        half = 1 << (self.bias_bits - 1)
        return -half, half - 1

    @property
    def thresholds(self) -> tuple[int, int]:
        """Least and greatest threshold; 0 and 0 on the readout, which never fires."""
        return (0, 0) if self.threshold_bits is None else (1, (1 << self.threshold_bits) - 1)


# How the fields of a layer are called where a network is refused
CIRCUIT = {
    "kind": "kind",
    "weight": "the shape of the weights",
    "weight_bits": "weight_bits",
    "pool": "pool",
    "stride": "stride",
    "padding": "padding",
    "T": "T",
    "leak_shift": "leak_shift",
    "reset": "reset",
    "bias_mode": "bias_mode",
    "neuron": "neuron",
}


@dataclass(frozen=True)
class Shape:
    """The shape of whole networks.

    input  shape of the input's map, its T and its largest count
    """

    schedule: str
    input: tuple[int, ...]
    T: int
    max_count: int
    layers: tuple[LayerShape, ...]

    @classmethod
    def of(cls, network: Network, room_bits: int = ROOM_BITS) -> "Shape":
        """The shape of `network`, whose thresholds and biases may have `room_bits` bits more."""
        layers = tuple(_layer(network.schedule, layer, room_bits) for layer in network.layers)
        source = network.input
        return cls(network.schedule, tuple(source.shape), source.T, source.max_count, layers)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Shape":
        """What `to_json` has written. Raises ValueError for anything else."""
        try:
            layers = tuple(
                LayerShape(**{**layer, "weight": tuple(layer["weight"])})
                for layer in told["layers"]
            )
            return cls(**{**told, "input": tuple(told["input"]), "layers": layers})
        except (KeyError, TypeError) as error:
            raise ValueError(f"a shape must have the fields of format 1, but {error}") from None

    def to_json(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self)

    def differences(self, network: Network) -> list[str]:
        """Why `network` is not of this shape: every reason; none where it is."""
        found = list(_input_differences(self, network))
        if len(network.layers) != len(self.layers):
            told = f"the circuit has {len(self.layers)} layers, the network {len(network.layers)}"
            return [*found, told]
        for i, (mine, layer) in enumerate(zip(self.layers, network.layers, strict=True)):
            place = f"layer {i} ({layer.name})"
            theirs = _layer(network.schedule, layer, 0)
            for field in fields(LayerShape):
                want, got = getattr(mine, field.name), getattr(theirs, field.name)
                if field.name in CIRCUIT and want != got:
                    what = CIRCUIT[field.name]
                    found.append(f"{place}: {what} must be {want} as in the circuit, not {got}")
            found += _out_of_range(place, mine, layer)
        return found

    def check(self, network: Network) -> None:
        """Raise ValueError, with every reason, where `network` is not of this shape."""
        if found := self.differences(network):
            raise ValueError(f"{network.name} is not of the circuit's shape: " + "; ".join(found))

    def ranges(self) -> list[str]:
        """What thresholds and biases each layer takes, a line each."""
        lines = []
        for i, layer in enumerate(self.layers):
            fires = f"thresholds {layer.thresholds[0]}..{layer.thresholds[1]}, "
            low, high = layer.biases
            first = "" if layer.threshold_bits is None else fires
            lines.append(f"layer {i} ({layer.kind}): {first}biases {low}..{high}")
        return lines


def _layer(schedule: str, layer: Layer, room_bits: int) -> LayerShape:
    stepped, fires = schedule == "time_stepped", layer.threshold is not None
    lowest, highest = int(layer.bias.min()), int(layer.bias.max())
    bias = max(highest.bit_length(), (~lowest if lowest < 0 else 0).bit_length()) + 1
    threshold = None
    if layer.threshold is not None:
        bits = int(layer.threshold.max()).bit_length() + room_bits
        threshold = min(bits, MOST_BITS - 1)
    return LayerShape(
        kind=layer.kind,
        weight=tuple(layer.weight.shape),
        weight_bits=layer.weight_bits,
        pool=layer.pool,
        stride=layer.stride,
        padding=layer.padding,
        T=layer.T if stepped or fires else None,
        leak_shift=layer.leak_shift if stepped else None,
        reset=layer.reset if stepped and fires else None,
        bias_mode=layer.bias_mode if stepped else None,
        neuron=layer.neuron if schedule == "event_driven" and fires else None,
        bias_bits=min(bias + room_bits, MOST_BITS),
        threshold_bits=threshold,
    )


def _input_differences(shape: Shape, network: Network) -> Iterator[str]:
    given = network.input
    for what, want, got in (
        ("schedule", shape.schedule, network.schedule),
        ("the input's shape", shape.input, tuple(given.shape)),
        ("the input's T", shape.T, given.T),
        ("the input's max_count", shape.max_count, given.max_count),
    ):
        if want != got:
            yield f"{what} must be {want} as in the circuit, not {got}"


def _out_of_range(place: str, shape: LayerShape, layer: Layer) -> Iterator[str]:
    for what, values, (low, high) in (
        ("thresholds", layer.threshold, shape.thresholds),
        ("biases", layer.bias, shape.biases),
    ):
        if values is None or shape.weight != layer.weight.shape:
            continue
        wrong = [(k, int(v)) for k, v in enumerate(values) if not low <= v <= high]
        if wrong:
            k, value = wrong[0]
            yield f"{place}: {what} must be {low}..{high} as in the circuit, not {value} at [{k}]"
