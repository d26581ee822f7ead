"""Event-driven neurons whose potential reaches the threshold exactly, or comes back to zero exactly: to emit, and to rest."""

import numpy as np
import pytest
from gateware import run_accelerator

from sw import golden
from sw.network import Input, Layer, Network

THRESHOLDS = [1, 2, 3, 5]


def counting(neuron: str) -> Network:
    """v = first input - second input, against every threshold; three spikes at most."""
    weight = np.tile([1, -1], (len(THRESHOLDS), 1))
    first = Layer("fc", "dense", weight, np.zeros(4, np.int32), np.array(THRESHOLDS), 2, 3, v_init="zero", neuron=neuron)
    out = Layer("out", "readout", np.eye(4, dtype=np.int8), np.zeros(4, np.int32), weight_bits=2, neuron=neuron)
    return Network("counting", "event_driven", Input((2,), 1, 15), (first, out))


@pytest.mark.parametrize("neuron", ["signed", "unsigned"])
@pytest.mark.parametrize("lanes", [1, 4])
def test_a_neuron_emits_at_its_threshold_and_rests_at_zero(neuron: str, lanes: int) -> None:
    network = counting(neuron)
    inputs = np.array([(n, 0) for n in range(13)] + [(6, n) for n in range(1, 9)])[:, None]
    trace = golden.run(network, inputs, potentials=True)
    assert trace.v is not None
    met = (trace.v["fc"] == 0) & (trace.counts["fc"] > 0)
    assert met.any(axis=0).all(), "each threshold, and a multiple of it, is met exactly"
    difference = trace.first_difference(run_accelerator(network, inputs, [lanes, 4]).trace)
    assert difference is None, str(difference)
