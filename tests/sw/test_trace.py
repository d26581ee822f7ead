"""Traces: the file, the first difference, the counts for compare, merging."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from networks import random_inputs, random_network

from polyrhythm.sw import golden
from polyrhythm.sw.trace import Trace, merge


def traced(seed: int = 5, schedule: str = "time_stepped") -> Trace:
    rng = np.random.default_rng(seed)
    network = random_network(rng, schedule, ("dense", "dense"), sizes=(5, 7), T=(3, 4, 2))
    return golden.run(network, random_inputs(rng, network, 8), spikes=True, potentials=True)


def copied(trace: Trace, tmp_path: Path) -> Trace:
    trace.save(tmp_path / "copy.npz")
    return Trace.load(tmp_path / "copy.npz")


@pytest.mark.parametrize("schedule", ["two_phase", "time_stepped", "event_driven"])
def test_file_gives_the_same_trace_again(tmp_path: Path, schedule: str) -> None:
    trace = traced(schedule=schedule)
    trace.cycles, trace.interval = np.arange(8), np.arange(8)
    again = copied(trace, tmp_path)
    assert again.arrays().keys() == trace.arrays().keys()
    assert all(
        np.array_equal(value, again.arrays()[name]) for name, value in trace.arrays().items()
    )
    assert {value.dtype for value in again.arrays().values()} == {np.dtype(np.int32)}


def test_names_in_the_file_are_those_of_the_format(tmp_path: Path) -> None:
    traced().save(tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz") as file:
        layers = {f"layers.l{i}.{what}" for i in (0, 1) for what in ("count", "spikes", "v")}
        assert set(file.files) == {"class", "logits", "events", "ticks", "logits_t"} | layers


def test_same_trace_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        traced().save(tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_values_beyond_int32_are_kept(tmp_path: Path) -> None:
    again = copied(Trace(np.array([0]), np.array([[1 << 40]])), tmp_path)
    assert again.logits.item() == 1 << 40 and again.logits.dtype == np.int64


def test_equal_traces_have_no_difference(tmp_path: Path) -> None:
    trace = traced()
    assert trace.first_difference(copied(trace, tmp_path)) is None
    assert set(trace.differences(copied(trace, tmp_path)).values()) == {0, 8}
    assert trace.differences(trace)["frames"] == 8


def test_first_difference_is_of_the_first_frame_then_layer_then_tick_then_neuron(
    tmp_path: Path,
) -> None:
    trace, other = traced(), copied(traced(), tmp_path)
    assert trace.spikes is not None and other.spikes is not None
    places = [("l1", 6, 0, 0), ("l1", 3, 0, 0), ("l0", 3, 2, 0), ("l0", 3, 1, 4), ("l0", 3, 1, 2)]
    for count, (layer, frame, tick, neuron) in enumerate(places, 1):
        other.spikes[layer][frame, tick, neuron] ^= 1
        expected = int(trace.spikes[layer][frame, tick, neuron])
        place = f"frame {frame}, layer {layer}, tick {tick}, neuron {neuron}"
        line = f"{place}: spikes expected {expected}, got {1 - expected}"
        assert str(trace.first_difference(other)) == line
        assert trace.differences(other)["spikes"] == count


def test_first_difference_is_of_an_earlier_frame_also_in_a_later_layer(tmp_path: Path) -> None:
    trace, other = traced(), copied(traced(), tmp_path)
    other.counts["l0"][6, 0] += 1
    other.counts["l1"][3, 0] += 1
    found = trace.first_difference(other)
    assert found is not None and (found.frame, found.layer) == (3, "l1")


def test_differences_without_tick_or_neuron_leave_them_out(tmp_path: Path) -> None:
    trace, other = traced(), copied(traced(), tmp_path)
    other.answer[2] += 1
    assert (
        str(trace.first_difference(other))
        == f"frame 2: class expected {trace.answer[2]}, got {trace.answer[2] + 1}"
    )
    other.logits[2, 1] -= 1
    line = f"frame 2, neuron 1: logits expected {trace.logits[2, 1]}, got {trace.logits[2, 1] - 1}"
    assert str(trace.first_difference(other)) == line
    other.counts["l1"][2, 3] += 5
    line = f"frame 2, layer l1, neuron 3: count expected {trace.counts['l1'][2, 3]}, got {trace.counts['l1'][2, 3] + 5}"
    assert str(trace.first_difference(other)) == line
    found = trace.differences(other)
    assert (found["class"], found["logits"], found["count"], found["spikes"]) == (1, 1, 1, 0)


def test_only_what_both_traces_have_is_compared(tmp_path: Path) -> None:
    trace, other = traced(), copied(traced(), tmp_path)
    other.spikes = other.v = other.logits_t = other.ticks = other.events = None
    assert trace.first_difference(other) is None and other.first_difference(trace) is None
    assert "spikes" not in trace.differences(other)


def test_traces_of_other_shapes_are_not_compared() -> None:
    trace = traced()
    other = Trace(trace.answer[:3], trace.logits[:3])
    with pytest.raises(ValueError) as caught:
        trace.first_difference(other)
    classes = trace.logits.shape[1]
    assert (
        str(caught.value)
        == f"logits must have the same shape in both traces, not (8, {classes}) and (3, {classes})"
    )


def test_merge_joins_frames() -> None:
    rng = np.random.default_rng(5)
    network = random_network(rng, "time_stepped", ("dense", "dense"))
    inputs = random_inputs(rng, network, 9)
    parts = [golden.run(network, inputs[a:b], spikes=True) for a, b in ((0, 2), (2, 3), (3, 9))]
    whole = golden.run(network, inputs, spikes=True)
    assert whole.first_difference(merge(parts)) is None and len(merge(parts)) == 9


def test_merge_refuses_none_and_traces_with_other_arrays() -> None:
    with pytest.raises(ValueError) as caught:
        merge([])
    assert str(caught.value) == "merge must get at least one trace, not none"
    plain = Trace(np.array([0]), np.array([[1]]))
    timed = Trace(np.array([0]), np.array([[1]]), cycles=np.array([7]))
    with pytest.raises(ValueError) as caught:
        merge([plain, timed])
    assert (
        str(caught.value) == "traces to merge must have the same arrays; only one of two has cycles"
    )


def test_a_failed_save_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = traced()
    trace.save(tmp_path / "t.npz")
    before = (tmp_path / "t.npz").read_bytes()

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(KeyboardInterrupt):
        traced(6).save(tmp_path / "t.npz")
    assert (tmp_path / "t.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["t.npz"]


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"class": np.zeros(1)}, "class must be integers, not float64"),
        ({"class": np.zeros(1, int)}, "a trace must have 'logits'"),
        (
            {
                "class": np.zeros(1, int),
                "logits": np.zeros((1, 2), int),
                "labels": np.zeros(1, int),
            },
            "no array of a trace is named 'labels'",
        ),
        ({"layers.a.counts": np.zeros(1, int)}, "no array of a trace is named 'layers.a.counts'"),
    ],
)
def test_refuses_files_that_hold_no_trace(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "t.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(ValueError) as caught:
        Trace.load(tmp_path / "t.npz")
    assert (
        str(caught.value)
        == f"{tmp_path / 't.npz'}: must be a trace (.npz), but cannot be read: {message}"
    )


@pytest.mark.parametrize("data", [b"", b"no zip at all", b"PK\x03\x04 cut"])
def test_refuses_files_that_are_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t.npz").write_bytes(data)
    with pytest.raises(ValueError) as caught:
        Trace.load(tmp_path / "t.npz")
    assert str(caught.value).startswith(
        f"{tmp_path / 't.npz'}: must be a trace (.npz), but cannot be read: "
    )


def test_never_unpickles(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", **{"class": np.array([print], dtype=object)})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Trace.load(tmp_path / "t.npz")
    with zipfile.ZipFile(tmp_path / "t.npz") as archive:
        assert archive.namelist() == ["class.npy"]


def test_a_missing_file_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Trace.load(tmp_path / "none.npz")
