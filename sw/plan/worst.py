"""Bounds that hold for every network of a shape: widths of circuits whose contents come later.

Interval arithmetic over the shape's ranges: each step of a bound follows the arithmetic contract,
with the least and greatest weights, thresholds and biases in place of a network's own.
"""

from dataclasses import dataclass

from polyrhythm.sw.network import Network
from polyrhythm.sw.network.align import source_ticks
from polyrhythm.sw.plan.shape import LayerShape, Shape
from polyrhythm.sw.plan.widths import Bounds

Span = tuple[int, int]  # least and greatest value


@dataclass(frozen=True)
class Worst:
    """Of one layer, over all neurons and all networks of the shape.

    drive       sum w*n of one source tick
    thresholds  0 and 0 on the readout
    biases      B
    shares      b(t), what one tick adds of it
    v0          start potential without the bias
    merged      source ticks that each tick adds up
    """

    drive: Span
    thresholds: Span
    biases: Span
    shares: Span
    v0: Span
    merged: tuple[int, ...]
    leak_shift: int | None
    reset: str

    @property
    def fires(self) -> bool:
        """Whether the layer is no readout."""
        return self.thresholds[1] > 0

    @property
    def offsets(self) -> Span:
        """b(t) - threshold."""
        return self.shares[0] - self.thresholds[1], self.shares[1] - self.thresholds[0]

    @property
    def current(self) -> Span:
        """Sum w*n of one of the layer's ticks, with all its source ticks; 0 before them."""
        most = max(self.merged)
        return most * self.drive[0], most * self.drive[1]

    @property
    def start(self) -> Span:
        """What the sum of a layer without ticks starts with: v0 + B - threshold."""
        # v0 is 0 or half of the threshold itself, so the start falls with the threshold.
        low = self.biases[0] - self.thresholds[1]
        return low, self.biases[1] - self.thresholds[0]

    @property
    def finished(self) -> Span:
        """Every partial sum of a layer without ticks, from its start on."""
        return self.start[0] + self.drive[0], self.start[1] + self.drive[1]

    @property
    def before_events(self) -> Span:
        """The potential of an event-driven neuron before its first event."""
        return self.biases[0] + self.v0[0], self.biases[1] + self.v0[1]

    @property
    def between_visits(self) -> Span:
        """The same between visits.

        What has been emitted takes no potential below this: S thresholds are at most the greatest
        sum, so v is at least -sum |w|*n, or the start less all negative input.
        """
        low, high = self.before_events  # the least bias is negative
        return low + self.drive[0], high + self.drive[1]

    @property
    def ticking(self) -> Bounds:
        """Sums and potentials of a layer with ticks."""
        v = self.v0
        seen = [v]
        for merged in self.merged:
            leaked = _leak(v, self.leak_shift)
            charged = leaked[0] + merged * self.drive[0], leaked[1] + merged * self.drive[1]
            biased = charged[0] + self.shares[0], charged[1] + self.shares[1]
            v = self._fire(biased) if self.fires else biased
            seen += [leaked, charged, biased, v]
        return Bounds(self.current, (min(a for a, _ in seen), max(b for _, b in seen)))

    def _fire(self, v: Span) -> Span:
        """Join what may stay below a threshold with what the reset may leave."""
        least, greatest = self.thresholds
        joined = []
        if v[0] < greatest:
            joined.append((v[0], min(v[1], greatest - 1)))
        if v[1] >= least:
            joined.append((0, v[1] - least if self.reset == "subtract" else 0))
        return min(a for a, _ in joined), max(b for _, b in joined)


def worst(shape: Shape, network: Network, i: int) -> Worst:
    """Bounds of layer i; network: any one of the shape."""
    layer, ticks = shape.layers[i], network.layers[i].T
    merged: tuple[int, ...] = (1,)
    if shape.schedule == "time_stepped":
        merged = tuple(len(group) for group in source_ticks(network.t_in(i), ticks))
    return Worst(
        drive=_drive(layer, network, i),
        thresholds=layer.thresholds,
        biases=layer.biases,
        shares=_shares(layer, ticks),
        v0=(0, layer.thresholds[1] >> 1),
        merged=merged,
        leak_shift=layer.leak_shift,
        reset=network.layers[i].reset,
    )


def _drive(layer: LayerShape, network: Network, i: int) -> Span:
    """All synapses of a neuron with the least, or the greatest, weight and full counts."""
    synapses, half = 1, 1 << (layer.weight_bits - 1)
    for extent in layer.weight[1:]:
        synapses *= extent
    most = synapses * layer.pool**2 * network.in_count(i)
    return -half * most, (half - 1) * most


def _shares(layer: LayerShape, ticks: int) -> Span:
    low, high = layer.biases
    if layer.bias_mode == "spread":
        return low // ticks, -(-high // ticks)
    return (min(low, 0), max(high, 0)) if layer.bias_mode == "once" else (low, high)


def _leak(v: Span, shift: int | None) -> Span:
    """v - (v >> shift) never falls when v rises."""
    return v if shift is None else (v[0] - (v[0] >> shift), v[1] - (v[1] >> shift))
