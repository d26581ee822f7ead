"""Event-driven layers in gateware: signed ones come to rest at golden's counts, unsigned ones keep
golden's order."""

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import ClockDomain
from gateware import run_accelerator, simulate
from networks import random_inputs, random_network

from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.top import Top
from polyrhythm.sw import golden
from polyrhythm.sw.network import Input, Layer, Network
from polyrhythm.sw.plan.conv import parallel_banks
from polyrhythm.sw.plan.lanes import Lanes
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.timing import cycles

KINDS = (("dense",), ("dense", "dense"), ("conv2d",), ("conv2d", "conv2d"), ("conv2d", "dense"))


def lanes_of(rng: np.random.Generator, network: Network) -> list[Lanes]:
    """Random parallelism that the schedule allows."""
    lanes: list[Lanes] = []
    for i, layer in enumerate(network.layers):
        n = network.n_out(i)
        if layer.kind == "readout":
            lanes.append(n)
        elif layer.kind == "dense":
            lanes.append(int(rng.integers(-(-n // 3), n + 1)))
        elif layer.neuron == "unsigned":
            lanes.append((1, 1))
        else:
            channels = len(layer.weight)
            lanes.append(
                (
                    int(rng.integers(-(-channels // 2), channels + 1)),
                    int(rng.choice([1, parallel_banks(network, i)])),
                )
            )
    return lanes


@pytest.mark.parametrize("stall", [0.0, 0.3])
@pytest.mark.parametrize("neuron", ["signed", "unsigned"])
@pytest.mark.parametrize("seed", range(5))
def test_counts_and_logits_equal_golden_s(seed: int, neuron: str, stall: float) -> None:
    """Events as well where the order is fixed; every net count stays in 0..T on the way (the taps
    are watched)."""
    rng = np.random.default_rng(500 + seed)
    network = random_network(
        rng, "event_driven", kinds=KINDS[seed], sizes=(1, 2, 5, 8), max_T=5, neuron=neuron
    )
    inputs, lanes = random_inputs(rng, network, 3), lanes_of(rng, network)
    run = run_accelerator(network, inputs, lanes, stall, stall, seed=seed)
    expected = golden.run(network, inputs)
    assert expected.first_difference(run.trace) is None
    if neuron == "unsigned":
        assert (run.trace.events == expected.events).all()
    if not stall:
        law = cycles.timing(plan(network, lanes), expected, inputs, back_to_back=True)
        assert (law.cycles.tolist(), law.interval.tolist()) == (run.cycles, run.interval)


def test_neurons_that_can_fire_before_any_event_do_so_in_every_frame() -> None:
    """Unsigned ones open a frame; nothing of it is sent before the frame has begun."""
    rng = np.random.default_rng(3)
    hidden = Layer(
        "l0",
        "dense",
        rng.integers(-8, 8, (5, 4)),
        np.full(5, 9),
        np.full(5, 4),
        4,
        T=3,
        neuron="unsigned",
    )
    out = Layer("out", "readout", rng.integers(-8, 8, (2, 5)), np.zeros(2, np.int32), weight_bits=4)
    network = Network("opens", "event_driven", Input((4,)), (hidden, out))
    inputs = np.array([[0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])[:, None]
    run, expected = run_accelerator(network, inputs, [2, 2]), golden.run(network, inputs)
    assert (
        expected.first_difference(run.trace) is None and (run.trace.events == expected.events).all()
    )
    assert expected.counts["l0"][0].any(), "neurons fire without an event"


def test_a_reset_forgets_a_frame_that_was_cut_off() -> None:
    rng = np.random.default_rng(8)
    network = random_network(rng, "event_driven", kinds=("conv2d",), sizes=(3,), max_T=3)
    inputs = random_inputs(rng, network, 3)[1:]
    run = run_accelerator(network, inputs, lanes_of(rng, network), cut=40)
    assert golden.run(network, inputs).first_difference(run.trace) is None


def test_live_logits_show_what_has_reached_the_readout_so_far() -> None:
    """In the middle of a frame: bias plus weights of the events that the hidden layer has sent
    until then."""
    rng = np.random.default_rng(4)
    hidden = Layer(
        "l0", "dense", rng.integers(-8, 8, (6, 8)), np.zeros(6, np.int32), np.full(6, 5), 4, T=4
    )
    out = Layer("out", "readout", rng.integers(-8, 8, (3, 6)), np.array([1, -2, 3]), weight_bits=4)
    network = Network("live", "event_driven", Input((8,)), (hidden, out))
    top = Top(plan(network, [3, 3]), Rom)
    width, sent, shown = len(top.live_logits) // 3, np.zeros(6, int), []

    async def bench(ctx: Any, _: ClockDomain) -> None:
        for address in (0, 1, 3, 4, 6):
            ctx.set(top.i_valid, 1)
            ctx.set(top.i_address, address)
            while not ctx.get(top.i_ready):
                await ctx.tick()
            for _ in range(30):
                await ctx.tick()
                ctx.set(top.i_valid, 0)
                if ctx.get(top.tap0_valid):
                    sent[ctx.get(top.tap0_address)] += -1 if ctx.get(top.tap0_negative) else 1
            packed = ctx.get(top.live_logits)
            fields = [packed >> k * width & (1 << width) - 1 for k in range(3)]
            shown.append(
                (
                    [f - (f >> width - 1 << width) for f in fields],
                    (out.bias + out.weight @ sent).tolist(),
                )
            )

    simulate(top, bench)
    assert all(seen == wanted for seen, wanted in shown)
    assert len({tuple(seen) for seen, _ in shown}) > 2, "they move while the frame goes on"
