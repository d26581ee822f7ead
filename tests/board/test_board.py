"""The driver and a board, the same tests for a real and for a simulated one:

    pytest tests/board --port /dev/ttyUSB0

The board may hold any network of models/; the tests take what it says it holds. Without `--port`
the whole board of models/digits.safetensors is simulated, UART pins and all.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onboard import MODELS, Linked

from polyrhythm.boards.driver.device import Device
from polyrhythm.boards.driver.errors import WrongBitstream
from polyrhythm.sw import data, golden
from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.network import Network
from polyrhythm.sw.trace import Trace

pytestmark = pytest.mark.xdist_group("board")


@pytest.fixture(scope="module")
def device(linked: Linked) -> Iterator[Device]:
    with linked.open() as opened:
        yield opened


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(17)


def check_same(network: Network, inputs: np.ndarray, trace: Trace) -> None:
    """Every class and every logit is golden's."""
    expected = golden.run(network, inputs)
    assert trace.first_difference(expected) is None
    assert expected.differences(trace) == {
        "frames": len(inputs),
        "class": 0,
        "logits": 0,
        "count": 0,
    }


def test_the_board_says_who_it_is(linked: Linked, device: Device) -> None:
    told = device.identity
    assert told.digest == linked.network.digest
    assert told.classes == len(linked.network.layers[-1].bias) and told.buffer >= 254
    assert told.clock_hz >= 1_000_000 and told.version


def test_the_test_split_is_identical_to_golden(linked: Linked, device: Device) -> None:
    """Of digits, all 360 images; of a network whose data are not here, this says so."""
    try:
        inputs, labels = data.inputs_for(
            linked.network, linked.network.provenance["dataset"], "test", None
        )
    except (DataError, KeyError) as error:
        pytest.skip(f"the test split of {linked.network.name} is not here: {error}")
    trace = device.run(inputs[:1000])
    check_same(linked.network, inputs[:1000], trace)
    right = int((trace.answer == labels[:1000]).sum())
    print(f"{linked.network.name}: {right} of {len(trace)} right, cycles {trace.cycles}")
    if linked.network.name == "digits":
        assert (len(trace), right) == (360, 348)


def test_random_frames_of_all_densities(
    linked: Linked, device: Device, rng: np.random.Generator
) -> None:
    inputs = linked.inputs(rng, 100)
    inputs[0] = 0
    inputs[1] = linked.network.input.max_count
    check_same(linked.network, inputs, device.run(inputs))


def test_no_frame_gives_an_empty_trace(linked: Linked, device: Device) -> None:
    trace = device.run(linked.inputs(np.random.default_rng(0), 1)[:0])
    assert len(trace) == 0 and trace.logits.shape == (0, device.identity.classes)


def test_cycles_are_the_boards(linked: Linked, device: Device, rng: np.random.Generator) -> None:
    trace = device.run(linked.inputs(rng, 5))
    assert trace.cycles is not None and (trace.cycles > 0).all()
    assert device.read("cycles") == trace.cycles[-1]


def test_the_counters_count(linked: Linked, device: Device, rng: np.random.Generator) -> None:
    inputs = linked.inputs(rng, 20)
    before = device.status()
    device.run(inputs)
    after = device.status()
    gone = {name: after[name] - before[name] for name in before}
    assert (gone["answered"], after["in_flight"]) == (20, 0)
    assert gone["events"] == np.count_nonzero(inputs)
    assert all(gone[name] == 0 for name in gone if name.startswith(("link_", "input_")))


def test_registers_by_name(device: Device) -> None:
    device.write("scratch", 0xA5)
    assert device.read("scratch") == 0xA5
    device.write("scratch", 0)
    with pytest.raises(ValueError, match="^there is no register 'scratsh'; did you mean 'scratch'"):
        device.read("scratsh")
    with pytest.raises(ValueError, match="register answered cannot be written$"):
        device.write("answered", 1)


def test_progress_is_told_of_every_answer(
    linked: Linked, device: Device, rng: np.random.Generator
) -> None:
    told: list[tuple[int, int]] = []
    device.run(linked.inputs(rng, 7), lambda done, total: told.append((done, total)))
    assert told == [(k, 7) for k in range(1, 8)]


def test_what_was_left_in_the_middle_is_no_answer_of_what_comes_then(
    linked: Linked, device: Device, rng: np.random.Generator
) -> None:
    inputs = linked.inputs(rng, 40)

    def leave(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        device.run(inputs, leave)
    check_same(linked.network, inputs[20:30], device.run(inputs[20:30]))


def test_images_become_counts(linked: Linked, device: Device, rng: np.random.Generator) -> None:
    source = linked.network.input
    if source.T != 1 or len(source.shape) != 3:
        pytest.skip(f"{linked.network.name} takes no images")
    images = rng.integers(0, 256, (10, *source.shape), np.uint8)
    word = f"levels:{source.max_count}"
    check_same(linked.network, data.encode(images, word), device.run(images, preprocess=word))


def test_a_stream_of_events_gives_the_answers_of_its_frames(
    linked: Linked, device: Device, rng: np.random.Generator
) -> None:
    source, us, frames = linked.network.input, 100, 12
    shape = source.shape if len(source.shape) == 3 else (*source.shape, 1, 1)
    length = us * source.T
    time = np.sort(rng.integers(0, frames * length, 60 * frames))
    places = np.array([rng.integers(0, size, len(time)) for size in shape])  # (3, events)
    counts = np.zeros((frames, source.T, *shape), int)
    np.add.at(counts, (time // length, time % length // us, *places), 1)
    inputs = np.minimum(counts, source.max_count).reshape(frames, source.T, *source.shape)
    answers = []
    with device.stream(us, t0=0) as stream:
        for low in range(0, len(time), 50):
            stream.send(time[low : low + 50], *places[:, low : low + 50])
            answers += stream
        with pytest.raises(RuntimeError, match="frames are being sent already; end that stream"):
            device.run(inputs)
    answers += stream
    expected = golden.run(linked.network, inputs)
    assert [answer.start_us for answer in answers] == [k * length for k in range(frames)]
    assert [answer.answer for answer in answers] == expected.answer.tolist()
    assert np.array_equal([answer.logits for answer in answers], expected.logits)
    assert (stream.tally.frames, stream.tally.late, stream.tally.empty) == (frames, 0, 0)
    check_same(linked.network, inputs, device.run(inputs))


@pytest.mark.parametrize("case", ["shape", "range", "kind"])
def test_what_are_no_counts_is_refused_before_it_is_sent(
    case: str, linked: Linked, device: Device
) -> None:
    counts = linked.inputs(np.random.default_rng(1), 2)
    wrong = {"shape": counts[..., :-1], "range": counts + 1000, "kind": counts.astype(float)}[case]
    sent = device.traffic.sent
    with pytest.raises(TypeError if case == "kind" else ValueError, match="^inputs must "):
        device.run(wrong)
    assert device.traffic.sent == sent


def test_another_network_is_told(linked: Linked) -> None:
    """With a real board; of a simulated one the terminal's path is such a port."""
    layers = linked.network.layers
    other = dataclasses.replace(
        linked.network,
        layers=(*layers[:-1], dataclasses.replace(layers[-1], bias=layers[-1].bias + 1)),
        profiles={},
        exit=None,
    )
    with linked.as_port() as port, pytest.raises(WrongBitstream) as caught:
        Device.open(port, other)
    assert str(caught.value) == (
        f"{port}: the board must hold network {other.name} ({other.digest[:16]}), but its bitstream is of network "
        f"{linked.network.digest[:16]}; load the bitstream of that network's build with `polyrhythm program`, or name "
        "the network that is there"
    )


@pytest.mark.long
def test_mnist(linked: Linked, data_root: Path) -> None:
    """The first 1,000 test images through the simulated board of mnist-mlp."""
    if linked.port != "sim":
        pytest.skip("a real board is tested with the network that it holds")
    network = Network.load(MODELS / "mnist-mlp.safetensors")
    inputs, _ = data.inputs_for(network, "mnist", "test", data_root)
    with Device.open("sim", network) as device:
        check_same(network, inputs[:1000], device.run(inputs[:1000]))
