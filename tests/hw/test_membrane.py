"""hw.neuron.membrane: the time_stepped neuron against the equations of the format, group by group
and frame by frame."""

import random
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from amaranth.hdl import signed
from amaranth.lib import data
from gateware import bits, drive
from networks import random_network
from plans import layer_plan

from polyrhythm.hw.dense.operation import Op
from polyrhythm.hw.lib.rom import Rom
from polyrhythm.hw.neuron.membrane import Membrane
from polyrhythm.sw.network import Input, Layer, Network
from polyrhythm.sw.network.align import bias_at, source_ticks
from polyrhythm.sw.plan.layer import LayerPlan
from polyrhythm.sw.plan.neurons import TickingNeuron


def reference(
    layer: Layer, currents: np.ndarray, cases: Counter[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Spikes and potentials after the reset, (T, N), of one frame's currents (T, N)."""
    share, v, fired, left = bias_at(layer.bias, layer.T, layer.bias_mode), layer.v0, [], []
    for t in range(layer.T):
        if layer.leak_shift is not None:
            cases["leak rounds down"] += int((v % (1 << layer.leak_shift) != 0)[v < 0].sum())
            v = v - (v >> layer.leak_shift)
        v = v + currents[t] + share[t]
        if layer.threshold is not None:
            s = v >= layer.threshold
            cases["v == threshold"] += int((v == layer.threshold).sum())
            cases[f"spikes, {layer.reset}"] += int(s.sum())
            v = np.where(s, v - layer.threshold if layer.reset == "subtract" else 0, v)
            fired.append(s)
        cases["negative"] += int((v < 0).sum())
        left.append(v)
    return np.array(fired), np.array(left)


@dataclass
class Swept:
    """What a membrane did: spikes and potentials (frames, T, N), and whether lanes without a neuron
    stayed silent."""

    fire: np.ndarray
    v: np.ndarray
    idle_silent: bool


DONE, OP, SUMS, COMING = (
    "i.words.valid",
    "i.words.payload.op",
    "i.words.payload.values",
    "i.coming.payload",
)


def membrane(plan: LayerPlan, op: Op) -> Membrane:
    assert isinstance(plan.neuron, TickingNeuron)
    sums = data.ArrayLayout(signed(plan.sums.bits), plan.layout.lanes)
    return Membrane(Rom, op, plan.neuron, plan.layout.groups, sums)


def run(
    network: Network, lanes: int, frames: np.ndarray, pause: float, rng: random.Random
) -> Swept:
    """Sweep layer 0 over frames of currents (frames, steps, N), a step for each sum that `Charge`
    would finish."""
    layer, plan = network.layers[0], layer_plan(network, 0, lanes)
    groups, steps_of, sum_bits, v_bits = (
        plan.layout.groups,
        plan.rhythm,
        plan.sums.bits,
        plan.potential_bits,
    )
    held = steps_of.held
    share = bias_at(layer.bias, layer.T, layer.bias_mode)
    reach = share - (0 if layer.threshold is None else layer.threshold.astype(np.int64))
    shape = Op(1, 1, groups, (max(steps_of.phases) + 1) * groups)
    idle, mask = (0 if held or layer.threshold is None else -1), (1 << sum_bits) - 1
    steps: list[dict[str, int]] = []
    for frame in frames:
        tick = 0
        for current, repeat in zip(frame, steps_of.repeats, strict=True):
            for again in range(repeat):
                sums = current if held else current + reach[tick]
                padded = np.concatenate([sums, np.full(groups * lanes - len(sums), idle)]).tolist()
                for group in range(groups):
                    while rng.random() < pause:
                        steps.append(
                            {OP: bits(shape, {"table": 0}), SUMS: rng.getrandbits(sum_bits * lanes)}
                        )
                    op = {
                        "sweep": 1,
                        "held": int(again > 0),
                        "closing": int(tick == layer.T - 1),
                        "last": int(group == groups - 1),
                        "group": group,
                    }
                    op["table"] = steps_of.phases[tick] * groups + group
                    word = sum(
                        (value & mask) << k * sum_bits
                        for k, value in enumerate(padded[group * lanes :][:lanes])
                    )
                    noise = rng.getrandbits(sum_bits * lanes)
                    steps.append({DONE: 1, OP: bits(shape, op), SUMS: noise if again else word})
                tick += 1
    for step, behind in zip(steps, [*steps[1:], {OP: 0}], strict=True):
        step.setdefault(DONE, 0)
        step[COMING] = behind[OP]
    first = {DONE: 0, OP: 0, SUMS: 0, COMING: steps[0][OP]}
    dut = membrane(plan, shape)
    outputs = ["o.valid", "o.payload.op", "o.payload.fire", "o.payload.values"]
    seen = drive(dut, [first, *steps, *[{DONE: 0, OP: 0, COMING: 0}] * dut.latency], outputs)
    words = []
    for asked, got in zip([first, *steps], seen[dut.latency :], strict=True):
        assert got["o.valid"] == asked[DONE]
        if asked[DONE]:
            assert got["o.payload.op"] == asked[OP]
            words.append(got)
    fire = np.array(
        [[word["o.payload.fire"] >> k & 1 for k in range(lanes)] for word in words]
    ).reshape(len(frames), layer.T, -1)
    fields = [
        [word["o.payload.values"] >> k * v_bits & (1 << v_bits) - 1 for k in range(lanes)]
        for word in words
    ]
    v = np.array([[value - (value >> v_bits - 1 << v_bits) for value in word] for word in fields])
    n = plan.n_out
    return Swept(
        fire[..., :n], v.reshape(len(frames), layer.T, -1)[..., :n], not fire[..., n:].any()
    )


def currents_of(network: Network, inputs: np.ndarray) -> np.ndarray:
    """Sums w * n of each tick, (frames, T, N), of inputs (frames, T_in, N_in)."""
    seen = np.stack(
        [
            inputs[:, ticks].sum(axis=1)
            for ticks in source_ticks(network.t_in(0), network.layers[0].T)
        ],
        axis=1,
    )
    return seen @ network.layers[0].weight.astype(np.int64).T


def check(
    network: Network, lanes: int, inputs: np.ndarray, pause: float, seed: int
) -> Counter[str]:
    """Compare with the reference; say which cases happened."""
    cases: Counter[str] = Counter()
    currents, repeats = currents_of(network, inputs), layer_plan(network, 0, lanes).rhythm.repeats
    steps = np.cumsum([0, *repeats[:-1]])
    got = run(network, lanes, currents[:, steps], pause, random.Random(seed))
    for frame, current in enumerate(currents):
        fired, left = reference(network.layers[0], current, cases)
        if network.layers[0].threshold is not None:
            assert (got.fire[frame] == fired).all(), f"spikes of frame {frame}"
        assert (got.v[frame] == left).all(), f"potentials of frame {frame}"
    assert got.idle_silent
    return cases


def test_random_layers_equal_the_equations() -> None:
    total: Counter[str] = Counter()
    for seed in range(24):
        rng = np.random.default_rng(seed)
        kinds = ("dense",) if seed % 4 else ()
        network = random_network(
            rng, "time_stepped", kinds, extreme=seed % 3 == 0, max_count=int(rng.choice([1, 3]))
        )
        lanes = int(rng.integers(1, network.n_out(0) + 1))
        inputs = rng.integers(
            0, network.input.max_count + 1, (4, network.input.T, network.input.size)
        )
        inputs[0], inputs[1] = 0, network.input.max_count
        total["partial"] += network.n_out(0) % lanes > 0
        total["held"] += network.input.T < network.layers[0].T
        total["merged"] += network.input.T > network.layers[0].T
        total += check(network, lanes, inputs, pause=(0.0, 0.4)[seed % 2], seed=seed)
    wanted = {
        "partial",
        "held",
        "merged",
        "leak rounds down",
        "v == threshold",
        "negative",
        "spikes, subtract",
        "spikes, zero",
    }
    assert {case for case, number in total.items() if number >= 3} >= wanted, total


# --- one fact each, on one neuron ---


def neuron(
    T: int,
    threshold: int,
    bias: int = 0,
    t_in: int | None = None,
    v_init: str = "zero",
    **fields: object,
) -> Network:
    """One input of weight 1 with counts up to 100, one neuron."""
    weight = np.ones((1, 1), np.int8)
    layer = Layer(
        "fc", "dense", weight, np.array([bias]), np.array([threshold]), T=T, v_init=v_init, **fields
    )  # type: ignore[arg-type]
    readout = Layer("out", "readout", weight, np.zeros(1, np.int32))
    return Network("one", "time_stepped", Input((1,), t_in or T, 100), (layer, readout))


def potentials(network: Network, currents: list[int]) -> tuple[list[int], list[int]]:
    """Spikes and potentials of one frame."""
    got = run(network, 1, np.array(currents).reshape(1, -1, 1), 0.0, random.Random(1))
    return got.fire.ravel().tolist(), got.v.ravel().tolist()


def test_fires_when_equal_to_threshold_and_not_one_below() -> None:
    assert potentials(neuron(4, 10), [9, 1, 10, 9]) == ([0, 1, 1, 0], [9, 0, 0, 9])


def test_reset_by_subtraction_keeps_the_rest_and_reset_to_zero_drops_it() -> None:
    assert potentials(neuron(3, 10), [25, 0, 0]) == ([1, 1, 0], [15, 5, 5])
    assert potentials(neuron(3, 10, reset="zero"), [25, 0, 10]) == ([1, 0, 1], [0, 0, 0])


def test_leak_of_a_negative_potential_rounds_down() -> None:
    """v >> 1 of -7 is -4, so -3 is left, then -1, then 0: a shift, no division."""
    network = neuron(4, 10, bias=-7, bias_mode="once", leak_shift=1)
    assert potentials(network, [0, 0, 0, 0]) == ([0, 0, 0, 0], [-7, -3, -1, 0])


def test_a_held_current_is_added_again_with_each_ticks_bias() -> None:
    network = neuron(5, 100, bias=3, bias_mode="spread", t_in=2)
    assert potentials(network, [10, 20]) == ([0] * 5, [10, 21, 41, 62, 83])


def test_every_frame_starts_from_rest() -> None:
    network = neuron(2, 10, v_init="half_threshold")
    got = run(network, 1, np.array([[[4], [0]], [[5], [0]], [[4], [0]]]), 0.0, random.Random(1))
    assert got.v[:, :, 0].tolist() == [[9, 9], [0, 0], [9, 9]]
    assert got.fire[:, :, 0].tolist() == [[0, 0], [1, 0], [0, 0]]


@pytest.mark.parametrize(("t_in", "latency"), [(2, 1), (1, 2)])
def test_latency_is_a_cycle_and_one_more_where_currents_are_held(t_in: int, latency: int) -> None:
    network = neuron(2, 10, t_in=t_in)
    shape = Op(1, 1, 1, 1)
    op = bits(shape, {"sweep": 1})
    steps = [{COMING: op}, {COMING: 0, OP: op, DONE: 1}, *[{OP: 0, DONE: 0}] * 4]
    seen = drive(membrane(layer_plan(network, 0, 1), shape), steps, ["o.valid"])
    assert [word["o.valid"] for word in seen].index(1) == 1 + latency
