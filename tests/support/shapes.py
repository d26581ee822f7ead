"""Networks of one shape, for tests of circuits whose contents may be swapped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import random_cases
from networks import pick

from polyrhythm.hw import export
from polyrhythm.sw.network import Layer, Network
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.plan.shape import LayerShape, Shape


def sibling(rng: np.random.Generator, shape: Shape, network: Network, name: str = "") -> Network:
    """Another network of the shape, its values also at both ends of their ranges."""
    layers = tuple(
        _layer(rng, mine, layer) for mine, layer in zip(shape.layers, network.layers, strict=True)
    )
    return replace(network, layers=layers, name=name or network.name)


def _layer(rng: np.random.Generator, shape: LayerShape, layer: Layer) -> Layer:
    half = 1 << (shape.weight_bits - 1)
    weight = rng.integers(-half, half, shape.weight)
    for channel in range(len(weight)):
        if rng.random() < 0.4:
            weight[channel] = pick(rng, (-half, half - 1, 0))
    channels = len(weight)
    fields: dict[str, Any] = {"bias": _values(rng, shape.biases, channels)}
    if layer.threshold is not None:
        fields["threshold"] = _values(rng, shape.thresholds, channels)
        fields["v_init"] = pick(rng, ("half_threshold", "zero"))
    return replace(layer, weight=weight.astype(np.int8), **fields)


def _values(rng: np.random.Generator, span: tuple[int, int], number: int) -> np.ndarray:
    values = rng.integers(span[0], span[1] + 1, number)
    ends = rng.random(number)
    values[ends < 0.2], values[ends > 0.8] = span
    if rng.random() < 0.2:
        values[:] = pick(rng, span)
    return values.astype(np.int32)


@contextmanager
def planned_for(shape: Shape) -> Iterator[None]:
    """Exports and cycle models of random cases are those of circuits for this shape."""

    def swappable(network: Network, lanes: Any = None, coding: Any = "count", **_: Any) -> Any:
        return plan(network, lanes, coding, shape=shape)

    with (
        mock.patch.object(export, "plan", swappable),
        mock.patch.object(random_cases, "plan", swappable),
    ):
        yield
