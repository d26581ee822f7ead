"""Event-driven neurons whose potential meets the threshold exactly, or comes back to zero; and what
order they need."""

import numpy as np
import pytest
from gateware import run_accelerator

from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network
from polyrhythm.sw.plan.refusals import check_buildable

THRESHOLDS = [1, 2, 3, 5]


def counting(neuron: str) -> Network:
    """v = first input - second input, against every threshold; three spikes at most."""
    weight = np.tile([1, -1], (len(THRESHOLDS), 1))
    first = Layer(
        "fc",
        "dense",
        weight,
        np.zeros(4, np.int32),
        np.array(THRESHOLDS),
        2,
        3,
        v_init="zero",
        neuron=neuron,
    )
    out = Layer(
        "out",
        "readout",
        np.eye(4, dtype=np.int8),
        np.zeros(4, np.int32),
        weight_bits=2,
        neuron=neuron,
    )
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


def test_unsigned_neurons_behind_signed_ones_are_refused() -> None:
    """Found by random accelerators: their counts hang on an order that signed neurons do not
    keep."""

    def chain(*neurons: str) -> Network:
        layers = [
            Layer(
                f"fc{i}",
                "dense",
                np.eye(3, dtype=np.int8),
                np.zeros(3, np.int32),
                np.ones(3, np.int32),
                2,
                1,
                neuron=neuron,
            )
            for i, neuron in enumerate(neurons)
        ]
        out = Layer(
            "out",
            "readout",
            np.eye(3, dtype=np.int8),
            np.zeros(3, np.int32),
            weight_bits=2,
            neuron="unsigned",
        )
        return Network("chain", "event_driven", Input((3,)), (*layers, out))

    for neurons in (
        ("signed", "signed"),
        ("unsigned", "signed"),
        ("unsigned", "unsigned", "signed"),
        ("signed",),
    ):
        check_buildable(chain(*neurons))
    with pytest.raises(ValueError) as caught:
        check_buildable(chain("unsigned", "signed", "unsigned"))
    assert str(caught.value) == (
        "layer 2 (fc2): unsigned neurons need their events in order, but the signed ones of layer 1 (fc1) send theirs in any; "
        "make layer 2 signed, or layer 1 unsigned"
    )
