"""sim.bulk and what it is made of: the C++ harness, the build cache, the checked interface.

Most tests run the behavioural accelerator of fixtures/tiny, whose cycles are known by construction
and which can be told to break its contract; one program serves them all. The exported gateware
follows below.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
import tiny

from polyrhythm.sim import bulk, design
from polyrhythm.sim.job import Mode, Outcome, SimulationError
from polyrhythm.sw import golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.addresses import AddressMap
from polyrhythm.sw.trace import Trace

group = pytest.mark.xdist_group("tiny")  # on one worker, so that no other one waits for the build


def expected(inputs: np.ndarray) -> Trace:
    """What fixtures/tiny must answer."""
    trace = golden.run(tiny.network(), inputs)
    trace.logits = trace.logits + tiny.BIAS
    trace.answer = trace.logits.argmax(axis=1)
    return trace


# --- what the harness sees ---


@group
@pytest.mark.parametrize(
    "mode", [Mode(), Mode(back_to_back=False), Mode(i_stall=0.5, o_stall=0.5, seed=1)]
)
def test_everything_equals_golden(mode: Mode) -> None:
    inputs = tiny.inputs(300)
    right, seen = expected(inputs), bulk.simulate(tiny.design_of(), inputs, mode).trace
    assert right.first_difference(seen) is None
    assert right.events is not None and seen.events is not None
    assert (right.events == seen.events).all()


@group
def test_cycles_of_a_frame_alone() -> None:
    """The tiny design needs a cycle for each word (the last one too), one for each neuron, one to
    read, one to show."""
    inputs = tiny.inputs(300)
    words = np.count_nonzero(inputs[:, 0], axis=1) + 1
    trace = bulk.simulate(tiny.design_of(), inputs, Mode(back_to_back=False)).trace
    assert trace.interval is None and trace.cycles is not None
    assert (trace.cycles == words + 4 + 1).all()


@group
@pytest.mark.parametrize("jobs", [1, 2])
def test_intervals_do_not_depend_on_how_frames_are_shared_out(jobs: int) -> None:
    """Three processes run these frames; each interval is the frame's cycles and the one in which
    its result leaves."""
    inputs = tiny.inputs(2 * bulk.PART + 1)
    words = np.count_nonzero(inputs[:, 0], axis=1) + 1
    trace = bulk.simulate(tiny.design_of(), inputs, Mode(), jobs=jobs).trace
    assert trace.cycles is None and trace.interval is not None
    assert trace.interval[0] == 0
    assert (trace.interval[1:] == words[1:] + 6).all()


@group
def test_stalls_happen_when_asked_for_and_follow_the_seed() -> None:
    def run(**options: Any) -> Outcome:
        return bulk.simulate(tiny.design_of(), tiny.inputs(50), Mode(**options))

    calm, stormy, again, other = (
        run(),
        *(run(i_stall=0.5, o_stall=0.5, seed=seed) for seed in (1, 1, 2)),
    )
    assert calm.stalls["pause"] == 0 and calm.stalls["o"] == 0
    assert calm.stalls["i"] > 100, "this design takes one frame at a time, so words must wait"
    assert stormy.stalls["pause"] > 50 and stormy.stalls["o"] > 20
    assert again.stalls == stormy.stalls != other.stalls


@group
def test_no_frames_give_an_empty_trace() -> None:
    trace = bulk.simulate(tiny.design_of(), tiny.inputs(0), Mode()).trace
    assert len(trace) == 0 and trace.logits.shape == (0, 3) and trace.counts["fc"].shape == (0, 4)


@group
def test_progress_is_told_of_every_part() -> None:
    told: list[tuple[int, int]] = []
    bulk.simulate(
        tiny.design_of(),
        tiny.inputs(600),
        Mode(),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(200, 600), (400, 600), (600, 600)]


@pytest.mark.parametrize("name", ["i_stall", "o_stall"])
def test_a_stall_must_leave_room_for_progress(name: str) -> None:
    with pytest.raises(ValueError) as error:
        Mode(**{name: 1.0})  # type: ignore[arg-type]
    assert str(error.value) == f"{name} must be a probability from 0 to below 1, not 1.0"


# --- what the harness refuses ---

NOTHING_MOVED = (
    "frame 1: nothing moved for 1000 cycles: input idle, 8 frames sent, 1 results received; "
    "tap 0 (fc) in frame 1, tick 0; readout in frame 1, tick 0 (cycle 1039)"
)
BROKEN = {
    "hang": NOTHING_MOVED,
    "error": "frame 1: the error port is high: an event broke the input's contract (cycle 12)",
    "count": "frame 1, tap 0 (fc), tick 0: has a count outside 1..3: 0 of neuron 0 (cycle 15)",
    "twice": "frame 1, tap 0 (fc), tick 0: has addresses out of order: 1 after 1 (cycle 17)",
    "withdraw": "frame 1: o_valid was withdrawn before o_ready came (cycle 22)",
    "change": "frame 1: the result changed while o_valid waited for o_ready (cycle 22)",
    "sum": "frame 1: logit 0 is 300000000063, but the readout's last sum was -300000000064 (cycle 20)",
    "no end": "frame 1, tap 0 (fc), tick 0: has addresses out of order: 1 after 3 (cycle 28)",
    "tick": "frame 1, tap 0 (fc), tick 0: has tick and end in one word (cycle 19)",
    "order": "frame 1, tap 0 (fc), tick 0: has addresses out of order: 1 after 2 (cycle 17)",
    "early": "frame 1: the result came after 0 readout ticks of 1 (cycle 15)",
    "more": "frame 2: a result came before the frame's last word (cycle 21)",
}


def frames_that_spike() -> np.ndarray:
    """Eight frames; in the second one the neurons 1, 2 and 3 spike."""
    inputs = tiny.inputs(8)
    inputs[:2, 0] = [[1, 3, 0, 2, 1], [3, 0, 1, 2, 0]]
    return inputs


@group
@pytest.mark.parametrize("fault", BROKEN)
def test_a_design_that_breaks_its_contract_is_named(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mode, "quiet_cycles", lambda *_: 1000)
    broken = tiny.design(tmp_path, fault)
    mode = Mode(o_stall=0.5 if fault in ("withdraw", "change") else 0.0, seed=2)
    with pytest.raises(SimulationError) as error:
        bulk.simulate(broken, frames_that_spike(), mode)
    assert str(error.value) == BROKEN[fault]


AFTER_THE_LAST = {
    "more": "frame 2: a result came before the frame's last word (cycle 21)",
    "no end": "tap 0 (fc): 1 frames were closed, but 2 sent",
}


@group
@pytest.mark.parametrize("fault", AFTER_THE_LAST)
def test_the_design_is_watched_after_the_last_result(fault: str, tmp_path: Path) -> None:
    with pytest.raises(SimulationError) as error:
        bulk.simulate(tiny.design(tmp_path, fault), frames_that_spike()[:2], Mode())
    assert str(error.value) == AFTER_THE_LAST[fault]


@group
def test_a_wrong_class_is_the_first_difference(tmp_path: Path) -> None:
    inputs = frames_that_spike()
    trace = bulk.simulate(tiny.design(tmp_path, "answer"), inputs, Mode()).trace
    assert str(expected(inputs).first_difference(trace)) == "frame 1: class expected 2, got 3"


@group
def test_an_address_outside_the_input_raises_the_error_port() -> None:
    inputs = np.zeros((3, 1, 7), int)
    inputs[2, 0, 5] = 1
    with pytest.raises(SimulationError) as error:
        bulk.simulate(tiny.design_of(), inputs, Mode())
    assert (
        str(error.value)
        == "frame 2: the error port is high: an event broke the input's contract (cycle 15)"
    )


@group
def test_frames_are_numbered_across_processes(tmp_path: Path) -> None:
    """The fault shows in the second frame that a process sends, so the second part alone names a
    later frame."""
    broken, inputs = tiny.design(tmp_path, "sum"), tiny.inputs(2 * bulk.PART)
    executable = bulk.compile(broken)
    with pytest.raises(SimulationError) as error:
        bulk._part(
            broken, executable, tmp_path / "part", inputs, bulk.PART, 2 * bulk.PART, Mode(), None
        )
    assert str(error.value).startswith(f"frame {bulk.PART - bulk.WARM_UP + 1}: logit 0 is ")


# --- words ---


def test_words_are_spikes_in_order_and_a_word_that_closes_each_tick() -> None:
    counts = np.array([[[0, 2, 1], [0, 0, 0]], [[3, 0, 0], [0, 0, 1]]])  # (B, T, N)
    stream, offsets = design.words(counts, AddressMap((3, 1, 1)))
    fields = design.unpack(stream)
    rows = [
        tuple(int(fields[name][i]) for name in ("address", "count", "tick", "end"))
        for i in range(len(stream))
    ]
    first = [(1, 2, 0, 0), (2, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
    assert rows == [*first, (0, 3, 0, 0), (0, 0, 1, 0), (2, 1, 0, 0), (0, 0, 0, 1)]
    assert offsets.tolist() == [0, 4, 8]


# --- interface.json ---


def drop(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda interface: interface["ports"].remove(
        next(p for p in interface["ports"] if p["name"] == name)
    )


MALFORMED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "format": (lambda i: i.update(format=1), "format must be 2, not 1; export the network again"),
    "no taps": (
        lambda i: i.update(taps=[]),
        "taps must end with the readout's, the only one that has classes",
    ),
    "no readout": (
        lambda i: i["taps"].pop(),
        "taps must end with the readout's, the only one that has classes",
    ),
    "order": (
        lambda i: i["taps"][1].update(index=0),
        "taps must be numbered 0, 1, ... in the order of the layers, but taps[1] has index 0",
    ),
    "port": (drop("tap0_end"), "ports must include tap0_end"),
    "key": (
        lambda i: i["taps"][0].pop("size"),
        "must have every key of format 2, but reading it failed at KeyError('size')",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_interface_is_refused(name: str, tmp_path: Path) -> None:
    change, text = MALFORMED[name]
    with pytest.raises(design.InterfaceError) as error:
        tiny.design(tmp_path, change=change)
    assert str(error.value) == f"{tmp_path / 'interface.json'}: {text}"


def test_an_interface_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "interface.json").write_text("{")
    with pytest.raises(design.InterfaceError) as error:
        design.Design.load(tmp_path)
    said = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    assert (
        str(error.value)
        == f"{tmp_path / 'interface.json'}: must be the JSON that `polyrhythm verilog` writes: {said}"
    )


@pytest.mark.long
@group
def test_a_waveform_shows_the_ports(tmp_path: Path, few_cycles: None) -> None:
    inputs = tiny.inputs(2)
    trace = bulk.simulate(tiny.design_of(), inputs, Mode(), waveform=tmp_path / "two.vcd").trace
    assert expected(inputs).first_difference(trace) is None
    text = (tmp_path / "two.vcd").read_text()
    assert "tap0_address" in text and "#100\n" in text


# --- exported gateware ---


def check(network: Network, inputs: np.ndarray, lanes: list[int] | None, seed: int) -> None:
    """Back to back, alone and under stalls, everything that golden knows is equal."""
    timed = network.schedule == "time_stepped"
    right = golden.run(network, inputs, spikes=timed)
    chosen = design.export(network, lanes)
    modes = [Mode(), Mode(back_to_back=False), Mode(i_stall=0.4, o_stall=0.6, seed=seed)]
    for mode in modes:
        both = bulk.simulate(chosen, inputs[:, None] if inputs.ndim == 2 else inputs, mode)
        assert right.first_difference(both.trace) is None, mode
        assert right.events is not None and both.trace.events is not None
        assert (right.events == both.trace.events).all(), mode
    assert both.stalls["pause"] and both.stalls["o"]
    if timed:
        full = bulk.run(network, inputs, lanes=lanes, spikes=True, logits_t=True)
        assert full.spikes is not None and full.logits_t is not None
        assert right.first_difference(full) is None
        assert (
            right.ticks is not None and full.ticks is not None and (right.ticks == full.ticks).all()
        )


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped"])
def test_gateware_equals_golden(schedule: str) -> None:
    rng = np.random.default_rng(7)
    network = networks.random_network(
        rng,
        schedule,
        ("dense", "dense"),
        shape=(7,),
        sizes=(5, 8),
        T=(3, 5, 2),
        t_in=4,
        max_count=3,
    )
    inputs = networks.random_inputs(rng, network, 40)
    right = golden.run(network, inputs)
    assert all(count.any() for count in right.counts.values()), (
        "every layer must spike, or this shows little"
    )
    check(network, inputs, [2, 3, 2], 7)


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped", "event_driven"])
def test_a_network_of_a_readout_alone_equals_golden(schedule: str) -> None:
    """No layer before the readout is one of no layers: what holds of all of them holds."""
    rng = np.random.default_rng(12)
    network = networks.random_network(
        rng, schedule, (), shape=(5,), T=(4,), t_in=3 if schedule == "time_stepped" else None
    )
    check(
        network,
        networks.random_inputs(rng, network, 30),
        None if schedule == "event_driven" else [2],
        12,
    )


@pytest.mark.long
@pytest.mark.parametrize("seed", range(24))
def test_random_gateware_equals_golden(seed: int, few_cycles: None) -> None:
    rng = np.random.default_rng(1000 + seed)
    schedule = ("two_phase", "time_stepped")[seed % 2]
    hidden = ("dense",) * int(rng.integers(0, 4))
    network = networks.random_network(rng, schedule, hidden, extreme=seed % 5 == 0)
    lanes = [int(rng.integers(1, network.n_out(i) + 1)) for i in range(len(network.layers))]
    check(network, networks.random_inputs(rng, network, 30), lanes, seed)
