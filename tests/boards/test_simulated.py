"""Networks of other kinds on simulated boards: several ticks, maps, events without ticks, frames and
answers of several packets."""

import json
from pathlib import Path

import networks
import numpy as np
import pytest
from commands import digits_network
from onboard import Linked

from polyrhythm.boards.driver.device import Device
from polyrhythm.boards.link.packets import Kind
from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network


def long_network(rng: np.random.Generator) -> Network:
    """600 inputs and 150 classes: two packets each way."""
    layers = (
        Layer("fc", "dense", rng.integers(-8, 8, (7, 600)), np.zeros(7, int), np.full(7, 400), 4, T=5),
        Layer("out", "readout", rng.integers(-128, 128, (150, 7)), rng.integers(-999, 999, 150), None, 8, T=3),
    )  # fmt: skip
    return Network("long", "two_phase", Input((600,), 1, 15), layers)


def network_of(case: str, rng: np.random.Generator) -> Network:
    if case == "long":
        return long_network(rng)
    if case == "ticks":
        return networks.random_network(
            rng, "time_stepped", ("conv2d",), shape=(2, 5, 6), t_in=3, max_count=3
        )
    return networks.random_network(rng, "event_driven", ("dense",), shape=(13,), max_count=4)


@pytest.mark.long
@pytest.mark.parametrize("case", ["long", "ticks", "events"])
def test_every_answer_is_goldens(case: str, shared_build: None) -> None:
    rng = np.random.default_rng(8)
    network = network_of(case, rng)
    inputs = Linked("sim", network).inputs(rng, 150)
    with Device.open("sim", network) as device:
        kinds = {device._encoder.frame(one.reshape(network.input.T, -1)).kind for one in inputs}
        trace = device.run(inputs)
        assert device.traffic.repeated == 0
    assert kinds == {Kind.WORDS, Kind.PIXELS}
    assert golden.run(network, inputs).first_difference(trace) is None
    if case == "long":
        assert device.figures is not None and device.figures.sent > 150 * 300


def test_the_board_of_a_build_has_its_clock(tmp_path: Path, shared_build: None) -> None:
    """Eight clocks for a bit instead of four: bytes take twice the clocks, the circuit as many."""
    network, told, took = digits_network(), dict[str, object](), []
    told |= {"format": 1, "network": "tiny", "digest": network.digest, "lanes": [3, 2]}
    inputs = Linked("sim", network).inputs(np.random.default_rng(4), 40)
    for clock_hz in (12_000_000, 24_000_000):
        told |= {"coding": "count", "clock_hz": clock_hz, "baud": 3_000_000}
        (tmp_path / "build.json").write_text(json.dumps(told))
        with Device.open(f"sim:{tmp_path}", network) as device:
            trace = device.run(inputs)
            assert device.identity.clock_hz == clock_hz
        assert golden.run(network, inputs).first_difference(trace) is None
        assert device.figures is not None
        took.append(device.figures.last - device.figures.first)
    assert 1.5 < took[1] / took[0] < 2.1
