"""The networks in models/: their whole test sets through the Verilog, every count and every
cycle."""

from pathlib import Path

import numpy as np
import pytest

from polyrhythm.sim import bulk
from polyrhythm.sw import data, golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.lanes import Lanes, default_lanes
from polyrhythm.sw.plan.network import plan
from polyrhythm.sw.timing import cycles

MODELS = Path(__file__).resolve().parents[2] / "models"
LAW_FRAMES = 1000  # of which every cycle is followed in Python
WHOLE = (360, 10_000)  # test sets of which the file states the accuracy


def load(name: str) -> Network:
    return Network.load(MODELS / f"{name}.safetensors")


def check(
    network: Network,
    inputs: np.ndarray,
    labels: np.ndarray,
    lanes: list[Lanes],
    profile: str | None = None,
) -> tuple[float, float]:
    """Golden against RTL, alone and back to back; the cycle model against the RTL; mean cycles and
    interval of all frames."""
    made = network.provenance
    stated, network = (
        made["profiles"][profile] if profile else made["accuracy"],
        network.profile(profile),
    )
    expected = golden.run(network, inputs, spikes=network.schedule == "time_stepped")
    alone = bulk.run(network, inputs, lanes=lanes, back_to_back=False)
    streamed = bulk.run(network, inputs, lanes=lanes, back_to_back=True)
    for trace in (alone, streamed):
        assert len(trace.answer) == len(inputs)
        assert expected.first_difference(trace) is None
    if len(inputs) in WHOLE:
        assert np.mean(alone.answer == labels) == stated
    some = inputs[:LAW_FRAMES]
    law = golden.run(network, some, spikes=network.schedule == "time_stepped")
    by_frame, in_a_row = (
        cycles.timing(plan(network, lanes), law, some, back_to_back=flowing)
        for flowing in (False, True)
    )
    np.testing.assert_array_equal(alone.cycles[:LAW_FRAMES], by_frame.cycles)
    np.testing.assert_array_equal(streamed.interval[:LAW_FRAMES], in_a_row.interval)
    return float(alone.cycles.mean()), float(streamed.interval.mean())


@pytest.mark.parametrize("name", ["digits", "digits-lif", "digits-mtt"])
def test_digits_agree_in_every_count_and_cycle(name: str) -> None:
    network = load(name)
    check(network, *data.inputs_for(network, "digits", "test"), [20, 10])


@pytest.mark.long
@pytest.mark.parametrize("profile", ["t1", "t2", "t8", "mixed"])
def test_one_file_agrees_at_each_of_its_working_points(profile: str, few_cycles: None) -> None:
    network = load("digits-mtt")
    inputs, labels = data.inputs_for(network, "digits", "test")
    assert network.provenance["profiles"][profile] >= 0.98
    check(network, inputs, labels, [20, 10], profile)


def test_digits_lif_takes_at_most_230_cycles_an_image() -> None:
    network = load("digits-lif")
    inputs, labels = data.inputs_for(network, "digits", "test")
    latency, interval = check(network, inputs, labels, [20, 10])
    # Events per step, no fewer than those of the rival's 908.6 cycles
    assert inputs.sum() / len(inputs) / network.input.T > 19.5
    assert latency <= 230 and interval <= 210


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "lanes", "least"),
    [
        ("mnist-mlp", [32, 10], 0.98),
        ("mnist-mlp", [128, 10], 0.98),
        ("mnist-lif", [32, 32, 10], 0.97),
    ],
)
def test_mnist_agrees_in_every_count_and_cycle(
    name: str, lanes: list[int], least: float, data_root: Path
) -> None:
    """With other lanes than those that docs/results.md sends all images through."""
    network = load(name)
    inputs, labels = data.inputs_for(network, "mnist", "test", data_root)
    assert len(inputs) == 10_000 and network.provenance["accuracy"] >= least
    check(network, inputs[:LAW_FRAMES], labels[:LAW_FRAMES], lanes)


@pytest.mark.long
@pytest.mark.parametrize("name", ["mnist-conv", "mnist-conv-lif"])
def test_convolutions_agree_in_every_count_and_cycle(name: str, data_root: Path) -> None:
    network = load(name)
    inputs, _ = data.inputs_for(network, "mnist", "test", data_root)
    assert network.provenance["accuracy"] >= 0.985
    expected = golden.run(network, inputs[:LAW_FRAMES], spikes=network.schedule == "time_stepped")
    lanes = default_lanes(network)
    for flowing in (False, True):
        trace = bulk.run(network, inputs[:LAW_FRAMES], back_to_back=flowing)
        assert expected.first_difference(trace) is None
        some = golden.run(network, inputs[:100], spikes=network.schedule == "time_stepped")
        law = cycles.timing(plan(network, lanes), some, inputs[:100], back_to_back=flowing)
        seen, told = (trace.interval, law.interval) if flowing else (trace.cycles, law.cycles)
        np.testing.assert_array_equal(seen[:100], told)


# Frames and lanes; on CIFAR-10 those of the accelerator that was placed and routed, see
# docs/results.md.
LEARNED: dict[str, tuple[int, list[Lanes] | None]] = {
    "mnist-mt": (120, None),
    "fashion-mt": (120, None),
    "cifar10-mt": (4, [(14, 1), (28, 1), *[(14, 1)] * 4, (112, 1), 10]),
}


@pytest.mark.long
@pytest.mark.parametrize("name", LEARNED)
def test_learned_time_steps_agree_in_every_count_and_cycle(name: str, data_root: Path) -> None:
    """Some frames of each; docs/results.md has the whole test sets."""
    network, (frames, lanes) = load(name), LEARNED[name]
    inputs, _ = data.inputs_for(network, network.provenance["dataset"], "test", data_root)
    some, law_frames = inputs[:frames], inputs[: min(frames, 20)]
    expected, few = golden.run(network, some), golden.run(network, law_frames)
    for flowing in (False, True):
        trace = bulk.run(network, some, lanes=lanes, back_to_back=flowing)
        assert expected.first_difference(trace) is None
        law = cycles.timing(
            plan(network, lanes or default_lanes(network)), few, law_frames, back_to_back=flowing
        )
        seen, told = (trace.interval, law.interval) if flowing else (trace.cycles, law.cycles)
        np.testing.assert_array_equal(seen[: len(law_frames)], told)


@pytest.mark.long
def test_the_same_weights_without_a_clock_come_to_the_same_counts(data_root: Path) -> None:
    """Two_phase and signed event_driven: one network; the first thousand images, of which every
    event is golden's concern."""
    clocked, network = load("mnist-conv"), load("mnist-conv-events")
    for layer, other in zip(clocked.layers, network.layers, strict=True):
        assert (
            (layer.weight == other.weight).all()
            and (layer.bias == other.bias).all()
            and layer.T == other.T
        )
    inputs, _ = data.inputs_for(network, "mnist", "test", data_root)
    expected = golden.run(clocked, inputs[:1000])
    assert expected.first_difference(bulk.run(network, inputs[:1000])) is None
    assert (
        golden.run(network, inputs[:100]).first_difference(
            bulk.run(network, inputs[:100], back_to_back=False)
        )
        is None
    )


def test_references_mix_their_time_steps() -> None:
    assert [layer.T for layer in load("cifar10-mt").layers] == [5, 3, 3, 3, 2, 2, 2, 1]
    assert [layer.T for layer in load("mnist-mlp").layers] == [7, 1]
    assert [layer.T for layer in load("mnist-lif").layers] == [5, 3, 4]  # shrinks and stretches
    assert [layer.T for layer in load("mnist-conv").layers] == [3, 2, 1]
    assert [layer.T for layer in load("mnist-conv-lif").layers] == [4, 3, 4]
